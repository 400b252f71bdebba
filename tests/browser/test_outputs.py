"""Media, JSON and huge outputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.local.api import Api
from tests.media.samples import OTHER_PNG, PDF, PNG, WAV, WEBM, data_url

if TYPE_CHECKING:
    from tests.browser.conftest import Open, Serve


def test_pictures_sounds_and_videos_are_shown(serve: Serve, open_page: Open) -> None:
    def handler(job: dict[str, Any]) -> dict[str, Any]:
        return {
            "images": [data_url(PNG, "image/png"), data_url(OTHER_PNG, "image/png")],
            "audio": data_url(WAV, "audio/wav"),
            "video": data_url(WEBM, "video/webm"),
            "report": data_url(PDF, "application/pdf"),
            "image_url": "https://example.com/horse.png",
        }

    server = serve({"horse": handler})
    with Api(server) as api:
        api.run_sync(prompt="a horse")
    visit = open_page(server)
    visit.open_job("a horse")
    media = visit.section("media")
    expect(media.locator("figure")).to_have_count(6)
    expect(media.locator("img")).to_have_count(2)
    # Waits without `wait_for_function`, which evaluates text in the page: its policy forbids that.
    for index, width in enumerate((1, 2)):
        expect(media.locator("img").nth(index)).to_have_js_property("naturalWidth", width)
    for tag in ("audio", "video"):
        expect(media.locator(tag)).not_to_have_js_property("readyState", 0)
        assert visit.evaluate(f"document.querySelector('.media {tag}').controls")
    expect(media.locator(".media-broken")).to_have_count(0)
    link = media.get_by_role("link", name="Open on example.com")
    expect(link).to_have_attribute("href", "https://example.com/horse.png")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(link).to_have_attribute("target", "_blank")
    with visit.page.expect_download() as downloading:
        media.locator("figure", has_text="application/pdf").get_by_role("link").click()
    assert PDF == downloading.value.path().read_bytes()


def test_json_folds(serve: Serve, open_page: Open) -> None:
    value = {"numbers": list(range(250)), "deep": {"a": {"b": {"c": {"d": {"e": "the end"}}}}}, "long": "horse " * 100}
    server = serve({"horse": lambda job: value})
    with Api(server) as api:
        api.run_sync(prompt="a horse")
    visit = open_page(server)
    visit.open_job("a horse")
    output = visit.section("output")
    expect(output.locator("details[open]")).not_to_have_count(0)
    numbers = output.locator("summary", has_text="numbers")
    expect(numbers).to_contain_text("250 items")
    expect(output.get_by_text("0: 0", exact=True)).to_have_count(0)
    numbers.press("Enter")
    expect(output.locator(".json-index")).to_have_count(100)
    output.get_by_role("button", name="Show 100 more (100 of 250 are shown)").click()
    output.get_by_role("button", name="Show 50 more (200 of 250 are shown)").click()
    expect(output.locator(".json-index")).to_have_count(250)
    output.get_by_role("button", name="Show all 600 characters").click()
    expect(output).to_contain_text("horse " * 99 + "horse")
    # As open as before, after the job has been looked at again.
    numbers.press("Enter")
    expect(output.locator(".json-index").first).to_be_hidden()
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.button("Copy the output").click()
    expect(visit.page.locator("#toast")).to_contain_text("The output was copied.")
    assert value == json.loads(visit.evaluate("navigator.clipboard.readText()"))


def test_a_huge_output_is_shown_in_part(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": lambda job: {"rows": [{"row": i, "text": "horse" * 10} for i in range(20_000)]}})
    with Api(server) as api:
        api.run_sync(prompt="a horse")
    visit = open_page(server)
    visit.open_job("a horse")
    expect(visit.section("output")).to_contain_text("These are the first 2,000 characters of")
    with visit.page.expect_download() as downloading:
        visit.section("output").get_by_role("link", name="Download all of it").click()
    assert 20_000 == len(json.loads(downloading.value.path().read_bytes())["rows"])
