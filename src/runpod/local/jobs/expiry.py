"""Expires jobs in time, also while nobody asks for anything."""

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

__all__ = ["Alarm"]


class Alarm:
    """Has a queue do in time what is due, also while nobody asks it for anything."""

    def __init__(self, queue: JobQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._timer: Timer | None = None
        self._disconnect: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<Alarm of {self._queue!r}>"

    def start(self) -> None:
        """Watch from now on."""
        loop = asyncio.get_running_loop()
        self._disconnect = self._queue.nearer.connect(partial(call_soon, loop, self._look))
        self._look()

    def stop(self) -> None:
        """Watch no longer."""
        if self._disconnect is not None:
            self._disconnect()
            self._disconnect = None
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self._disconnect is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        nearest = self._queue.expire()
        if nearest < math.inf:
            self._timer = Timer(self._clock, nearest, self._look)
