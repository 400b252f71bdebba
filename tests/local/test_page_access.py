"""Who may use the page of the local server."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.datastructures import Headers

from runpod.local import LocalServer
from runpod.local.page.access import Access
from tests.local.api import TIMEOUT
from tests.local.page_browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = "/page/endpoints/horse/last-input"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer({"horse": lambda job: 1, "a horse": lambda job: 2}, page=True) as server:
        yield server


@pytest.fixture(scope="module")
def origin(server: LocalServer) -> str:
    return server.base_url.removesuffix("/v2")


@pytest.fixture
def stranger(origin: str) -> Iterator[httpx.Client]:
    """A client without a session."""
    with httpx.Client(base_url=origin, timeout=TIMEOUT, trust_env=False) as client:
        yield client


@pytest.fixture
def browser(server: LocalServer) -> Iterator[Browser]:
    with Browser(server) as browser:
        yield browser


def error(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert ["error"] == list(body)
    text: str = body["error"]
    assert text.endswith("."), text
    return response.status_code, text


def test_an_address_works_once(server: LocalServer, origin: str, stranger: httpx.Client) -> None:
    address = server.page_url
    assert address.startswith(f"{origin}/?key=")
    assert address != server.page_url
    response = stranger.get(address)
    assert (303, "/") == (response.status_code, response.headers["location"])
    port = httpx.URL(origin).port
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"runpod_page_{port}=")
    assert cookie.endswith("; HttpOnly; SameSite=Strict; Path=/")
    assert 200 == stranger.get("/").status_code
    assert {"json": {}, "text": "{}"} == stranger.get(DATA).json()

    used = httpx.get(address, trust_env=False)
    assert 401 == used.status_code
    assert "press Enter in the terminal" in used.text
    assert "set-cookie" not in used.headers
    # It does not matter to a browser that is signed in, which may reload the address.
    again = stranger.get(address)
    assert (303, "/") == (again.status_code, again.headers["location"])
    assert "set-cookie" not in again.headers


def test_a_browser_that_is_signed_in_uses_a_new_address_up(
    server: LocalServer, browser: Browser, stranger: httpx.Client
) -> None:
    address = server.page_url
    assert 303 == browser.http.get(address).status_code
    assert 401 == stranger.get(address).status_code


@pytest.mark.parametrize("query", ["", "?key=", "?key=x", "?key=%ff", "?key=ü", "?KEY={key}", "?key={key}&key={key}"])
def test_invalid_keys(server: LocalServer, stranger: httpx.Client, query: str) -> None:
    key = server.page_url.partition("key=")[2]
    response = stranger.get(f"/{query.replace('{key}', key)}")
    assert 401 == response.status_code
    assert "set-cookie" not in response.headers


def test_head_uses_no_key_up(server: LocalServer, stranger: httpx.Client) -> None:
    address = server.page_url
    assert 401 == stranger.head(address).status_code
    assert 303 == stranger.get(address).status_code


def test_keys_expire() -> None:
    with LocalServer({"horse": lambda job: 1}, page=True) as server:
        early, late = server.page_url, server.page_url
        server.advance(599)
        assert 303 == httpx.get(early, trust_env=False).status_code
        server.advance(2)
        assert 401 == httpx.get(late, trust_env=False).status_code


def test_keys_and_sessions_are_bounded() -> None:
    with LocalServer({"horse": lambda job: 1}, page=True) as server:
        first, *_, last = [server.page_url for _ in range(101)]
        assert 401 == httpx.get(first, trust_env=False).status_code
        assert 303 == httpx.get(last, trust_env=False).status_code
        with Browser(server) as oldest, httpx.Client(trust_env=False) as others:
            for _ in range(100):
                others.cookies.clear()
                assert 303 == others.get(server.page_url).status_code
            assert 401 == oldest.http.get(DATA).status_code
            assert 200 == others.get(f"{oldest.http.base_url}{DATA}").status_code


def test_a_link_of_another_site_signs_in_without_a_redirect(server: LocalServer, stranger: httpx.Client) -> None:
    # Browsers send no strict cookie with a redirect after such a link.
    response = stranger.get(server.page_url, headers={"Sec-Fetch-Site": "cross-site"})
    assert 200 == response.status_code
    assert '<meta http-equiv="refresh" content="0; url=/">' in response.text
    assert 200 == stranger.get(DATA).status_code
    stranger.cookies.clear()
    assert '<a href="/">' in stranger.get("/", headers={"Sec-Fetch-Site": "cross-site"}).text
    assert '<a href="/">' not in stranger.get("/").text


@pytest.mark.parametrize("path", [DATA, "/page/events", "/page/endpoints/horse/jobs/x", "/page/nothing"])
def test_data_needs_a_session(stranger: httpx.Client, path: str) -> None:
    expected = (401, "This browser is not signed in. Open a new address of the page.")
    assert expected == error(stranger.get(path))
    assert expected == error(stranger.post(path, json={"input": {"n": 1}}))


@pytest.mark.parametrize(
    "cookie",
    ["", "runpod_page_{port}=", "runpod_page_{port}=x", "runpod_page_{port}=ü", "runpod_page_1={session}", "{session}"],
)
def test_other_cookies(origin: str, browser: Browser, cookie: str) -> None:
    session = browser.http.cookies[f"runpod_page_{httpx.URL(origin).port}"]
    text = cookie.format(port=httpx.URL(origin).port, session=session)
    response = httpx.get(f"{origin}{DATA}", headers=[(b"Cookie", text.encode("latin-1"))], trust_env=False)
    assert 401 == response.status_code


def test_a_cookie_that_another_port_added_does_no_harm(origin: str, browser: Browser) -> None:
    name = f"runpod_page_{httpx.URL(origin).port}"
    headers = {"Cookie": f"a=b; {name}=x;{name}={browser.http.cookies[name]}; c"}
    assert 200 == httpx.get(f"{origin}{DATA}", headers=headers, trust_env=False).status_code


def test_a_session_is_of_one_server(browser: Browser) -> None:
    with LocalServer({"horse": lambda job: 1}, page=True) as other:
        origin = other.base_url.removesuffix("/v2")
        sessions = list(browser.http.cookies.jar)
        headers = {"Cookie": "; ".join(f"runpod_page_{httpx.URL(origin).port}={each.value}" for each in sessions)}
        assert 401 == httpx.get(f"{origin}{DATA}", headers=headers, trust_env=False).status_code


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST.", 200),
        ("horse.localhost:9000", 200),
        ("[::1]:{port}", 200),
        ("192.168.1.7:80", 200),
        ("evil.example", 403),
        ("evil.example:{port}", 403),
        ("127.0.0.1.evil.example:{port}", 403),
        ("localhost.evil.example", 403),
        ("evillocalhost", 403),
        ("127.0.0.1@evil.example", 403),
        ("evil.example#localhost", 403),
        ("[evil]", 403),
        ("", 403),
    ],
)
def test_hosts(origin: str, browser: Browser, host: str, status: int) -> None:
    # A page of the attacker can be of the same origin as this server by a name that resolves to this machine.
    headers = {"Host": host.format(port=httpx.URL(origin).port)}
    assert status == browser.http.get(DATA, headers=headers | {"Cookie": cookie_of(browser)}).status_code
    assert status == browser.http.get("/", headers=headers | {"Cookie": cookie_of(browser)}).status_code


def cookie_of(browser: Browser) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)


def test_the_configured_host_is_allowed() -> None:
    access = Access("My-Box.lan", lambda: 0.0)
    assert access.is_own_host(Headers({"host": "my-box.LAN:8000"}))
    assert not access.is_own_host(Headers({"host": "box.lan:8000"}))
    assert not Access("", lambda: 0.0).is_own_host(Headers({"host": ""}))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "{origin}"}, 200),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://localhost:{port}"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://localhost:{port}", "Host": "localhost:{port}"}, 200),
        # A tunnel may forward another port.
        ({"Origin": "http://localhost:9000", "Host": "localhost:9000"}, 200),
    ],
)
def test_origins(origin: str, browser: Browser, headers: dict[str, str], status: int) -> None:
    port = httpx.URL(origin).port
    given = {name: value.format(origin=origin, port=port) for name, value in headers.items()}
    given["Cookie"] = cookie_of(browser)
    jobs = "/page/endpoints/horse/jobs"
    before = len(browser.server.jobs["horse"])
    assert status == browser.http.get(DATA, headers=given).status_code
    assert status == browser.http.post(jobs, json={"input": {"n": 1}}, headers=given).status_code
    assert (status == 200) == (len(browser.server.jobs["horse"]) > before)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_actions_take_json_only(browser: Browser, content_type: str | None) -> None:
    # Forms of other pages can send other types without being asked first.
    headers = {} if content_type is None else {"Content-Type": content_type}
    content = b'{"input": {"n": 1}}'
    response = browser.http.post("/page/endpoints/horse/jobs", content=content, headers=headers)
    assert (415, "The Content-Type must be application/json.") == error(response)
    assert 415 == browser.http.post("/page/endpoints/horse/purge-queue", headers=headers).status_code


def test_every_response_has_the_security_headers(browser: Browser, stranger: httpx.Client) -> None:
    job = browser.submit()
    path = f"/page/endpoints/horse/jobs/{job['id']}"
    paths = ["/", "/page", "/page/assets/index.html", "/page/assets/no.js", DATA, path, f"{path}/input", "/favicon.ico"]
    for response in [client.get(each) for client in (browser.http, stranger) for each in paths]:
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'") or "sandbox; default-src 'none'" == policy
        assert "nosniff" == response.headers["x-content-type-options"]
        assert "no-referrer" == response.headers["referrer-policy"]
        assert "same-origin" == response.headers["cross-origin-resource-policy"]
        assert "DENY" == response.headers["x-frame-options"]
        assert "access-control-allow-origin" not in response.headers
        assert response.headers["cache-control"] in {"no-store", "no-cache"}
    with browser.http.stream("GET", "/page/events") as feed:
        assert "no-store" == feed.headers["cache-control"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/", 405, "GET, HEAD"),
        ("DELETE", "/page/events", 405, "GET, HEAD"),
        ("POST", "/page/assets/index.html", 405, "GET, HEAD"),
        ("PUT", DATA, 405, "GET, HEAD"),
        ("GET", "/page/endpoints/horse/jobs", 405, "POST"),
        ("HEAD", "/page/endpoints/horse/purge-queue", 405, "POST"),
        ("HEAD", "/page/events", 200, None),
        ("HEAD", DATA, 200, None),
        ("HEAD", "/", 200, None),
        ("OPTIONS", DATA, 405, "GET, HEAD"),
        ("GET", "/page", 404, None),
        ("GET", "/page/", 404, None),
        ("GET", "/page//events", 404, None),
        ("GET", "/page/events/", 404, None),
        ("GET", "/page/endpoints", 404, None),
        ("GET", "/page/endpoints/horse", 404, None),
        ("GET", "/page/endpoints/cow/last-input", 404, None),
        ("GET", "/page/endpoints/a%20horse/last-input", 200, None),
        ("GET", "/page/endpoints/%68orse/last-input", 200, None),
        ("GET", "/page/endpoints/horse/jobs/a%2Fb", 404, None),
        ("GET", "/page/endpoints/horse/jobs/%00%ff", 404, None),
        ("GET", "/page/endpoints/horse/../horse/last-input", 404, None),
        ("GET", "/page/assets/..%2fpage.py", 404, None),
        ("GET", "/page/assets/../page.py", 404, None),
        ("GET", "/page/assets/%2e%2e/page.py", 404, None),
        ("GET", "/page/assets/", 404, None),
        ("GET", "/page/assets/index.html%00.js", 404, None),
        ("GET", "/page/assets/.", 404, None),
    ],
)
def test_methods_and_paths(browser: Browser, method: str, path: str, status: int, allow: str | None) -> None:
    # Without the target, httpx would normalize the path.
    response = browser.http.request(method, "/", extensions={"target": path.encode()})
    assert status == response.status_code, response.text
    assert allow == response.headers.get("allow")


@pytest.mark.parametrize("path", ["//", "//page/events", "/%70age/events", "/pages", "/page.html", "/%2f"])
def test_other_paths_are_those_of_the_api(browser: Browser, path: str) -> None:
    before = len(browser.server.requests)
    response = browser.http.get("/", extensions={"target": path.encode()})
    assert (404, {"error": "not found"}) == (response.status_code, response.json())
    assert path == browser.server.requests[before].path


def test_requests_of_the_page_are_not_recorded_and_have_no_faults() -> None:
    with LocalServer({"horse": lambda job: 1}, page=True) as server, Browser(server) as browser:
        server.faults.fail("run", times=1)
        browser.submit()
        assert {"n": 1} == browser.get(DATA)["json"]
        assert [] == server.requests


def test_without_a_page() -> None:
    server = LocalServer({"horse": lambda job: 1})
    with pytest.raises(RuntimeError, match=r"has no page\. Pass page=True"):
        _ = server.page_url
    with server:
        for path in ("/", "/page/events", "/page/assets/index.html", "/favicon.ico"):
            url = f"{server.base_url.removesuffix('/v2')}{path}"
            assert (404, {"error": "not found"}) == (httpx.get(url).status_code, httpx.get(url).json())


def test_an_address_needs_a_server_that_was_started() -> None:
    with pytest.raises(RuntimeError, match="it has not been started"):
        _ = LocalServer({"horse": lambda job: 1}, page=True).page_url


def test_static_files(stranger: httpx.Client) -> None:
    types: dict[str, Any] = {
        "html": "text/html; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml",
    }
    files = [file for file in (resources.files("runpod.local.page") / "assets").iterdir() if file.is_file()]
    assert "index.html" in {file.name for file in files}
    for file in files:
        response = stranger.get(f"/page/assets/{file.name}")
        assert 200 == response.status_code, file.name
        assert types[file.name.rpartition(".")[2]] == response.headers["content-type"]
        assert file.read_bytes() == response.content
