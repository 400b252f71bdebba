# Generated from src/runpod/_async/pool.py by scripts/generate_sync.py. Do not edit.

"""The pool: connections to one address, the one used last first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from runpod._exchange import KEEP_ALIVE, MAX_CONNECTIONS
from runpod._primitives import Clock, Slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._exchange import Exchange


class Line(Protocol):
    """What a pool needs of a connection; see `Connection`."""

    def carry(self, exchange: Exchange) -> None: ...
    def is_reusable(self) -> bool: ...
    def is_alive(self) -> bool: ...
    def close(self) -> None: ...


class Pool:
    """Carries exchanges out, each over a connection of its own.

    httpcore's pool walks over all of its connections for every request. This one looks at the
    connection that was used last, since that one is most likely to be alive, and at the one
    that has been idle for longest.
    """

    def __init__(self, new_line: Callable[[], Line]) -> None:
        self._new_line = new_line
        self._clock = Clock()
        self._slots = Slots(MAX_CONNECTIONS)
        # In the order of the moments since when they are idle, which stand beside them.
        self._idle: deque[tuple[float, Line]] = deque()
        self._closed = False

    def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        if not self._slots.take(exchange):
            return
        try:
            line = self._take()
            try:
                line.carry(exchange)
            finally:
                self._put_back(line)
        finally:
            self._slots.give_back()

    def _take(self) -> Line:
        self._drop_expired()
        while self._idle:
            try:
                _, line = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if line.is_alive():
                return line
            line.close()
        return self._new_line()

    def _put_back(self, line: Line) -> None:
        if line.is_reusable() and not self._closed:
            self._idle.append((self._clock.now(), line))
        else:
            line.close()

    def _drop_expired(self) -> None:
        """Closes what was idle for too long."""
        while self._idle and self._clock.now() - self._idle[0][0] >= KEEP_ALIVE:
            try:
                _, line = self._idle.popleft()
            except IndexError:  # another thread was faster
                return
            line.close()

    def close(self) -> None:
        """Closes the idle connections now, and the others as soon as they are put back."""
        self._closed = True
        while self._idle:
            try:
                _, line = self._idle.pop()
            except IndexError:  # another thread was faster
                return
            line.close()
