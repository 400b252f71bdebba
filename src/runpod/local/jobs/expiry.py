"""Expires jobs on time, independently of requests."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.clock import Timer
from runpod.local.signals import call_soon

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod.local.clock import Clock
    from runpod.local.jobs.queue import JobQueue

__all__ = ["ExpiryTimer"]


class ExpiryTimer:
    """Calls `JobQueue.expire` when a deadline passes."""

    def __init__(self, queue: JobQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._timer: Timer | None = None
        self._disconnect: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<ExpiryTimer of {self._queue!r}>"

    def start(self) -> None:
        """Start the timer."""
        loop = asyncio.get_running_loop()
        self._disconnect = self._queue.deadline_moved.connect(partial(call_soon, loop, self._check))
        self._check()

    def stop(self) -> None:
        """Stop the timer."""
        if self._disconnect is not None:
            self._disconnect()
            self._disconnect = None
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        if self._disconnect is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        earliest = self._queue.expire()
        if earliest < math.inf:
            self._timer = Timer(self._clock, earliest, self._check)
