"""Through httpx as a whole: a caller's own client, and whatever stands in its place."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx

from runpod._exchange import CONNECT_TIMEOUT
from runpod._http import Body
from runpod._primitives import async_shield, async_time_limit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod._exchange import Exchange
    from runpod._primitives import TimeLimit

# Errors of this kind are raised before the first byte of the request.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class AsyncWhole:
    """Carries exchanges out over a client of httpx, with all that belongs to it."""

    def __init__(self, client: httpx.AsyncClient, base_url: str, headers: httpx.Headers) -> None:
        self._client = client
        self._base_url = base_url
        self._headers = headers

    async def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        with async_time_limit(exchange) as limit:
            await self._carry(exchange, limit)

    async def _carry(self, exchange: Exchange, limit: TimeLimit) -> None:
        # A transport that tells nothing of itself gets no benefit of the doubt.
        exchange.sent = True
        traced = False

        async def trace(event: str, _info: dict[str, Any]) -> None:
            nonlocal traced
            if not traced:
                traced, exchange.sent = True, False
            if event.endswith("send_request_headers.started"):
                exchange.sent = True

        request = self._request(exchange)
        request.extensions["trace"] = trace
        try:
            response = await self._client.send(request, auth=None, stream=True, follow_redirects=False)
        except _NEVER_SENT:
            exchange.sent = False
            raise
        exchange.began(response.status_code, response.headers.raw)
        # A response that is read already was unpacked by the transport of a caller.
        packed = not response.is_stream_consumed
        pieces = response.aiter_raw() if packed else response.aiter_bytes()
        try:
            async for piece in pieces:
                if not exchange.received(piece, packed=packed):
                    await abandon(response, pieces)
                    break
                if limit.passed():
                    # A client of a caller does not end single reads at the deadline.
                    return
            exchange.complete = True
        finally:
            await response.aclose()

    def _request(self, exchange: Exchange) -> httpx.Request:
        left, headers = exchange.left, self._headers
        read = min(left, exchange.patience)
        if exchange.content is not None:
            headers = httpx.Headers(headers)
            headers["Content-Type"] = "application/json"
        request = self._client.build_request(
            exchange.method,
            self._base_url + exchange.target,
            headers=headers,
            content=exchange.content,
            timeout=httpx.Timeout(
                None if read == math.inf else read,
                connect=min(left, CONNECT_TIMEOUT),
                pool=None if left == math.inf else left,
            ),
        )
        request.stream = Body(exchange.content or b"")
        return request


async def abandon(response: Any, pieces: AsyncIterator[bytes]) -> None:
    """Ends a body that nobody wants the rest of; `response` is one of httpx or httpcore."""
    # Generators within end with the next read; left in the middle, trio warns of them.
    with async_shield(), suppress(Exception):
        await response.aclose()
        for _ in range(100):
            await anext(pieces)
