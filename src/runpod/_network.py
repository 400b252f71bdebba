"""Network backends for httpcore: what lies beneath the connections of the clients that the library makes.

httpcore's own are used where they serve. What is added: deadlines in sync code, addresses that are tried in turn within
them, nothing left open by a cancelled call, and on asyncio a stream without the layers that make one code fit all event
loops, which takes a quarter off the processor time of a call.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import httpcore

from runpod._addresses import async_look_up, look_up
from runpod._exchange import CONNECT_TIMEOUT, note_unsent, note_writing, time_left
from runpod._primitives import async_shield, is_trio, monotonic
from runpod._protocol.response_bytes import ResponseBytes, is_interim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# A write is cut into pieces of this size, in bytes, so that a peer which reads slowly cannot stretch it.
_PIECE = 64 * 1024

# So many pieces of a response wait for their reader before the connection is read no further.
_WAITING_PIECES = 16


class Backend(httpcore.NetworkBackend):
    """For sync connections: gives no operation more time than the deadline of the call leaves."""

    def __init__(self, *, to_tls_proxy: bool) -> None:
        self._inner = httpcore.SyncBackend()
        self._to_tls_proxy = to_tls_proxy
        self._stream: _Stream | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        note_unsent()
        end = monotonic() + _within_limit(timeout, httpcore.ConnectTimeout)
        addresses = look_up(host, port, end - monotonic())
        if isinstance(addresses, OSError):
            late = isinstance(addresses, TimeoutError)
            raise (httpcore.ConnectTimeout if late else httpcore.ConnectError)(str(addresses)) from addresses
        problem: Exception | None = None
        for index, address in enumerate(addresses):
            share = _share(end, len(addresses) - index)
            try:
                with _foreign_exceptions(share):
                    stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = problem or error
            else:
                self._stream = _Stream(stream, single_use=self._to_tls_proxy)
                return self._stream
        raise problem or httpcore.ConnectError(f"no address for {host}")

    def close(self) -> None:
        """Closes the connection. httpcore forgets one to a SOCKS proxy that was not set up."""
        if self._stream is not None:
            self._stream.close()


class Exchanging(ABC):
    """A stream that knows where a request begins and its response ends.

    httpcore writes the header of a request apart from its body, and nothing at its end. Here the header waits for what
    is written or read next: that saves a system call, for which 32 threads would stand in line, a packet, and a record
    of TLS.

    Args:
        single_use: Whether no second request may follow: bytes that nobody asked for cannot be seen where they wait.
    """

    def __init__(self, *, single_use: bool) -> None:
        self._single_use = single_use
        # Whether there was a request before this one.
        self._reused = False
        self._response = ResponseBytes()
        # What waits; None before a request, and empty once it is written.
        self._header: bytes | None = None

    def is_reusable(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether another request may follow the response with these headers."""
        self._reused = not self._single_use and self._response.is_exactly(headers)
        return self._reused

    def _to_write(self, buffer: bytes) -> bytes:
        if self._header is None:
            # To ask for a tunnel takes no body. httpcore sends that out of a generator, which trio does not like to see
            # interrupted.
            if buffer.startswith(b"CONNECT "):
                self._header = b""
                return buffer
            self._header = buffer
            note_unsent()
            return b""
        if self._header:
            if self._reused and self._is_over():
                # Then httpcore opens another connection.
                raise httpcore.ConnectionNotAvailable
            note_writing()
            buffer, self._header = self._header + buffer, b""
        return buffer

    def _received(self, data: bytes) -> None:
        if self._header is not None:
            self._header = None
            self._response = ResponseBytes()
        self._response.feed(data)

    @abstractmethod
    def _is_over(self) -> bool:
        """Whether the connection was closed, or something came that nobody asked for."""


class _Stream(Exchanging, httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, *, single_use: bool = False) -> None:
        super().__init__(single_use=single_use)
        self._stream = stream
        self._is_readable = _readability(stream.get_extra_info("socket"))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._header:
            self.write(b"", timeout)
        left = _within_limit(timeout, httpcore.ReadTimeout)
        with _foreign_exceptions(left):
            data = self._stream.read(max_bytes, left)
        self._received(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = _within_limit(timeout, httpcore.WriteTimeout)
        buffer = self._to_write(buffer)
        for start in range(0, len(buffer), _PIECE):
            left = _within_limit(timeout, httpcore.WriteTimeout) if start else left
            with _foreign_exceptions(left):
                self._stream.write(buffer[start : start + _PIECE], left)

    def close(self) -> None:
        # The number of its socket may soon be another's.
        self._is_readable = _readability(None)
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            left = _within_limit(timeout, httpcore.ConnectTimeout)
            with _foreign_exceptions(left):
                stream = self._stream.start_tls(ssl_context, server_hostname, left)
        except BaseException:
            # httpcore forgets a stream whose handshake failed.
            self.close()
            raise
        return _Stream(stream, single_use=self._single_use)

    def get_extra_info(self, info: str) -> Any:
        # Whether it is, is looked at when the request leaves.
        return False if info == "is_readable" else self._stream.get_extra_info(info)

    def _is_over(self) -> bool:
        return self._is_readable()


class _foreign_exceptions:  # noqa: N801 - a context manager without the cost of a generator
    """Raises what a signal handler raised as it is, where httpcore took it for the network's.

    Errors of the network have a number, but for timeouts, and these come when the time is up.
    """

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        # System calls round to milliseconds.
        self._end = monotonic() + 0.9 * seconds - 0.002

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, (httpcore.NetworkError, httpcore.TimeoutException)):
            return
        cause = error.__cause__
        # What the system reports has a number, also where it gives up on a peer before the time is up.
        has_no_number = isinstance(cause, OSError) and cause.errno is None
        if cause and has_no_number and (type(cause) is not TimeoutError or monotonic() < self._end):
            raise cause


