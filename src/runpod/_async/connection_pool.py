"""The default HTTP client of the library, and its connection pool."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from runpod._http.async_network import AsyncBackend
from runpod._http.environment import proxies_for, tls_context, warn_of_proxy
from runpod._http.exchange import KEEP_ALIVE, MAX_CONNECTIONS, current_send, time_remaining
from runpod._http.network import ExchangeStream
from runpod._primitives import AsyncClock, AsyncSemaphore, async_connection_key, async_shield

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable


def new_client(
    base_url: str,
    *,
    check_address: Callable[[str], None] | None = None,
    context: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """Creates a client for the URLs that use the same proxy of the environment, if any, as this one. It verifies TLS.

    Args:
        base_url: The URL.
        check_address: Called with every address of a host before it is connected to; it may raise an error. Not called
            if there is a proxy, which connects by itself.
        context: The TLS context of another client. Loading the certificate authorities takes 20 ms.

    Raises:
        ConfigurationError: The certificate authorities cannot be loaded.
    """
    context = tls_context() if context is None else context
    transport, proxy = _transport(base_url, context)
    # httpx has no public way to replace the pool of a transport. Without this attribute, the pool of httpx is used.
    is_replaced = hasattr(transport, "_pool")
    if is_replaced:
        pool: Any = AsyncConnectionPool(context, proxy, check_address if proxy is None else None)
        transport._pool = pool  # noqa: SLF001 - see above  # pyright: ignore[reportPrivateUsage]

    # Defined here, since some tools replace `httpx.AsyncClient` with a subclass.
    class Client(httpx.AsyncClient):
        """Without cookies: the API sets none, and a cookie jar takes 5 % of the time of a call."""

        # Whether the network streams report when a request is sent. A proxy receives requests of its own.
        reports_sending = is_replaced and proxy is None
        # Whether `check_address` is called wherever it can be.
        checks_addresses = is_replaced or proxy is not None
        tls = context

        @property
        def cookies(self) -> Any:
            return _no_cookies

        @cookies.setter
        def cookies(self, cookies: Any) -> None: ...

    return Client(transport=transport, follow_redirects=False)


def _transport(base_url: str, context: ssl.SSLContext) -> tuple[httpx.AsyncHTTPTransport, httpx.Proxy | None]:
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE)
    for source, url in proxies_for(base_url):
        try:
            proxy = httpx.Proxy(url)
            proxy.ssl_context = context if proxy.url.scheme == "https" else None
            return httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy), proxy
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            warn_of_proxy(source, url, error)
    return httpx.AsyncHTTPTransport(verify=context, limits=limits), None


def _httpcore_proxy(proxy: httpx.Proxy) -> httpcore.Proxy:
    url = proxy.url
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=proxy.raw_auth,
        headers=proxy.headers.raw,
        ssl_context=proxy.ssl_context,
    )


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Ignores cookies."""


_no_cookies = _NoCookies()


class AsyncConnectionPool:
    """A connection pool, last in, first out.

    The pool of httpcore iterates over all connections and requests for every request. This one manages httpcore pools
    with one connection each: the cost of a request is independent of their number, and patches of httpcore still apply.
    Connections belong to a host, to an event loop and to a process.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        proxy: httpx.Proxy | None,
        check_address: Callable[[str], None] | None = None,
    ) -> None:
        self._context = context
        self._proxy = None if proxy is None else _httpcore_proxy(proxy)
        self._check_address = check_address
        # By process, event loop and host.
        self._connections: dict[tuple[Any, ...], AsyncConnections] = {}
        self._closed = False

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Sends a request over an idle or new connection. Closing the response releases it.

        Raises:
            httpcore.PoolTimeout: No connection became free before the deadline.
        """
        url = request.url
        key = (*async_connection_key(), url.scheme, url.host, url.port)
        connections = self._connections.get(key) or await self._add_connections(key)
        await connections.wait_for_slot()
        connection = None
        try:
            connection = await connections.take_idle() or AsyncConnection(
                self._context, self._proxy, self._check_address
            )
            response = await connection.handle_async_request(request)
        except BaseException:
            await connections.release(connection, reusable=False)
            raise
        response.stream = AsyncPooledStream(response, connections, connection)
        return response

    async def _add_connections(self, where: tuple[Any, ...]) -> AsyncConnections:
        for key, connections in list(self._connections.items()):
            # Connections of an event loop that has ended can be neither used nor closed.
            if getattr(key[1], "is_closed", bool)():
                self._connections.pop(key, None)
            elif key[:2] == where[:2]:
                await connections.close_expired()
        return self._connections.setdefault(where, AsyncConnections(closed=self._closed))

    async def aclose(self) -> None:
        """Closes the idle connections now, and the others when they are released."""
        self._closed = True
        here = async_connection_key()
        for key in [key for key in self._connections if key[:2] == here]:
            connections = self._connections.pop(key, None)
            if connections is not None:
                await connections.aclose()


