"""The httpx clients that download from other hosts than the service."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from runpod._config import is_loopback
from runpod._http.environment import proxies_for
from runpod._http.private_addresses import PrivateAddressError, Reach
from runpod._http.request_logs import without_queries

if TYPE_CHECKING:
    import ssl

# Transports that report their connections. Where they do not, a mock has taken the place of the network.
_REPORTING = (httpx.AsyncHTTPTransport, httpx.MockTransport, httpx.ASGITransport, httpx.WSGITransport)


class AsyncDownloadClients:
    """Sends requests for downloads: with the caller's client, or with clients of its own, which are created when needed.

    Args:
        http_client: The caller's client, if any.
        base_url: The base URL of the service. A program that uses a service on this machine may download from this
            machine, too.
        context: The TLS context of the library's own client, if any.
    """

    def __init__(self, http_client: httpx.AsyncClient | None, base_url: str, context: ssl.SSLContext | None) -> None:
        self._http_client = http_client
        self._context = context
        self._loopback = is_loopback(urlsplit(base_url).hostname)
        # By what they may connect to, so that a connection to a private address serves no call without permission, and
        # by their proxies.
        self._clients: dict[tuple[Any, ...], httpx.AsyncClient] = {}

    def reach(self, *, allow_private: bool) -> Reach:
        """What a download may connect to."""
        return Reach(private=allow_private, loopback=self._loopback)

    async def send(self, request: httpx.Request, reach: Reach) -> httpx.Response:
        """Sends a request, and returns its response without reading the body.

        Raises:
            PrivateAddressError: The host has an address that must not be connected to. Of a caller's client, the address
                is known only once the request was sent; the response is not used then.
        """
        theirs = self._http_client
        client = await self._own(str(request.url), reach) if theirs is None else _without_cookies(theirs)
        with without_queries():
            response = await client.send(request, auth=None, stream=True, follow_redirects=False)
        is_checked = theirs is None and getattr(client, "checks_addresses", False)
        if not (reach.private or is_checked):
            try:
                _check_peer(client, response, reach)
            except BaseException:
                await response.aclose()
                raise
        return response

    async def _own(self, url: str, reach: Reach) -> httpx.AsyncClient:
        key = reach, *proxies_for(url)
        client = self._clients.get(key)
        if client is None:
            # Imported lazily: it is slow to import.
            from runpod._async.connection_pool import new_client

            client = self._clients.setdefault(
                key, new_client(url, check_address=reach.check_address, context=self._context)
            )
        return client

    async def aclose(self) -> None:
        """Closes the clients that were created here."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()


def _check_peer(client: httpx.AsyncClient, response: httpx.Response, reach: Reach) -> None:
    """Checks the address that a caller's client has connected to."""
    stream = response.extensions.get("network_stream")
    if stream is None:
        transport = client._transport_for_url(response.request.url)  # noqa: SLF001 - not public  # pyright: ignore[reportPrivateUsage]
        if isinstance(transport, _REPORTING):
            return
        msg = "the transport of http_client does not report which address it connects to"
        raise PrivateAddressError(msg)
    try:
        peer = stream.get_extra_info("server_addr")
    except OSError:
        peer = None
    if peer is None:
        msg = "the connection was closed before its address was known"
        raise httpx.ReadError(msg)
    try:
        reach.check_address(str(peer[0]))
    except (PrivateAddressError, ValueError, TypeError, LookupError):  # the peer can be a Unix socket
        msg = f"http_client connected to {peer!r}, which is the host or a proxy and not a public address"
        raise PrivateAddressError(msg) from None


def _without_cookies(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The caller's client with its transports and hooks, but without its cookies: other hosts must not set any."""
    client = copy.copy(client)
    client.cookies = httpx.Cookies()
    return client
