"""Jobs as they change, and what can be done with them."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from runpod.local import LocalEndpoint, progress_update
from tests.local.api import Api

if TYPE_CHECKING:
    from tests.browser.conftest import Open, Serve
    from tests.local.api import Gate


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def test_jobs_appear_and_change_without_a_reload(serve: Serve, open_page: Open, gate: Gate) -> None:
    server = serve({"horse": gate})
    visit = open_page(server)
    expect(visit.page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    with Api(server) as api:
        first = api.run(prompt="first horse")
        api.run(prompt="second horse")
        expect(visit.row("first horse")).to_contain_text("Running")
        expect(visit.row("second horse")).to_contain_text("Queued")
        expect(visit.page.locator("#endpoints")).to_contain_text("1 queued · 1 running")
        expect(visit.page).to_have_title("1 running, 1 queued · Runpod local server")
        # Newest first.
        expect(visit.rows).to_contain_text(["second horse", "first horse"])
        server.advance(90)
        expect(visit.row("first horse").locator(".cell-span").nth(1)).to_contain_text(re.compile(r"[1-9] min"))
        gate.open()
        api.end(first)
    expect(visit.row("Completed")).to_have_count(2)
    expect(visit.page.get_by_role("button", name="Completed 2")).to_be_visible()
    expect(
        visit.page.get_by_role("img", name="2 jobs ended in the last 5 minutes, 0 of them not completed")
    ).to_be_visible()
    line = visit.row("first horse").get_by_role("img")
    expect(line).to_have_attribute("aria-label", re.compile(r"Queued for .+, ran for [1-9] min .*s\."))


def test_a_job_is_cancelled_after_a_question(serve: Serve, open_page: Open, gate: Gate) -> None:
    server = serve({"horse": gate})
    visit = open_page(server)
    with Api(server) as api:
        running, queued = api.run(prompt="running"), api.run(prompt="queued")
        api.started(running)
    visit.open_job("queued")
    visit.button("Cancel job").click()
    expect(visit.dialog).to_contain_text("The job is removed from the queue.")
    visit.button("Keep job").click()
    expect(visit.dialog).to_have_count(0)
    assert ["IN_PROGRESS", "IN_QUEUE"] == [job["status"] for job in server.jobs["horse"]]
    visit.button("Cancel job").click()
    visit.dialog.get_by_role("button", name="Cancel job").click()
    expect(visit.detail.locator(".badge")).to_have_text("Cancelled")
    expect(visit.row(queued[:8])).to_contain_text("Cancelled")
    assert ["IN_PROGRESS", "CANCELLED"] == [job["status"] for job in server.jobs["horse"]]


def test_a_queue_is_purged_after_a_question(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": LocalEndpoint(echo, workers=0), "other": LocalEndpoint(echo, workers=0)})
    visit = open_page(server)
    with Api(server) as horse, Api(server, "other") as other:
        horse.run(n=1)
        horse.run(n=2)
        other.run(n=3)
    expect(visit.rows).to_have_count(3)
    visit.page.locator("#endpoints button", has_text="horse").click()
    expect(visit.rows).to_have_count(2)
    expect(visit.page.locator("#endpoints button", has_text="horse")).to_contain_text("2 queued")
    visit.button("Purge queue").click()
    expect(visit.dialog).to_contain_text("2 queued jobs of horse will be removed.")
    visit.dialog.get_by_role("button", name="Purge queue").click()
    expect(visit.page.locator("#toast")).to_contain_text("2 jobs of horse were removed.")
    expect(visit.rows).to_have_count(0)
    visit.button("Clear the filters").or_(
        visit.page.locator("#endpoints button", has_text="All endpoints")
    ).first.click()
    expect(visit.rows).to_have_count(1)


def test_a_failed_job_shows_its_traceback_and_is_retried(serve: Serve, open_page: Open) -> None:
    fixed = threading.Event()

    def handler(job: dict[str, Any]) -> str:
        if not fixed.is_set():
            raise ValueError("no horse in the picture")
        return "a horse"

    server = serve({"horse": handler})
    visit = open_page(server)
    with Api(server) as api:
        api.run_sync(n=1)
    visit.open_job("Failed")
    expect(visit.page.locator("#live")).to_contain_text("of horse: Failed.")
    error = visit.section("error")
    expect(error.get_by_role("heading")).to_contain_text("ValueError")
    expect(error).to_contain_text("no horse in the picture")
    expect(error.get_by_role("group", name="Traceback")).to_contain_text("Traceback (most recent call last)")
    fixed.set()
    visit.button("Retry").click()
    expect(visit.detail.locator(".badge")).to_have_text("Completed")
    expect(visit.section("error")).to_have_count(0)
    expect(visit.section("output")).to_contain_text("a horse")


def test_a_stream_and_progress_are_shown_as_they_come(serve: Serve, open_page: Open) -> None:
    steps = [threading.Event() for _ in range(3)]

    def story(job: dict[str, Any]) -> Any:
        progress_update(job, "saddling")
        steps[0].wait()
        yield "Once upon "
        steps[1].wait()
        yield "a horse"
        steps[2].wait()

    server = serve({"story": story})
    visit = open_page(server)
    try:
        with Api(server, "story") as api:
            job_id = api.run(n=1)
            expect(visit.row("saddling")).to_have_count(1)
            visit.row("saddling").click()
            expect(visit.section("progress")).to_contain_text("saddling")
            steps[0].set()
            expect(visit.section("stream")).to_contain_text("Once upon")
            # A client that reads the chunks does not take them from the page.
            api.stream(job_id)
            steps[1].set()
            expect(visit.section("stream").get_by_role("group")).to_have_text("Once upon a horse")
            expect(visit.section("stream").get_by_role("heading")).to_have_text("Stream · 2 chunks")
            steps[2].set()
            expect(visit.detail.locator(".badge")).to_have_text("Completed")
    finally:
        for step in steps:
            step.set()


def test_it_connects_again_by_itself(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo})
    visit = open_page(server)
    visit.allowed.append("ERR_FAILED")
    visit.page.route("**/page/events", lambda route: route.abort())
    visit.page.reload()
    visit.expect_state("Reconnecting")
    expect(visit.page.locator("#banner")).to_contain_text("The connection to the server broke.")
    with Api(server) as api:
        api.run_sync(prompt="meanwhile")
    visit.page.unroute("**/page/events")
    visit.expect_state("Live")
    expect(visit.row("meanwhile")).to_contain_text("Completed")
    expect(visit.page.locator("#banner")).to_be_hidden()


TAB = 'Object.defineProperty(Document.prototype, "hidden", { get: () => window.isHidden ?? false });'
LOOK = "(isHidden) => { window.isHidden = isHidden; document.dispatchEvent(new Event('visibilitychange')); }"


def test_many_tabs_leave_connections_for_each_other(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo})
    visit = open_page(server)
    visit.context.add_init_script(TAB)
    visit.page.reload()
    tabs = [visit.page]
    for _ in range(6):  # A browser opens six connections to a host, so the seventh tab would load nothing.
        expect(tabs[-1].locator("#pill")).to_have_text("Live")
        tabs[-1].evaluate(LOOK, True)
        tabs.append(visit.context.new_page())
        tabs[-1].goto(visit.page.url)
    expect(tabs[-1].locator("#pill")).to_have_text("Live")
    with Api(server) as api:
        api.run_sync(prompt="meanwhile")
    expect(tabs[-1].locator("#jobs .row")).to_have_count(1)
    tabs[-1].evaluate(LOOK, True)
    tabs[0].evaluate(LOOK, False)
    expect(visit.row("meanwhile")).to_contain_text("Completed")


def test_it_says_when_the_server_has_stopped(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo})
    visit = open_page(server)
    visit.allowed.append("ERR_CONNECTION_REFUSED")
    visit.allowed.append("ERR_INCOMPLETE_CHUNKED_ENCODING")
    server.stop()
    visit.expect_state("Stopped")
    expect(visit.page.locator("#banner")).to_contain_text("The server has stopped.")
    expect(visit.button("New job").first).to_be_disabled()
    # Another server on the same port does not know the browser.
    another = serve({"horse": echo}, port=int(server.base_url.rsplit(":", 1)[1].split("/")[0]))
    visit.allowed.append("401 (Unauthorized)")
    visit.expect_state("Signed out")
    expect(visit.page.locator("#banner")).to_contain_text("press Enter in the terminal")
    visit.page.goto(another.page_url)
    visit.expect_state("Live")
