# Generated from src/runpod/_async/proxied.py by scripts/generate_sync.py. Do not edit.

"""One connection through a proxy, as httpcore opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod._sync.whole import abandon
from runpod._primitives import shield, time_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpcore

    from runpod._exchange import Exchange
    from runpod._http import Route


class ProxiedConnection:
    """Carries exchanges out one after the other. It is opened by the first of them.

    There are many ways through proxies, and httpcore knows them.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._connection: httpcore.ConnectionInterface = route.connection()

    def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""

        def trace(event: str, info: dict[str, Any]) -> None:
            # A request by which a proxy is asked for a tunnel is not yet ours.
            if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
                exchange.sent = True

        with time_limit(exchange):
            response = self._connection.handle_request(self._route.request(exchange, trace))
            exchange.began(response.status, response.headers)
            # httpcore types it as either colour.
            stream: Any = response.stream
            pieces: Iterator[bytes] = stream.__iter__()
            try:
                for piece in pieces:
                    if not exchange.received(piece):
                        abandon(response, pieces)
                        break
                exchange.complete = True
            finally:
                response.close()

    def is_reusable(self) -> bool:
        """Whether it waits for the next request, as far as one knows without a look."""
        return self._connection.is_available()

    def is_alive(self) -> bool:
        """Whether an idle one has neither been closed by the server nor been idle for too long."""
        return not self._connection.has_expired()

    def close(self) -> None:
        if not self._connection.is_closed():
            with shield():
                self._connection.close()
