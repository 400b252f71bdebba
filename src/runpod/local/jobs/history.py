"""What the server's page needs of the jobs of a queue besides their state: the order of changes, and stream chunks."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from runpod.local.jobs.kept_chunks import KeptChunks

if TYPE_CHECKING:
    from runpod.local.jobs.job import Job, Payload, Status
    from runpod.local.json_text import JSONText
    from runpod.local.signals import Signal

__all__ = ["Changes", "JobHistory", "JobRow"]

# Deleted jobs that are remembered, for a reader that has seen none of their changes since.
_MAX_DELETED = 10_000


class JobRow(NamedTuple):
    """A copy of what a list shows of a job, so that it can be read without the queue's lock."""

    id: str
    payload: Payload
    status: Status
    submitted_at: float
    queued_at: float
    started_at: float | None
    ended_at: float | None
    worker_id: str | None
    retries: int
    progress: JSONText | None
    version: int


class Changes(NamedTuple):
    """What changed since a version.

    Attributes:
        version: The version up to which these are the changes.
        jobs: The jobs that changed, as they are now, by the time of their last change.
        removed: The IDs of those that were deleted.
    """

    version: int
    jobs: list[JobRow]
    removed: list[str]


class JobHistory:
    """The order in which the jobs of a queue changed last, and the latest chunks of their streams.

    Each job is in it once, however often it changes: what a reader has missed never grows beyond the jobs themselves.
    Not thread-safe: the queue holds its lock.

    Args:
        changed: Fires after a change, without the lock.
    """

    def __init__(self, changed: Signal) -> None:
        self.changed = changed
        self.version: int = 0
        """Grows with each change."""
        self.chunks: KeptChunks = KeptChunks()
        self._entries: OrderedDict[str, tuple[int, Job | None]] = OrderedDict()
        self._deleted: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0
        self._workers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<JobHistory version={self.version}>"

    def add(self, job: Job) -> None:
        """Note that a job changed, or was deleted."""
        self.version += 1
        self._entries[job.id] = (self.version, None if job.deleted else job)
        self._entries.move_to_end(job.id)
        if job.lease is not None:
            self._workers[job.id] = job.lease.worker_id
        else:
            self._workers.pop(job.id, None)
        if job.deleted or job.status == "IN_QUEUE":
            self.chunks.drop(job.id)
        if job.deleted:
            self._deleted[job.id] = self.version
            if len(self._deleted) > _MAX_DELETED:
                oldest, self._forgotten = self._deleted.popitem(last=False)
                del self._entries[oldest]

    def version_of(self, job: Job) -> int:
        """Return the version of the last change of a job that exists."""
        return self._entries[job.id][0]

    def workers(self) -> dict[str, str]:
        """Return the job of each worker that runs one, by the ID of the worker."""
        return {worker_id: job_id for job_id, worker_id in self._workers.items()}

    def since(self, version: int, limit: int) -> Changes | None:
        """Return the changes after a version, the earliest `limit` of them; None if they are not known any more."""
        if version < self._forgotten:
            return None
        missed: list[str] = []
        for job_id in reversed(self._entries):
            if self._entries[job_id][0] <= version:
                break
            missed.append(job_id)
        jobs: list[JobRow] = []
        removed: list[str] = []
        for job_id in islice(reversed(missed), limit):
            version, job = self._entries[job_id]
            if job is None:
                removed.append(job_id)
            else:
                jobs.append(_row(job, version))
        return Changes(version, jobs, removed)

    def newest(self, jobs: dict[str, Job], limit: int) -> Changes:
        """Return the newest of all jobs of the queue, oldest first."""
        found = [self.row(job) for job in islice(reversed(jobs.values()), limit)]
        return Changes(self.version, found[::-1], [])

    def row(self, job: Job) -> JobRow:
        """Return a copy of what a list shows of a job."""
        return _row(job, self.version_of(job))


def _row(job: Job, version: int) -> JobRow:
    return JobRow(
        job.id,
        job.payload,
        job.status,
        job.submitted_at,
        job.queued_at,
        job.started_at,
        job.ended_at,
        job.worker_id,
        job.retries,
        job.output if job.status == "IN_PROGRESS" else None,
        version,
    )
