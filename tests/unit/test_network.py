"""Tests of network streams, name resolution and connecting."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import httpcore
import pytest

from runpod import (
    AsyncRunpod,
    BadRequestError,
    RetryPolicy,
    Runpod,
    RunpodTimeoutError,
)
from runpod._http import addresses, async_network, network
from runpod._http.async_network import AsyncBackend
from runpod._http.exchange import SendState, current_send
from runpod._http.network import Backend
from tests.faults import invoke
from tests.servers import KEY, TEST_TIMEOUT, Connection, RawServer, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


class Alarm(TimeoutError):  # noqa: N818 - its name
    """Raised by a signal handler."""


@pytest.fixture
def _late() -> Iterator[None]:
    """A request whose deadline has passed."""
    token = current_send.set(SendState(remaining=0))
    yield
    current_send.reset(token)


@pytest.mark.usefixtures("_late")
def test_no_operation_starts_after_the_deadline() -> None:
    with RawServer(lambda connection: connection.hang()) as server:
        with pytest.raises(httpcore.ConnectTimeout):
            Backend(to_tls_proxy=False).connect_tcp("127.0.0.1", server.port)
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            stream = network._Stream(httpcore.SyncBackend().connect_tcp("127.0.0.1", server.port))
            with pytest.raises(httpcore.WriteTimeout):
                stream.write(b"x")
            with pytest.raises(httpcore.ReadTimeout):
                stream.read(1)
            with pytest.raises(httpcore.ConnectTimeout):
                stream.start_tls(ssl.create_default_context(), "127.0.0.1", 5.0)
            # httpcore does not close a stream whose handshake failed.
            assert -1 == stream.get_extra_info("socket").fileno()
            assert sock.fileno() > 0


def entry(address: str) -> tuple[Any, ...]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, 6, "", (address, 80)


def test_address_families_alternate() -> None:
    entries = [entry(address) for address in ("::1", "::2", "::1", "::3", "10.0.0.1", "10.0.0.2")]
    assert ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"] == addresses._interleaved(entries)


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A host whose first address is unreachable."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("two.test", b"two.test"):
            return real(host, *args, **kwargs)
        asked.append("two.test")
        # Connections to the first address are refused. A route that drops packets would have the same effect, later.
        return [entry("127.0.0.9"), entry("127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_all_addresses_of_a_host_are_tried(two_addresses: list[str]) -> None:
    with RawServer(lambda connection: connection.hang()) as server:
        stream = Backend(to_tls_proxy=False).connect_tcp("two.test", server.port, timeout=TEST_TIMEOUT)
        assert ("127.0.0.1", server.port) == stream.get_extra_info("server_addr")
        stream.close()
        with pytest.raises(httpcore.ConnectError, match="refused"):
            Backend(to_tls_proxy=False).connect_tcp("two.test", free_port(), timeout=TEST_TIMEOUT)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("proxied", [True, False])
def test_all_addresses_of_a_host_are_tried_async(backend: str, proxied: bool, two_addresses: list[str]) -> None:
    async def main(port: int) -> None:
        stream = await AsyncBackend(to_tls_proxy=proxied).connect_tcp("two.test", port, timeout=TEST_TIMEOUT)
        assert ("127.0.0.1", port) == tuple(stream.get_extra_info("server_addr"))[:2]
        await stream.aclose()
        with pytest.raises(httpcore.ConnectError):
            await AsyncBackend(to_tls_proxy=proxied).connect_tcp("two.test", free_port(), timeout=TEST_TIMEOUT)

    with RawServer(lambda connection: connection.hang()) as server:
        anyio.run(main, server.port, backend=backend)


def test_an_unreachable_address_leaves_time_for_the_next(
    two_addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float | None] = []

    class Swallowing(httpcore.SyncBackend):
        def connect_tcp(self, host: str, port: int, timeout: float | None = None, *args: Any) -> Any:
            given.append(timeout)
            if host == "127.0.0.9":
                raise httpcore.ConnectTimeout
            return super().connect_tcp(host, port, timeout, *args)

    monkeypatch.setattr(httpcore, "SyncBackend", Swallowing)
    with RawServer(lambda connection: connection.hang()) as server:
        Backend(to_tls_proxy=False).connect_tcp("two.test", server.port, timeout=8.0).close()
    first, second = given
    assert first == pytest.approx(4.0, abs=0.5)
    assert second is not None
    assert 4.0 < second <= 8.0


def test_names_are_resolved_in_the_calling_thread_if_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    found = addresses.resolve("localhost", 80, 1.0)
    assert isinstance(found, list)
    assert {"127.0.0.1", "::1"} >= set(found)
    assert isinstance(addresses.resolve("x" * 64 + ".test", 80, 1.0), OSError)

    async def main() -> list[str]:
        return await addresses.async_resolve("localhost", 80)

    monkeypatch.setattr(
        asyncio.BaseEventLoop, "getaddrinfo", lambda *_, **__: start(threading.current_thread()), raising=True
    )
    assert {"127.0.0.1", "::1"} >= set(asyncio.run(main()))


def test_a_slow_name_resolution_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(TEST_TIMEOUT) and [])
    assert isinstance(addresses.resolve("two.test", 80, 0.01), TimeoutError)
    over.set()


@pytest.mark.parametrize("raised", [Alarm, PermissionError, KeyError])
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_signal_handler_raises_during_name_resolution(
    raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def handle(*_: object) -> None:
        raise raised("time is up")

    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        os.kill(os.getpid(), signal.SIGUSR1)
        over.wait(TEST_TIMEOUT)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with Runpod(KEY, base_url="https://two.test/v2") as client, pytest.raises(raised, match="time is up"):
            client.endpoint("ep").run(input={"n": 1}, timeout=TEST_TIMEOUT)
    finally:
        signal.signal(signal.SIGUSR1, before)
        over.set()


# --- coalescing of writes ---------------------------------------------------------------------


class Recording(httpcore.NetworkStream):
    """Records the data written, and returns a fixed response."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.written.append(bytes(buffer))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b"HTTP/1.1 204 No Content\r\n\r\n"

    is_closing = set_write_buffer_limits = lambda *_: False


