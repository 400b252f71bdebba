"""When jobs change their state by themselves."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod.local.jobs.job import Job

__all__ = ["Deadlines"]

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
