"""The workers of a load-balancing endpoint: choice, affinity, waiting for one, cold starts, and their end."""

from __future__ import annotations

import asyncio
import logging
import socket
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.responses import JSONResponse

from runpod.local import LocalEndpoint, LocalServer
from runpod.local.balancer.affinity import Affinity, parse_affinity
from runpod.local.balancer.worker import Worker, choose
from tests.local.api import TIMEOUT, in_thread, until
from tests.local.balancer import Client, serve_app, worker_of
from tests.local.balancer_apps import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

GONE = (404, {"error": "affinity worker is gone", "reason": "affinity_worker_gone"})
STRICT_TIMEOUT = (400, {"error": "timed out waiting for worker", "reason": "worker_timeout"})
TIMED_OUT = (400, {"error": "timed out waiting for worker"})
NO_WORKERS = (400, {"error": "no workers available"})

ONE_IDLE = {"idle": 1, "ready": 1}
TWO_IDLE = {"idle": 2, "ready": 2}


@pytest.fixture
def two() -> Iterator[Client]:
    """An endpoint with two workers, each of which serves one request at a time."""
    with serve_app(workers=2, concurrency=1) as server, Client(server) as client:
        client.wait_workers(**TWO_IDLE)
        yield client
        client.open()


def shown(response: httpx.Response) -> tuple[int, Any]:
    assert "x-runpod-worker-id" not in response.headers
    return response.status_code, response.json()


def hold(client: Client, affinity: str = "", *, running: int = 1) -> Future[httpx.Response]:
    """Occupy a worker."""
    held = in_thread(lambda: client.get("/hold", affinity))
    until(lambda: running == client.workers().get("running"))
    return held


def waiting(client: Client, affinity: str = "", *, count: int = 1) -> Future[httpx.Response]:
    """Send a request that has to wait for a worker."""
    held = in_thread(lambda: client.get("/ping", affinity))
    until(lambda: count == len(client.pool._waiters))
    return held


@pytest.mark.parametrize(
    ("header", "affinity"),
    [
        ("", Affinity()),
        (" abc ", Affinity("abc")),
        ("strict abc", Affinity("abc", strict=True)),
        ("strict-resume  abc", Affinity("abc", strict=True, resume=True)),
        ("strict", Affinity("strict")),
        ("resume abc", Affinity("resume abc")),
    ],
)
def test_parse_affinity(header: str, affinity: Affinity) -> None:
    assert affinity == parse_affinity(header)


def test_choose() -> None:
    workers = [Worker() for _ in range(4)]
    one, two, three, four = workers
    for worker, served_at in ((one, 3), (two, 2), (three, 1)):
        worker.state, worker.served_at = "ready", served_at
    three.active = 1
    assert two is choose(workers, Affinity(), None)
    assert one is choose(workers, Affinity(one.id), None)
    assert three is choose(workers, Affinity(three.id), 2)
    assert two is choose(workers, Affinity(three.id), 1)
    assert None is choose(workers, Affinity(three.id, strict=True), 1)
    assert None is choose(workers, Affinity(four.id, strict=True), None)
    assert two is choose(workers, Affinity("unknown"), None)
    assert None is choose([], Affinity(), None)


def test_requests_are_spread_over_workers() -> None:
    with serve_app(workers=3) as server, Client(server) as client:
        client.wait_workers(idle=3, ready=3)
        ids = [client.worker() for _ in range(6)]
    assert (3, ids[:3]) == (len(set(ids)), ids[3:])


def test_worker_serves_any_number_of_requests_by_default() -> None:
    with serve_app() as server, Client(server) as client:
        held = [hold(client), in_thread(lambda: client.get("/hold"))]
        assert [client.worker()] * 2 == [worker_of(each.result()) for each in held if client.get("/open")]


@pytest.mark.fact("protocol-2 3.3: soft")
def test_soft_affinity(two: Client) -> None:
    first = two.worker()
    assert [first] * 3 == [two.worker(first) for _ in range(3)]
    hold(two, first)
    assert first != two.worker(first)
    assert two.worker("unknown")


@pytest.mark.fact("protocol-2 3.3: strict")
def test_strict_affinity_waits_for_the_worker(two: Client) -> None:
    first = two.worker()
    held = hold(two, first)
    strict = waiting(two, f"strict {first}")
    assert two.worker() != first
    two.open()
    assert [first, first] == [worker_of(held.result()), worker_of(strict.result())]


@pytest.mark.fact("protocol-2 3.3: worker gone")
@pytest.mark.parametrize("mode", ["strict", "strict-resume"])
def test_strict_affinity_to_an_unknown_worker(two: Client, mode: str) -> None:
    assert GONE == shown(two.get("/ping", f"{mode} unknown"))


