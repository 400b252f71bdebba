# Generated from src/runpod/_async/whole.py by scripts/generate_sync.py. Do not edit.

"""Through httpx as a whole: a caller's own client, and whatever stands in its place."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx

from runpod._exchange import CONNECT_TIMEOUT
from runpod._http import Body
from runpod._primitives import shield, time_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class Whole:
    """Carries exchanges out over a client of httpx, with all that belongs to it."""

    def __init__(self, client: httpx.Client, base_url: str, headers: httpx.Headers) -> None:
        self._client = client
        self._base_url = base_url
        self._headers = headers

    def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        with time_limit(exchange) as limit:
            self._carry(exchange, limit)

    def _carry(self, exchange: Exchange, limit: TimeLimit) -> None:
        # A transport that tells nothing of itself gets no benefit of the doubt.
        exchange.sent = True
        traced = False

        def trace(event: str, _info: dict[str, Any]) -> None:
            nonlocal traced
            if not traced:
                traced, exchange.sent = True, False
            if event.endswith("send_request_headers.started"):
                exchange.sent = True

        request = self._request(exchange)
        request.extensions["trace"] = trace
        try:
            response = self._client.send(request, auth=None, stream=True, follow_redirects=False)
        except _NEVER_SENT:
            exchange.sent = False
            raise
        exchange.began(response.status_code, response.headers.raw)
        # A response that is read already was unpacked by the transport of a caller.
        packed = not response.is_stream_consumed
        pieces = response.iter_raw() if packed else response.iter_bytes()
        try:
            for piece in pieces:
                if not exchange.received(piece, packed=packed):
                    abandon(response, pieces)
                    break
                if limit.passed():
                    # A client of a caller does not end single reads at the deadline.
                    return
            exchange.complete = True
        finally:
            response.close()

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


def abandon(response: Any, pieces: Iterator[bytes]) -> None:
    """Ends a body that nobody wants the rest of; `response` is one of httpx or httpcore."""
    # Generators within end with the next read; left in the middle, trio warns of them.
    with shield(), suppress(Exception):
        response.close()
        for _ in range(100):
            next(pieces)
