"""axe finds nothing, in both themes, in each part of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from starlette.responses import PlainTextResponse

from runpod.local import LocalEndpoint, progress_update
from tests.local.api import Api
from tests.media.samples import PNG, WAV, data_url

if TYPE_CHECKING:
    from tests.browser.conftest import Open, Serve
    from tests.browser.visits import Visit
    from tests.local.api import Gate


def picture(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "image": data_url(PNG, "image/png"),
        "audio": data_url(WAV, "audio/wav"),
        "seed": 7,
        "url": "https://a.example/",
    }


def failing(job: dict[str, Any]) -> None:
    raise ValueError("no horse")


def story(job: dict[str, Any]) -> Any:
    yield "Once upon "
    yield {"a": "horse"}


def check(visit: Visit, what: str, scheme: str, within: str | None = None) -> None:
    """Run axe in the page. Its source is evaluated by the debugger, which the content security policy lets through."""
    from axe_playwright_python.sync_playwright import Axe

    options: dict[str, Any] = {"resultTypes": ["violations", "incomplete"]}
    if scheme == "dark":  # Only the colours differ.
        options["runOnly"] = ["color-contrast", "link-in-text-block"]
    found = Axe().run(visit.page, context=within, options=options).response
    assert found["passes"], what
    assert [] == [(what, each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
    # Contrast that axe cannot decide is decided by the colours of style sheets; other things must be decided.
    undecided = [each["id"] for each in found["incomplete"] if each["id"] != "color-contrast"]
    assert [] == undecided, what


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, serve: Serve, open_page: Open, gate: Gate) -> None:
    def running(job: dict[str, Any]) -> Any:
        progress_update(job, "saddling")
        return gate(job)

    handlers = {
        "horse": picture,
        "failing": failing,
        "story": story,
        "held": running,
        "api": LocalEndpoint(app=PlainTextResponse("pong")),
    }
    server = serve(handlers)
    visit = open_page(server, color_scheme=scheme)
    check(visit, "empty", scheme)
    for endpoint in ("horse", "failing", "story"):
        with Api(server, endpoint) as api:
            api.end(api.run(prompt=f"of {endpoint}"))
    with Api(server, "held") as api:
        api.run(prompt="now")
        cancelled = api.run(prompt="next")
        api.post(f"/cancel/{cancelled}")
    expect(visit.row("saddling")).to_have_count(1)
    expect(visit.row("Cancelled")).to_have_count(1)
    expect(visit.row("Completed")).to_have_count(2)
    check(visit, "list", scheme)
    visit.page.locator("#endpoints button", has_text="held").click()
    expect(visit.button("Purge queue")).to_be_visible()
    check(visit, "workers", scheme)
    visit.page.locator("#endpoints button", has_text="All endpoints").click()
    for text in ("of horse", "of failing", "of story", "saddling"):
        visit.open_job(text)
        # What is around it was checked above.
        check(visit, text, scheme, "#detail")
    check(visit, "list and detail", scheme)
    visit.button("Cancel job").click()
    check(visit, "question", scheme, "#confirm")
    visit.button("Keep job").click()
    visit.button("New job").click()
    visit.dialog.get_by_label("Input").fill("{")
    visit.dialog.get_by_label("Input").press("Control+Enter")
    visit.dialog.get_by_text("Policy").click()
    check(visit, "form", scheme, "#submit")
    visit.button("Close").click()
    visit.page.set_viewport_size({"width": 400, "height": 740})
    expect(visit.page.locator("#page")).to_have_js_property("inert", value=True)
    check(visit, "narrow detail", scheme, "#detail")
    visit.button("Close the job").click()
    expect(visit.detail).to_be_hidden()
    check(visit, "narrow list", scheme)
    background = visit.evaluate("getComputedStyle(document.body).backgroundColor")
    assert {"light": "rgb(245, 245, 248)", "dark": "rgb(16, 16, 21)"}[scheme] == background


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_nobody_is_signed_in(scheme: str, serve: Serve, open_page: Open) -> None:
    server = serve({"horse": picture})
    visit = open_page(server, color_scheme=scheme)
    visit.allowed.append("401 (Unauthorized)")
    visit.context.clear_cookies()
    visit.page.goto(server.base_url.removesuffix("v2"))
    expect(visit.page.get_by_role("heading")).to_be_visible()
    check(visit, "signed out", scheme)


def test_motion_is_reduced_on_request(serve: Serve, open_page: Open) -> None:
    visit = open_page(serve({"horse": picture}), reduced_motion="reduce")
    visit.page.route("**/page/events", lambda route: route.abort())
    animations = "document.getAnimations({ subtree: true }).length"
    visit.evaluate("document.querySelector('#pill').className = 'pill is-reconnecting'")
    assert 0 == visit.evaluate(animations)
    visit.page.emulate_media(reduced_motion="no-preference")
    assert 0 < visit.evaluate(animations)


def test_only_what_matters_is_announced(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": picture, "failing": failing})
    visit = open_page(server)
    live = visit.page.locator("#live")
    with Api(server) as api:
        api.run_sync(n=1)
    expect(visit.row("Completed")).to_have_count(1)
    expect(live).to_have_text("")
    with Api(server, "failing") as api:
        api.run_sync(n=1)
    expect(live).to_contain_text("of failing: Failed.")
