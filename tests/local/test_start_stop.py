from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from runpod.local import LocalServer
from tests.local.api import TIMEOUT, Api, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.local.api import Gate


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


@pytest.fixture(autouse=True)
def _no_warnings(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    records = [r for r in caplog.get_records("call") if r.levelno > logging.INFO]
    # The slow callback warnings of asyncio's debug mode are expected.
    assert [] == [r for r in records if not str(r.msg).startswith("Executing %s took")]


def port_of(server: LocalServer) -> int:
    return int(server.base_url.rsplit(":", 1)[1].removesuffix("/v2"))


def assert_stopped(server: LocalServer) -> None:
    """Assert that the server has no thread and no socket left."""
    name = f"runpod-local-{port_of(server)}"
    assert not [thread for thread in threading.enumerate() if thread.name == name]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(server)), timeout=TIMEOUT)
    gc.collect()


def test_with() -> None:
    with LocalServer({"horse": echo}) as server:
        assert server.base_url.startswith("http://127.0.0.1:")
        assert server.base_url.endswith("/v2")
        with Api(server) as api:
            assert {"n": 1} == api.run_sync(n=1)["output"]
    assert_stopped(server)


async def test_async_with() -> None:
    async with LocalServer({"horse": echo}) as server:
        async with httpx.AsyncClient(base_url=server.base_url, trust_env=False) as http:
            http.headers["authorization"] = server.api_key
            response = await http.post("/horse/runsync", json={"input": {"n": 1}})
        assert {"n": 1} == response.json()["output"]
    await anyio.to_thread.run_sync(assert_stopped, server)


async def test_async_with_does_not_block_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    start, stop = LocalServer.start, LocalServer.stop

    def traced_start(server: LocalServer) -> None:
        threads.append(threading.get_ident())
        start(server)

    def traced_stop(server: LocalServer) -> None:
        threads.append(threading.get_ident())
        stop(server)

    monkeypatch.setattr(LocalServer, "start", traced_start)
    monkeypatch.setattr(LocalServer, "stop", traced_stop)
    async with LocalServer({"horse": echo}):
        pass
    assert 2 == len(threads)
    assert threading.get_ident() not in threads


async def test_async_with_stops_the_server_when_it_is_cancelled() -> None:
    server = LocalServer({"horse": echo})
    with anyio.CancelScope() as scope:
        async with server:
            scope.cancel()
            await anyio.sleep_forever()
    await anyio.to_thread.run_sync(assert_stopped, server)


async def test_with_inside_a_running_loop() -> None:
    with LocalServer({"horse": echo}) as server, Api(server) as api:
        assert {"n": 1} == api.run_sync(n=1)["output"]


def test_start_and_stop() -> None:
    server = LocalServer({"horse": echo})
    server.start()
    server.stop()
    server.stop()
    assert_stopped(server)


def test_stop_without_start() -> None:
    LocalServer({"horse": echo}).stop()


def test_exception_inside_with_propagates() -> None:
    with pytest.raises(KeyError), LocalServer({"horse": echo}) as server:
        raise KeyError
    assert_stopped(server)


def test_several_servers_at_once() -> None:
    def mule(_: dict[str, Any]) -> str:
        return "mule"

    with (
        LocalServer({"horse": echo}) as one,
        LocalServer({"horse": mule}) as two,
        Api(one) as first,
        Api(two) as second,
    ):
        assert {"n": 1} == first.run_sync(n=1)["output"]
        assert "mule" == second.run_sync(n=1)["output"]
        key = {"authorization": one.api_key}
        assert 401 == second.http.get("/health", headers=key).status_code
    assert one.base_url != two.base_url


def test_many_servers_in_sequence() -> None:
    before = threading.active_count()
    for _ in range(50):
        with LocalServer({"horse": echo}) as server, Api(server) as api:
            api.run_sync()
    until(lambda: threading.active_count() <= before)


def test_no_signal_handler_is_installed() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with LocalServer({"horse": echo}):
        assert before == {number: signal.getsignal(number) for number in before}
    assert before == {number: signal.getsignal(number) for number in before}


