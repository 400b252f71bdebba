"""Who can open the page: a browser with a key, and no page of another origin."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.local.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from runpod.local import LocalServer
    from tests.browser.conftest import Open, Serve


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


@contextmanager
def other_origin() -> Iterator[str]:
    """An empty page on another port of the same host: to a browser, the same site but another origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>another origin</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def origin(server: LocalServer) -> str:
    return server.base_url.removesuffix("/v2")


def test_a_reload_works_after_the_key_was_used(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo})
    visit = open_page(server)
    # The key is not in the address bar, nor in the history.
    assert f"{origin(server)}/" == visit.page.url
    visit.page.reload()
    visit.expect_state("Live")
    assert "" == visit.evaluate("document.cookie")
    (cookie,) = visit.context.cookies()
    assert (True, "Strict", "/") == (cookie["httpOnly"], cookie["sameSite"], cookie["path"])
    assert {} == visit.evaluate("({ ...localStorage, ...sessionStorage })")


def test_another_browser_without_the_cookie_gets_a_401(serve: Serve, open_page: Open) -> None:
    server = serve({"horse": echo})
    address = server.page_url
    visit = open_page(server)
    visit.page.goto(address)
    visit.expect_state("Live")
    other = visit.context.browser.new_context()
    try:
        page = other.new_page()
        # The last two are not for the address bar, with or without the cookie.
        for path, status in {
            "/": 401,
            address.removeprefix(origin(server)): 401,
            "/page/events": 403,
            "/page/endpoints/horse/last-input": 403,
        }.items():
            response = page.goto(origin(server) + path)
            assert response is not None
            assert status == response.status, path
        page.goto(origin(server))
        for path in ("/page/events", "/page/endpoints/horse/last-input"):
            assert 401 == page.evaluate("async (path) => (await fetch(path)).status", path), path
        page.goto(origin(server))
        expect(page.locator("main")).to_contain_text("press Enter in the terminal")
    finally:
        other.close()


READ = """async (url) => {
    try {
        return await (await fetch(url, { credentials: "include" })).text();
    } catch (error) {
        return "refused";
    }
}"""
SEND = """async ([url, type]) => {
    try {
        const body = '{"input": {"attack": 1}}';
        const response = await fetch(url, { method: "POST", credentials: "include", mode: type ? "cors" : "no-cors",
            body, headers: { "Content-Type": type ?? "text/plain" } });
        return response.type;
    } catch (error) {
        return "refused";
    }
}"""
LISTEN = """(url) => new Promise((resolve) => {
    const source = new EventSource(url, { withCredentials: true });
    source.addEventListener("snapshot", () => resolve("read"));
    source.onerror = () => { source.close(); resolve("refused"); };
})"""
LOAD = """([tag, url]) => new Promise((resolve) => {
    const element = document.createElement(tag);
    element.onload = () => resolve("loaded");
    element.onerror = () => resolve("refused");
    element.src = url;
    document.body.append(element);
})"""
POST_FORM = """(url) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: url, enctype: "text/plain", target: "_self" });
    const input = document.createElement("input");
    Object.assign(input, { name: '{"input": {"attack": "', value: '"}}' });
    form.append(input);
    document.body.append(form);
    form.submit();
}"""


@pytest.fixture
def victim(serve: Serve, open_page: Open) -> Iterator[tuple[LocalServer, Page, str]]:
    """A server whose browser also has a page of another origin open."""
    server = serve({"horse": echo})
    with Api(server) as api:
        job_id = api.run_sync(secret="horse")["id"]
    visit = open_page(server)
    with other_origin() as other:
        # A context of its own would not have the cookie.
        page = visit.context.new_page()
        page.goto(other)
        visit.allowed += ["CORS", "ERR_", "403", "Refused", "frame"]
        yield server, page, job_id
        visit.requests[:] = [url for url in visit.requests if not url.startswith(other)]
    assert 1 == len(server.jobs["horse"])


def test_a_page_of_another_origin_reads_nothing(victim: tuple[LocalServer, Page, str]) -> None:
    server, page, job_id = victim
    own = origin(server)
    for path in ("/", "/page/events", f"/page/endpoints/horse/jobs/{job_id}", "/page/endpoints/horse/last-input"):
        assert "refused" == page.evaluate(READ, own + path), path
    assert "refused" == page.evaluate(LISTEN, f"{own}/page/events")
    for tag in ("img", "script", "video", "audio"):
        assert "refused" == page.evaluate(LOAD, [tag, f"{own}/page/endpoints/horse/jobs/{job_id}/media/0"]), tag
    assert "refused" == page.evaluate(LOAD, ["script", f"{own}/page/assets/app.js"])


def test_a_page_of_another_origin_submits_nothing(victim: tuple[LocalServer, Page, str]) -> None:
    server, page, job_id = victim
    own = origin(server)
    for path in ("jobs", f"jobs/{job_id}/retry", f"jobs/{job_id}/cancel", "purge-queue"):
        url = f"{own}/page/endpoints/horse/{path}"
        assert "refused" == page.evaluate(SEND, [url, "application/json"]), path
        # Sent without a question of the browser, and refused by the server; the response cannot be read.
        page.evaluate(SEND, [url, None])
    with page.expect_navigation() as navigation:
        page.evaluate(POST_FORM, f"{own}/page/endpoints/horse/jobs")
    assert 403 == navigation.value.status
    assert ["COMPLETED"] == [job["status"] for job in server.jobs["horse"]]


def test_a_page_of_another_origin_cannot_frame_it(victim: tuple[LocalServer, Page, str]) -> None:
    server, page, _ = victim
    page.evaluate(LOAD, ["iframe", f"{origin(server)}/"])
    framed = page.frames[-1]
    assert "Runpod" not in framed.content()
