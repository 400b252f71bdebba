"""The queue of an endpoint: every rule about what may become of a job, and no HTTP.

```
            take            finish
IN_QUEUE ─────────▶ IN_PROGRESS ─────────▶ COMPLETED
   ▲  ▲               │   │  └───────────▶ FAILED ──┐
   │  └───── lose ────┘   │                         │
   │                      └── cancel ───▶ CANCELLED │
   └────────────────────── retry ───────────────────┘
```

All methods may be called from any thread.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from runpod.local._behavior import Behavior
from runpod.local._job import ENDED, RETRYABLE, Job, Lease
from runpod.local._signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod.local._job import Outcome, Payload, Status
    from runpod.local._json import JSONText

__all__ = ["JobNotFoundError", "JobNotRetryableError", "JobQueue"]

# "the job is re-dispatched once and ends FAILED": captured from the service, for jobs whose
# worker never reports back.
_MAX_REDISPATCHES = 1


_DEFAULT = Behavior()


class JobNotFoundError(LookupError):
    """No job has this id, or none any more."""


class JobNotRetryableError(Exception):
    """Only a job that is FAILED or TIMED_OUT can be retried."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"job is {status}; only FAILED or TIMED_OUT jobs can be retried")


class JobQueue:
    """Jobs of one endpoint, waiting, running and ended.

    Args:
        clock: A monotonic clock, in seconds.
        behavior: What it does where nobody knows for sure what the service does.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, behavior: Behavior = _DEFAULT) -> None:
        self.arrivals = Signal()
        """Fires whenever a job starts to wait for a worker."""

        self._clock = clock
        self._behavior = behavior
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._waiting: OrderedDict[str, Job] = OrderedDict()
        self._statuses: Counter[Status] = Counter()
        self._retried = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<JobQueue waiting={len(self._waiting)} jobs={len(self._jobs)}>"

    # What clients do

    def submit(self, payload: Payload, *, sync: bool = False) -> Job:
        """Add a job to the end of the queue."""
        prefix = "sync-" if sync else ""
        with self._lock:
            now = self._clock()
            job = Job(f"{prefix}{uuid.uuid4()}-u1", payload, submitted_at=now, queued_at=now)
            self._jobs[job.id] = job
            self._statuses[job.status] += 1
            self._waiting[job.id] = job
        self.arrivals.fire()
        return job

    def get(self, job_id: str) -> Job:
        """Find a job; `JobNotFoundError` if there is none."""
        with self._lock:
            return self._get(job_id)

    def text(self, job: Job) -> JSONText:
        """Give a job in its wire shape, as of one moment."""
        with self._lock:
            return job.text()

    def drain(self, job: Job) -> tuple[Status, list[JSONText]]:
        """Take every stream chunk that nobody has taken yet, and the status that goes with them."""
        with self._lock:
            chunks = list(job.chunks)
            job.chunks.clear()
            return job.status, chunks

    def cancel(self, job_id: str) -> Status:
        """Cancel a job that has not ended; one that has stays as it is. Gives the status after."""
        with self._lock:
            job = self._get(job_id)
            if job.over:
                return job.status
            lease = job.lease
            if lease is not None:
                lease.revoked = True
            self._waiting.pop(job.id, None)
            job.output = None  # A progress update is no output of a job that has none.
            self._end(job, "CANCELLED")
        if lease is not None:
            lease.revocation.fire()
        job.changed.fire()
        return "CANCELLED"

    def retry(self, job_id: str) -> Job:
        """Put a failed job at the end of the queue again, under the same id, without its output.

        `retries` of the job stays as it is: it counts only what the platform did by itself.
        """
        with self._lock:
            job = self._get(job_id)
            if job.status not in RETRYABLE:
                raise JobNotRetryableError(job.status)
            self._requeue(job)
        job.changed.fire()
        self.arrivals.fire()
        return job

    def purge(self) -> int:
        """Remove every job that waits for a worker; gives how many those were.

        Purged jobs are gone: from then on their ids are unknown (404). No source says what
        becomes of their status. Documentation calls the operation a removal and counts what was
        "removed", and a job the service deletes for its TTL answers 404 as well ("job deleted
        even while running; then /status = 404").
        """
        with self._lock:
            purged = list(self._waiting.values())
            self._waiting.clear()
            for job in purged:
                del self._jobs[job.id]
                self._statuses[job.status] -= 1
                job.deleted = True
        for job in purged:
            job.changed.fire()
        return len(purged)

    # What workers do

    def take(self, worker_id: str) -> Lease | None:
        """Give a worker the job that has waited longest, or None."""
        with self._lock:
            if self._closed or not self._waiting:
                return None
            _, job = self._waiting.popitem(last=False)
            now = self._clock()
            lease = Lease(job, worker_id)
            job.lease = lease
            job.worker_id = worker_id
            job.started_at = now
            job.delay_time = _milliseconds(now - job.queued_at)
            self._move(job, "IN_PROGRESS")
        job.changed.fire()
        return lease

    def progress(self, lease: Lease, value: JSONText) -> None:
        """Show `value` as the output of the running job."""
        with self._lock:
            if not self._holds(lease):
                return
            lease.job.output = value
        lease.job.changed.fire()

    def chunk(self, lease: Lease, value: JSONText) -> None:
        """Add a chunk to the stream of the running job."""
        with self._lock:
            if not self._holds(lease):
                return
            lease.job.chunks.append(value)
        lease.job.changed.fire()

    def finish(self, lease: Lease, outcome: Outcome) -> None:
        """End the job with what the worker posted."""
        with self._lock:
            if not self._holds(lease):
                return
            job = lease.job
            job.output = outcome.output
            job.error = outcome.error
            self._end(job, "COMPLETED" if outcome.error is None else "FAILED")
        job.changed.fire()

    def lose(self, lease: Lease) -> None:
        """The worker will never report back: give the job to another one, or give it up."""
        with self._lock:
            if not self._holds(lease):
                return
            job = lease.job
            again = job.retries < _MAX_REDISPATCHES
            if again:
                job.retries += 1
                self._requeue(job, first=True)
            else:
                job.output = None
                job.error = f"job timed out after {job.retries} retries"
                self._end(job, "FAILED")
        job.changed.fire()
        if again:
            self.arrivals.fire()

    # What the server does

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._waiting)

    def counts(self) -> dict[str, int]:
        """Count jobs the way `/health` does."""
        with self._lock:
            statuses = self._statuses
            return {
                "completed": statuses["COMPLETED"],
                "failed": statuses["FAILED"] + statuses["TIMED_OUT"],
                "inProgress": statuses["IN_PROGRESS"],
                "inQueue": statuses["IN_QUEUE"],
                "retried": self._retried,
            }

    def snapshot(self) -> list[JSONText]:
        """Give every job in its wire shape, in the order of submission."""
        with self._lock:
            return [job.text() for job in self._jobs.values()]

    def close(self) -> None:
        """Give out no job any more and revoke every lease. Jobs stay as they are."""
        with self._lock:
            self._closed = True
            leases = [job.lease for job in self._jobs.values() if job.lease is not None]
            for lease in leases:
                lease.revoked = True
        for lease in leases:
            lease.revocation.fire()

    # With the lock held

    def _get(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None or self._clock() - job.submitted_at < self._behavior.not_found_for:
            raise JobNotFoundError(job_id)
        return job

    def _holds(self, lease: Lease) -> bool:
        return lease.job.lease is lease and not lease.revoked

    def _move(self, job: Job, status: Status) -> None:
        self._statuses[job.status] -= 1
        self._statuses[status] += 1
        job.status = status

    def _end(self, job: Job, status: Status) -> None:
        assert status in ENDED
        if job.started_at is not None:
            job.execution_time = _milliseconds(self._clock() - job.started_at)
        job.lease = None
        self._move(job, status)

    def _requeue(self, job: Job, *, first: bool = False) -> None:
        self._move(job, "IN_QUEUE")
        job.reset(self._clock())
        self._retried += 1
        self._waiting[job.id] = job
        if first:
            self._waiting.move_to_end(job.id, last=False)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
