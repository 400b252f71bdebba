"""The form that submits jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from runpod.local import Behavior
from tests.local.api import Api

if TYPE_CHECKING:
    from tests.browser.conftest import Open, Serve


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def test_the_form_submits_a_job(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo, "other": echo})
    visit = open_page(server)
    visit.button("New job").first.click()
    visit.dialog.get_by_label("Endpoint").select_option("other")
    # The input of a form is sent as it was typed: as a number of JavaScript, the seed would be rounded.
    visit.dialog.get_by_label("Input").fill('{"prompt": "a horse", "seed": 18446744073709551615, "scale": 1.0}')
    visit.dialog.get_by_text("Policy").click()
    visit.dialog.get_by_label("Execution timeout").fill("77")
    visit.dialog.get_by_role("button", name="Submit job").click()
    expect(visit.dialog).to_have_count(0)
    expect(visit.section("output")).to_contain_text("seed: 18446744073709551615")
    expect(visit.detail).to_contain_text("1 min 17 s")
    expect(visit.page.locator("#live")).to_have_text("A job was submitted to other.")
    (job,) = server.jobs["other"]
    assert {"prompt": "a horse", "seed": 18446744073709551615, "scale": 1.0} == job["output"]
    assert [] == server.jobs["horse"]


def test_the_form_says_what_is_wrong_and_where(serve: Serve, open_page: Open) -> None:
    visit = open_page(serve({"horse": echo}))
    visit.button("New job").first.click()
    field, problem = visit.dialog.get_by_label("Input"), visit.dialog.get_by_role("status")
    for text, message in {
        '{\n  "prompt": "a horse",\n}': "Line 2, column 22: Remove the comma before }.",
        "{\n  \"prompt\": 'a horse'\n}": "Line 2, column 13: Use double quotes instead of single quotes.",
        '{"a": 1\n"b": 2}': "Line 2, column 1: Expected a comma, or } at the end of the object.",
        '{"a": [1, 2}': "Line 1, column 12: Expected a comma, or ] at the end of the array.",
        '{"a": "horse}': 'Line 1, column 7: The string that starts here is not closed: add " at its end.',
        '{"a": True}': "Line 1, column 7: Write true instead of True.",
        '{"a": 01}': "Line 1, column 7: 01 is not a number in JSON.",
        "{a: 1}": "Line 1, column 2: A key must be in double quotes.",
        '{"a" 1}': "Line 1, column 6: Expected a colon after the key.",
        '{"a": 1': "Line 1, column 1: The object that starts here is not closed: add } at its end.",
        '{"a": 1} 2': "Line 1, column 10: Remove what follows the JSON object.",
        '"a horse"': 'Line 1, column 1: The input must be a JSON object, such as {"prompt": "a horse"}.',
        " ": 'Line 1, column 1: Enter a JSON object, such as {"prompt": "a horse"}.',
    }.items():
        field.fill(text)
        field.press("Control+Enter")
        expect(problem).to_have_text(message)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
    field.fill('{"a": 1}')
    expect(problem).to_have_text("")
    assert [] == visit.server.jobs["horse"]


def test_the_server_refuses_and_the_form_says_so(serve: Serve, open_page: Open) -> None:
    visit = open_page(serve({"horse": echo}, behavior=Behavior(refuse_short_policies=True)))
    visit.allowed.append("400 (Bad Request)")
    visit.button("New job").first.click()
    visit.dialog.get_by_label("Input").fill('{"a": 1}')
    visit.dialog.get_by_text("Policy").click()
    visit.dialog.get_by_label("Execution timeout").fill("2")
    visit.dialog.get_by_role("button", name="Submit job").click()
    expect(visit.dialog.get_by_role("status")).to_contain_text("executionTimeout")
    visit.button("Close").click()
    # What was typed is not lost.
    visit.button("New job").first.click()
    expect(visit.dialog.get_by_label("Input")).to_have_value('{"a": 1}')


def test_a_wrong_field_that_is_folded_is_shown(serve: Serve, open_page: Open) -> None:
    visit = open_page(serve({"horse": echo}))
    visit.button("New job").first.click()
    visit.dialog.get_by_text("Policy").click()
    time_to_live = visit.dialog.get_by_label("Time to live, in seconds")
    time_to_live.fill("0")
    visit.dialog.get_by_text("Policy").click()
    expect(time_to_live).to_be_hidden()
    visit.dialog.get_by_label("Input").press("Control+Enter")
    expect(time_to_live).to_be_focused()


def test_the_last_input_is_at_hand(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo})
    with Api(server) as api:
        api.run_sync(prompt="the last horse", seed=2**63)
    visit = open_page(server)
    visit.button("New job").click()
    expect(visit.dialog.get_by_label("Input")).to_have_value(
        f'{{\n  "prompt": "the last horse",\n  "seed": {2**63}\n}}'
    )
    visit.dialog.get_by_label("Input").fill("{}")
    visit.button("Insert last input").click()
    expect(visit.dialog.get_by_label("Input")).to_have_value(
        f'{{\n  "prompt": "the last horse",\n  "seed": {2**63}\n}}'
    )
    visit.button("Close").click()
    visit.open_job("the last horse")
    visit.button("Edit and resubmit").click()
    expect(visit.dialog.get_by_label("Input")).to_have_value(
        f'{{\n  "prompt": "the last horse",\n  "seed": {2**63}\n}}'
    )
    visit.dialog.get_by_label("Input").press("Control+Enter")
    expect(visit.row("Completed")).to_have_count(2)
