# Generated from src/runpod/_async/pool.py by scripts/generate_sync.py. Do not edit.

"""The pool: connections to one address, the one used last first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from runpod._sync.whole import abandon
from runpod._exchange import KEEP_ALIVE, MAX_CONNECTIONS
from runpod._primitives import Clock, Slots, shield

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpcore

    from runpod._exchange import Exchange
    from runpod._http import Route


class Pool:
    """Carries exchanges out over connections of httpcore.

    httpcore's own pool walks over all of its connections for every request. This one looks at
    the connection that was used last, since that one is most likely to be alive, and at the one
    that has been idle for longest.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._clock = Clock()
        self._slots = Slots(MAX_CONNECTIONS)
        # In the order of the moments since when they are idle, which stand beside them.
        self._idle: deque[tuple[float, httpcore.ConnectionInterface]] = deque()
        self._closed = False

    def carry(self, exchange: Exchange, _limit: object) -> None:
        """Carries out one exchange, and notes in it what happens."""
        self._slots.take()
        try:
            connection = self._take()
            try:
                self._talk(connection, exchange)
            finally:
                self._put_back(connection)
        finally:
            self._slots.give_back()

    def _talk(self, connection: httpcore.ConnectionInterface, exchange: Exchange) -> None:
        def trace(event: str, info: dict[str, Any]) -> None:
            # A request by which a proxy is asked for a tunnel is not yet ours.
            if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
                exchange.sent = True

        request = self._route.request(exchange, trace)
        response = connection.handle_request(request)
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

    def _take(self) -> httpcore.ConnectionInterface:
        self._drop_expired()
        while self._idle:
            try:
                _, connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if not connection.has_expired():
                return connection
            connection.close()
        fresh: httpcore.ConnectionInterface = self._route.connection()
        return fresh

    def _put_back(self, connection: httpcore.ConnectionInterface) -> None:
        if connection.is_available() and not self._closed:
            self._idle.append((self._clock.now(), connection))
        elif not connection.is_closed():
            with shield():
                connection.close()

    def _drop_expired(self) -> None:
        """Closes what was idle for too long."""
        while self._idle and self._clock.now() - self._idle[0][0] >= KEEP_ALIVE:
            try:
                _, connection = self._idle.popleft()
            except IndexError:  # another thread was faster
                return
            connection.close()

    def close(self) -> None:
        """Closes the idle connections now, and the others as soon as they are put back."""
        self._closed = True
        while self._idle:
            try:
                _, connection = self._idle.pop()
            except IndexError:  # another thread was faster
                return
            connection.close()