@pytest.mark.fact("protocol-2 3.3: strict timeout")
def test_strict_affinity_times_out(two: Client) -> None:
    first = two.worker()
    hold(two, first)
    strict = waiting(two, f"strict {first}")
    two.server.advance(270)
    assert two.worker()
    assert not strict.done()
    two.server.advance(30)
    assert STRICT_TIMEOUT == shown(strict.result())


@pytest.mark.fact("protocol-2 3.2: wait for a worker")
def test_request_waits_for_a_free_worker(two: Client) -> None:
    hold(two)
    hold(two, running=2)
    late = [waiting(two, count=1), waiting(two, count=2)]
    assert {"running": 2, "ready": 2} == two.workers()
    two.server.advance(90)
    assert {"running": 2, "ready": 2} == two.workers()
    assert 2 == len(two.pool._waiters)
    two.server.advance(30)
    assert [TIMED_OUT] * 2 == [shown(each.result()) for each in late]


def test_waiting_requests_are_served_in_order() -> None:
    with serve_app(concurrency=1) as server, Client(server) as client:
        hold(client)
        first, second = waiting(client, count=1), waiting(client, count=2)
        futures = list(client.pool._waiters)
        client.on_loop(lambda: client.pool.release(client.pool._workers[0]))
        assert futures[0].done()
        assert [200, 200] == [first.result().status_code, second.result().status_code]
        client.open()


def test_client_that_waits_and_disconnects(two: Client) -> None:
    hold(two)
    hold(two, running=2)
    head = f"POST /load-balancer/horse/measure HTTP/1.1\r\nhost: x\r\nauthorization: {two.headers['Authorization']}\r\n"
    address = (two.http.base_url.host, two.http.base_url.port)
    with socket.create_connection(address, timeout=TIMEOUT) as connection:
        connection.sendall(f"{head}content-length: 3\r\n\r\none".encode())
        until(lambda: 1 == len(two.pool._waiters))
    until(lambda: not two.pool._waiters)
    two.open()
    two.wait_workers(**TWO_IDLE)


def test_body_is_kept_while_a_request_waits() -> None:
    with serve_app(cold_start=timedelta(seconds=10)) as server, Client(server) as client:
        late = in_thread(lambda: client.http.post("/measure", content=bytes(1_000_000)))
        client.wait_workers(initializing=1)
        server.advance(10)
        assert 1_000_000 == late.result().json()


@pytest.mark.fact("protocol-2 3.2: no workers")
def test_endpoint_without_workers() -> None:
    with serve_app(workers=0) as server, Client(server) as client:
        assert NO_WORKERS == shown(client.get("/ping"))
        assert {} == client.workers()


@pytest.mark.fact("protocol-2 3.2: no workers")
def test_cold_start() -> None:
    with serve_app(workers=3, cold_start=timedelta(seconds=200)) as server, Client(server) as client:
        assert {} == client.workers()
        late = [waiting(client, count=1), waiting(client, count=2)]
        client.wait_workers(initializing=2)
        server.advance(120)
        assert [NO_WORKERS] * 2 == [shown(each.result()) for each in late]
        server.advance(80)
        client.wait_workers(**TWO_IDLE)
        assert client.worker()


def test_cold_start_begins_at_once() -> None:
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await gate.wait()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await JSONResponse({})(scope, receive, send)

    endpoint = LocalEndpoint(app=app, cold_start=timedelta(seconds=100))
    with LocalServer({"horse": endpoint}) as server, Client(server) as client:
        late = waiting(client)
        server.advance(100)
        client.on_loop(gate.set)
        assert 200 == late.result(TIMEOUT).status_code


def test_server_that_stops_refuses_waiting_requests() -> None:
    with serve_app(cold_start=timedelta(seconds=200)) as server, Client(server) as client:
        late = waiting(client)
        server.stop()
        assert NO_WORKERS == shown(late.result())


def test_server_that_stops_cuts_requests(caplog: pytest.LogCaptureFixture) -> None:
    with serve_app() as server, Client(server) as client:
        held = hold(client)
        server.stop()
        with pytest.raises(httpx.TransportError):
            held.result()
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


# The end of workers


@pytest.mark.fact("protocol-2 3.3: strict-resume")
def test_stopped_worker(two: Client) -> None:
    first = two.worker()
    two.server.stop_worker("horse", first)
    assert ONE_IDLE == two.workers()
    assert GONE == shown(two.get("/ping", f"strict {first}"))
    assert first != two.worker(first)
    assert first == two.worker(f"strict-resume {first}")
    assert first == two.worker(f"strict {first}")
    two.wait_workers(**TWO_IDLE)


def test_stopped_worker_boots_when_it_is_needed(two: Client) -> None:
    first = two.worker()
    two.server.stop_worker("horse", first)
    hold(two)
    assert first == two.worker()