def test_stop_while_a_sync_handler_runs(gate: Gate) -> None:
    with LocalServer({"horse": gate}) as server, Api(server) as api:
        api.run()
        gate.wait_entered()
        api.run()
        server.stop()
        assert_stopped(server)
        gate.open()
        until(lambda: not any(t.name.startswith("runpod-worker") for t in threading.enumerate()))
        statuses = [job["status"] for job in server.jobs["horse"]]
        assert ["IN_PROGRESS", "IN_QUEUE"] == statuses


def test_stop_cancels_async_handlers() -> None:
    entered, stopped = threading.Event(), threading.Event()

    async def handler(_: dict[str, Any]) -> None:
        helper = asyncio.ensure_future(asyncio.Event().wait())
        entered.set()
        try:
            await helper
        finally:
            stopped.set()

    with LocalServer({"horse": handler}) as server, Api(server) as api:
        api.run()
        assert entered.wait(TIMEOUT)
    assert stopped.is_set()
    assert_stopped(server)


@pytest.mark.parametrize("generator", [False, True])
def test_stop_with_an_async_handler_that_ignores_cancellation(generator: bool) -> None:
    entered = threading.Event()

    async def handler(_: dict[str, Any]) -> None:
        entered.set()
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def handler_generator(job: dict[str, Any]) -> AsyncIterator[int]:
        await handler(job)
        yield 1

    chosen = handler_generator if generator else handler
    with LocalServer({"horse": chosen}) as server, Api(server) as api:
        api.run()
        assert entered.wait(TIMEOUT)
        server.stop()
        name = f"runpod-local-{port_of(server)}"
        assert not [thread for thread in threading.enumerate() if thread.name == name]


def test_stop_while_an_async_handler_waits_for_a_thread(gate: Gate) -> None:
    async def handler(job: dict[str, Any]) -> Any:
        return await asyncio.to_thread(gate, job)

    with LocalServer({"horse": handler}) as server, Api(server) as api:
        api.run()
        gate.wait_entered()
    assert_stopped(server)


def test_stop_cancels_background_tasks_of_handlers() -> None:
    async def handler(_: dict[str, Any]) -> None:
        handler.task = asyncio.ensure_future(asyncio.sleep(3600))  # type: ignore[attr-defined]

    with LocalServer({"horse": handler}) as server, Api(server) as api:
        assert "COMPLETED" == api.run_sync()["status"]
    assert handler.task.cancelled()  # type: ignore[attr-defined]
    assert_stopped(server)


def test_stop_while_workers_boot() -> None:
    with LocalServer({"horse": echo}, cold_start=timedelta(hours=1)) as server, Api(server) as api:
        api.run()
        until(lambda: api.get("/health")["workers"]["initializing"] == 1)
    assert_stopped(server)


def test_stop_completes_held_requests(gate: Gate) -> None:
    with LocalServer({"horse": gate}) as server, Api(server) as api:
        job_id = api.run()
        gate.wait_entered()
        poll = api.held("GET", f"/status-sync/{job_id}")
        stream = api.held("GET", f"/stream/{job_id}")
        runsync = api.held("POST", "/runsync", json={"input": {"n": 2}})
        until(lambda: len(server.jobs["horse"]) == 2)
        server.stop()
        assert "IN_PROGRESS" == api.ok(poll.result(TIMEOUT))["status"]
        assert {"status": "IN_PROGRESS", "stream": []} == api.ok(stream.result(TIMEOUT))
        assert "IN_QUEUE" == api.ok(runsync.result(TIMEOUT))["status"]
        assert_stopped(server)


def test_stop_closes_idle_connections() -> None:
    with LocalServer({"horse": echo}) as server, Api(server) as api:
        api.run_sync()
        port = port_of(server)
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as idle:
            server.stop()
            with contextlib.suppress(ConnectionResetError):  # If it was not accepted yet.
                assert b"" == idle.recv(1)
        assert_stopped(server)


def test_stop_with_a_partial_request() -> None:
    with LocalServer({"horse": echo}) as server, Api(server) as api:
        api.run_sync()
        port = port_of(server)
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as slow:
            head = b"POST /v2/horse/run HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"
            slow.sendall(head)
            api.run_sync()  # The head has been read by now.
            server.stop()
            assert_stopped(server)


