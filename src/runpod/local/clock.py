"""The server's clock, which tests can advance."""

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
    """A monotonic clock that can be advanced. Thread-safe."""

    def __init__(self) -> None:
        self.advanced: Signal = Signal()
        """Fires after the clock was advanced."""

        self._lock = threading.Lock()
        self._offset = 0.0
        self._epoch = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Return the current time in seconds, from an arbitrary start."""
        return time.monotonic() + self._offset

    def __repr__(self) -> str:
        return f"<Clock {self._offset:g} s ahead>"

    @property
    def ahead(self) -> float:
        """Seconds by which it was advanced."""
        return self._offset

    def since_epoch(self, moment: float | None = None) -> int:
        """Return a time of this clock, by default the current one, in milliseconds since 1970."""
        return round((self._epoch + (self() if moment is None else moment)) * 1000)

    def advance(self, seconds: float) -> None:
        """Advance the clock by `seconds`."""
        with self._lock:
            self._offset += seconds
        self.advanced.fire()

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` have passed on this clock."""
        passed = asyncio.Event()
        timer = Timer(self, self() + seconds, passed.set)
        try:
            await passed.wait()
        finally:
            timer.cancel()


class Timer:
    """Calls `callback` once, at the time `when` of the clock, on the event loop it was created on."""

    def __init__(self, clock: Clock, when: float, callback: Callable[[], object]) -> None:
        self._clock = clock
        self._when = when
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._done = False
        self._handle: asyncio.TimerHandle | None = None
        self._disconnect = clock.advanced.connect(partial(call_soon, self._loop, self._check))
        self._check()

    def __repr__(self) -> str:
        return f"<Timer {'done' if self._done else 'set'}>"

    def cancel(self) -> None:
        """Cancel the timer."""
        self._done = True
        self._disconnect()
        if self._handle is not None:
            self._handle.cancel()

    def _check(self) -> None:
        if self._done:
            return
        if self._handle is not None:
            self._handle.cancel()
        remaining = self._when - self._clock()
        if remaining > 0:
            self._handle = self._loop.call_later(remaining, self._check)
        else:
            self.cancel()
            # Not called directly: `callback` must not run inside the constructor.
            self._loop.call_soon(self._callback)
