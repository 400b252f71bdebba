"""Interrupted calls: nothing hangs or leaks, and the job ID is logged."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from runpod import AsyncRunpod
from runpod._http.exchange import Exchange
from tests.faults.interrupted import CALLS
from tests.faults.secrets import API_KEY, leaked
from tests.processes import LONGEST
from tests.servers import TEST_TIMEOUT, RawServer

if TYPE_CHECKING:
    from tests.servers import Connection

QUEUED = json.dumps({"id": "job-1", "status": "IN_QUEUE"}).encode()
CHUNK = json.dumps({"status": "IN_PROGRESS", "stream": [{"output": 1}]}).encode()
HEALTH = json.dumps({"jobs": {"inQueue": 7}}).encode()

# The log message for each interrupted call, with the job ID if the server returned one.
LOGGED = {
    "submission": "run on endpoint 'ep' was interrupted by {} after it was sent; it may have been executed",
    "wait": "Job job-1 on endpoint ep: status_sync was interrupted by {}; the job keeps running",
    "stream": "Job job-1 on endpoint ep: stream was interrupted by {}; the job keeps running",
}


@pytest.mark.parametrize("side", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("call", CALLS)
def test_interrupted_calls(side: str, call: str) -> None:
    closed: list[bool] = []

    def behave(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/health" in request:
                # The connection of the interrupted call is closed, and the client is still usable.
                closed.append(server.closed.wait(TEST_TIMEOUT))
                connection.respond(HEALTH)
            elif len(server.requests) < CALLS[call][1]:
                connection.respond(QUEUED if b"/runsync" in request else CHUNK)

    with RawServer(behave) as server:
        command = [sys.executable, "-W", "error", "-m", "tests.faults.interrupted", side, call, server.base_url]
        environment = {**os.environ, "RUNPOD_LOG": "info"}
        root = Path(__file__).parents[2]
        program = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST
        )
    log = program.stderr
    assert ("health=7 threads=1 through=True\n", 0) == (program.stdout, program.returncode), log
    assert [True] == closed
    # A leaked socket would cause a warning in the log.
    assert "Traceback" not in log
    assert "Exception ignored" not in log
    assert LOGGED[call].format("CancelledError" if side == "asyncio" else "KeyboardInterrupt") in log
    assert (call == "wait") == ("Job job-1 submitted to endpoint ep" in log)
    assert [] == leaked([log])


async def test_the_job_id_of_an_interrupted_response_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stalling(connection: Connection) -> None:
        connection.read_request()
        connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id":"job-1","status":"IN_QUEUE"')
        connection.read_request()

    caplog.set_level(logging.INFO)
    feed = Exchange.feed

    def receiving(exchange: Exchange, piece: bytes, **how: Any) -> bool:
        group.cancel_scope.cancel()
        return feed(exchange, piece, **how)

    monkeypatch.setattr(Exchange, "feed", receiving)
    with RawServer(stalling) as server:
        async with AsyncRunpod(API_KEY, base_url=server.base_url) as client, anyio.create_task_group() as group:
            group.start_soon(client.endpoint("ep").run, {"input": {"n": 1}})
    assert "Job job-1 on endpoint ep: run was interrupted by Cancelled" in caplog.text