def _within_limit(timeout: float | None, error_class: type[Exception]) -> float:
    """Seconds that an operation may take. httpcore gives no limit for what it says to a SOCKS proxy."""
    left = time_left()
    if left <= 0:
        msg = "the deadline passed"
        raise error_class(msg)
    return min(CONNECT_TIMEOUT if timeout is None else timeout, left)


def _share(end: float, addresses: int) -> float:
    """Seconds for one of so many addresses that are left: one that leads nowhere must leave time for the next."""
    return max(0.001, (end - monotonic()) / addresses)


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """For async connections. What is cancelled leaves nothing open.

    Args:
        to_tls_proxy: Whether connections lead to a proxy over TLS. asyncio before Python 3.11 has no TLS within TLS, so
            these are left to AnyIO, as are those on trio.
    """

    def __init__(self, *, to_tls_proxy: bool) -> None:
        self._to_tls_proxy = to_tls_proxy
        self._stream: _AnyIOStream | _AsyncioStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        note_unsent()
        timeout = CONNECT_TIMEOUT if timeout is None else timeout
        end = monotonic() + timeout
        problem: Exception | None = None
        try:
            with anyio.fail_after(timeout):
                addresses = await async_look_up(host, port)
                for index, address in enumerate(addresses):
                    try:
                        with anyio.fail_after(_share(end, len(addresses) - index)):
                            if self._to_tls_proxy or is_trio():
                                self._stream = await _AnyIOStream.connect(address, port, self._to_tls_proxy)
                            else:
                                self._stream = await _AsyncioStream.connect(address, port)
                            return self._stream
                    except (OSError, httpcore.ConnectError) as error:  # TimeoutError is one
                        problem = problem or error
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:  # of the look-up
            raise httpcore.ConnectError(str(error)) from error
        if isinstance(problem, TimeoutError):
            raise httpcore.ConnectTimeout(str(problem)) from problem
        raise httpcore.ConnectError(str(problem or f"no address for {host}")) from problem

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def aclose(self) -> None:
        """Closes the connection. httpcore forgets one to a SOCKS proxy that was not set up."""
        if self._stream is not None:
            await self._stream.aclose()


