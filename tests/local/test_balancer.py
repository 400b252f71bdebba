"""Load-balancing endpoints: requests reach an application, in the server or in a worker process, unchanged."""

from __future__ import annotations

import logging
import socket
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI, Request

from runpod.local import LocalEndpoint, LocalServer
from tests.local.api import TIMEOUT, in_thread, until
from tests.local.balancer import WORKER, Client, serve_app
from tests.local.balancer_apps import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    endpoints: dict[str, Any] = {
        "app": LocalEndpoint(app=create_app()),
        "queue": lambda _: 1,
    }
    if sys.platform != "win32":
        endpoints["process"] = LocalEndpoint(http_command=WORKER)
    with LocalServer(endpoints) as server:
        yield server


@pytest.fixture(scope="module", params=["app", "process"])
def client(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client for the same application, in the server and in a worker process."""
    if request.param == "process" and sys.platform == "win32":
        pytest.skip("process groups are POSIX only")
    with Client(server, request.param) as client:
        yield client


@pytest.fixture(scope="module")
def app(server: LocalServer) -> Iterator[Client]:
    with Client(server, "app") as client:
        yield client


@pytest.mark.fact("protocol-2 3.1: any request")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_request_and_response_pass_unchanged(client: Client, method: str) -> None:
    headers = [("x-one", "1"), ("x-one", "2"), ("content-type", "application/x-horse")]
    content = "neigh ÿ".encode("latin-1") if method != "GET" else None
    response = client.http.request(method, "/show/a%2Fb/%C3%A4?a=1&a=2&status=418", headers=headers, content=content)
    assert (418, "neighs") == (response.status_code, response.headers["x-horse"])
    shown = response.json()
    prefix = "/load-balancer/app" if client.endpoint == "app" else ""
    assert (method, f"{prefix}/show/a/b/ä", "a=1&a=2&status=418") == (shown["method"], shown["path"], shown["query"])
    assert ("neigh ÿ" if content else "", "saddled") == (shown["body"], shown["state"])
    assert {("x-one", "1"), ("x-one", "2")} <= {(name, value) for name, value in shown["headers"]}
    assert f"{prefix}/show/a%2Fb/%C3%A4" == shown["raw_path"]


@pytest.mark.fact("protocol-2 3.1: key of the caller")
def test_key_is_not_passed_on(client: Client) -> None:
    response = client.get("/show/headers")
    assert "authorization" not in dict(response.json()["headers"])
    assert client.server.api_key not in response.text


@pytest.mark.fact("protocol-2 3.3: worker of a response")
def test_response_names_the_worker_that_served_it(client: Client) -> None:
    for path in ("/show/forged", "/no-such-path", "/ping"):
        worker_ids = client.get(path).headers.get_list("x-runpod-worker-id")
        assert [client.worker()] == worker_ids


def test_root(client: Client) -> None:
    response = httpx.get(client.url, headers=client.headers, trust_env=False)
    assert (200, "GET") == (response.status_code, response.json()["method"])


def test_head_request(client: Client) -> None:
    response = client.http.head("/ping")
    assert (200, b"") == (response.status_code, response.content)


def test_response_is_streamed(client: Client) -> None:
    with client.http.stream("GET", "/stream") as response:
        parts = response.iter_raw()
        assert b"one" == next(parts)
        client.get("/open")
        assert [b"two"] == list(parts)


def test_request_is_streamed(app: Client) -> None:
    address = (app.http.base_url.host, app.http.base_url.port)
    head = "POST /load-balancer/app/upload/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    with socket.create_connection(address, timeout=TIMEOUT) as connection, connection.makefile("rb") as answer:
        connection.sendall(f"{head}authorization: Bearer {app.server.api_key}\r\n\r\n3\r\none\r\n".encode())
        while b"one" not in answer.readline():
            pass
        connection.sendall(b"3\r\ntwo\r\n0\r\n\r\n")
        while b"two" not in answer.readline():
            pass


def test_disconnect_reaches_the_application() -> None:
    with serve_app() as server, Client(server) as client:
        with client.http.stream("GET", "/stream") as response:
            assert b"one" == next(response.iter_raw())
        until(lambda: ["stream"] == client.get("/scene").json()["left"])


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX only")
@pytest.mark.parametrize("content", [None, b"neigh"])
def test_disconnect_reaches_a_worker_process(content: bytes | None) -> None:
    with LocalServer({"horse": LocalEndpoint(http_command=WORKER)}) as server, Client(server) as client:
        with client.http.stream("GET", "/stream", content=content) as response:
            assert b"one" == next(response.iter_raw())
        until(lambda: ["stream"] == client.get("/scene").json()["left"])


@pytest.mark.parametrize(
    ("path", "message"), [("/fail", "raised an exception"), ("/fail?started=1", "raised an exception")]
)
def test_exception_of_the_application(path: str, message: str, app: Client, caplog: pytest.LogCaptureFixture) -> None:
    if "started" in path:
        with pytest.raises(httpx.RemoteProtocolError):
            app.get(path)
    else:
        response = app.get(path)
        assert (500, "Internal Server Error") == (response.status_code, response.text)
        assert app.worker() == response.headers["x-runpod-worker-id"]
    until(lambda: f"The application of endpoint 'app' {message}" in caplog.text)
    assert "the horse fell" in caplog.text


# Limits


@pytest.mark.fact("protocol-2 3.2: size")
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_size_of_a_request_is_limited(client: Client, chunked: bool) -> None:
    def send(count: int) -> httpx.Response:
        headers = {} if chunked else {"content-length": str(count * MEBIBYTE)}
        return client.http.post("/measure", content=iter([bytes(MEBIBYTE)] * count), headers=headers)

    assert 30 * MEBIBYTE == send(30).json()
    response = send(31)
    assert 413 == response.status_code
    assert {"error": "bad request: body: exceeded max body size of 30MiB"} == response.json()


@pytest.mark.fact("protocol-2 3.2: size")
def test_size_of_a_response_is_limited(app: Client) -> None:
    assert 30 * MEBIBYTE == len(app.get("/many?size=30").content)
    with pytest.raises(httpx.RemoteProtocolError):
        app.get("/many?size=31")
    response = app.get("/many?size=31&declared=1")
    assert (502, {"error": "response exceeded max body size of 30MiB"}) == (response.status_code, response.json())


@pytest.mark.fact("protocol-2 3.2: time of a request")
def test_processing_time_is_limited() -> None:
    with serve_app() as server, Client(server) as client:
        client.wait_workers(idle=1, ready=1)
        held = in_thread(lambda: client.get("/hold"))
        client.wait_workers(running=1, ready=1)
        server.advance(300)
        client.wait_workers(running=1, ready=1)
        server.advance(30)
        assert (504, {"error": "request timed out"}) == (held.result().status_code, held.result().json())
        client.wait_workers(idle=1, ready=1)


def test_client_that_reads_nothing_does_not_keep_a_worker(client: Client) -> None:
    address = (client.http.base_url.host, client.http.base_url.port)
    head = f"GET /load-balancer/{client.endpoint}/many?size=29 HTTP/1.1\r\nhost: x\r\n"
    with socket.create_connection(address, timeout=TIMEOUT) as connection:
        connection.sendall(f"{head}authorization: {client.headers['Authorization']}\r\n\r\n".encode())
        client.wait_workers(running=1, ready=1)
        client.server.advance(330)
        client.wait_workers(idle=1, ready=1)


# The edge


@pytest.mark.fact("protocol-2 3.1: key at the edge")
@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "no token provided"),
        ({"authorization": "Bearer wrong"}, "invalid api key"),
        ({"authorization": "Basic KEY"}, "invalid api key"),
    ],
)
def test_wrong_key(app: Client, headers: dict[str, str], detail: str) -> None:
    headers = {name: value.replace("KEY", app.server.api_key) for name, value in headers.items()}
    response = httpx.post(f"{app.url}/ping", headers=headers, content=b"x", trust_env=False)
    assert (401, {"status": 401, "title": "Unauthorized", "detail": detail}) == (response.status_code, response.json())
    assert "x-runpod-worker-id" not in response.headers


@pytest.mark.fact("protocol-2 3.2: queue behind the address")
def test_endpoint_that_is_no_load_balancer(server: LocalServer) -> None:
    with Client(server, "queue") as queue, Client(server, "nonsense") as unknown:
        assert (400, '{"error":"not allowed for QB API"}') == (queue.get("/ping").status_code, queue.get("/").text)
        assert (404, {"error": "endpoint not found"}) == (unknown.get("/").status_code, unknown.get("/").json())


@pytest.mark.fact("protocol-2 3.2: jobs on a load balancer")
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "run"), ("POST", "runsync"), ("GET", "status/x"), ("POST", "purge-queue")]
)
def test_queue_operations_are_refused(app: Client, method: str, path: str) -> None:
    response = app.http.request(method, f"{app.server.base_url}/app/{path}", json={"input": {"n": 1}})
    text = f"/{path.partition('/')[0]} is not allowed for LB API, use load balancer endpoint"
    assert (400, {"error": text}) == (response.status_code, response.json())


@pytest.mark.fact("protocol-2 3.1: readiness")
def test_health(app: Client) -> None:
    health = app.http.get(f"{app.server.base_url}/app/health").json()
    assert {"completed": 0, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0} == health["jobs"]
    workers = {"idle": 1, "initializing": 0, "ready": 1, "running": 0, "throttled": 0, "unhealthy": 0}
    assert workers == health["workers"]


def test_requests_are_recorded(app: Client) -> None:
    before = len(app.server.requests)
    app.http.post("/show/a%2Fb?n=1&n=2", content=b"x" * 100_000)
    app.http.get("/ping", headers={"authorization": "Bearer wrong"})
    first, second = app.server.requests[before:]
    assert ("POST", "/load-balancer/app/show/a%2Fb", {"n": "1"}) == (first.method, first.path, first.query)
    assert (b"x" * 64 * 1024, "[not recorded]") == (first.body, first.headers["authorization"])
    assert ("/load-balancer/app/ping", b"") == (second.path, second.body)


# Faults


def test_fault_fail(app: Client) -> None:
    app.server.faults.fail("load-balancer", status=503, retry_after=7)
    response = app.http.post("/show/x", content=b"x")
    assert (503, "7") == (response.status_code, response.headers["retry-after"])
    assert 200 == app.get("/ping").status_code


@pytest.mark.parametrize("processed", [False, True])
def test_fault_cut(processed: bool) -> None:
    with serve_app() as server, Client(server) as client:
        client.get("/open")
        server.faults.cut("load-balancer", processed=processed)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/hold")
        assert int(processed) == client.get("/open").json()["entered"]


def test_fault_truncate_and_drip(app: Client) -> None:
    app.server.faults.truncate("load_balancer")
    with pytest.raises(httpx.RemoteProtocolError):
        app.get("/show/x")
    app.server.faults.drip("load_balancer", 0.0)
    response = app.get("/show/x")
    assert ("GET", app.worker()) == (response.json()["method"], response.headers["x-runpod-worker-id"])


def test_fault_delay() -> None:
    app = create_app()
    with LocalServer({"horse": LocalEndpoint(app=app)}) as server, Client(server) as client:
        client.get("/open")
        server.faults.delay("load-balancer", 1000)
        held = in_thread(lambda: client.get("/hold"))
        until(lambda: 1 == app.state.scene.entered)
        until(lambda: _advanced(server, held.done))
        assert "held" == held.result().text


def _advanced(server: LocalServer, done: Any) -> bool:
    # The response may not be delayed yet.
    server.advance(1000)
    return bool(done())


# Applications


def test_links_of_fastapi() -> None:
    api = FastAPI()

    @api.get("/horses/{name}")
    def horse(name: str, request: Request) -> dict[str, str]:
        return {"url": str(request.url_for("horse", name="Ann")), "name": name}

    with LocalServer({"horse": LocalEndpoint(app=api)}) as server, Client(server) as client:
        assert {"url": f"{client.url}/horses/Ann", "name": "Bo"} == client.get("/horses/Bo").json()
        assert [{"url": "/load-balancer/horse"}] == client.get("/openapi.json").json()["servers"]
        assert "/load-balancer/horse/openapi.json" in client.get("/docs").text


def test_endpoint_id_that_has_to_be_encoded() -> None:
    with LocalServer({"hörse 1": LocalEndpoint(app=create_app())}) as server, Client(server, "h%C3%B6rse 1") as client:
        response = client.get("/show/x")
        assert ("/load-balancer/hörse 1/show/x", 200) == (response.json()["path"], response.status_code)


def test_application_without_health_path(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "http" == scope["type"]  # It has no lifespan.
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"nothing"})

    with LocalServer({"horse": LocalEndpoint(app=app, workers=2)}) as server, Client(server) as client:
        assert (404, b"nothing") == (client.get("/").status_code, client.get("/").content)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "endpoint 'horse' answers GET /ping with status 404. On Runpod, its workers would stay unhealthy" in warning


@pytest.mark.fact("protocol-2 3.1: health path")
def test_application_is_initializing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTH_CHECK_PATH", "/healthz")
    statuses = [204, 204]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "http" == scope["type"]
        status = statuses.pop() if statuses and scope["path"] == "/healthz" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with LocalServer({"horse": LocalEndpoint(app=app)}) as server, Client(server) as client:
        assert client.worker()
        assert [] == statuses


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        (["raise"], "raised an exception."),
        (["start", "raise"], "raised an exception."),
        (["exit"], "the application raised SystemExit"),
        (["start", "exit"], "the application raised SystemExit"),
        (["start", "end"], "Too little data for declared Content-Length"),
        ([], "returned without a response."),
        (["start"], ""),
    ],
)
def test_misbehaving_application(events: list[str], problem: str, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("/ping"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})
            return
        for event in events:
            if event == "raise":
                raise RuntimeError("the horse fell")
            if event == "exit":
                sys.exit(3)
            start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]}
            await send(start if event == "start" else {"type": "http.response.body"})

    with LocalServer({"horse": LocalEndpoint(app=app)}) as server, Client(server) as client:
        if "start" in events:
            with pytest.raises(httpx.RemoteProtocolError):
                client.get("/")
        else:
            assert (500, client.worker()) == (
                client.get("/").status_code,
                client.get("/").headers["x-runpod-worker-id"],
            )
    assert problem in caplog.text


def test_lifespan_runs_once() -> None:
    app = create_app()
    with LocalServer({"horse": LocalEndpoint(app=app, workers=3)}) as server, Client(server) as client:
        client.wait_workers(idle=3, ready=3)
        assert ["startup"] == app.state.scene.lifespans
    assert ["startup", "shutdown"] == app.state.scene.lifespans


@pytest.mark.parametrize("how", ["message", "exception"])
def test_startup_fails(how: str, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if how == "exception":
            raise RuntimeError("no stable")
        await send({"type": "lifespan.startup.failed", "message": "Traceback\nRuntimeError: no stable\n"})

    with LocalServer({"horse": LocalEndpoint(app=app)}) as server, Client(server) as client:
        until(lambda: "failed to start" in caplog.text)
        held = in_thread(lambda: client.get("/"))
        until(lambda: _advanced(server, held.done))
        assert (400, {"error": "no workers available"}) == (held.result().status_code, held.result().json())
    [record] = [record for record in caplog.records if hasattr(record, "broken_endpoint")]
    assert "The application of endpoint 'horse' failed to start: RuntimeError: no stable" == record.getMessage()


def test_invalid_settings() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    def check(error: type[Exception], message: str, **settings: Any) -> None:
        with pytest.raises(error, match=message):
            LocalEndpoint(**settings)

    check(ValueError, "got command, app. Pass only one of them", app=app, command=["x"])
    check(ValueError, "got handler, http_command", handler=print, http_command=["x"])
    check(TypeError, "must be an ASGI application, not str", app="api:app")
    check(TypeError, "`http_command` must be a list", http_command="uvicorn api:app")
    check(ValueError, "`concurrency` must be 1 or more", app=app, concurrency=0)
    check(ValueError, "`concurrency` applies to load-balancing endpoints only", handler=print, concurrency=1)
    check(ValueError, "apply to jobs", app=app, return_aggregate_stream=True)
