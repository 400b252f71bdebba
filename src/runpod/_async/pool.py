"""The pool: connections to one address, the one used last first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from runpod._exchange import KEEP_ALIVE, MAX_CONNECTIONS
from runpod._primitives import AsyncClock, AsyncSlots

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._exchange import Exchange


class AsyncLine(Protocol):
    """What a pool needs of a connection; see `AsyncConnection`."""

    async def carry(self, exchange: Exchange) -> None: ...
    def is_reusable(self) -> bool: ...
    def is_alive(self) -> bool: ...
    async def aclose(self) -> None: ...


class AsyncPool:
    """Carries exchanges out, each over a connection of its own.

    httpcore's pool walks over all of its connections for every request. This one looks at the
    connection that was used last, since that one is most likely to be alive, and at the one
    that has been idle for longest.
    """

    def __init__(self, new_line: Callable[[], AsyncLine]) -> None:
        self._new_line = new_line
        self._clock = AsyncClock()
        self._slots = AsyncSlots(MAX_CONNECTIONS)
        # In the order of the moments since when they are idle, which stand beside them.
        self._idle: deque[tuple[float, AsyncLine]] = deque()
        self._closed = False
        # What calls off the next look at the idle connections, if there is to be one.
        self._unwatch: Callable[[], object] | None = None  # async-only

    async def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        if not await self._slots.take(exchange):
            return
        try:
            line = await self._take()
            try:
                await line.carry(exchange)
            finally:
                await self._put_back(line)
        finally:
            self._slots.give_back()

    async def _take(self) -> AsyncLine:
        await self._drop_expired()
        while self._idle:
            try:
                _, line = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if line.is_alive():
                return line
            await line.aclose()
        return self._new_line()

    async def _put_back(self, line: AsyncLine) -> None:
        if line.is_reusable() and not self._closed:
            self._idle.append((self._clock.now(), line))
            self._watch()  # async-only: a thread for it would be in the way of a program that forks
        else:
            await line.aclose()

    def _watch(self) -> None:  # async-only
        """Sees to it that idle connections are closed in time, also if no call comes any more."""
        if self._unwatch is None:
            self._unwatch = self._clock.later(KEEP_ALIVE - (self._clock.now() - self._idle[0][0]), self._look)

    async def _look(self) -> None:  # async-only
        self._unwatch = None
        await self._drop_expired()
        if self._idle:
            self._watch()

    async def _drop_expired(self) -> None:
        """Closes what was idle for too long."""
        while self._idle and self._clock.now() - self._idle[0][0] >= KEEP_ALIVE:
            try:
                _, line = self._idle.popleft()
            except IndexError:  # another thread was faster
                return
            await line.aclose()

    async def aclose(self) -> None:
        """Closes the idle connections now, and the others as soon as they are put back."""
        self._closed = True
        if self._unwatch is not None:  # async-only
            self._unwatch()
        while self._idle:
            try:
                _, line = self._idle.pop()
            except IndexError:  # another thread was faster
                return
            await line.aclose()
