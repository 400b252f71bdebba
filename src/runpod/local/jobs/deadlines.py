"""Deadlines of jobs, ordered by time."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod.local.jobs.job import Job

__all__ = ["Deadlines"]

_SLACK = 100  # Stale heap entries that are tolerated before a clean-up.


class Deadlines:
    """At most one deadline per job, in order of time. Not thread-safe: the owner holds a lock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._jobs: dict[str, float] = {}
        self._count = 0

    def set(self, job: Job, when: float) -> None:
        """Set or replace the deadline of a job."""
        self._jobs[job.id] = when
        # The count breaks ties, because jobs cannot be compared.
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, job))
        if len(self._heap) > 2 * len(self._jobs) + _SLACK:
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapq.heapify(self._heap)

    def remove(self, job: Job) -> None:
        """Remove the deadline of a job, if it has one."""
        self._jobs.pop(job.id, None)

    def get(self, job: Job) -> float:
        """Return the deadline of a job; raises `KeyError` if it has none."""
        return self._jobs[job.id]

    @property
    def earliest(self) -> float:
        """The earliest deadline; infinity if there is none."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> Iterator[Job]:
        """Yield each job whose deadline has passed, and remove the deadline."""
        while self.earliest <= now:
            _, _, job = heapq.heappop(self._heap)
            self.remove(job)
            yield job

    def _is_current(self, entry: tuple[float, int, Job]) -> bool:
        when, _, job = entry
        return self._jobs.get(job.id) == when
