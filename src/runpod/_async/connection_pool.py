"""The HTTP client that the library makes for itself, and the pool of connections beneath it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from runpod._environment import proxies_for, tls_context, warn_of_proxy
from runpod._exchange import KEEP_ALIVE, MAX_CONNECTIONS, current, time_left
from runpod._network import AsyncBackend, Exchanging
from runpod._primitives import AsyncClock, AsyncSlots, async_home, async_shield

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


def new_client(base_url: str) -> tuple[httpx.AsyncClient, bool]:
    """A client for one address. It verifies TLS, and takes a proxy from the environment.

    Returns:
        The client, and whether its network streams tell when a request leaves: not through a proxy, which is sent
        requests of its own.

    Raises:
        ConfigurationError: The certificate authorities cannot be loaded.
    """
    context = tls_context()
    transport, proxy = _transport(base_url, context)
    # httpx has no public way to give a transport a pool. Where this is not its place, httpx's own pool serves.
    has_place = hasattr(transport, "_pool")
    if has_place:
        pool: Any = AsyncConnectionPool(context, proxy)
        transport._pool = pool  # noqa: SLF001 - see above  # pyright: ignore[reportPrivateUsage]

    # Defined here, since some tools replace `httpx.AsyncClient` by a subclass.
    class Client(httpx.AsyncClient):
        """Without cookies: the API has none, and a jar takes a twentieth of the time of a call."""

        @property
        def cookies(self) -> Any:
            return _no_cookies

        @cookies.setter
        def cookies(self, cookies: Any) -> None: ...

    return Client(transport=transport, follow_redirects=False), has_place and proxy is None


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


def _in_terms_of_httpcore(proxy: httpx.Proxy) -> httpcore.Proxy:
    url = proxy.url
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=proxy.raw_auth,
        headers=proxy.headers.raw,
        ssl_context=proxy.ssl_context,
    )


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Keeps none."""


_no_cookies = _NoCookies()


class AsyncConnectionPool:
    """Lends out connections, the one used last first.

    httpcore's own pool looks at all of its connections and requests for every request. This one holds pools of
    httpcore's with one connection each, so that what a request costs does not grow with their number, and what is
    patched in httpcore is not passed by. Connections belong to an event loop and to a process.
    """

    def __init__(self, context: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        self._context = context
        self._proxy = None if proxy is None else _in_terms_of_httpcore(proxy)
        self._connections: dict[tuple[int, Any], AsyncConnections] = {}
        self._closed = False

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Sends a request over a connection that nobody uses. Closing the response gives it back.

        Raises:
            httpcore.PoolTimeout: No connection was given back before the deadline.
        """
        where = async_home()
        here = self._connections.get(where) or self._new_home(where)
        await here.wait_for_slot()
        connection = None
        try:
            connection = await here.take() or AsyncConnection(self._context, self._proxy)
            response = await connection.handle_async_request(request)
        except BaseException:
            await here.give_back(connection, reusable=False)
            raise
        response.stream = AsyncPooledStream(response, here, connection)
        return response

    def _new_home(self, where: tuple[int, Any]) -> AsyncConnections:
        # Connections of an event loop that has ended can be neither used nor closed.
        for key in list(self._connections):
            if getattr(key[1], "is_closed", bool)():
                self._connections.pop(key, None)
        return self._connections.setdefault(where, AsyncConnections(closed=self._closed))

    async def aclose(self) -> None:
        """Closes the idle connections now, and the others as soon as they are given back."""
        self._closed = True
        here = self._connections.pop(async_home(), None)
        if here is not None:
            await here.aclose()


class AsyncConnection(httpcore.AsyncConnectionPool):
    """A pool with one connection. It closes also what httpcore forgets."""

    def __init__(self, context: ssl.SSLContext, proxy: httpcore.Proxy | None) -> None:
        self._beneath = AsyncBackend(to_tls_proxy=proxy is not None and proxy.url.scheme == b"https")
        super().__init__(
            ssl_context=context,
            proxy=proxy,
            max_connections=1,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=self._beneath,
        )

    async def aclose(self) -> None:
        await super().aclose()
        await self._beneath.aclose()


class AsyncConnections:
    """The connections of one event loop: how many there may be, and those that are idle."""

    def __init__(self, *, closed: bool) -> None:
        self._slots = AsyncSlots(MAX_CONNECTIONS)
        self._clock = AsyncClock()
        # In the order of the moments since when they are idle, which stand beside them.
        self._idle: deque[tuple[float, AsyncConnection]] = deque()
        self._closed = closed

    async def wait_for_slot(self) -> None:
        """Returns once the request on its way may use a connection.

        Raises:
            httpcore.PoolTimeout: No connection was given back before its deadline.
        """
        if self._slots.take_nowait():
            return
        sending = current.get()
        if sending is not None:
            # While it waits, nothing was sent.
            sending.sent = False
        if not await self._slots.take(time_left()):
            msg = "no connection became free in time"
            raise httpcore.PoolTimeout(msg)
        if sending is not None:
            sending.sent = True

    async def take(self) -> AsyncConnection | None:
        """The connection that was used last, if there is an idle one."""
        now = self._clock.now()
        try:
            while now - self._idle[0][0] >= KEEP_ALIVE:
                await self._close_one(self._idle.popleft)
            return self._idle.pop()[1]
        except IndexError:  # also where another thread was faster
            return None

    async def give_back(self, connection: AsyncConnection | None, *, reusable: bool) -> None:
        """Keeps a connection if it can be used again, and frees its slot."""
        self._slots.give_back()
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
        """Closes the idle connections now, and the others as soon as they are given back."""
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
    """The body of a response. Closing it gives its connection back."""

    def __init__(self, response: httpcore.Response, home: AsyncConnections, connection: AsyncConnection) -> None:
        # httpcore types it as either kind.
        self._stream: Any = response.stream
        self._headers = response.headers
        said: Any = response
        self._network: object = said.extensions.get("network_stream")
        self._home = home
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
            # A mock may have put something in its place that need not be closed.
            if hasattr(self._stream, "aclose"):
                await self._stream.aclose()
        finally:
            # A mock's response has no network stream of ours.
            reusable = not isinstance(self._network, Exchanging) or self._network.is_reusable(self._headers)
            await self._home.give_back(self._connection, reusable=reusable)
