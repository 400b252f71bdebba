"""When something becomes of jobs by itself, and the alarm that sees to it."""

from __future__ import annotations

import asyncio
import heapq
import math
from functools import partial
from typing import TYPE_CHECKING

from runpod.local._clock import Timer
from runpod.local._signal import call_soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod.local._clock import Clock
    from runpod.local._job import Job
    from runpod.local._queue import JobQueue

__all__ = ["Alarm", "Deadlines"]

_SLACK = 100  # Entries that may be stale before anybody cares.


class Deadlines:
    """One deadline for each job, the nearest first. Its owner keeps it from being used twice at a time."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._jobs: dict[str, float] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def set(self, job: Job, when: float) -> None:
        """Give a job a deadline in place of the one it has."""
        self._jobs[job.id] = when
        # The count, because jobs cannot be compared.
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, job))
        if len(self._heap) > 2 * len(self._jobs) + _SLACK:
            self._heap = [entry for entry in self._heap if self._holds(entry)]
            heapq.heapify(self._heap)

    def remove(self, job: Job) -> None:
        """Take the deadline of a job away."""
        self._jobs.pop(job.id, None)

    def get(self, job: Job) -> float:
        """Give the deadline of a job that has one."""
        return self._jobs[job.id]

    @property
    def nearest(self) -> float:
        """The nearest deadline; infinity if there is none."""
        while self._heap and not self._holds(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> Iterator[Job]:
        """Give each job whose deadline has come, taking the deadline away."""
        while self.nearest <= now:
            _, _, job = heapq.heappop(self._heap)
            self.remove(job)
            yield job

    def _holds(self, entry: tuple[float, int, Job]) -> bool:
        when, _, job = entry
        return self._jobs.get(job.id) == when


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
