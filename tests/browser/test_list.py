"""The list: thousands of jobs, filters, the address, the keyboard, narrow windows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from runpod.local import LocalEndpoint
from tests.local.api import Api

if TYPE_CHECKING:
    from tests.browser.conftest import Open, Serve


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def waiting() -> LocalEndpoint:
    return LocalEndpoint(echo, workers=0)


def test_thousands_of_jobs_stay_few_rows(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": waiting()})
    with Api(server) as api:
        for n in range(1500):
            api.run(n=n)
        visit = open_page(server)
        expect(visit.page.locator("#shown")).to_have_text("1,500 jobs")
        grid = visit.page.get_by_role("grid", name="Jobs")
        expect(grid).to_have_attribute("aria-rowcount", "1501")
        expect(visit.rows.first).to_contain_text("n: 1499")
        assert visit.rows.count() < 40
        grid.press("End")
        expect(visit.row(re.compile(r"n: 0\D"))).to_be_in_viewport()
        expect(visit.rows.last).to_have_attribute("aria-rowindex", "1501")
        assert visit.rows.count() < 40
        # New jobs above do not move what is in sight.
        before = visit.rows.last.bounding_box()
        for n in range(1500, 1510):
            api.run(n=n)
        expect(grid).to_have_attribute("aria-rowcount", "1511")
        expect(visit.rows.last).to_have_attribute("aria-rowindex", "1511")
        assert before == visit.rows.last.bounding_box()
        visit.evaluate("document.querySelector('#jobs').scrollTop = 20000")
        expect(visit.row("n: 1075")).to_be_in_viewport()
        assert visit.rows.count() < 40


def test_filters_narrow_the_list_and_the_address_keeps_them(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo, "other": waiting()})
    with Api(server) as horse, Api(server, "other") as other:
        for prompt in ("a brown horse", "a white horse"):
            horse.run_sync(prompt=prompt)
        other.run(prompt="a brown cow")
    visit = open_page(server)
    page = visit.page
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("BROWN a")
    expect(visit.rows).to_have_count(2)
    visit.button("Completed 2").click()
    expect(visit.rows).to_have_count(1)
    visit.open_job("a brown horse")
    assert re.search(r"#status=COMPLETED&q=BROWN\+a&job=horse%2F", page.url)
    page.reload()
    visit.expect_state("Live")
    expect(visit.rows).to_have_count(1)
    expect(visit.section("output")).to_contain_text("a brown horse")
    page.go_back()
    expect(visit.detail).to_be_hidden()
    expect(visit.rows).to_have_count(1)
    page.go_forward()
    expect(visit.detail).to_be_visible()
    page.get_by_label("Search").fill("cow")
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    visit.button("Clear the filters").click()
    expect(visit.rows).to_have_count(3)


def test_a_job_that_is_gone_is_said_to_be_gone(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo})
    visit = open_page(server)
    visit.page.goto(f"{visit.page.url}#job=horse/no-such-job")
    expect(visit.detail).to_contain_text("There is no job no-such-job of the endpoint horse")


def test_the_keyboard_is_enough(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo})
    visit = open_page(server)
    page, focused = visit.page, visit.page.locator(":focus")
    page.keyboard.press("Tab")
    expect(focused).to_have_text("Skip to the jobs")
    expect(focused).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(focused).to_have_text("New job")
    page.keyboard.press("Enter")
    expect(visit.dialog.get_by_label("Input")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type('{"prompt": "by keyboard"}')
    page.keyboard.press("Control+Enter")
    expect(visit.section("output")).to_contain_text("by keyboard")
    grid = page.get_by_role("grid")
    expect(grid).to_be_focused()
    page.keyboard.press("Escape")
    expect(visit.detail).to_be_hidden()
    with Api(server) as api:
        api.run_sync(prompt="another")
    expect(visit.rows).to_have_count(2)
    page.keyboard.press("Home")
    expect(page.locator(f"#{grid.get_attribute('aria-activedescendant')}")).to_contain_text("another")
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"#{grid.get_attribute('aria-activedescendant')}")).to_contain_text("by keyboard")
    page.keyboard.press("Enter")
    expect(page.locator("#detail-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(grid).to_be_focused()
    # An open job follows the arrow keys.
    page.keyboard.press("Enter")
    grid.focus()
    page.keyboard.press("ArrowUp")
    expect(visit.section("output")).to_contain_text("another")
    outline = visit.evaluate("getComputedStyle(document.querySelector('#jobs .is-active')).outlineStyle")
    assert "solid" == outline


@pytest.mark.parametrize("width", [320, 400, 700])
def test_a_narrow_window_is_enough(width: int, serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo, "other": waiting()})
    with Api(server) as api:
        api.run_sync(prompt="a horse")
    visit = open_page(server)
    visit.page.set_viewport_size({"width": width, "height": 740})
    assert width >= visit.evaluate("document.documentElement.scrollWidth")
    visit.page.locator("#endpoint-chooser").select_option("horse")
    visit.open_job("a horse")
    assert [0, width] == visit.evaluate("(({ left, width }) => [left, width])(detail.getBoundingClientRect())")
    # What it covers cannot be reached.
    assert visit.evaluate("document.querySelector('#page').inert")
    visit.button("Close the job").click()
    expect(visit.page.get_by_role("grid")).to_be_focused()
    visit.button("New job").click()
    visit.dialog.get_by_label("Input").press("Control+Enter")
    expect(visit.detail.locator(".badge")).to_have_text("Completed")
    assert width >= visit.evaluate("document.documentElement.scrollWidth")


FITS = """(selector) => {
    const found = document.querySelector(selector);
    return found.scrollWidth <= found.clientWidth;
}"""


def test_long_names_fit(serve: Serve, open_page: Open) -> None:
    endpoint = "horse" * 40
    server = serve({endpoint: waiting()})
    with Api(server, endpoint) as api:
        api.run(prompt="x" * 300)
    visit = open_page(server)
    visit.page.set_viewport_size({"width": 400, "height": 740})
    assert visit.evaluate(FITS, "html")
    visit.button("New job").click()
    assert visit.evaluate(FITS, "#submit")
    visit.button("Close").click()
    visit.open_job("xxx")
    assert visit.evaluate(FITS, ".detail-scroll")
    visit.page.set_viewport_size({"width": 1000, "height": 740})
    visit.page.locator("#endpoints button", has_text="horse").first.click()
    visit.button("Purge queue").click()
    assert visit.evaluate(FITS, "#confirm")
    visit.dialog.get_by_role("button", name="Purge queue").click()
    expect(visit.page.locator("#toast")).to_be_visible()
    assert visit.evaluate(FITS, "#toast")
    assert visit.evaluate(FITS, "html")


def test_the_first_command_submits_a_job(serve: Serve, open_page: Open) -> None:
    server = serve({"it's a horse": echo})
    visit = open_page(server)
    command = visit.page.get_by_label("Command that submits a job").inner_text()
    assert command.startswith(f"curl '{server.base_url}/it'\\''s%20a%20horse/run' \\\n")
    assert '-H "Authorization: Bearer $RUNPOD_API_KEY"' in command
    assert server.api_key not in visit.page.content()
    # What a shell makes of it.
    url, body = re.findall(r"'((?:[^']|'\\'')*)'", command)[0], '{"input": {"prompt": "a horse"}}'
    assert f"-d '{body}'" in command
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    httpx.post(url.replace("'\\''", "'"), content=body, headers=headers, trust_env=False).raise_for_status()
    expect(visit.row("a horse").first).to_contain_text("Completed")
