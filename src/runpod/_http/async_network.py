"""Network streams for httpcore: the async backend.

Connections are closed when a call is cancelled. On asyncio, a stream without the layers of AnyIO takes a quarter off
the processor time of a call; on trio, and for proxies over TLS, the streams of httpcore are used.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import httpcore

from runpod._http.addresses import async_resolve
from runpod._http.exchange import CONNECT_TIMEOUT, mark_unsent
from runpod._http.network import WRITE_SIZE, ExchangeStream, readability, time_share
from runpod._http.response_bytes import is_interim
from runpod._primitives import async_shield, is_trio, monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Reading is paused when more than this number of received pieces are buffered.
_MAX_BUFFERED_PIECES = 16


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """Network backend for async connections. Cancellation closes the connection.

    Args:
        to_tls_proxy: Whether connections go to a proxy over TLS. These use AnyIO, as connections on trio do, since
            asyncio before Python 3.11 does not support TLS within TLS.
        check_address: Called with every address of a host before it is connected to. It may raise an error.
    """

    def __init__(self, *, to_tls_proxy: bool, check_address: Callable[[str], None] | None = None) -> None:
        self._to_tls_proxy = to_tls_proxy
        self._check_address = check_address
        self._stream: _AnyIOStream | _AsyncioStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        mark_unsent()
        timeout = CONNECT_TIMEOUT if timeout is None else timeout
        end = monotonic() + timeout
        problem: Exception | None = None
        try:
            with anyio.fail_after(timeout):
                addresses = await async_resolve(host, port)
                if self._check_address is not None:
                    for address in addresses:
                        self._check_address(address)
                for index, address in enumerate(addresses):
                    try:
                        with anyio.fail_after(time_share(end, len(addresses) - index)):
                            if self._to_tls_proxy or is_trio():
                                self._stream = await _AnyIOStream.connect(address, port, self._to_tls_proxy)
                            else:
                                self._stream = await _AsyncioStream.connect(address, port)
                            return self._stream
                    except (OSError, httpcore.ConnectError) as error:  # includes TimeoutError
                        problem = problem or error
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:  # raised by the host name resolution
            raise httpcore.ConnectError(str(error)) from error
        if isinstance(problem, TimeoutError):
            raise httpcore.ConnectTimeout(str(problem)) from problem
        raise httpcore.ConnectError(str(problem or f"no address for {host}")) from problem

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def aclose(self) -> None:
        """Closes the connection. httpcore does not close it if the SOCKS handshake fails."""
        if self._stream is not None:
            await self._stream.aclose()


class _AnyIOStream(ExchangeStream, httpcore.AsyncNetworkStream):
    """Wraps an AnyIO stream of httpcore. It is closed if the TLS handshake fails or is cancelled."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, *, single_use: bool) -> None:
        super().__init__(single_use=single_use)
        self._stream = stream

    @classmethod
    async def connect(cls, address: str, port: int, single_use: bool) -> _AnyIOStream:
        backend: Any = httpcore.AnyIOBackend()  # its type does not fit if AnyIO is missing
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
        # Checked in `_to_write` instead.
        return False if info == "is_readable" else self._stream.get_extra_info(info)

    def _is_stale(self) -> bool:
        if self._stream.get_extra_info("is_readable"):
            return True
        # The TLS object may hold decrypted bytes.
        tls = self._stream.get_extra_info("ssl_object")
        if tls is None:
            return False
        try:
            tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:  # includes ssl.SSLError
            return True
        return True


class _AsyncioStream(ExchangeStream, asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A connection on asyncio: protocol and stream in one object."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        super().__init__(single_use=False)
        self._loop = loop
        self._socket = sock
        self._is_readable = readability(sock)
        self._tls = False
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[bytes] = deque()
        # Wakes the task that waits to read or write.
        self._wakeup: asyncio.Future[None] | None = None
        self._write_paused = False
        self._reading = True
        self._eof = False
        self._error: Exception | None = None

    @classmethod
    async def connect(cls, address: str, port: int) -> _AsyncioStream:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        stream = cls(loop, sock)
        try:
            sock.setblocking(False)
            # No Nagle delay: a large body is written in pieces.
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

    # The interface of httpcore.AsyncNetworkStream.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._header:
            await self.write(b"", timeout)
        end = monotonic() + (CONNECT_TIMEOUT if timeout is None else timeout)
        while not self._pieces and not self._eof:
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
        # Raise before writing: asyncio logs a warning for each write to a lost connection.
        # A reused connection that was closed meanwhile is detected in `_to_write`.
        may_be_over = self._reused and self._header != b""
        if transport is None or (self._is_closed() and not may_be_over):
            msg = "the connection was closed"
            raise httpcore.WriteError(msg) from self._error
        buffer = self._to_write(buffer)
        if not buffer:
            return
        transport.write(buffer)
        end = monotonic() + (CONNECT_TIMEOUT if timeout is None else timeout)
        while self._write_paused and not self._eof:
            if self._pieces and not is_interim(self._pieces[0]):
                # After a WriteError, httpcore reads the response.
                msg = "the server responded before it had read the whole request"
                raise httpcore.WriteError(msg)
            await self._wait(end, httpcore.WriteTimeout)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        if self._transport is None or self._pieces:
            msg = "the connection was closed, or the proxy sent unexpected data"
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
            if isinstance(error, OSError):  # includes ssl.SSLError
                raise httpcore.ConnectError(str(error)) from error
            raise
        if transport is None:  # uvloop returns None if the connection was lost meanwhile
            msg = "the connection was closed"
            raise httpcore.ConnectError(msg)
        self.connection_made(transport)
        return self

    async def aclose(self) -> None:
        """Closes the connection at once, without the closing handshake of TLS, which a peer could stall."""
        self._eof = True
        if self._transport is not None:
            self._transport.abort()
            with async_shield():
                # The loop closes the socket in its next iteration; make sure that there is one.
                await asyncio.sleep(0)

    def get_extra_info(self, info: str) -> Any:
        transport = self._transport
        if transport is None or info == "is_readable":
            # `is_readable` is checked in `_to_write` instead.
            return None
        names = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket", "ssl_object": "ssl_object"}
        return transport.get_extra_info(names.get(info, info))

    # The interface of asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Transports of other event loops are not subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        # The default buffer for TLS is larger, and would hide a stalled connection.
        self._transport.set_write_buffer_limits(WRITE_SIZE)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        if len(self._pieces) > _MAX_BUFFERED_PIECES and self._reading:
            self._set_reading(False)
        self._wake()

    def eof_received(self) -> None:
        self._eof = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self._tls:
            # After a failed write, asyncio no longer reads, so read the rest here: it may have an error response.
            with suppress(OSError):
                while piece := self._socket.recv(WRITE_SIZE):
                    self._pieces.append(piece)
        self._eof = True
        self._error = self._error or exc
        self._wake()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._wake()

    def _is_stale(self) -> bool:
        return self._is_closed() or bool(self._pieces) or self._is_readable()

    def _is_closed(self) -> bool:
        return self._eof or self._transport is None or self._transport.is_closing()

    async def _wait(self, end: float, error_class: type[Exception]) -> None:
        """Waits for an event, at most until `end`."""
        remaining = end - monotonic()
        if remaining <= 0:
            msg = "the connection stalled"
            raise error_class(msg)
        self._wakeup = self._loop.create_future()
        timer = self._loop.call_later(remaining, self._wake)
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