class AsyncRecording(httpcore.AsyncNetworkStream):
    """The async version of `Recording`."""

    def __init__(self, sync: Recording) -> None:
        self._sync = sync

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature of httpcore
        self._sync.write(buffer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the signature of httpcore
        return self._sync.read(max_bytes)


@pytest.mark.parametrize("side", ["sync", "anyio", "asyncio"])
def test_the_header_of_a_request_is_written_with_its_body(side: str) -> None:
    async def exchanges() -> list[bytes]:
        below = Recording()
        stream: Any = (
            network._Stream(below)
            if side == "sync"
            else async_network._AnyIOStream(AsyncRecording(below), single_use=False)
        )
        if side == "asyncio":
            stream = async_network._AsyncioStream(asyncio.get_running_loop(), sock)
            stream.connection_made(below)
        # With a body, without one, and the handshake with a SOCKS proxy.
        for parts in ((b"POST", b"body", b"more", b""), (b"GET", b""), (b"CONNECT a:1", b"", b""), (b"\x05\x01\x00",)):
            for part in parts:
                await invoke(stream.write, part, sync=side == "sync")
            if side == "asyncio":
                stream.data_received(below.read(1))
            assert await invoke(stream.read, 9, sync=side == "sync")
            assert stream.is_reusable(200, [])
            stream._is_stale = bool
        return [part for part in below.written if part]

    with socket.socket() as sock:
        expected = [b"POSTbody", b"more", b"GET", b"CONNECT a:1", b"\x05\x01\x00"]
        assert expected == asyncio.run(exchanges())


# --- failures of streams on asyncio -----------------------------------------------------------


def refusing_early(connection: Connection) -> None:
    """Reject a large body, and close the connection with most of it unread."""
    connection.see_request()
    connection.respond(b'{"error":"no"}', status="400 Bad Request", headers="Connection: close\r\n")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_large_upload_that_is_rejected_early(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main(base_url: str) -> None:
        async with AsyncRunpod(KEY, base_url=base_url, retry=RetryPolicy(max_retries=0)) as client:
            with pytest.raises(BadRequestError) as caught:
                await client.endpoint("ep").run(input={"data": "x" * 9_000_000}, timeout=TEST_TIMEOUT)
            assert caught.value.maybe_submitted is False

    caplog.set_level(logging.DEBUG, logger="asyncio")
    with RawServer(refusing_early) as server:
        anyio.run(main, server.base_url, backend=backend)
    assert [] == [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_backpressure_on_a_fast_response() -> None:
    flood = b"x" * 2**20

    def flooding(connection: Connection) -> None:
        connection.read_request()
        while not connection.pause(0):
            connection.send(flood)

    async def main(port: int) -> None:
        stream = await AsyncBackend(to_tls_proxy=False).connect_tcp("127.0.0.1", port)
        await stream.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await stream.read(1)
        inner: Any = stream
        while inner._reading:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        held = len(inner._pieces)
        for _ in range(5):
            await asyncio.sleep(0.005)
        assert held == len(inner._pieces)
        for _ in range(2 * held):
            assert await stream.read(1)
        await stream.aclose()

    with RawServer(flooding) as server:
        asyncio.run(main(server.port))


def test_stalled_reads_and_writes_time_out() -> None:
    async def main(port: int) -> None:
        stream = await AsyncBackend(to_tls_proxy=False).connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, timeout=0.01)
        with pytest.raises(httpcore.WriteTimeout):
            while True:
                await stream.write(b"x" * 2**20, timeout=0.01)
        await stream.aclose()
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x")

    with RawServer(lambda connection: connection.hang()) as server:
        asyncio.run(main(server.port))


# --- foreign exceptions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "seconds", "foreign"),
    [
        (TimeoutError("alarm"), TEST_TIMEOUT, True),
        (TimeoutError("timed out"), 0.0, False),
        (TimeoutError(110, "Connection timed out"), TEST_TIMEOUT, False),
        (Alarm("alarm"), 0.0, True),
        (PermissionError("alarm"), TEST_TIMEOUT, True),
        (ConnectionResetError(104, "reset"), TEST_TIMEOUT, False),
        (ssl.SSLEOFError(8, "EOF"), TEST_TIMEOUT, False),
    ],
)
def test_exceptions_of_signal_handlers_are_foreign(raised: OSError, seconds: float, foreign: bool) -> None:
    late = isinstance(raised, TimeoutError)
    kinds = (httpcore.ConnectTimeout, httpcore.ReadTimeout) if late else (httpcore.ConnectError, httpcore.ReadError)
    for kind in kinds:
        with pytest.raises((type(raised), kind)) as caught, network._unwrap_signal_errors(seconds):
            raise kind from raised
        assert (raised if foreign else kind) in {caught.value, caught.type}


def test_a_read_timeout_is_not_foreign() -> None:
    with (
        RawServer(lambda connection: connection.hang()) as server,
        Runpod(KEY, base_url=server.base_url) as client,
        pytest.raises(RunpodTimeoutError),
    ):
        client.endpoint("ep").health(timeout=0.05)