class AsyncConnection(httpcore.AsyncConnectionPool):
    """A pool with one connection. It also closes connections that httpcore does not close."""

    def __init__(
        self,
        context: ssl.SSLContext,
        proxy: httpcore.Proxy | None,
        check_address: Callable[[str], None] | None = None,
    ) -> None:
        to_tls_proxy = proxy is not None and proxy.url.scheme == b"https"
        self._backend = AsyncBackend(to_tls_proxy=to_tls_proxy, check_address=check_address)
        super().__init__(
            ssl_context=context,
            proxy=proxy,
            max_connections=1,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=self._backend,
        )

    async def aclose(self) -> None:
        await super().aclose()
        await self._backend.aclose()


class AsyncConnections:
    """The connections to one host on one event loop: a limit, and the idle ones."""

    def __init__(self, *, closed: bool) -> None:
        self._slots = AsyncSemaphore(MAX_CONNECTIONS)
        self._clock = AsyncClock()
        # With the time since when they are idle, oldest first.
        self._idle: deque[tuple[float, AsyncConnection]] = deque()
        self._closed = closed

    async def wait_for_slot(self) -> None:
        """Waits until the current request may use a connection.

        Raises:
            httpcore.PoolTimeout: No connection became free before the deadline.
        """
        if self._slots.acquire_nowait():
            return
        sending = current_send.get()
        if sending is not None:
            # Nothing is sent while it waits.
            sending.sent = False
        if not await self._slots.acquire(time_remaining()):
            msg = "no connection became free in time"
            raise httpcore.PoolTimeout(msg)
        if sending is not None:
            sending.sent = True

    async def take_idle(self) -> AsyncConnection | None:
        """Returns the most recently used idle connection, or None."""
        await self.close_expired()
        try:
            return self._idle.pop()[1]
        except IndexError:
            return None

    async def close_expired(self) -> None:
        """Closes the connections that have been idle for too long."""
        now = self._clock.now()
        with suppress(IndexError):  # also where another thread was faster
            while now - self._idle[0][0] >= KEEP_ALIVE:
                await self._close_one(self._idle.popleft)

    async def release(self, connection: AsyncConnection | None, *, reusable: bool) -> None:
        """Releases a slot, and keeps the connection if it can be reused."""
        self._slots.release()
        if connection is None:
            return
        within = connection.connections
        if reusable and within and within[0].is_available():
            self._idle.append((self._clock.now(), connection))
            if self._closed:
                await self.aclose()
        else:
            await self._close(connection)

    async def aclose(self) -> None:
        """Closes the idle connections now, and the others when they are released."""
        self._closed = True
        while self._idle:
            await self._close_one(self._idle.pop)

    async def _close_one(self, pop: Any) -> None:
        try:
            _, connection = pop()
        except IndexError:  # another thread was faster
            return
        await self._close(connection)

    async def _close(self, connection: AsyncConnection) -> None:
        with async_shield():
            await connection.aclose()


class AsyncPooledStream:
    """The body of a response. Closing it releases the connection."""

    def __init__(self, response: httpcore.Response, connections: AsyncConnections, connection: AsyncConnection) -> None:
        # httpcore types it as a union of sync and async streams.
        self._stream: Any = response.stream
        self._status = response.status
        self._headers = response.headers
        untyped: Any = response
        self._network: object = untyped.extensions.get("network_stream")
        self._connections = connections
        self._connection = connection
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        pieces: AsyncIterator[bytes] = self._stream.__aiter__()
        return pieces

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            # A mock may have replaced it with an object without this method.
            if hasattr(self._stream, "aclose"):
                await self._stream.aclose()
        finally:
            # A mock's response has no such network stream.
            reusable = not isinstance(self._network, ExchangeStream) or self._network.is_reusable(
                self._status, self._headers
            )
            await self._connections.release(self._connection, reusable=reusable)
