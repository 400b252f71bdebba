"""Network streams for httpcore, shared parts and the sync backend.

They add to those of httpcore: deadlines in sync code, connection attempts to every address of a host within the
deadline, and the detection of stale connections before a request is sent.
"""

from __future__ import annotations

import select
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import httpcore

from runpod._http.addresses import resolve
from runpod._http.exchange import CONNECT_TIMEOUT, mark_sent, mark_unsent, time_remaining
from runpod._http.response_bytes import ResponseBytes
from runpod._primitives import monotonic

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterable

# Writes are split into pieces of this size, in bytes, so that each piece gets a timeout of its own.
WRITE_SIZE = 64 * 1024


class Backend(httpcore.NetworkBackend):
    """Network backend for sync connections. No operation takes longer than the deadline of the call allows.

    Args:
        to_tls_proxy: Whether connections go to a proxy over TLS.
        check_address: Called with every address of a host before it is connected to. It may raise an error.
    """

    def __init__(self, *, to_tls_proxy: bool, check_address: Callable[[str], None] | None = None) -> None:
        self._inner = httpcore.SyncBackend()
        self._to_tls_proxy = to_tls_proxy
        self._check_address = check_address
        self._stream: _Stream | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        mark_unsent()
        end = monotonic() + _within_limit(timeout, httpcore.ConnectTimeout)
        addresses = resolve(host, port, end - monotonic())
        if isinstance(addresses, OSError):
            late = isinstance(addresses, TimeoutError)
            raise (httpcore.ConnectTimeout if late else httpcore.ConnectError)(str(addresses)) from addresses
        if self._check_address is not None:
            # All of them: a name with public and private addresses is an attempt to get past this check.
            for address in addresses:
                self._check_address(address)
        problem: Exception | None = None
        for index, address in enumerate(addresses):
            share = time_share(end, len(addresses) - index)
            try:
                with _unwrap_signal_errors(share):
                    stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = problem or error
            else:
                self._stream = _Stream(stream, single_use=self._to_tls_proxy)
                return self._stream
        raise problem or httpcore.ConnectError(f"no address for {host}")

    def close(self) -> None:
        """Closes the connection. httpcore does not close it if the SOCKS handshake fails."""
        if self._stream is not None:
            self._stream.close()


class ExchangeStream(ABC):
    """Base of streams that track where a request starts and where its response ends.

    httpcore writes the header and the body of a request separately, and does not mark the end. Here the header is
    buffered until the next write or read, which saves a system call, a packet and a TLS record per request.

    Args:
        single_use: Whether the connection must not be reused: it is set where unsolicited bytes cannot be detected
            before the next request.
    """

    def __init__(self, *, single_use: bool) -> None:
        self._single_use = single_use
        # Whether this is not the first request.
        self._reused = False
        self._response = ResponseBytes()
        # The buffered header; None before a request, empty once it was written.
        self._header: bytes | None = None

    def is_reusable(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the connection can be reused after the response with this status and these headers."""
        self._reused = not self._single_use and self._response.is_exactly(status, headers)
        return self._reused

    def _to_write(self, buffer: bytes) -> bytes:
        if self._header is None:
            # A CONNECT request has no body, so it is written at once. httpcore sends the body from an async generator,
            # and trio warns if that is interrupted.
            if buffer.startswith(b"CONNECT "):
                self._header = b""
                return buffer
            self._header = buffer
            mark_unsent()
            return b""
        if self._header:
            if self._reused and self._is_stale():
                # httpcore then opens another connection.
                raise httpcore.ConnectionNotAvailable
            mark_sent()
            buffer, self._header = self._header + buffer, b""
        return buffer

    def _received(self, data: bytes) -> None:
        if self._header is not None:
            self._header = None
            self._response = ResponseBytes()
        self._response.feed(data)

    @abstractmethod
    def _is_stale(self) -> bool:
        """Whether the idle connection was closed or received unsolicited bytes."""


class _Stream(ExchangeStream, httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, *, single_use: bool = False) -> None:
        super().__init__(single_use=single_use)
        self._stream = stream
        self._is_readable = readability(stream.get_extra_info("socket"))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._header:
            self.write(b"", timeout)
        remaining = _within_limit(timeout, httpcore.ReadTimeout)
        with _unwrap_signal_errors(remaining):
            data = self._stream.read(max_bytes, remaining)
        self._received(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        remaining = _within_limit(timeout, httpcore.WriteTimeout)
        buffer = self._to_write(buffer)
        for start in range(0, len(buffer), WRITE_SIZE):
            remaining = _within_limit(timeout, httpcore.WriteTimeout) if start else remaining
            with _unwrap_signal_errors(remaining):
                self._stream.write(buffer[start : start + WRITE_SIZE], remaining)

    def close(self) -> None:
        # The file descriptor may be reused for another socket.
        self._is_readable = readability(None)
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            remaining = _within_limit(timeout, httpcore.ConnectTimeout)
            with _unwrap_signal_errors(remaining):
                stream = self._stream.start_tls(ssl_context, server_hostname, remaining)
        except BaseException:
            # httpcore does not close a stream whose handshake failed.
            self.close()
            raise
        return _Stream(stream, single_use=self._single_use)

    def get_extra_info(self, info: str) -> Any:
        # Checked in `_to_write` instead.
        return False if info == "is_readable" else self._stream.get_extra_info(info)

    def _is_stale(self) -> bool:
        return self._is_readable()


class _unwrap_signal_errors:  # noqa: N801 - a context manager without the cost of a generator
    """Unwraps exceptions of signal handlers that httpcore has mapped to its own errors.

    Socket errors have an errno, except timeouts, which occur only at the end of the timeout.
    """

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        # With a tolerance: system calls round timeouts to milliseconds.
        self._end = monotonic() + 0.9 * seconds - 0.002

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, (httpcore.NetworkError, httpcore.TimeoutException)):
            return
        cause = error.__cause__
        # A timeout of the operating system (ETIMEDOUT) has an errno.
        has_no_errno = isinstance(cause, OSError) and cause.errno is None
        if cause and has_no_errno and (type(cause) is not TimeoutError or monotonic() < self._end):
            raise cause


def _within_limit(timeout: float | None, error_class: type[Exception]) -> float:
    """The timeout of an operation, limited by the deadline. httpcore sets none for the SOCKS handshake."""
    remaining = time_remaining()
    if remaining <= 0:
        msg = "the deadline passed"
        raise error_class(msg)
    return min(CONNECT_TIMEOUT if timeout is None else timeout, remaining)


def time_share(end: float, addresses: int) -> float:
    """The connect timeout for one of the remaining addresses: an unreachable one must leave time for the others."""
    return max(0.001, (end - monotonic()) / addresses)


def readability(sock: socket.socket | None) -> Callable[[], bool]:
    """A function that returns whether a socket is readable: it has data, or was closed by the peer."""
    if sock is None:
        return lambda: True
    descriptor = sock.fileno()
    if not hasattr(select, "poll"):  # Windows
        return lambda: bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return lambda: bool(poll.poll(0))
