"""What lies beneath the connections of the library's own: sockets that keep deadlines, and are closed."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from runpod._primitives import time_left

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    import httpcore

# A write is cut into pieces so that a peer which reads slowly cannot stretch it.
_PIECE = 64 * 1024

NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def async_backend() -> httpcore.AsyncNetworkBackend:
    """Beneath async connections. What is cancelled leaves nothing open.

    httpcore's own sets up a timer for every step, and sends header and body apart; the deadline
    of a call is one timer above all of its steps.
    """
    import anyio
    import httpcore
    from anyio.streams.tls import TLSAttribute, TLSStream

    class Backend(httpcore.AsyncNetworkBackend):
        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.AsyncNetworkStream:
            try:
                with anyio.fail_after(timeout):
                    stream = await anyio.connect_tcp(host, port, local_host=local_address)
            except TimeoutError as error:
                raise httpcore.ConnectTimeout(str(error)) from error
            except (OSError, anyio.BrokenResourceError) as error:
                raise httpcore.ConnectError(str(error)) from error
            found: socket.socket = stream.extra(anyio.abc.SocketAttribute.raw_socket)
            for option in (NO_DELAY, *(socket_options or ())):
                found.setsockopt(*option)
            return Stream(stream, found)

        async def sleep(self, seconds: float) -> None:
            await anyio.sleep(seconds)

    class Stream(httpcore.AsyncNetworkStream):
        def __init__(self, stream: anyio.abc.ByteStream, below: socket.socket) -> None:
            self._stream = stream
            self._socket = below
            self._is_readable = watched(below)
            self._batch = Batch()

        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            self._batch.begin()
            try:
                if timeout is None:
                    return await self._stream.receive(max_bytes)
                with anyio.fail_after(timeout):
                    return await self._stream.receive(max_bytes)
            except anyio.EndOfStream:
                return b""
            except TimeoutError as error:
                raise httpcore.ReadTimeout(str(error)) from error
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise httpcore.ReadError(str(error)) from error

        async def write(self, buffer: bytes, timeout: float | None = None) -> None:
            try:
                for piece in self._batch.add(buffer):
                    view = memoryview(piece)
                    for start in range(0, len(view), _PIECE):
                        with anyio.fail_after(timeout) if timeout is not None else nullcontext():
                            await self._stream.send(bytes(view[start : start + _PIECE]))
            except TimeoutError as error:
                raise httpcore.WriteTimeout(str(error)) from error
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise httpcore.WriteError(str(error)) from error

        async def aclose(self) -> None:
            await self._stream.aclose()

        async def start_tls(
            self,
            ssl_context: ssl.SSLContext,
            server_hostname: str | None = None,
            timeout: float | None = None,
        ) -> httpcore.AsyncNetworkStream:
            try:
                with anyio.fail_after(timeout):
                    stream = await TLSStream.wrap(
                        self._stream, hostname=server_hostname, ssl_context=ssl_context, standard_compatible=False
                    )
            except BaseException as error:
                with anyio.CancelScope(shield=True):
                    await self._stream.aclose()
                if isinstance(error, TimeoutError):
                    raise httpcore.ConnectTimeout(str(error)) from error
                if isinstance(error, (OSError, anyio.BrokenResourceError, anyio.EndOfStream)):  # of TLS as well
                    raise httpcore.ConnectError(str(error)) from error
                raise
            return Stream(stream, self._socket)

        def _holds_more(self) -> bool:
            """Whether there is more than was read of what came over TLS. On an idle connection nobody asked for it."""
            above = self._stream.extra(TLSAttribute.ssl_object, None)
            if above is None:
                return False
            try:
                above.read(1)
            except OSError as error:  # of TLS as well
                return type(error).__name__ != "SSLWantReadError"
            return True

        def get_extra_info(self, info: str) -> Any:
            if info == "is_readable":
                return self._socket.fileno() < 0 or self._is_readable() or self._holds_more()
            if info == "ssl_object":
                return self._stream.extra(TLSAttribute.ssl_object, None)
            return self._socket if info == "socket" else None

    return Backend()


class Batch:
    """What is written, with the header of a request and its body in one piece where that is small.

    httpcore writes them apart, and ends every request with a write, be it of nothing. One system
    call less is a tenth of what a call costs.
    """

    def __init__(self) -> None:
        self._first = True
        self._held = b""

    def begin(self) -> None:
        """An answer is read: what is written next is the header of another request."""
        self._first = True

    def add(self, buffer: bytes) -> tuple[bytes, ...]:
        """The pieces to send now."""
        if self._first:
            self._first, self._held = False, buffer
            return ()
        held, self._held = self._held, b""
        if len(buffer) > _PIECE:
            return (held, buffer) if held else (buffer,)
        return (held + buffer,) if held or buffer else ()


def backend() -> httpcore.NetworkBackend:
    """Beneath sync connections: gives no operation more time than `time_limit` has left."""
    # Importing httpcore takes as long as all of this package, so it waits until it is needed.
    import httpcore

    inner = httpcore.SyncBackend()

    class DeadlineBackend(httpcore.NetworkBackend):
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.NetworkStream:
            problem: Exception = httpcore.ConnectError(f"no address for {host}")
            for address in _resolve(host, port, _bounded(timeout, httpcore.ConnectTimeout)):
                # One address after the other, within one deadline for all of them.
                left = _bounded(timeout, httpcore.ConnectTimeout)
                try:
                    stream = inner.connect_tcp(address, port, left, local_address, socket_options)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    problem = error
                else:
                    return DeadlineStream(stream)
            raise problem

        def connect_unix_socket(
            self,
            path: str,
            timeout: float | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.NetworkStream:
            left = _bounded(timeout, httpcore.ConnectTimeout)
            return DeadlineStream(inner.connect_unix_socket(path, left, socket_options))

        def sleep(self, seconds: float) -> None:
            inner.sleep(seconds)

    class DeadlineStream(httpcore.NetworkStream):
        def __init__(self, stream: httpcore.NetworkStream) -> None:
            self._stream = stream
            self._batch = Batch()

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            self._batch.begin()
            return self._stream.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            for whole in self._batch.add(buffer):
                view = memoryview(whole)
                for start in range(0, len(view), _PIECE):
                    left = _bounded(timeout, httpcore.WriteTimeout)
                    self._stream.write(bytes(view[start : start + _PIECE]), left)

        def close(self) -> None:
            self._stream.close()

        def start_tls(
            self,
            ssl_context: ssl.SSLContext,
            server_hostname: str | None = None,
            timeout: float | None = None,
        ) -> httpcore.NetworkStream:
            try:
                left = _bounded(timeout, httpcore.ConnectTimeout)
            except httpcore.ConnectTimeout:
                # httpcore forgets a connection that ends here.
                self.close()
                raise
            return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

        def get_extra_info(self, info: str) -> Any:
            return self._stream.get_extra_info(info)

    def _resolve(host: str, port: int, timeout: float | None) -> list[str]:
        if address_info(host, port):
            return [host]
        # A look-up cannot be given a time-out, so a thread of its own takes it; if it hangs, it
        # is left behind and ends with the resolver's own time-out.
        found: list[list[str]] = []
        problem: list[OSError] = []

        def look_up() -> None:
            try:
                entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found.append(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
            except (OSError, UnicodeError) as error:
                problem.append(error if isinstance(error, OSError) else OSError(str(error)))

        thread = threading.Thread(target=look_up, name="runpod-resolver", daemon=True)
        thread.start()
        thread.join(timeout)
        if found:
            return found[0]
        if problem:
            raise httpcore.ConnectError(str(problem[0]))
        msg = f"the address of {host} was not found in time"
        raise httpcore.ConnectTimeout(msg)

    return DeadlineBackend()


def _bounded(timeout: float | None, too_late: type[Exception]) -> float | None:
    left = time_left()
    if left <= 0:
        msg = "the deadline passed"
        raise too_late(msg)
    if timeout is None:
        return None if left == float("inf") else left
    return min(timeout, left)


def watched(below: socket.socket) -> Callable[[], bool]:
    """Tells, when called, whether there is something to read. On an idle connection that is its end."""
    number = below.fileno()
    if not hasattr(select, "poll"):  # Windows
        return lambda: bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return lambda: bool(poll.poll(0))


def address_info(host: str, port: int) -> tuple[int, int, int, str, tuple[str, int]] | None:
    """What `getaddrinfo` says of a host that is an address already; None for a name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except OSError:
        return None
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)
