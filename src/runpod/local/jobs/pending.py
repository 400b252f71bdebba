"""Pending jobs of an endpoint, in the order in which workers take them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod.local.jobs.job import Job

__all__ = ["PendingJobs"]


class PendingJobs:
    """Jobs that wait for a worker, first in, first out. Not thread-safe: the owner holds a lock."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._urgent = 0

    def __repr__(self) -> str:
        return f"<PendingJobs {len(self)}>"

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: Job) -> bool:
        return job.id in self._jobs

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    @property
    def urgent(self) -> int:
        """Number of jobs that may start a worker: those without `lowPriority`."""
        return self._urgent

    def add(self, job: Job, *, first: bool = False) -> None:
        """Add a job at the end, or at the front."""
        self._jobs[job.id] = job
        self._urgent += not job.payload.policy.low_priority
        if first:
            self._jobs.move_to_end(job.id, last=False)

    def take(self) -> Job:
        """Remove the first job, and return it; raises `StopIteration` if there is none."""
        job = next(iter(self))
        self.remove(job)
        return job

    def remove(self, job: Job) -> None:
        """Remove a job, if it is pending."""
        if self._jobs.pop(job.id, None) is not None:
            self._urgent -= not job.payload.policy.low_priority
