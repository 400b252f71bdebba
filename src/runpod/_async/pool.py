"""The pool: connections to one address, the one used last first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from runpod._async.whole import abandon
from runpod._exchange import KEEP_ALIVE, MAX_CONNECTIONS
from runpod._primitives import AsyncClock, AsyncSlots, async_shield

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpcore

    from runpod._exchange import Exchange
    from runpod._http import Route


class AsyncPool:
    """Carries exchanges out over connections of httpcore.

    httpcore's own pool walks over all of its connections for every request. This one looks at
    the connection that was used last, since that one is most likely to be alive, and at the one
    that has been idle for longest.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._clock = AsyncClock()
        self._slots = AsyncSlots(MAX_CONNECTIONS)
        # In the order of the moments since when they are idle, which stand beside them.
        self._idle: deque[tuple[float, httpcore.AsyncConnectionInterface]] = deque()
        self._closed = False
        self._watched = False  # async-only

    async def carry(self, exchange: Exchange, _limit: object) -> None:
        """Carries out one exchange, and notes in it what happens."""
        await self._slots.take()
        try:
            connection = await self._take()
            try:
                await self._talk(connection, exchange)
            finally:
                await self._put_back(connection)
        finally:
            self._slots.give_back()

    async def _talk(self, connection: httpcore.AsyncConnectionInterface, exchange: Exchange) -> None:
        async def trace(event: str, info: dict[str, Any]) -> None:
            # A request by which a proxy is asked for a tunnel is not yet ours.
            if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
                exchange.sent = True

        request = self._route.request(exchange, trace)
        response = await connection.handle_async_request(request)
        exchange.began(response.status, response.headers)
        # httpcore types it as either colour.
        stream: Any = response.stream
        pieces: AsyncIterator[bytes] = stream.__aiter__()
        try:
            async for piece in pieces:
                if not exchange.received(piece):
                    await abandon(response, pieces)
                    break
            exchange.complete = True
        finally:
            await response.aclose()

    async def _take(self) -> httpcore.AsyncConnectionInterface:
        await self._drop_expired()
        while self._idle:
            try:
                _, connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if not connection.has_expired():
                return connection
            await connection.aclose()
        fresh: httpcore.AsyncConnectionInterface = self._route.connection()
        return fresh

    async def _put_back(self, connection: httpcore.AsyncConnectionInterface) -> None:
        if connection.is_available() and not self._closed:
            self._idle.append((self._clock.now(), connection))
            self._watch()  # async-only: a thread for it would be in the way of a program that forks
        elif not connection.is_closed():
            with async_shield():
                await connection.aclose()

    def _watch(self) -> None:  # async-only
        """Sees to it that idle connections are closed in time, also if no call comes any more."""
        if not self._watched:
            self._watched = True
            self._clock.later(KEEP_ALIVE - (self._clock.now() - self._idle[0][0]), self._look)

    async def _look(self) -> None:  # async-only
        self._watched = False
        await self._drop_expired()
        if self._idle:
            self._watch()

    async def _drop_expired(self) -> None:
        """Closes what was idle for too long."""
        while self._idle and self._clock.now() - self._idle[0][0] >= KEEP_ALIVE:
            try:
                _, connection = self._idle.popleft()
            except IndexError:  # another thread was faster
                return
            await connection.aclose()

    async def aclose(self) -> None:
        """Closes the idle connections now, and the others as soon as they are put back."""
        self._closed = True
        while self._idle:
            try:
                _, connection = self._idle.pop()
            except IndexError:  # another thread was faster
                return
            await connection.aclose()
