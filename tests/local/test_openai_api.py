"""`/openai/v1` of the local server, over plain HTTP."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import Behavior, LocalEndpoint, LocalServer
from runpod.local.http import rate_limits
from tests.local.api import TIMEOUT, Api, until
from tests.local.openai_workers import CHAT, HANDLERS, Steps, chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.conftest import Serve

STREAM = {**CHAT, "stream": True}
DONE = "data: [DONE]\n\n"

# What the handler `says` yields; set by each test.
words: list[Any] = []


def says(job: dict[str, Any]) -> Iterator[Any]:
    yield from words


def returns(job: dict[str, Any]) -> Any:
    return words[0]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer({**HANDLERS, "says": says, "returns": returns}) as server:
        yield server


@pytest.fixture
def api(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Api]:
    with Api(server, getattr(request, "param", "says")) as api:
        yield api


def event(value: Any) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def streamed(api: Api, *values: Any) -> str:
    words[:] = values
    response = api.http.post("/openai/v1/chat/completions", json=STREAM)
    assert (200, "text/event-stream; charset=utf-8") == (response.status_code, response.headers["content-type"])
    return response.text


@pytest.mark.fact("protocol-2 4: a call is a job", "protocol-2 4: what a worker gets")
@pytest.mark.parametrize("api", ["inputs"], indirect=True)
def test_what_a_handler_gets(api: Api) -> None:
    def job_input(body: Any) -> Any:
        return {key: value for key, value in body["data"][0].items() if key not in {"id", "object"}}

    assert {"openai_route": "/v1/models"} == job_input(api.get("/openai/v1/models"))
    assert {"openai_route": "/v1/a/b"} == job_input(api.get("/openai/v1/a%2Fb?x=1"))
    assert {"openai_route": "/v1/tokenize"} == job_input(api.post("/openai/v1/tokenize"))
    expected = {"openai_route": "/v1/chat/completions", "openai_input": CHAT}
    assert expected == job_input(api.post("/openai/v1/chat/completions", CHAT))
    assert api.server.jobs["inputs"][-1]["id"].startswith("sync-")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([chunk("ä"), chunk("b")], event(chunk("ä")) + event(chunk("b")) + DONE),
        ([[chunk("a"), chunk("b")], chunk("c")], event(chunk("a")) + event(chunk("b")) + event(chunk("c")) + DONE),
        # Text is the whole stream, wherever it is cut.
        (["data: {}\n\nda", "ta: {}\n\n", "data: [DO", "NE]\n\n"], "data: {}\n\ndata: {}\n\n" + DONE),
        (["event: ping\ndata: {}\n\n"], "event: ping\ndata: {}\n\n"),
        ([chunk("a"), "data: [DONE]\n\n"], event(chunk("a")) + DONE),
    ],
)
def test_streams(api: Api, values: list[Any], expected: str) -> None:
    assert expected == streamed(api, *values)


@pytest.mark.fact("protocol-2 4: error of a worker")
def test_an_error_ends_a_stream(api: Api) -> None:
    error = {"message": "out of memory", "type": "worker_error", "code": None}
    events = streamed(api, 'data: {"half":', {"error": error}).split("\n\n")
    assert ['data: {"half":', DONE.strip(), ""] == [events[0], *events[2:]]
    assert {"error": error} == json.loads(events[1].removeprefix("data: "))


def test_text_that_is_no_event_is_reported(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    assert "a horse" == streamed(api, "a ", "horse")
    assert ["yielded text that is no server-sent event" in message for message in caplog.messages].count(True) == 1


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([{"id": 1}], "application/json", {"id": 1}),
        ([{"id": 1}, {"id": 2}], "application/json", [{"id": 1}, {"id": 2}]),
        (['{"id"', ": 1}"], "application/json", {"id": 1}),
        # An object over the limit of a chunk arrives in pieces.
        ([{"id": "x" * 1_100_000}], "application/json", {"id": "x" * 1_100_000}),
        (["a ", "horse"], "text/plain; charset=utf-8", "a horse"),
        (["data: {}\n\n", "data: {}\n\n"], "text/event-stream; charset=utf-8", "data: {}\n\ndata: {}\n\n"),
    ],
)
def test_yields_without_a_stream(api: Api, values: list[Any], kind: str, expected: Any) -> None:
    words[:] = values
    response = api.http.post("/openai/v1/chat/completions", json=CHAT)
    assert (200, kind) == (response.status_code, response.headers["content-type"])
    assert expected == (response.json() if kind == "application/json" else response.text)


@pytest.mark.parametrize("api", ["returns"], indirect=True)
def test_what_a_function_returns_is_the_body(api: Api) -> None:
    words[:] = [{"id": 1}]
    for body in (CHAT, STREAM):
        assert {"id": 1} == api.post("/openai/v1/chat/completions", body)
    words[:] = [{}]  # The worker drops it.
    response = api.http.post("/openai/v1/chat/completions", json=CHAT)
    assert (500, "the worker returned no output") == (response.status_code, response.json()["error"]["message"])


@pytest.mark.parametrize("end", ["cancel", "purge", "stop"])
@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["", "stream"])
def test_jobs_that_end_without_a_result(body: dict[str, Any], end: str) -> None:
    with LocalServer({"idle": LocalEndpoint(workers=0)}) as server, Api(server, "idle") as api:
        held = api.held("POST", "/openai/v1/chat/completions", json=body)
        until(lambda: bool(server.jobs["idle"]))
        if end == "cancel":
            api.post(f"/cancel/{server.jobs['idle'][0]['id']}")
        elif end == "purge":
            api.post("/purge-queue")
        else:
            server.stop()
        expected = {"cancel": "job is CANCELLED", "purge": "job not found", "stop": "job is IN_QUEUE"}[end]
        response = held.result(TIMEOUT)
        assert (500, expected) == (response.status_code, response.json()["error"]["message"])


@pytest.mark.parametrize(
    ("body", "text"), [(b"{", "invalid JSON"), (b"[1]", "must be a JSON object"), (b"\xff", "invalid JSON")]
)
def test_invalid_bodies(api: Api, body: bytes, text: str) -> None:
    response = api.http.post("/openai/v1/chat/completions", content=body)
    assert 400 == response.status_code
    assert text in response.json()["error"]


def test_other_requests_are_refused(api: Api) -> None:
    url = f"{api.http.base_url}openai/v1/models"
    assert 401 == httpx.get(url, trust_env=False).status_code
    assert 404 == api.http.get("/openai/v1/").status_code
    assert 404 == api.http.get("/openai/models").status_code
    assert (405, "GET, POST") == ((response := api.http.put(url)).status_code, response.headers["allow"])


@pytest.mark.fact("protocol-2 4: error with 200")
@pytest.mark.parametrize("status", [200, 500])
def test_failed_jobs(status: int) -> None:
    behavior = Behavior(openai_errors_as_200=status == 200)
    with LocalServer({"fails": HANDLERS["fails"]}, behavior=behavior) as server, Api(server, "fails") as api:
        response = api.http.post("/openai/v1/chat/completions", json=CHAT)
        assert status == response.status_code
        assert "out of memory" in response.json()["error"]["message"]


def test_an_error_that_looks_like_a_literal_of_python(serve: Serve) -> None:
    for error in ("{[1]: 2}", "(" * 1000, "{'message': 1}"):
        response = serve(lambda _, error=error: {"error": error}).http.post("/openai/v1/chat/completions", json=CHAT)
        assert (500, error) == (response.status_code, response.json()["error"]["message"])


@pytest.mark.fact("protocol-2 4: closing a call")
def test_a_client_that_disconnects(serve: Serve) -> None:
    steps = Steps()
    api = serve(steps.handler, behavior=Behavior(rate_limits=True))
    body = json.dumps(STREAM)
    head = f"POST {api.http.base_url.path}openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    with socket.create_connection((api.http.base_url.host, api.http.base_url.port), timeout=TIMEOUT) as connection:
        connection.sendall(f"{head}authorization: {api.server.api_key}\r\n\r\n{body}".encode())
        steps.allowed.release()
        received = b""
        while b"data: " not in received:
            received += connection.recv(4096)
        limiter = api.server._endpoints["horse"].rate_limiter
        assert limiter is not None
        assert 1 == limiter._open["openai"]
    until(lambda: limiter._open["openai"] == 0)
    steps.allowed.release(2)
    until(lambda: api.server.jobs["horse"][0]["status"] == "COMPLETED")


@pytest.mark.fact("protocol-2 4: rate limit")
def test_rate_limits(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rate_limits._RATES, "openai", rate_limits._Rate(100, 1))
    steps = Steps()
    api = serve(steps.handler, behavior=Behavior(rate_limits=True))
    steps.allowed.release()
    # A stream is a concurrent request until it ends.
    with api.http.stream("POST", "/openai/v1/chat/completions", json=STREAM) as response:
        assert 200 == response.status_code
        assert 429 == api.http.get("/openai/v1/models").status_code
        steps.allowed.release(2)
        assert response.read().decode().endswith(DONE)
    steps.allowed.release(3)
    assert 200 == api.http.get("/openai/v1/models").status_code


def test_faults(api: Api) -> None:
    faults = api.server.faults
    faults.fail("openai", status=502)
    assert 502 == api.http.get("/openai/v1/models").status_code
    whole = streamed(api, chunk("a"), chunk("b"))
    faults.truncate("openai")
    with pytest.raises(httpx.RemoteProtocolError):
        streamed(api, chunk("a"), chunk("b"))
    faults.delay("openai", 0)
    assert whole == streamed(api, chunk("a"), chunk("b"))
