"""The server's clock, which tests can move."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.signals import Signal, call_soon

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock", "Timer"]


class Clock:
    """Goes as time does, and jumps when it is told to. May be read and moved from any thread."""

    def __init__(self) -> None:
        self.moved = Signal()
        """Fires after a jump."""

        self._lock = threading.Lock()
        self._offset = 0.0

    def __call__(self) -> float:
        """Give the time now, in seconds since some moment."""
        return time.monotonic() + self._offset

    def __repr__(self) -> str:
        return f"<Clock {self._offset:g} s ahead>"

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        with self._lock:
            self._offset += seconds
        self.moved.fire()

    async def sleep(self, seconds: float) -> None:
        """Wait until so many seconds have passed on this clock."""
        passed = asyncio.Event()
        timer = Timer(self, self() + seconds, passed.set)
        try:
            await passed.wait()
        finally:
            timer.cancel()


class Timer:
    """Calls back once at a moment of the clock, on the event loop it was made on."""

    def __init__(self, clock: Clock, when: float, callback: Callable[[], object]) -> None:
        self._clock = clock
        self._when = when
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._handle: asyncio.TimerHandle | None = None
        self._disconnect = clock.moved.connect(partial(call_soon, self._loop, self._look))
        self._look()

    def __repr__(self) -> str:
        return f"<Timer {'over' if self._over else 'set'}>"

    def cancel(self) -> None:
        """Do not call back any more."""
        self._over = True
        self._disconnect()
        if self._handle is not None:
            self._handle.cancel()

    def _look(self) -> None:
        if self._over:
            return
        if self._handle is not None:
            self._handle.cancel()
        remaining = self._when - self._clock()
        if remaining > 0:
            self._handle = self._loop.call_later(remaining, self._look)
        else:
            self.cancel()
            # In a turn of its own: whoever makes a timer does not expect to be called from there.
            self._loop.call_soon(self._callback)
