"""The few things that differ by colour, written by hand in pairs.

The source in `_async/` takes the first of each pair; the generator puts the second into the
twin. Whatever can be the same for both does not belong here.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from anyio import Event

    from runpod._protocol.deadlines import Deadline


class TimeLimit:
    """What a block under a time limit can know of it."""

    # Whether the limit ended the block. A thread never knows: it only sees timeouts.
    expired: bool = False

    def passed(self) -> bool:
        """Whether the block should end itself. Not where the limit ends it."""
        return False


class _ThreadTimeLimit(TimeLimit):
    def passed(self) -> bool:
        return time_left() <= 0


class AsyncClock:
    """Monotonic time in seconds, and pauses in it."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import anyio  # heavy, and only async programs need it

        await anyio.sleep(seconds)

    def bell(self) -> AsyncBell:
        return AsyncBell()


class Clock:
    """Monotonic time in seconds, and pauses in it."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def bell(self) -> Bell:
        return Bell()


class AsyncBell:
    """Wakes a task that waits for it. A ring that nobody waits for is kept for the next wait."""

    def __init__(self) -> None:
        self._rung = False
        self._event: Event | None = None

    def ring(self) -> None:
        self._rung = True
        if self._event is not None:
            self._event.set()

    async def wait(self, seconds: float) -> None:
        """Waits for a ring, but no longer than so many seconds."""
        import anyio  # heavy, and only async programs need it

        if not self._rung:
            self._event = anyio.Event()
            with anyio.move_on_after(seconds):
                await self._event.wait()
            self._event = None
        self._rung = False


class Bell:
    """Wakes a thread that waits for it. A ring that nobody waits for is kept for the next wait."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ring(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Waits for a ring, but no longer than so many seconds."""
        self._event.wait(min(seconds, threading.TIMEOUT_MAX))
        self._event.clear()


@contextmanager
def async_time_limit(deadline: Deadline, now: float) -> Generator[TimeLimit, None, None]:
    """Ends the block at the deadline, wherever it is waiting."""
    import anyio  # heavy, and only async programs need it

    limit = TimeLimit()
    with anyio.move_on_after(deadline.remaining(now)) as scope:
        yield limit
    limit.expired = scope.cancelled_caught


# When the block under `time_limit` must end, on the monotonic clock. The network streams of
# `_http.py` give no operation more time than is left.
_moment: ContextVar[float] = ContextVar("runpod_deadline", default=float("inf"))


@contextmanager
def time_limit(deadline: Deadline, now: float) -> Generator[TimeLimit, None, None]:
    """Lets no network operation in the block run past the deadline.

    A thread cannot be interrupted, so the operations end themselves: with the timeouts of the
    HTTP library.
    """
    token = _moment.set(time.monotonic() + deadline.remaining(now))
    try:
        yield _ThreadTimeLimit()
    finally:
        _moment.reset(token)


def time_left() -> float:
    """Seconds until the block under `time_limit` must end; infinite outside of one."""
    return _moment.get() - time.monotonic()
