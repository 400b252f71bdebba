"""The few things that differ by colour, written by hand in pairs.

The source in `_async/` takes the first of each pair; the generator puts the second into the
twin. Whatever can be the same for both does not belong here.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Generator, Hashable
    from contextlib import AbstractContextManager

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


# A task that nobody holds can be collected before its end.
_tasks: set[asyncio.Task[None]] = set()


class AsyncClock:
    """Monotonic time in seconds, and pauses in it."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import anyio  # heavy, and only async programs need it

        await anyio.sleep(seconds)

    def bell(self) -> AsyncBell:
        return AsyncBell()

    def later(self, seconds: float, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Calls after so many seconds, unless the event loop has ended by then. Holds nobody up."""
        if is_trio():
            trio: Any = sys.modules["trio"]

            async def wait() -> None:
                await trio.sleep(seconds)
                await call()

            trio.lowlevel.spawn_system_task(wait)
            return

        import asyncio

        loop = asyncio.get_running_loop()

        def start() -> None:
            task = loop.create_task(call())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)

        loop.call_later(seconds, start)


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


class AsyncSlots:
    """So many at once; who comes later waits, in turn."""

    def __init__(self, number: int) -> None:
        import anyio

        self._semaphore = anyio.Semaphore(number, fast_acquire=True)

    async def take(self) -> None:
        await self._semaphore.acquire()

    def give_back(self) -> None:
        self._semaphore.release()


class Slots:
    """So many at once; who comes later waits, at the longest as `time_limit` allows."""

    def __init__(self, number: int) -> None:
        self._semaphore = threading.Semaphore(number)

    def take(self) -> None:
        """Waits for a slot.

        Raises:
            TimeoutError: None became free in time.
        """
        if self._semaphore.acquire(blocking=False):
            return
        left = time_left()
        if not self._semaphore.acquire(timeout=None if left == math.inf else max(left, 0.0)):
            msg = "no connection became free in time"
            raise TimeoutError(msg)

    def give_back(self) -> None:
        self._semaphore.release()


def async_shield() -> AbstractContextManager[object]:
    """Lets the block come to its end although its task is cancelled."""
    import anyio

    return anyio.CancelScope(shield=True)


def shield() -> AbstractContextManager[object]:
    """Nothing: a thread cannot be cancelled."""
    return nullcontext()


def is_trio() -> bool:
    """Whether this runs on trio, and not on asyncio."""
    trio: Any = sys.modules.get("trio")
    try:
        return trio is not None and trio.lowlevel.current_trio_token() is not None
    except RuntimeError:
        return False


def async_home() -> Hashable:
    """The event loop this runs on: connections of one are of no use on another."""
    if is_trio():
        trio: Any = sys.modules["trio"]
        token: Hashable = trio.lowlevel.current_trio_token()
        return token
    import asyncio

    return asyncio.get_running_loop()


def home() -> Hashable:
    """Nothing in particular: threads share connections."""
    return None


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