class _AnyIOStream(Exchanging, httpcore.AsyncNetworkStream):
    """One of httpcore's, which a cancelled handshake does not leave open."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, *, single_use: bool) -> None:
        super().__init__(single_use=single_use)
        self._stream = stream

    @classmethod
    async def connect(cls, address: str, port: int, single_use: bool) -> _AnyIOStream:
        backend: Any = httpcore.AnyIOBackend()  # httpcore types it for where AnyIO is missing
        return cls(await backend.connect_tcp(address, port), single_use=single_use)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._header:
            await self.write(b"", timeout)
        data = await self._stream.read(max_bytes, CONNECT_TIMEOUT if timeout is None else timeout)
        self._received(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        buffer = self._to_write(buffer)
        if buffer:
            await self._stream.write(buffer, CONNECT_TIMEOUT if timeout is None else timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            with async_shield():
                await self.aclose()
            raise
        return _AnyIOStream(stream, single_use=self._single_use)

    def get_extra_info(self, info: str) -> Any:
        # Whether it is, is looked at when the request leaves.
        return False if info == "is_readable" else self._stream.get_extra_info(info)

    def _is_over(self) -> bool:
        if self._stream.get_extra_info("is_readable"):
            return True
        # Also whether more came over TLS than was read.
        tls = self._stream.get_extra_info("ssl_object")
        if tls is None:
            return False
        try:
            tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:  # of TLS as well
            return True
        return True


class _AsyncioStream(Exchanging, asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A connection on asyncio, protocol and stream in one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        super().__init__(single_use=False)
        self._loop = loop
        self._socket = sock
        self._is_readable = _readability(sock)
        self._tls = False
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[bytes] = deque()
        # What wakes the task that waits for bytes, or for room to write.
        self._wakeup: asyncio.Future[None] | None = None
        self._full = False
        self._reading = True
        self._ended = False
        self._error: Exception | None = None

    @classmethod
    async def connect(cls, address: str, port: int) -> _AsyncioStream:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        stream = cls(loop, sock)
        try:
            sock.setblocking(False)
            # A large body is written in pieces: none must wait for the one before to arrive.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, (address, port))
            await loop.create_connection(lambda: stream, sock=sock)
        except BaseException:
            if stream._transport is None:
                sock.close()
            else:
                await stream.aclose()
            raise
        return stream

    # What httpcore calls.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._header:
            await self.write(b"", timeout)
        end = monotonic() + (CONNECT_TIMEOUT if timeout is None else timeout)
        while not self._pieces and not self._ended:
            await self._wait(end, httpcore.ReadTimeout)
        if self._pieces:
            piece = self._pieces.popleft()
            self._received(piece)
            if not self._reading and not self._pieces:
                self._set_reading(True)
            return piece
        if self._error is not None:
            raise httpcore.ReadError(str(self._error)) from self._error
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer and not self._header:
            return
        transport = self._transport
        # asyncio logs a warning for each write to a connection that is lost.
        # One that was used before, and closed since, is found out when the header leaves.
        may_be_over = self._reused and self._header != b""
        if transport is None or (self._is_closed() and not may_be_over):
            msg = "the connection was closed"
            raise httpcore.WriteError(msg) from self._error
        buffer = self._to_write(buffer)
        if not buffer:
            return
        transport.write(buffer)
        end = monotonic() + (CONNECT_TIMEOUT if timeout is None else timeout)
        while self._full and not self._ended:
            if self._pieces and not is_interim(self._pieces[0]):
                # httpcore reads the response when it cannot write.
                msg = "the server responded before it had read the request"
                raise httpcore.WriteError(msg)
            await self._wait(end, httpcore.WriteTimeout)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        if self._transport is None or self._pieces:
            msg = "the connection was closed, or the proxy said more than it was asked for"
            raise httpcore.ConnectError(msg)
        self._tls = True
        try:
            with anyio.fail_after(timeout):
                transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except BaseException as error:
            await self.aclose()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout(str(error)) from error
            if isinstance(error, OSError):  # of TLS as well
                raise httpcore.ConnectError(str(error)) from error
            raise
        if transport is None:  # uvloop gives None where the connection is lost meanwhile
            msg = "the connection was closed"
            raise httpcore.ConnectError(msg)
        self.connection_made(transport)
        return self

    async def aclose(self) -> None:
        """Closes the connection at once: a farewell, as TLS has it, would take a peer that responds."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()
            with async_shield():
                # The loop closes the socket in its next round, and this may be the last but for that.
                await asyncio.sleep(0)

    def get_extra_info(self, info: str) -> Any:
        transport = self._transport
        if transport is None or info == "is_readable":
            # Whether it is, is looked at when the request leaves.
            return None
        names = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket", "ssl_object": "ssl_object"}
        return transport.get_extra_info(names.get(info, info))

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of other event loops are none by class.
        self._transport = cast("asyncio.Transport", transport)
        # TLS would keep more, and what is kept does not show whether anything moves.
        self._transport.set_write_buffer_limits(_PIECE)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        if len(self._pieces) > _WAITING_PIECES and self._reading:
            self._set_reading(False)
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self._tls:
            # asyncio reads no more from a connection that it cannot write to, not even why.
            with suppress(OSError):
                while piece := self._socket.recv(_PIECE):
                    self._pieces.append(piece)
        self._ended = True
        self._error = self._error or exc
        self._wake()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    def _is_over(self) -> bool:
        return self._is_closed() or bool(self._pieces) or self._is_readable()

    def _is_closed(self) -> bool:
        return self._ended or self._transport is None or self._transport.is_closing()

    async def _wait(self, end: float, error_class: type[Exception]) -> None:
        """Until something happens, but no longer than to the moment `end`."""
        left = end - monotonic()
        if left <= 0:
            msg = "nothing moved for too long"
            raise error_class(msg)
        self._wakeup = self._loop.create_future()
        timer = self._loop.call_later(left, self._wake)
        try:
            await self._wakeup
        finally:
            self._wakeup = None
            timer.cancel()

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    def _set_reading(self, reading: bool) -> None:
        self._reading = reading
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.resume_reading if reading else self._transport.pause_reading)()


def _readability(sock: socket.socket | None) -> Callable[[], bool]:
    """What tells whether there is something to read, be it the end."""
    if sock is None:
        return lambda: True
    number = sock.fileno()
    if not hasattr(select, "poll"):  # Windows
        return lambda: bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return lambda: bool(poll.poll(0))
