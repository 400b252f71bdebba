"""The few things that differ by colour, written by hand in pairs.

The source in `_async/` takes the first of each pair; the generator puts the second into the
twin. Whatever can be the same for both does not belong here.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from runpod._logging import warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from anyio import Event
    from typing_extensions import Self


def monotonic(_read: Callable[[], float] = time.monotonic) -> float:
    """Seconds on a clock that only goes forward.

    Bound when this module is imported: a library that freezes `time` (freezegun) must not freeze deadlines.
    """
    return _read()


class _Clock:
    """Monotonic time in seconds. A pause that was slept counts as elapsed, also where a test replaced `sleep`."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return monotonic() + self._ahead

    def _slept(self, seconds: float, start: float) -> None:
        self._ahead += max(0.0, start + seconds - self.now())


class AsyncClock(_Clock):
    """Monotonic time in seconds, and pauses in it."""

    async def sleep(self, seconds: float) -> None:
        import anyio  # heavy, and only async programs need it

        start = self.now()
        await anyio.sleep(seconds)
        self._slept(seconds, start)

    def wakeup(self) -> AsyncWakeup:
        return AsyncWakeup()


class Clock(_Clock):
    """Monotonic time in seconds, and pauses in it."""

    def sleep(self, seconds: float) -> None:
        start = self.now()
        time.sleep(seconds)
        self._slept(seconds, start)

    def wakeup(self) -> Wakeup:
        return Wakeup()


class AsyncWakeup:
    """Wakes a task that waits for it. A ring that nobody waits for is kept for the next wait."""

    def __init__(self) -> None:
        self._rung = False
        self._event: Event | None = None

    def set(self) -> None:
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


class Wakeup:
    """Wakes a thread that waits for it. A ring that nobody waits for is kept for the next wait."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Waits for a ring, but no longer than so many seconds."""
        self._event.wait(min(seconds, threading.TIMEOUT_MAX))
        self._event.clear()


class AsyncSlots:
    """So many at once; later ones wait their turn."""

    def __init__(self, number: int) -> None:
        import anyio

        self._semaphore = anyio.Semaphore(number, fast_acquire=True)

    def take_nowait(self) -> bool:
        """Takes a slot if one is free."""
        import anyio

        try:
            self._semaphore.acquire_nowait()
        except anyio.WouldBlock:
            return False
        return True

    async def take(self, seconds: float) -> bool:  # noqa: ARG002 - a time limit of the caller's ends the wait
        """Waits for a slot and takes it."""
        await self._semaphore.acquire()
        return True

    def give_back(self) -> None:
        self._semaphore.release()


class Slots:
    """So many at once; later ones wait their turn."""

    def __init__(self, number: int) -> None:
        self._semaphore = threading.Semaphore(number)

    def take_nowait(self) -> bool:
        """Takes a slot if one is free."""
        return self._semaphore.acquire(blocking=False)

    def take(self, seconds: float) -> bool:
        """Waits for a slot and takes it; False if none became free within so many seconds."""
        return self._semaphore.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))

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


def async_home() -> tuple[int, Any]:
    """Where connections can be used: in this process, on this event loop. A forked child must not share its parent's."""
    import asyncio

    try:
        return os.getpid(), asyncio.get_running_loop()
    except RuntimeError:
        trio: Any = sys.modules["trio"]
        return os.getpid(), trio.lowlevel.current_trio_token()


def home() -> tuple[int, Any]:
    """Where connections can be used: in this process. Threads share them."""
    return os.getpid(), None


class AsyncTimeLimit:
    """Ends a block after so many seconds, wherever it is waiting."""

    def __init__(self, seconds: float) -> None:
        import anyio  # heavy, and only async programs need it

        self._scope = anyio.move_on_after(seconds)

    def __enter__(self) -> Self:
        self._scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._scope.__exit__(kind, error, traceback)

    def passed(self) -> bool:
        """Whether it ended the block."""
        return self._scope.cancelled_caught


class TimeLimit:
    """Knows when a block should have ended. A thread cannot be interrupted: the steps of the block end themselves."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def passed(self) -> bool:
        """Whether the block should have ended, and should end itself."""
        return monotonic() >= self._end


class AsyncCaller:
    """Where a client is called from: any event loop, each of which has connections of its own."""

    def check(self) -> None:
        """Called before a request is sent; there is nothing to warn of."""


class Caller:
    """Where a client is called from: not from an event loop, which would stand still meanwhile.

    In a notebook there is always a running event loop, the kernel's, and sync code is meant to be used.
    """

    def __init__(self) -> None:
        self._checked = False

    def check(self) -> None:
        """Called before a request is sent; warns once, at the first, if that is on an event loop."""
        if self._checked:
            return
        self._checked = True
        if _running_loop() is None or _in_notebook():
            return
        warn(
            "This is a sync client on a running event loop: everything else on the loop stands still until the call "
            "is over. Use AsyncRunpod there, with await.",
            RuntimeWarning,
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


def _in_notebook() -> bool:
    """Whether this is IPython, which runs cells on the event loop of its kernel."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
