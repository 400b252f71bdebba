"""The queue of an endpoint: all state transitions of jobs, without HTTP.

```
            take            finish
IN_QUEUE ─────────▶ IN_PROGRESS ─────────▶ COMPLETED
   ▲  ▲               │   │  └───────────▶ FAILED ──┐
   │  └───── lose ────┘   │                         │
   │                      └── cancel ───▶ CANCELLED │
   └────────────────────── retry ───────────────────┘
```

A job that exceeds its execution timeout is treated like one whose worker was lost. A job is deleted
when its TTL ends, in any state, or when its retention after the end is over.

All methods are thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.jobs import output_limits
from runpod.local.jobs.deadlines import Deadlines
from runpod.local.jobs.job import ENDED, RETRYABLE, Job, JobNotFoundError, JobNotRetryableError, new_id
from runpod.local.jobs.job_log import JobLog
from runpod.local.jobs.pending import PendingJobs
from runpod.local.jobs.policy import RETENTION, SYNC_RETENTION
from runpod.local.settings import DEFAULT_EXECUTION_TIMEOUT, Behavior
from runpod.local.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from runpod.local.jobs.history import JobHistory
    from runpod.local.jobs.job import Lease, Outcome, Payload, Status
    from runpod.local.jobs.worker_logs import WorkerLogs
    from runpod.local.json_text import JSONText

__all__ = ["JobQueue"]

# Captured from the service: a job whose worker never reports back is requeued once, then it is
# FAILED.
_MAX_REDISPATCHES = 1

# The statuses for which the service is known to call the webhook.
_WEBHOOK_STATUSES: frozenset[Status] = frozenset({"COMPLETED", "FAILED"})

_DEFAULT = Behavior()


class JobQueue:
    """The jobs of one endpoint: waiting, running and ended.

    Args:
        clock: A monotonic clock, in seconds.
        behavior: Behavior where the service is undocumented.
        execution_timeout: Maximum seconds of a job without its own timeout.
        name: Name of the endpoint, for the log.
        deliver: Called with the webhook URL of a job that ended, and the body to send.
        history: Records the changes of jobs for the server's page; None without one.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        behavior: Behavior = _DEFAULT,
        execution_timeout: float = DEFAULT_EXECUTION_TIMEOUT.total_seconds(),
        name: str = "",
        deliver: Callable[[str, JSONText], None] | None = None,
        history: JobHistory | None = None,
    ) -> None:
        self.arrivals: Signal = Signal()
        """Fires when a job enters the queue."""

        self.deadline_moved: Signal = Signal()
        """Fires when the next deadline is earlier than the last return value of `expire`."""

        self._log = JobLog(name)
        self.logs: WorkerLogs = self._log.workers
        """The logs of the workers that take the jobs."""

        self.history: JobHistory | None = history
        """The changes of its jobs; None without the server's page."""

        self._clock = clock
        self._behavior = behavior
        self._execution_timeout = execution_timeout
        self._deliver = deliver
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._pending = PendingJobs()
        self._deadlines = Deadlines()
        self._reported_deadline = 0.0
        self._counts: Counter[Status] = Counter()
        self._retried = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<JobQueue waiting={len(self._pending)} jobs={len(self._jobs)}>"

    # For clients

    def submit(self, payload: Payload, *, sync: bool = False, job_id: str | None = None) -> Job:
        """Add a job to the end of the queue."""
        with self._transaction() as after:
            now = self._clock()
            job = Job(
                job_id or new_id(sync=sync),
                payload,
                sync=sync,
                submitted_at=now,
                queued_at=now,
                expires_at=now + payload.policy.ttl,
            )
            self._jobs[job.id] = job
            self._counts[job.status] += 1
            self._enqueue(job)
            # Logged first: a worker may take the job as soon as `arrivals` fires.
            self._log.add(after, job, "submitted")
            self._changed(job, after)
            after.append(self.arrivals.fire)
        return job

    def get(self, job_id: str) -> Job:
        """Return a job; raises `JobNotFoundError` if it does not exist."""
        with self._transaction():
            return self._get(job_id)

    def text(self, job: Job) -> JSONText:
        """Return a consistent snapshot of a job as JSON."""
        with self._lock:
            return job.text()

    def drain(self, job: Job) -> tuple[Status, list[JSONText]]:
        """Take the stream chunks that were not taken yet, with the current status.

        Takes as many as fit into one response.
        """
        limit = self._behavior.stream_reply_limit
        with self._lock:
            return job.status, output_limits.take_chunks(job.chunks, limit)

    def cancel(self, job_id: str) -> Status:
        """Cancel a job unless it has ended, and return its status."""
        with self._transaction() as after:
            job = self._get(job_id)
            if not job.done:
                self._revoke(job, after)
                job.output = None  # Remove the last progress update.
                self._end(job, "CANCELLED", after)
            return job.status

    def cancel_if_queued(self, job: Job) -> None:
        """Cancel a job if no worker has taken it yet."""
        with self._transaction() as after:
            if job in self._pending:
                self._end(job, "CANCELLED", after)

    def retry(self, job_id: str) -> Job:
        """Put a failed job back at the end of the queue, with the same ID and without its output.

        `retries` of the job does not change: it counts only retries by the platform. The TTL
        starts again, as it could already be over.
        """
        with self._transaction() as after:
            job = self._get(job_id)
            if job.status not in RETRYABLE:
                raise JobNotRetryableError(job.status)
            job.expires_at = self._clock() + job.payload.policy.ttl
            self._requeue(job, after)
        return job

    def purge(self) -> int:
        """Remove every job that waits for a worker, and return their number.

        Purged jobs are deleted, so their status is 404 afterwards, which is undocumented. It is
        chosen here because the service's response counts them as `removed`, and because the
        service's status of a job that was deleted at the end of its TTL is 404 as well.
        """
        with self._transaction() as after:
            purged = list(self._pending)
            for job in purged:
                self._delete(job, after)
        return len(purged)

    def limit_retention(self, job_id: str, seconds: float) -> Job:
        """Delete a job after at most `seconds`."""
        with self._transaction():
            job = self._get(job_id)
            when = self._clock() + seconds
            job.expires_at = min(job.expires_at, when)
            self._deadlines.set(job, min(self._deadlines.get(job), when))
        return job

    # For workers

    def take(self, worker_id: str) -> Lease | None:
        """Lease the oldest waiting job to a worker; None if there is none."""
        with self._transaction() as after:
            if self._closed or not self._pending:
                return None
            job = self._pending.take()
            now = self._clock()
            lease = job.start(worker_id, now)
            self._move(job, "IN_PROGRESS")
            timeout = job.payload.policy.execution_timeout
            max_run_time = self._execution_timeout if timeout is None else timeout
            self._deadlines.set(job, min(job.expires_at, now + max_run_time))
            self._log.started(after, job, now - job.queued_at)
            self._changed(job, after)
        return lease

    def progress(self, lease: Lease, value: JSONText) -> None:
        """Show `value` as the output of the running job."""
        with self._transaction() as after:
            if self._is_current(lease):
                lease.job.output = value
                self._changed(lease.job, after)

    def chunk(self, lease: Lease, value: JSONText) -> None:
        """Add a chunk to the stream of the running job."""
        pieces = output_limits.split(value)
        with self._transaction() as after:
            if self._is_current(lease):
                lease.job.chunks.extend(pieces)
                if self.history is not None:
                    self.history.chunks.add(lease.job.id, pieces)
                self._changed(lease.job, after)

    def finish(self, lease: Lease, outcome: Outcome) -> None:
        """End the job with the outcome that the worker posted."""
        outcome = output_limits.limit_output(outcome, self._behavior.output_limit, lease.job.id)
        with self._transaction() as after:
            if self._is_current(lease):
                job = lease.job
                job.output = outcome.output
                job.error = outcome.error
                self._end(job, "COMPLETED" if outcome.error is None else "FAILED", after)

    def lose(self, lease: Lease) -> None:
        """Handle the loss of a worker: requeue its job, or fail it."""
        with self._transaction() as after:
            if self._is_current(lease):
                self._lose(lease.job, after)

    # For the server

    @property
    def waiting(self) -> int:
        """Number of jobs that wait for a worker."""
        return len(self._pending)

    @property
    def urgent(self) -> int:
        """Number of waiting jobs that may start a worker."""
        return self._pending.urgent

    def counts(self) -> dict[str, int]:
        """Count jobs as `/health` does. Ended jobs are counted even after their deletion."""
        with self._transaction():
            counts = self._counts
            return {
                "completed": counts["COMPLETED"],
                "failed": counts["FAILED"] + counts["TIMED_OUT"],
                "inProgress": counts["IN_PROGRESS"],
                "inQueue": counts["IN_QUEUE"],
                "retried": self._retried,
            }

    @contextmanager
    def reading(self) -> Generator[tuple[dict[str, Job], Mapping[Status, int]], None, None]:
        """Hold the lock and yield all jobs by ID, oldest first, and how many there were by status."""
        with self._transaction():
            yield self._jobs, self._counts

    def snapshot(self) -> list[JSONText]:
        """Return every job as JSON, in order of submission."""
        with self._transaction():
            return [job.text() for job in self._jobs.values()]

    def expire(self) -> float:
        """Process passed deadlines, and return the next one, or infinity."""
        with self._transaction():
            self._reported_deadline = self._deadlines.earliest
            return self._reported_deadline

    def close(self) -> None:
        """Stop leasing jobs, and revoke every lease. Job states do not change."""
        with self._transaction() as after:
            self._closed = True
            for job in self._jobs.values():
                self._revoke(job, after)

    # Internals; the caller holds the lock

    @contextmanager
    def _transaction(self) -> Generator[list[Callable[[], object]], None, None]:
        """Process passed deadlines and hold the lock; call the appended callbacks after its release."""
        after: list[Callable[[], object]] = []
        try:
            with self._lock:
                # A closed queue expires no jobs.
                for job in () if self._closed else self._deadlines.due(self._clock()):
                    self._expire(job, after)
                yield after
                if self._deadlines.earliest < self._reported_deadline:
                    after.append(self.deadline_moved.fire)
        finally:
            for callback in after:
                callback()

    def _changed(self, job: Job, after: list[Callable[[], object]]) -> None:
        after.append(job.changed.fire)
        if self.history is not None:
            self.history.add(job)
            after.append(self.history.changed.fire)

    def _get(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None or self._clock() - job.submitted_at < self._behavior.not_found_for.total_seconds():
            raise JobNotFoundError(job_id)
        return job

    def _is_current(self, lease: Lease) -> bool:
        return lease.job.lease is lease and not lease.revoked

    def _enqueue(self, job: Job, *, first: bool = False) -> None:
        self._pending.add(job, first=first)
        self._deadlines.set(job, job.expires_at)

    def _move(self, job: Job, status: Status) -> None:
        self._counts[job.status] -= 1
        self._counts[status] += 1
        job.status = status

    def _revoke(self, job: Job, after: list[Callable[[], object]], *, kill: bool = False) -> None:
        if job.lease is not None:
            job.lease.revoked = True
            job.lease.killed = kill
            after.append(job.lease.revocation.fire)

    def _end(self, job: Job, status: Status, after: list[Callable[[], object]]) -> None:
        assert status in ENDED
        now = self._clock()
        self._pending.remove(job)
        lease = job.end(now)
        self._move(job, status)
        self._deadlines.set(job, now + (SYNC_RETENTION if job.sync else RETENTION))
        self._log.ended(after, job, status, lease)
        self._changed(job, after)
        has_webhook = status in _WEBHOOK_STATUSES or self._behavior.webhook_on_every_end
        if self._deliver is not None and job.payload.webhook and has_webhook:
            after.append(partial(self._deliver, job.payload.webhook, job.text(webhook=True)))

    def _requeue(self, job: Job, after: list[Callable[[], object]], *, first: bool = False) -> None:
        self._move(job, "IN_QUEUE")
        job.reset(self._clock())
        self._retried += 1
        self._enqueue(job, first=first)
        self._log.add(after, job, "requeued")
        self._changed(job, after)
        after.append(self.arrivals.fire)

    def _lose(self, job: Job, after: list[Callable[[], object]]) -> None:
        if job.retries < _MAX_REDISPATCHES:
            job.retries += 1
            self._requeue(job, after, first=True)
            return
        job.output = None
        job.error = f"job timed out after {job.retries} retries"
        self._end(job, "TIMED_OUT" if self._behavior.timed_out else "FAILED", after)

    def _expire(self, job: Job, after: list[Callable[[], object]]) -> None:
        if job.status in ENDED:
            self._delete(job, after)
            return
        self._revoke(job, after, kill=True)
        if self._clock() < job.expires_at:
            self._lose(job, after)
        elif job.status == "IN_QUEUE" and self._behavior.timed_out:
            self._end(job, "TIMED_OUT", after)
        else:
            self._delete(job, after)

    def _delete(self, job: Job, after: list[Callable[[], object]]) -> None:
        self._pending.remove(job)
        self._deadlines.remove(job)
        del self._jobs[job.id]
        if job.status not in ENDED:
            self._counts[job.status] -= 1
        job.deleted = True
        job.lease = None
        self._log.add(after, job, "deleted")
        self._changed(job, after)
