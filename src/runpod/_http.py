"""The HTTP clients that the library makes for itself, one for each colour.

Both verify TLS, take proxies from the environment but for this machine, and follow no redirects.
Every request brings timeouts of its own.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

import httpx

from runpod._exchange import CONNECT_TIMEOUT, KEEP_ALIVE, MAX_CONNECTIONS
from runpod._network import async_backend, backend

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import httpcore

    from runpod._exchange import Exchange

# What is on this machine is asked directly, whatever proxy the environment names: few proxies
# reach it, and over http:// they would see the API key.
_DIRECT: Mapping[str, None] = {"all://localhost": None, "all://127.0.0.1": None, "all://[::1]": None}

# The modules of the methods that `is_patched` looks at.
_HOMES = {
    "httpx._client",
    "httpx._transports.default",
    "httpcore._async.connection_pool",
    "httpcore._sync.connection_pool",
}

# For what goes through httpx as a whole.
_LIMITS = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100, keepalive_expiry=KEEP_ALIVE)


def new_async_client() -> httpx.AsyncClient:
    """A client whose requests end when their cancel scope ends them, and leave nothing open."""
    client = httpx.AsyncClient(limits=_LIMITS, mounts=_DIRECT, follow_redirects=False)
    for pool in _pools(client):
        pool._network_backend = async_backend()  # noqa: SLF001 - see _pools
    return client


def new_client() -> httpx.Client:
    """A client whose requests keep the deadline of `time_limit`, whatever the server does.

    httpx gives every single read and write its own timeout, so a server that drips one byte a
    second would never end. Beneath it, these streams give each no more than what is left.
    """
    client = httpx.Client(limits=_LIMITS, mounts=_DIRECT, follow_redirects=False)
    deadlines = backend()
    for pool in _pools(client):
        pool._network_backend = deadlines  # noqa: SLF001 - see _pools
    return client


def _pools(client: Any) -> list[Any]:
    # httpx has no public way to hand a network backend to its transports; a test holds it to
    # this one. `_mounts` are the transports for the proxies of the environment.
    transports: set[Any] = {client._transport, *client._mounts.values()}  # noqa: SLF001
    return [t._pool for t in transports if hasattr(t, "_pool")]  # noqa: SLF001


def is_patched(client: Any) -> bool:
    """Whether somebody put something of their own in the place where httpx sends requests.

    Mocks do (respx, pytest-httpx), and so do tracers. They must see what the library sends: a
    test with a mock that is passed by would submit jobs, and those cost money.

    Args:
        client: The class of the client.
    """
    import httpcore

    chooses: object = client._transport_for_url  # noqa: SLF001 - as in _pools
    if client is httpx.AsyncClient:
        methods: tuple[object, ...] = (
            chooses,
            httpx.AsyncHTTPTransport.handle_async_request,
            httpcore.AsyncConnectionPool.handle_async_request,
        )
    else:
        methods = (
            chooses,
            httpx.HTTPTransport.handle_request,
            httpcore.ConnectionPool.handle_request,
        )
    return methods not in _unpatched and not _is_unpatched(methods)


# What `is_patched` found in order: once for each colour.
_unpatched: list[tuple[object, ...]] = []


def _is_unpatched(methods: tuple[Any, ...]) -> bool:
    # Not compared with what they were at the start: they can have been patched by then.
    if any(type(m) is not FunctionType or m.__globals__["__name__"] not in _HOMES for m in methods):
        return False
    _unpatched.append(methods)
    return True


class Route:
    """The way from here to the API that httpx would take: directly, or through a proxy."""

    def __init__(self, client: Any, base_url: str, headers: httpx.Headers) -> None:
        url = httpx.URL(base_url)
        transport: Any = client._transport_for_url(url)  # noqa: SLF001 - as in _pools
        self.proxied = transport is not client._transport  # noqa: SLF001
        self._pool = transport._pool  # noqa: SLF001
        # What opens connections, in the colour of the client.
        self.backend: Any = self._pool._network_backend  # noqa: SLF001
        # None where the address is not https.
        self.tls: ssl.SSLContext | None = self._pool._ssl_context if url.scheme == "https" else None  # noqa: SLF001
        if self.tls is not None:
            self.tls.set_alpn_protocols(["http/1.1"])
        self._path = url.raw_path.rstrip(b"/").decode()
        self._url = (url.raw_scheme, url.raw_host, url.port)
        self.origin = self._target("/").origin
        self.address = (url.raw_host.decode(), url.port or {"http": 80, "https": 443}[url.scheme])
        self._headers = [(b"Host", url.netloc), *headers.raw]
        self._head = "".join(f"{name.decode()}: {value.decode()}\r\n" for name, value in self._headers)

    def connection(self) -> Any:
        """A new connection of httpcore, not yet connected."""
        return self._pool.create_connection(self.origin)

    def request(self, exchange: Exchange, trace: object) -> httpcore.Request:
        """An exchange in the terms of httpcore."""
        import httpcore

        headers, content = self._headers, exchange.content
        if content is not None:
            headers = [*headers, (b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(content))]
        elif exchange.method == "POST":
            headers = [*headers, (b"Content-Length", b"0")]
        # The deadline is kept above, and beneath, by other means than these.
        stall = exchange.stall_timeout
        timeout = {"connect": CONNECT_TIMEOUT, "read": stall, "write": stall}
        return httpcore.Request(
            exchange.method.encode(),
            self._target(self._path + exchange.target),
            headers=headers,
            content=Body(content or b""),
            extensions={"timeout": timeout, "trace": trace},
        )

    def head(self, exchange: Exchange) -> bytes:
        """The header of an exchange, as it goes over the wire."""
        more = ""
        if exchange.content is not None:
            more = f"Content-Type: application/json\r\nContent-Length: {len(exchange.content)}\r\n"
        elif exchange.method == "POST":
            more = "Content-Length: 0\r\n"
        return f"{exchange.method} {self._path}{exchange.target} HTTP/1.1\r\n{self._head}{more}\r\n".encode("ascii")

    def _target(self, target: str) -> httpcore.URL:
        import httpcore

        scheme, host, port = self._url
        return httpcore.URL(scheme=scheme, host=host, port=port, target=target.encode("ascii"))


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
