"""Tests of data buffered in the TLS layer: unsolicited responses and unsent requests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trustme

from runpod import AsyncRunpod, EndpointLimits, PayloadTooLargeError, RetryPolicy, Runpod
from runpod._http import async_network
from tests.servers import KEY, TEST_TIMEOUT, Connection, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ONCE = RetryPolicy(max_retries=0)


@pytest.fixture
def server_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The TLS context of a server that clients trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Session tickets would arrive between responses.
    context.num_tickets = 0
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


class Records:
    """The server side of a TLS connection. `flush` sends everything written in one segment."""

    def __init__(self, connection: Connection, context: ssl.SSLContext) -> None:
        self._peer = connection._peer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._until_done(self._tls.do_handshake)
        self.flush()

    def read(self) -> bytes:
        with contextlib.suppress(ssl.SSLError):
            return self._until_done(lambda: self._tls.read(65536))
        return b""

    def write(self, data: bytes) -> None:
        self._tls.write(data)

    def flush(self) -> None:
        if data := self._outgoing.read():
            self._peer.sendall(data)

    def _until_done(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:  # a handshake takes several steps
                self.flush()
                if not (data := self._peer.recv(65536)):
                    return b""
                self._incoming.write(data)


def response(job: str) -> bytes:
    body = b'{"id": "%s", "status": "IN_QUEUE"}' % job.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def secure(server: RawServer) -> str:
    return server.base_url.replace("http:", "https:")


@pytest.fixture
def doubling(server_side: ssl.SSLContext) -> Iterator[str]:
    """The address of a server whose first response on each connection is followed by another, in a record of its own."""
    count = iter(range(1, 100))

    def behave(connection: Connection) -> None:
        records = Records(connection, server_side)
        number = next(count)
        while records.read():
            records.write(response(f"job-{number}"))
            records.write(response("job-unsolicited"))
            records.flush()

    with RawServer(behave) as server:
        yield secure(server)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_unsolicited_responses_are_ignored(backend: str, doubling: str) -> None:
    async def main() -> None:
        async with AsyncRunpod(KEY, base_url=doubling, retry=ONCE) as client:
            jobs = [(await client.endpoint("ep").run(input={"n": 1}, timeout=TEST_TIMEOUT)).id for _ in range(3)]
        assert ["job-1", "job-2", "job-3"] == jobs

    anyio.run(main, backend=backend)


def test_unsolicited_responses_are_ignored_sync(doubling: str) -> None:
    with Runpod(KEY, base_url=doubling, retry=ONCE) as client:
        jobs = [client.endpoint("ep").run(input={"n": 1}, timeout=TEST_TIMEOUT).id for _ in range(3)]
    assert ["job-1", "job-2", "job-3"] == jobs


def test_cancellation_at_the_end_of_the_handshake_closes_the_socket(
    server_side: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def behave(connection: Connection) -> None:
        records = Records(connection, server_side)
        while records.read():
            records.write(response("job-1"))
            records.flush()

    async def main(base_url: str) -> None:
        made = async_network._AsyncioStream.connection_made

        def connection_made(self: Any, transport: Any) -> None:
            made(self, transport)
            asyncio.get_running_loop().call_soon(task.cancel)

        async with AsyncRunpod(KEY, base_url=base_url, retry=ONCE) as client:
            with monkeypatch.context() as patch:
                patch.setattr(async_network._AsyncioStream, "connection_made", connection_made)
                task = asyncio.ensure_future(client.endpoint("ep").status("job-1"))
                with pytest.raises(asyncio.CancelledError):
                    await task
            # The next socket reuses the file descriptor, which must no longer be registered with the event loop.
            for _ in range(3):
                assert "job-1" == (await client.endpoint("ep").status("job-1", timeout=TEST_TIMEOUT)).id

    with RawServer(behave) as server:
        asyncio.run(main(secure(server)))
        assert 2 == server.connections


def test_a_connection_with_an_unsent_request_is_not_reused(server_side: ssl.SSLContext) -> None:
    over = threading.Event()

    def behave(connection: Connection) -> None:
        records = Records(connection, server_side)
        if records.read().startswith(b"POST"):
            body = b'{"error": "too large"}'
            head = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: %d\r\n\r\n" % len(body)
            records.write(head + body)
            records.flush()
            over.wait(TEST_TIMEOUT)
        else:
            records.write(response("job-1"))
            records.flush()

    async def main(base_url: str) -> None:
        limits = EndpointLimits(run_bytes=None)
        async with AsyncRunpod(KEY, base_url=base_url, retry=ONCE, limits=limits) as client:
            with pytest.raises(PayloadTooLargeError):
                await client.endpoint("ep").run(input={"text": "x" * 20_000_000}, timeout=TEST_TIMEOUT)
            assert "job-1" == (await client.endpoint("ep").status("job-1", timeout=TEST_TIMEOUT)).id
        over.set()

    with RawServer(behave) as server:
        asyncio.run(main(secure(server)))
        assert 2 == server.connections
