"""WebSockets of load-balancing endpoints, to an application in the server and to a worker process."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from runpod.local import LocalEndpoint, LocalServer
from tests.local.api import TIMEOUT, in_thread, until
from tests.local.balancer import WORKER, Client, serve_app
from tests.local.balancer_apps import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    endpoints: dict[str, Any] = {"app": LocalEndpoint(app=create_app()), "queue": lambda _: 1}
    if sys.platform != "win32":
        endpoints["process"] = LocalEndpoint(http_command=WORKER)
    with LocalServer(endpoints) as server:
        yield server


@pytest.fixture(scope="module", params=["app", "process"])
def client(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    if request.param == "process" and sys.platform == "win32":
        pytest.skip("process groups are POSIX only")
    with Client(server, request.param) as client:
        yield client


def talk(client: Client, path: str = "/talk", **options: Any) -> ClientConnection:
    options = {
        "additional_headers": client.headers,
        "open_timeout": TIMEOUT,
        "proxy": None,
        "max_size": None,
        **options,
    }
    return connect(f"ws{client.url.removeprefix('http')}{path}", **options)


def headers_of(connection: ClientConnection) -> dict[str, str]:
    return dict(json.loads(connection.recv(TIMEOUT)))


def test_messages_pass_in_both_directions(client: Client) -> None:
    with talk(client, subprotocols=["neigh"], additional_headers={**client.headers, "x-one": "1"}) as connection:
        received = headers_of(connection)
        assert ("1", False) == (received["x-one"], "authorization" in received)
        assert "neigh" == connection.subprotocol
        assert connection.response is not None
        assert client.worker() == connection.response.headers["x-runpod-worker-id"]
        for text in ("a horse", "ä" * MEBIBYTE):
            connection.send(text)
            assert text.upper() == connection.recv(TIMEOUT)
        connection.send(b"\x00\x01\xff")
        assert b"\xff\x01\x00" == connection.recv(TIMEOUT)


def test_application_closes(client: Client) -> None:
    with talk(client) as connection:
        headers_of(connection)
        connection.send("close")
        with pytest.raises(ConnectionClosed) as raised:
            connection.recv(TIMEOUT)
    assert raised.value.rcvd is not None
    assert (4321, "the end") == (raised.value.rcvd.code, raised.value.rcvd.reason)


def test_exception_of_the_application(client: Client) -> None:
    with talk(client) as connection:
        headers_of(connection)
        connection.send("fall")
        with pytest.raises(ConnectionClosed) as raised:
            connection.recv(TIMEOUT)
    assert raised.value.rcvd is not None
    assert 1011 == raised.value.rcvd.code


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX only")
def test_worker_process_exits() -> None:
    server = LocalServer({"horse": LocalEndpoint(http_command=WORKER)})
    with server, Client(server) as client, talk(client) as connection:
        headers_of(connection)
        connection.send("exit")
        with pytest.raises(ConnectionClosed) as raised:
            connection.recv(TIMEOUT)
        assert raised.value.rcvd is not None
        assert 1011 == raised.value.rcvd.code


def test_close_of_the_client_reaches_the_application(client: Client) -> None:
    before = len(client.get("/open").json()["left"])
    with talk(client) as connection:
        headers_of(connection)
        connection.close(4000, "enough")
    until(lambda: ["websocket 4000"] == client.get("/open").json()["left"][before:])


@pytest.mark.parametrize("path", ["/talk?refuse=1", "/no-such-path"])
def test_application_refuses(client: Client, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidStatus) as raised:
        talk(client, path)
    response = raised.value.response
    assert (403, client.worker()) == (response.status_code, response.headers["x-runpod-worker-id"])
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_application_redirects(client: Client) -> None:
    key = {"Sec-WebSocket-Key": "bmVpZ2huZWlnaG5laWdoIQ==", "Sec-WebSocket-Version": "13"}
    headers = {"Connection": "upgrade", "Upgrade": "websocket", **key}
    response = client.http.get("/talk?redirect=1", headers=headers)
    assert (302, "/stable") == (response.status_code, response.headers["location"])


def test_asyncio_client(client: Client) -> None:
    async def main() -> None:
        url = f"ws{client.url.removeprefix('http')}/talk"
        async with websockets.asyncio.client.connect(url, additional_headers=client.headers, proxy=None) as connection:
            await connection.recv()
            await connection.send("a horse")
            assert "A HORSE" == await connection.recv()

    anyio.run(main)


@pytest.mark.parametrize(
    ("endpoint", "key", "status", "body"),
    [
        ("app", "", 401, {"status": 401, "title": "Unauthorized", "detail": "no token provided"}),
        ("app", "Bearer wrong", 401, {"status": 401, "title": "Unauthorized", "detail": "invalid api key"}),
        ("queue", None, 400, {"error": "not allowed for QB API"}),
        ("nonsense", None, 404, {"error": "endpoint not found"}),
    ],
)
def test_edge_refuses(
    server: LocalServer, endpoint: str, key: str | None, status: int, body: dict[str, Any], caplog: Any
) -> None:
    with Client(server, endpoint) as client:
        headers = client.headers if key is None else {"Authorization": key}
        with pytest.raises(InvalidStatus) as raised:
            talk(client, additional_headers=headers)
    response = raised.value.response
    assert (status, body) == (response.status_code, json.loads(response.body))
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.fact("protocol-2 3.2: WebSockets")
def test_handshake_waits_for_a_worker() -> None:
    with serve_app(cold_start=timedelta(seconds=100)) as server, Client(server) as client:
        opened = in_thread(lambda: talk(client))
        client.wait_workers(initializing=1)
        server.advance(100)
        with opened.result(TIMEOUT) as connection:
            assert headers_of(connection)
            assert {"running": 1, "ready": 1} == client.workers()
        client.wait_workers(idle=1, ready=1)


def test_handshake_with_affinity() -> None:
    with serve_app(workers=2) as server, Client(server) as client, ExitStack() as stack:
        client.wait_workers(idle=2, ready=2)
        worker = client.worker()
        for _ in range(3):
            headers = {**client.headers, "X-Runpod-Worker-Id": f"strict {worker}"}
            connection = stack.enter_context(talk(client, additional_headers=headers))
            assert connection.response is not None
            assert worker == connection.response.headers["x-runpod-worker-id"]
        server.stop_worker("horse", worker)
        headers_of(connection)
        with pytest.raises(ConnectionClosed):
            connection.recv(TIMEOUT)
        with pytest.raises(InvalidStatus) as raised:
            talk(client, additional_headers=headers)
        assert 404 == raised.value.response.status_code


def test_open_connection_is_closed_when_the_server_stops() -> None:
    with serve_app() as server, Client(server) as client, talk(client) as connection:
        headers_of(connection)
        server.stop()
        with pytest.raises(ConnectionClosed) as raised:
            connection.recv(TIMEOUT)
    assert raised.value.rcvd is not None
    assert 1012 == raised.value.rcvd.code


def test_faults() -> None:
    with serve_app() as server, Client(server) as client:
        server.faults.fail("load-balancer", status=503)
        with pytest.raises(InvalidStatus) as raised:
            talk(client)
        assert 503 == raised.value.response.status_code
        server.faults.cut("load-balancer")
        with pytest.raises(InvalidMessage):
            talk(client)
        server.faults.delay("load-balancer", 0.0)
        with talk(client) as connection:
            assert headers_of(connection)
        assert ["/load-balancer/horse/talk"] * 3 == [record.path for record in server.requests]


def test_other_paths_have_no_websockets(server: LocalServer) -> None:
    with Client(server, "queue") as client:
        client.url = f"{server.base_url}/queue"
        with pytest.raises(InvalidStatus) as raised:
            talk(client, "/health")
    assert 200 == raised.value.response.status_code
