"""Primitives that differ between the sync and the async client, written by hand in pairs.

The code in `_async/` uses the first of each pair; scripts/generate_sync.py replaces it with the second. anyio is imported
on first use: it is slow to import, and only async programs need it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import nullcontext, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from runpod._logging import warn

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType
    from typing import TypeAlias, TypeVar

    from anyio import CapacityLimiter, Event
    from anyio.lowlevel import RunVar
    from typing_extensions import Self

    T = TypeVar("T")
    ItemT = TypeVar("ItemT")
    AsyncInputIterable: TypeAlias = AsyncIterable[ItemT] | Iterable[ItemT]
    InputIterable: TypeAlias = Iterable[ItemT]


def monotonic(_read: Callable[[], float] = time.monotonic) -> float:
    """Seconds on the monotonic clock.

    Bound at import time: libraries that freeze `time` (freezegun) must not freeze deadlines.
    """
    return _read()


class _Clock:
    """Monotonic time in seconds. A sleep always counts as elapsed, even if a test replaced `sleep`."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return monotonic() + self._ahead

    def _slept(self, seconds: float, start: float) -> None:
        self._ahead += max(0.0, start + seconds - self.now())


class AsyncClock(_Clock):
    """Monotonic time in seconds, and sleeping."""

    async def sleep(self, seconds: float) -> None:
        import anyio

        start = self.now()
        await anyio.sleep(seconds)
        self._slept(seconds, start)

    def wakeup(self) -> AsyncWakeup:
        return AsyncWakeup()


class Clock(_Clock):
    """Monotonic time in seconds, and sleeping."""

    def sleep(self, seconds: float) -> None:
        start = self.now()
        time.sleep(seconds)
        self._slept(seconds, start)

    def wakeup(self) -> Wakeup:
        return Wakeup()


class AsyncWakeup:
    """Wakes one waiting task. If no task waits, the next `wait` returns immediately."""

    def __init__(self) -> None:
        self._is_set = False
        self._event: Event | None = None

    def set(self) -> None:
        self._is_set = True
        if self._event is not None:
            self._event.set()

    async def wait(self, seconds: float) -> None:
        """Waits for `set`, at most this many seconds, and resets."""
        import anyio

        if not self._is_set:
            self._event = anyio.Event()
            with anyio.move_on_after(seconds):
                await self._event.wait()
            self._event = None
        self._is_set = False


class Wakeup:
    """Wakes one waiting thread. If no thread waits, the next `wait` returns immediately."""

    def __init__(self) -> None:
        # Not an Event, in whose methods the garbage collector must not call `set`.
        self._unset = threading.Lock()
        self._unset.acquire()

    def set(self) -> None:
        with suppress(RuntimeError):  # it is set
            self._unset.release()

    def wait(self, seconds: float) -> None:
        """Waits for `set`, at most this many seconds, and resets."""
        end = monotonic() + seconds
        # In the main thread, a signal is handled at the latest after a second: one that arrives just before the lock
        # is acquired would not be noticed, nor any on Windows.
        longest = 1.0 if threading.current_thread() is threading.main_thread() else threading.TIMEOUT_MAX
        while not self._unset.acquire(timeout=min(max(0.0, end - monotonic()), longest)):
            if monotonic() >= end:
                return


class AsyncSemaphore:
    """A fair semaphore for tasks."""

    def __init__(self, number: int) -> None:
        import anyio

        self._semaphore = anyio.Semaphore(number, fast_acquire=True)

    def acquire_nowait(self) -> bool:
        """Takes a slot if one is free."""
        import anyio

        try:
            self._semaphore.acquire_nowait()
        except anyio.WouldBlock:
            return False
        return True

    async def acquire(self, seconds: float) -> bool:  # noqa: ARG002 - the caller's AsyncTimeLimit ends the wait
        """Waits for a slot and takes it."""
        await self._semaphore.acquire()
        return True

    def release(self) -> None:
        self._semaphore.release()


class Semaphore:
    """A semaphore for threads, with a timeout."""

    def __init__(self, number: int) -> None:
        self._semaphore = threading.Semaphore(number)

    def acquire_nowait(self) -> bool:
        """Takes a slot if one is free."""
        return self._semaphore.acquire(blocking=False)

    def acquire(self, seconds: float) -> bool:
        """Waits for a slot and takes it. Returns False on timeout."""
        return self._semaphore.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))

    def release(self) -> None:
        self._semaphore.release()


def async_lock() -> AbstractAsyncContextManager[Any]:
    """A lock for tasks."""
    import anyio

    return anyio.Lock()


