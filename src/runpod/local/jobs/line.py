"""The line in which jobs wait for a worker."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod.local.jobs.job import Job

__all__ = ["Line"]


class Line:
    """Jobs in the order in which they have their turn. Its owner keeps it from being used twice at a time."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._urgent = 0

    def __repr__(self) -> str:
        return f"<Line of {len(self)}>"

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: Job) -> bool:
        return job.id in self._jobs

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    @property
    def urgent(self) -> int:
        """How many are worth starting a worker: "lowPriority: job does not trigger worker scale-up"."""
        return self._urgent

    def add(self, job: Job, *, first: bool = False) -> None:
        """Put a job at the end, or to the front."""
        self._jobs[job.id] = job
        self._urgent += not job.payload.policy.low_priority
        if first:
            self._jobs.move_to_end(job.id, last=False)

    def remove(self, job: Job) -> None:
        """Take a job out, if it is in."""
        if self._jobs.pop(job.id, None) is not None:
            self._urgent -= not job.payload.policy.low_priority
