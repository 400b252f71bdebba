"""The HTTP clients that the library makes for itself, one for each colour.

Both verify TLS, take proxies from the environment but for this machine, and follow no redirects.
Every request brings timeouts of its own.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx

from runpod._primitives import time_left

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    import httpcore

# The service lets 400 long polls of an endpoint wait at once; beside them, other calls must get
# through. Idle connections are dropped before common proxies drop them (60 s), so that few
# requests meet a connection that is just being closed.
_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=15.0)

# What is on this machine is asked directly, whatever proxy the environment names: few proxies
# reach it, and over http:// they would see the API key.
_DIRECT: Mapping[str, None] = {"all://localhost": None, "all://127.0.0.1": None, "all://[::1]": None}

# A write is cut into pieces so that a peer which reads slowly cannot stretch it.
_PIECE = 64 * 1024


def new_async_client() -> httpx.AsyncClient:
    """A client whose requests end when their cancel scope ends them, and leave nothing open.

    Where a TLS handshake is cancelled, httpcore forgets the connection without closing it.
    """
    client = httpx.AsyncClient(limits=_LIMITS, mounts=_DIRECT, follow_redirects=False)
    for pool in _pools(client):
        pool._network_backend = _closing_backend(pool._network_backend)  # noqa: SLF001 - see _pools
    return client


def new_client() -> httpx.Client:
    """A client whose requests keep the deadline of `time_limit`, whatever the server does.

    httpx gives every single read and write its own timeout, so a server that drips one byte a
    second would never end. Beneath it, these streams give each no more than what is left.
    """
    client = httpx.Client(limits=_LIMITS, mounts=_DIRECT, follow_redirects=False)
    backend = _network_backend()
    for pool in _pools(client):
        pool._network_backend = backend  # noqa: SLF001 - see _pools
    return client


def _pools(client: Any) -> list[Any]:
    # httpx has no public way to hand a network backend to its transports; a test holds it to
    # this one. `_mounts` are the transports for the proxies of the environment.
    transports: set[Any] = {client._transport, *client._mounts.values()}  # noqa: SLF001
    return [t._pool for t in transports if hasattr(t, "_pool")]  # noqa: SLF001


class Body(httpx.ByteStream):
    """The body of a request, in one piece.

    httpx's own is an async generator, which a cancelled request leaves to the garbage collector,
    and trio warns of that.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._left = [body]

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


def _closing_backend(inner: httpcore.AsyncNetworkBackend) -> httpcore.AsyncNetworkBackend:
    import anyio
    import httpcore

    class ClosingBackend(httpcore.AsyncNetworkBackend):
        async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
            return ClosingStream(await inner.connect_tcp(*args, **options))

        async def connect_unix_socket(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
            return await inner.connect_unix_socket(*args, **options)

        async def sleep(self, seconds: float) -> None:
            await inner.sleep(seconds)

    class ClosingStream(httpcore.AsyncNetworkStream):
        def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
            self._stream = stream

        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return await self._stream.read(max_bytes, timeout)

        async def write(self, buffer: bytes, timeout: float | None = None) -> None:
            await self._stream.write(buffer, timeout)

        async def aclose(self) -> None:
            await self._stream.aclose()

        async def start_tls(
            self,
            ssl_context: ssl.SSLContext,
            server_hostname: str | None = None,
            timeout: float | None = None,
        ) -> httpcore.AsyncNetworkStream:
            try:
                return ClosingStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self._stream.aclose()
                raise

        def get_extra_info(self, info: str) -> Any:
            return self._stream.get_extra_info(info)

    return ClosingBackend()


def _network_backend() -> httpcore.NetworkBackend:
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

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return self._stream.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            pieces = memoryview(buffer)
            for start in range(0, len(pieces), _PIECE):
                left = _bounded(timeout, httpcore.WriteTimeout)
                self._stream.write(bytes(pieces[start : start + _PIECE]), left)

        def close(self) -> None:
            self._stream.close()

        def start_tls(
            self,
            ssl_context: ssl.SSLContext,
            server_hostname: str | None = None,
            timeout: float | None = None,
        ) -> httpcore.NetworkStream:
            left = _bounded(timeout, httpcore.ConnectTimeout)
            return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

        def get_extra_info(self, info: str) -> Any:
            return self._stream.get_extra_info(info)

    def _resolve(host: str, port: int, timeout: float | None) -> list[str]:
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        except OSError:
            pass
        else:
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
