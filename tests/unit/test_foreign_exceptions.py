"""Exceptions raised by signal handlers propagate unchanged, and the log names the job."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runpod import Runpod
from tests.servers import KEY, TEST_TIMEOUT, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Connection

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

QUEUED = json.dumps({"id": "job-1", "status": "IN_QUEUE"}).encode()


class SoftTimeLimitExceeded(Exception):  # noqa: N818 - the name in celery
    """The exception of celery."""


@pytest.fixture(params=[SoftTimeLimitExceeded, TimeoutError, KeyError, KeyboardInterrupt])
def raised(request: pytest.FixtureRequest) -> Iterator[type[BaseException]]:
    def handle(*_: Any) -> None:
        raise request.param("time is up")

    before = signal.signal(signal.SIGUSR1, handle)
    yield request.param
    signal.signal(signal.SIGUSR1, before)


def signalling(held: bytes) -> Any:
    """Responds to requests, but hangs and sends a signal for those that begin with `held`."""

    def behave(connection: Connection) -> None:
        while request := connection.read_request():
            if request.startswith(held):
                os.kill(os.getpid(), signal.SIGUSR1)
                connection.hang()
            connection.respond(QUEUED)

    return behave


@pytest.mark.parametrize("call", ["result", "run_sync", "stream", "status"])
def test_a_signal_handler_raises_during_a_poll(
    call: str, raised: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="runpod")
    with RawServer(signalling(b"GET ")) as server, Runpod(KEY, base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")
        calls: dict[str, Any] = {
            "result": lambda: endpoint.job("job-1").result(timeout=TEST_TIMEOUT),
            "run_sync": lambda: endpoint.run_sync(input={"n": 1}, timeout=TEST_TIMEOUT),
            "stream": lambda: list(endpoint.job("job-1").stream(timeout=TEST_TIMEOUT)),
            "status": lambda: endpoint.status("job-1", timeout=TEST_TIMEOUT),
        }
        with pytest.raises(raised, match="time is up") as caught:
            calls[call]()
        assert raised is caught.type
        # There was no further poll.
        assert 1 == sum(request.startswith(b"GET") for request in server.requests)
    assert f"Job job-1 on endpoint ep: {'stream' if call == 'stream' else 'status'}" in caplog.text
    assert f"was interrupted by {raised.__name__}; the job keeps running" in caplog.text


def test_a_signal_handler_raises_during_a_submission(
    raised: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    with RawServer(signalling(b"POST ")) as server, Runpod(KEY, base_url=server.base_url) as client:
        with pytest.raises(raised, match="time is up"):
            client.endpoint("ep").run(input={"n": 1}, timeout=TEST_TIMEOUT)
        assert 1 == len(server.requests)
    assert f"interrupted by {raised.__name__} after it was sent; it may have been executed" in caplog.text


def test_a_signal_handler_raises_during_a_pause(raised: type[BaseException]) -> None:
    def failing(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(b"{}", status="503 Service Unavailable", headers="Retry-After: 5\r\n")
            os.kill(os.getpid(), signal.SIGUSR1)

    with (
        RawServer(failing) as server,
        Runpod(KEY, base_url=server.base_url) as client,
        pytest.raises(raised, match="time is up"),
    ):
        client.endpoint("ep").job("job-1").result(timeout=60)