def test_removed_worker(two: Client) -> None:
    first = two.worker()
    two.server.stop_worker("horse", first, remove=True)
    for mode in ("strict", "strict-resume"):
        assert GONE == shown(two.get("/ping", f"{mode} {first}"))
    two.wait_workers(**TWO_IDLE)
    assert first not in {two.worker(), two.worker()}


def test_strict_request_whose_worker_is_removed(two: Client) -> None:
    first = two.worker()
    hold(two, first)
    strict = waiting(two, f"strict {first}")
    two.server.stop_worker("horse", first, remove=True)
    assert GONE == shown(strict.result())


def test_requests_of_a_stopped_worker_are_cut(two: Client) -> None:
    held = hold(two)
    with two.http.stream("GET", "/stream") as response:
        parts = response.iter_raw()
        assert b"one" == next(parts)
        streaming = worker_of(response)
        two.server.stop_worker("horse", streaming)
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
    [other] = {worker.id for worker in two.pool._workers} - {streaming}
    two.server.stop_worker("horse", other)
    assert (502, {"error": "bad gateway"}) == shown(held.result())


def test_invalid_worker_to_stop() -> None:
    server = LocalServer({"horse": LocalEndpoint(app=create_app()), "queue": lambda _: 1})
    with pytest.raises(RuntimeError, match="does not run"):
        server.stop_worker("horse", "x")
    with server:
        with pytest.raises(KeyError, match="Endpoint 'horse' has no worker 'x'"):
            server.stop_worker("horse", "x")
        with pytest.raises(KeyError, match="Unknown endpoint 'mule'"):
            server.stop_worker("mule", "x")
        with pytest.raises(ValueError, match="Endpoint 'queue' has a queue"):
            server.stop_worker("queue", "x")


# Scaling


def test_resize(two: Client) -> None:
    first, second = two.worker(), two.worker()
    held = hold(two, first)
    two.on_loop(partial(two.pool.resize, 0, 1))
    assert {"running": 1, "ready": 1} == two.workers()
    assert GONE == shown(two.get("/ping", f"strict {second}"))
    late = waiting(two)
    two.on_loop(partial(two.pool.resize, 0, 0))
    assert ({}, NO_WORKERS) == (two.workers(), shown(late.result()))
    two.on_loop(partial(two.pool.resize, 0, 2))
    two.wait_workers(**TWO_IDLE)
    two.open()
    assert (200, first) == (held.result(TIMEOUT).status_code, worker_of(held.result()))


def test_resize_keeps_a_minimum_booted() -> None:
    with serve_app(workers=1, cold_start=timedelta(seconds=10)) as server, Client(server) as client:
        client.on_loop(partial(client.pool.resize, 2, 3))
        client.wait_workers(initializing=2)
        server.advance(10)
        client.wait_workers(**TWO_IDLE)


def test_management_api(two: Client) -> None:
    url = f"{two.server.management_url}/v2/serverless/horse"
    shown = two.http.get(url).json()
    assert ("LOAD_BALANCER", "REQUEST_COUNT") == (shown["type"], shown["scaling"]["type"])
    assert {"base": two.url, "health": f"{two.url}/ping"} == shown["requestUrls"]
    held = hold(two)
    workers = two.http.get(f"{url}/workers").json()
    assert {"RUNNING", "IDLE"} == {worker["status"] for worker in workers["workers"]}
    assert 200 == two.http.patch(url, json={"workers": {"min": 0, "max": 1}}).status_code
    [worker] = two.http.get(f"{url}/workers").json()["workers"]
    two.open()
    assert ("RUNNING", worker_of(held.result())) == (worker["status"], worker["id"])


def test_logs_of_a_worker(two: Client) -> None:
    worker = two.worker()
    two.get("/log", f"strict {worker}")
    logs = two.server._endpoints["horse"].queue.logs
    book = logs.get(worker)
    assert book is not None
    two.server.stop_worker("horse", worker)
    assert [
        ("system", f"Worker {worker} started."),
        ("system", f"Worker {worker} is ready."),
        ("container", "WARNING horse: neigh"),
        ("system", f"Worker {worker} stopped."),
    ] == [(entry.source, entry.line) for entry in book.after(0)]
    assert logs.get(worker) is None


def test_representations() -> None:
    command = LocalServer({"mule": LocalEndpoint(http_command=["x"])})._endpoints["mule"].balancer
    with serve_app(workers=2) as server, Client(server) as client:
        client.wait_workers(**TWO_IDLE)
        assert "<BalancerPool {'ready': 2, 'idle': 2}>" == repr(client.pool)
        assert f"<Worker {client.pool._workers[0].id}, ready>" == repr(client.pool._workers[0])
        assert "<AppHost horse>" == repr(client.pool.host)
        assert "<Lifespan started>" == repr(client.pool.host._lifespan)
        assert command is not None
        assert "<ProcessHost mule>" == repr(command.host)