def lock() -> AbstractContextManager[Any]:
    """A lock for threads."""
    return threading.Lock()


async def async_in_thread(function: Callable[..., T], *args: Any) -> T:
    """Calls a function that blocks in a thread, so that the event loop goes on."""
    import anyio.to_thread

    return await anyio.to_thread.run_sync(function, *args)


def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Calls a function."""
    return function(*args)


# How many threads of an event loop make calls that block for long.
_MAX_LONG_CALLS = 40


@cache
def _long_calls() -> RunVar[CapacityLimiter | None]:
    from anyio.lowlevel import RunVar

    return RunVar("runpod_long_calls")


async def async_in_stoppable_thread(function: Callable[[], T], stop: threading.Event) -> T:
    """Calls a function that blocks for long in a thread. If this is cancelled, it sets `stop`, and waits for its end."""
    import anyio
    import anyio.to_thread

    # Not those for short calls, which other code of the program would wait for.
    threads = _long_calls()
    limiter = threads.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(_MAX_LONG_CALLS)
        threads.set(limiter)
    lock = threading.Lock()
    begun = ended = False

    def call() -> T:
        nonlocal begun, ended
        with lock:
            # Cancelled before a thread was free: nobody takes the result.
            if stop.is_set():
                raise InterruptedError
            begun = True
        try:
            return function()
        finally:
            ended = True

    try:
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=limiter)
    except BaseException:
        with lock:
            if not ended:
                stop.set()
        with anyio.CancelScope(shield=True):
            while begun and not ended:  # noqa: ASYNC110 - an abandoned thread cannot set an event in every event loop
                await anyio.sleep(0.02)
        raise


def in_stoppable_thread(function: Callable[[], T], stop: threading.Event) -> T:
    """Calls a function. If it is interrupted, it sets `stop`, for other threads of it."""
    try:
        return function()
    except BaseException as error:
        if not isinstance(error, Exception):
            stop.set()
        raise


def async_shield() -> AbstractContextManager[object]:
    """Protects a block from cancellation."""
    import anyio

    return anyio.CancelScope(shield=True)


def shield() -> AbstractContextManager[object]:
    """A no-op: threads cannot be cancelled."""
    return nullcontext()


def is_trio() -> bool:
    """Whether the running event loop is trio's."""
    return _trio_token() is not None


def async_connection_key() -> tuple[int, Any]:
    """Key of the connections that can be used here: those of this process and event loop, also after a fork."""
    return os.getpid(), _running_loop()


def connection_key() -> tuple[int, Any]:
    """Key of the connections that can be used here: those of this process. Threads share them."""
    return os.getpid(), None


class AsyncTimeLimit:
    """Cancels a block after this many seconds."""

    def __init__(self, seconds: float) -> None:
        import anyio

        self._scope = anyio.move_on_after(seconds)

    def __enter__(self) -> Self:
        self._scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._scope.__exit__(kind, error, traceback)

    def passed(self) -> bool:
        """Whether the block was cancelled."""
        return self._scope.cancelled_caught


class TimeLimit:
    """Measures the time of a block. Threads cannot be interrupted, so the block has to check `passed` itself."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def passed(self) -> bool:
        """Whether the time is over."""
        return monotonic() >= self._end


class AsyncLoopGuard:
    """Checks where an async client is called from. Any event loop is fine."""

    def check(self) -> None:
        """Does nothing."""


class LoopGuard:
    """Checks where a sync client is called from: on a running event loop, it would block the loop.

    Notebooks are an exception: their kernel always runs an event loop, and sync code is expected there.
    """

    def __init__(self) -> None:
        self._checked = False

    def check(self) -> None:
        """Warns if the first request is sent on a running event loop."""
        if self._checked:
            return
        self._checked = True
        if _running_loop() is None or _in_ipython():
            return
        warn(
            "A sync Runpod client is used on a running event loop: it blocks the loop during each call. "
            "Use AsyncRunpod with await instead.",
            RuntimeWarning,
        )


def _running_loop() -> Any:
    """The event loop (or trio token) that runs in this thread, or None."""
    # A library that is not imported cannot be running.
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and (loop := asyncio._get_running_loop()) is not None:  # noqa: SLF001 - documented by asyncio
        return loop
    return _trio_token()


def _trio_token() -> Any:
    """Trio's token of the loop that runs in this thread, or None."""
    trio: Any = sys.modules.get("trio")
    if trio is None:
        return None
    try:
        return trio.lowlevel.current_trio_token()
    except RuntimeError:
        return None


def _in_ipython() -> bool:
    """Whether this is IPython, which runs cells on the event loop of the kernel."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