def test_stop_with_a_client_that_does_not_read_its_response() -> None:
    with LocalServer({"horse": lambda _: "x" * 20_000_000}) as server, Api(server) as api:
        job_id = api.run()
        api.get(f"/status-sync/{job_id}")
        port = port_of(server)
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            request = f"GET /v2/horse/status/{job_id} HTTP/1.1\r\nhost: x\r\nauthorization: {server.api_key}\r\n\r\n"
            connection.sendall(request.encode())
            assert b"HTTP/1.1 200" == connection.recv(12)
            server.stop()
            assert_stopped(server)


def test_stop_from_a_sync_handler() -> None:
    stopped = threading.Event()

    def handler(_: dict[str, Any]) -> None:
        server.stop()
        stopped.set()

    with LocalServer({"horse": handler}) as server, Api(server) as api:
        api.run()
        assert stopped.wait(TIMEOUT)
        assert_stopped(server)


def test_stop_from_an_async_handler_is_refused() -> None:
    async def handler(_: dict[str, Any]) -> None:
        server.stop()

    with LocalServer({"horse": handler}) as server, Api(server) as api:
        assert "from its own event loop" in api.run_sync()["error"]


def test_server_can_be_started_once() -> None:
    server = LocalServer({"horse": echo})
    with server, pytest.raises(RuntimeError, match="Create a new LocalServer"):
        server.start()
    with pytest.raises(RuntimeError, match="Create a new LocalServer"):
        server.start()


def test_port_in_use() -> None:
    with LocalServer({"horse": echo}) as server:
        second = LocalServer({"horse": echo}, port=port_of(server))
        with pytest.raises(RuntimeError, match=r"cannot listen on 127\.0\.0\.1:\d+: .*port 0"):
            second.start()
        with pytest.raises(RuntimeError, match="has no address: it has not been started"):
            _ = second.base_url
    with second, Api(second) as api:  # The port is free again, and start() can be retried.
        assert port_of(server) == port_of(second)
        assert {"n": 1} == api.run_sync(n=1)["output"]


def test_invalid_host() -> None:
    with pytest.raises(RuntimeError, match="Leave `host` out"):
        LocalServer({"horse": echo}, host="no such host").start()


def test_other_hosts() -> None:
    with LocalServer({"horse": echo}, host="localhost") as server, Api(server) as api:
        assert {"n": 1} == api.run_sync(n=1)["output"]


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("IPv6 is not available")
    with LocalServer({"horse": echo}, host="::1") as server, Api(server) as api:
        assert server.base_url.startswith("http://[::1]:")
        assert {"n": 1} == api.run_sync(n=1)["output"]


def test_repr_does_not_show_the_key() -> None:
    server = LocalServer({"horse": echo, "mule": echo}, api_key="very-secret")
    assert "<LocalServer endpoints=['horse', 'mule'] not started>" == repr(server)
    with server:
        assert f"<LocalServer {server.base_url} endpoints=['horse', 'mule'] running>" == repr(server)
    assert repr(server).endswith("stopped>")
    assert "very-secret" not in repr(server)
    assert "very-secret" == server.api_key


def test_keys_are_random() -> None:
    assert LocalServer({}).api_key != LocalServer({}).api_key


def test_program_exits_with_running_servers() -> None:
    program = """
import logging
import time
from runpod.local import LocalServer
import httpx

# Ignores the slow callback warnings of asyncio's debug mode, which depend on the machine's load.
logging.getLogger("asyncio").setLevel(logging.ERROR)

def sleeper(job):
    time.sleep(3600)

stopped = LocalServer({"horse": sleeper}).__enter__()
forgotten = LocalServer({"horse": sleeper}).__enter__()
for server in (stopped, forgotten):
    httpx.post(f"{server.base_url}/horse/run", json={"input": {"n": 1}},
               headers={"authorization": server.api_key})
stopped.stop()
print("bye")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "bye\n", "") == (done.returncode, done.stdout, done.stderr)
