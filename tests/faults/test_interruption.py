"""Calls that are interrupted, cancelled or left: nothing hangs, nothing stays open, and the id of a job is not lost."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from runpod import AsyncRunpod, Runpod
from runpod._exchange import Exchange
from tests.faults.interrupted import CALLS
from tests.faults.secrets import API_KEY
from tests.servers import PATIENCE, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Connection

ROOT = Path(__file__).parents[2]
JOB = "job-1"
QUEUED = json.dumps({"id": JOB, "status": "IN_QUEUE"}).encode()
CHUNK = json.dumps({"status": "IN_PROGRESS", "stream": [{"output": 1}]}).encode()

# The request in whose middle a call is interrupted.
HELD = {"submission": b"POST /v2/ep/run ", "wait": b"GET /v2/ep/status", "stream": b"GET /v2/ep/stream"}


class Holding:
    """Answers everything but the requests that a test waits for, and those for a stream but once."""

    def __init__(self, held: bytes) -> None:
        self._held = held
        self._streamed = False

    def __call__(self, connection: Connection) -> None:
        while request := connection.read_request():
            if request.startswith(b"GET /v2/ep/stream") and not self._streamed:
                self._streamed = True
                connection.answer(CHUNK)
            elif not request.startswith(self._held):
                connection.answer(QUEUED if b"/runsync" in request else b'{"jobs":{"inQueue":7}}')


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(call: str) -> Iterator[RawServer]:
    with RawServer(Holding(HELD[call])) as server:
        yield server


def wait_until_held(server: RawServer, call: str) -> None:
    times = 2 if call == "stream" else 1
    while sum(request.startswith(HELD[call]) for request in server.requests) < times:
        assert server.arrived.wait(PATIENCE)
        server.arrived.clear()
    server.closed.clear()


@pytest.mark.parametrize("side", ["sync", "asyncio", "trio"])
def test_an_interrupt(side: str, call: str, server: RawServer) -> None:
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.faults.interrupted", side, call, server.base_url],
        cwd=ROOT,
        env={**os.environ, "RUNPOD_LOG": "info"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until_held(server, call)
    program.send_signal(signal.SIGINT)
    out, log = program.communicate(timeout=4 * PATIENCE)
    assert ("health=7 threads=1 leaked=[]\n", 0) == (out, program.returncode), log
    assert "Traceback" not in log
    # Where the wire gave an id, it is in the log.
    assert (call == "wait") == (f"Job {JOB} submitted to endpoint ep" in log)
    assert server.closed.wait(PATIENCE)


async def test_a_cancelled_task(call: str, server: RawServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="runpod")
    async with AsyncRunpod(API_KEY, base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")
        items: Any = None

        async def one() -> None:
            nonlocal items
            pending = CALLS[call](endpoint)
            if call != "stream":
                await pending
                return
            items = pending
            async for _ in items:
                pass

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(one)
                await anyio.to_thread.run_sync(wait_until_held, server, call)
                group.cancel_scope.cancel()
        # The server saw the connection go, and the client goes on.
        assert await anyio.to_thread.run_sync(server.closed.wait, PATIENCE)
        assert 7 == (await endpoint.health()).jobs.in_queue
        if items is not None:
            assert [] == [item async for item in items]
    assert (call == "wait") == (f"Job {JOB} submitted to endpoint ep" in caplog.text)


async def test_an_id_in_an_answer_that_was_interrupted_is_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stalling(connection: Connection) -> None:
        connection.read_request()
        connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id":"job-1","status":"IN_QUEUE"')
        connection.read_request()

    caplog.set_level(logging.INFO)
    started = anyio.Event()
    received = Exchange.received

    def receiving(exchange: Exchange, piece: bytes, **how: Any) -> bool:
        started.set()
        return received(exchange, piece, **how)

    monkeypatch.setattr(Exchange, "received", receiving)
    with RawServer(stalling) as server:
        async with AsyncRunpod(API_KEY, base_url=server.base_url) as client:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(client.endpoint("ep").run, {"input": {"n": 1}})
                    await started.wait()
                    group.cancel_scope.cancel()
    assert f"Job {JOB} submitted to endpoint ep; the call was interrupted" in caplog.text


@pytest.fixture
def streaming() -> Iterator[RawServer]:
    with RawServer(Holding(b"none of them")) as server:
        yield server


async def test_an_async_stream_that_is_left(streaming: RawServer) -> None:
    async with AsyncRunpod(API_KEY, base_url=streaming.base_url) as client:

        async def mine() -> Any:
            async for chunk in client.endpoint("ep").stream(JOB):
                yield chunk

        chunks = mine()
        assert 1 == (await anext(chunks)).output
        await chunks.aclose()
        assert 7 == (await client.endpoint("ep").health()).jobs.in_queue
    assert (2, 1) == (len(streaming.requests), streaming.connections)


def test_a_sync_stream_that_is_left(streaming: RawServer) -> None:
    with Runpod(API_KEY, base_url=streaming.base_url) as client:

        def mine() -> Any:
            yield from client.endpoint("ep").stream(JOB)

        chunks = mine()
        assert 1 == next(chunks).output
        chunks.close()
        assert 7 == client.endpoint("ep").health().jobs.in_queue
    assert (2, 1) == (len(streaming.requests), streaming.connections)
