"""The few things that differ by colour, written by hand in pairs.

The source in `_async/` takes the first of each pair; the generator puts the second into the
twin. Whatever can be the same for both does not belong here.
"""

from __future__ import annotations

import inspect
import sys
import threading
import time
import warnings
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Generator, Hashable
    from contextlib import AbstractContextManager

    from anyio import Event

    from runpod._exchange import Exchange


class TimeLimit:
    """What a block under a time limit can know of it."""

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

    def later(self, seconds: float, call: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
        """Calls after so many seconds, unless the event loop has ended by then. Holds nobody up.

        Returns:
            What calls it off.
        """
        if is_trio():
            trio: Any = sys.modules["trio"]
            scope = trio.CancelScope()

            async def wait() -> None:
                with scope:
                    await trio.sleep(seconds)
                    await call()

            trio.lowlevel.spawn_system_task(wait)
            cancel: Callable[[], object] = scope.cancel
            return cancel

        import asyncio

        loop = asyncio.get_running_loop()

        def start() -> None:
            task = loop.create_task(call())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)

        return loop.call_later(seconds, start).cancel

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


class AsyncSlots:
    """So many at once; who comes later waits, in turn and until the deadline."""

    def __init__(self, number: int) -> None:
        import anyio

        self._semaphore = anyio.Semaphore(number, fast_acquire=True)

    async def take(self, exchange: Exchange) -> bool:
        """Takes a slot; False where none became free in time."""
        import anyio

        try:
            self._semaphore.acquire_nowait()
        except anyio.WouldBlock:
            with async_time_limit(exchange):
                await self._semaphore.acquire()
                return True
            return False
        return True

    def give_back(self) -> None:
        self._semaphore.release()


class Slots:
    """So many at once; who comes later waits, until the deadline."""

    def __init__(self, number: int) -> None:
        self._semaphore = threading.Semaphore(number)

    def take(self, exchange: Exchange) -> bool:
        """Takes a slot; False where none became free in time."""
        if self._semaphore.acquire(timeout=min(exchange.left, threading.TIMEOUT_MAX)):
            return True
        exchange.late = True
        return False

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
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        trio: Any = sys.modules["trio"]
        token: Hashable = trio.lowlevel.current_trio_token()
        return token


def home() -> Hashable:
    """Nothing in particular: threads share connections."""
    return None


@contextmanager
def async_time_limit(exchange: Exchange) -> Generator[TimeLimit, None, None]:
    """Ends the block at the deadline of the exchange, wherever it is waiting."""
    import anyio  # heavy, and only async programs need it

    with anyio.move_on_after(exchange.left) as scope:
        yield TimeLimit()
    if scope.cancelled_caught:
        exchange.late = True


# When the block under `time_limit` must end, on the monotonic clock. The network streams of
# `_network.py` give no operation more time than is left.
_moment: ContextVar[float] = ContextVar("runpod_deadline", default=float("inf"))


@contextmanager
def time_limit(exchange: Exchange) -> Generator[TimeLimit, None, None]:
    """Lets no network operation in the block run past the deadline of the exchange.

    A thread cannot be interrupted, so the operations end themselves: with the timeouts of the
    HTTP library.
    """
    token = _moment.set(exchange.until)
    try:
        yield _ThreadTimeLimit()
    finally:
        _moment.reset(token)


def time_left() -> float:
    """Seconds until the block under `time_limit` must end; infinite outside of one."""
    return _moment.get() - time.monotonic()


class AsyncCaller:
    """Where a client is called from: any event loop, each of which has connections of its own."""

    def check(self) -> None:
        """Called before a request is sent; there is nothing to warn of."""


class Caller:
    """Where a client is called from: not from an event loop, which would stand still meanwhile."""

    def __init__(self) -> None:
        self._checked = False

    def check(self) -> None:
        """Called before a request is sent; warns once, at the first, if that is on an event loop."""
        if self._checked:
            return
        self._checked = True
        if _running_loop() is None:
            return
        # The line of the caller's, whichever call it was: warnings cannot skip a package before Python 3.12.
        depth, frame = 1, inspect.currentframe()
        while frame is not None and str(frame.f_globals.get("__name__")).startswith("runpod."):
            depth, frame = depth + 1, frame.f_back
        warnings.warn(
            "This is a sync client on a running event loop: everything else on the loop stands still until the call "
            "is over. Use AsyncRunpod there, with await.",
            RuntimeWarning,
            stacklevel=depth,
        )


def _running_loop() -> Any:
    """What stands for the event loop that runs in this thread; None where none does."""
    # What nobody imported does not run.
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and (loop := asyncio._get_running_loop()) is not None:  # noqa: SLF001 - it is documented
        return loop
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            return trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass
    return None
