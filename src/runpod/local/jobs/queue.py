"""The queue of an endpoint: every rule about what may become of a job, and no HTTP.

```
            take            finish
IN_QUEUE ─────────▶ IN_PROGRESS ─────────▶ COMPLETED
   ▲  ▲               │   │  └───────────▶ FAILED ──┐
   │  └───── lose ────┘   │                         │
   │                      └── cancel ───▶ CANCELLED │
   └────────────────────── retry ───────────────────┘
```

A job that runs longer than it may is lost like one whose worker died. One whose time to live is
over is deleted, wherever it is, and so is one that ended long enough ago.

All methods may be called from any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.jobs import output_limits
from runpod.local.jobs.deadlines import Deadlines
from runpod.local.jobs.job import ENDED, RETRYABLE, Job, JobNotFoundError, JobNotRetryableError, Lease, new_id
from runpod.local.jobs.line import Line
from runpod.local.jobs.policy import EXECUTION_TIMEOUT, RETENTION, SYNC_RETENTION
from runpod.local.jobs.results import short_error
from runpod.local.settings import Behavior
from runpod.local.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from runpod.local.jobs.job import Outcome, Payload, Status
    from runpod.local.json_text import JSONText

__all__ = ["JobNotFoundError", "JobNotRetryableError", "JobQueue"]

logger = logging.getLogger("runpod.local")

# "the job is re-dispatched once and ends FAILED": captured from the service, for jobs whose
# worker never reports back.
_MAX_REDISPATCHES = 1

# "Fires on COMPLETED and FAILED".
_WEBHOOK_STATUSES: frozenset[Status] = frozenset({"COMPLETED", "FAILED"})

_DEFAULT = Behavior()


class JobQueue:
    """Jobs of one endpoint, waiting, running and ended.

    Args:
        clock: A monotonic clock, in seconds.
        behavior: What it does where nobody knows for sure what the service does.
        execution_timeout: Seconds a job may run that says nothing of that itself.
        name: The endpoint's, for the log.
        deliver: Is called with the webhook of a job that ended, and with what it is to be told.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        behavior: Behavior = _DEFAULT,
        execution_timeout: float = EXECUTION_TIMEOUT,
        name: str = "",
        deliver: Callable[[str, JSONText], None] | None = None,
    ) -> None:
        self.arrivals = Signal()
        """Fires whenever a job starts to wait for a worker."""

        self.nearer = Signal()
        """Fires whenever there is something to `expire` sooner than `expire` said last."""

        self._clock = clock
        self._behavior = behavior
        self._execution_timeout = execution_timeout
        self._name = name
        self._deliver = deliver
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._waiting = Line()
        self._deadlines = Deadlines()
        self._announced = 0.0
        self._counts: Counter[Status] = Counter()
        self._retried = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<JobQueue waiting={len(self._waiting)} jobs={len(self._jobs)}>"

    # What clients do

    def submit(self, payload: Payload, *, sync: bool = False, job_id: str | None = None) -> Job:
        """Add a job to the end of the queue."""
        with self._changing() as after:
            now = self._clock()
            job = Job(
                job_id or new_id(sync=sync),
                payload,
                sync=sync,
                submitted_at=now,
                queued_at=now,
                dies_at=now + payload.policy.ttl,
            )
            self._jobs[job.id] = job
            self._counts[job.status] += 1
            self._wait(job)
            # Told first: somebody takes it the moment it has arrived.
            self._tell(after, job, "submitted")
            after.append(self.arrivals.fire)
        return job

    def get(self, job_id: str) -> Job:
        """Find a job; `JobNotFoundError` if there is none."""
        with self._changing():
            return self._get(job_id)

    def text(self, job: Job) -> JSONText:
        """Give a job in its wire shape, as of one moment."""
        with self._lock:
            return job.text()

    def drain(self, job: Job) -> tuple[Status, list[JSONText]]:
        """Take the stream chunks that nobody has taken yet, and the status that goes with them.

        All of them, or as many as fit into one answer.
        """
        limit = self._behavior.stream_reply_limit
        with self._lock:
            return job.status, output_limits.first(job.chunks, limit)

    def cancel(self, job_id: str) -> Status:
        """Cancel a job that has not ended; one that has stays as it is. Gives the status after."""
        with self._changing() as after:
            job = self._get(job_id)
            if not job.over:
                self._revoke(job, after)
                job.output = None  # A progress update is no output of a job that has none.
                self._end(job, "CANCELLED", after)
            return job.status

    def drop(self, job: Job) -> None:
        """Cancel a job if it still waits for a worker."""
        with self._changing() as after:
            if job in self._waiting:
                self._end(job, "CANCELLED", after)

    def retry(self, job_id: str) -> Job:
        """Put a failed job at the end of the queue again, under the same id, without its output.

        `retries` of the job stays as it is: it counts only what the platform did by itself. Its
        time to live begins again, or it could be over before the job is back in the queue.
        """
        with self._changing() as after:
            job = self._get(job_id)
            if job.status not in RETRYABLE:
                raise JobNotRetryableError(job.status)
            job.dies_at = self._clock() + job.payload.policy.ttl
            self._requeue(job, after)
        return job

    def purge(self) -> int:
        """Remove every job that waits for a worker; gives how many those were.

        Purged jobs are gone: from then on their ids are unknown (404). No source says what
        becomes of their status. Documentation calls the operation a removal and counts what was
        "removed", and a job the service deletes for its TTL answers 404 as well ("job deleted
        even while running; then /status = 404").
        """
        with self._changing() as after:
            purged = list(self._waiting)
            for job in purged:
                self._delete(job, after)
        return len(purged)

    def remember(self, job_id: str, seconds: float) -> Job:
        """Forget a job after so many seconds at the latest."""
        with self._changing():
            job = self._get(job_id)
            when = self._clock() + seconds
            job.dies_at = min(job.dies_at, when)
            self._deadlines.set(job, min(self._deadlines.get(job), when))
        return job

    # What workers do

    def take(self, worker_id: str) -> Lease | None:
        """Give a worker the job that has waited longest, or None."""
        with self._changing() as after:
            if self._closed or not self._waiting:
                return None
            job = next(iter(self._waiting))
            self._waiting.remove(job)
            now = self._clock()
            lease = Lease(job, worker_id)
            job.lease = lease
            job.worker_id = worker_id
            job.started_at = now
            job.delay_time = _milliseconds(now - job.queued_at)
            self._move(job, "IN_PROGRESS")
            timeout = job.payload.policy.execution_timeout
            may_run = self._execution_timeout if timeout is None else timeout
            self._deadlines.set(job, min(job.dies_at, now + may_run))
            self._tell(after, job, "started by worker %s, after %.2f s in the queue", worker_id, now - job.queued_at)
            after.append(job.changed.fire)
        return lease

    def progress(self, lease: Lease, value: JSONText) -> None:
        """Show `value` as the output of the running job."""
        with self._changing() as after:
            if self._holds(lease):
                lease.job.output = value
                after.append(lease.job.changed.fire)

    def chunk(self, lease: Lease, value: JSONText) -> None:
        """Add a chunk to the stream of the running job."""
        pieces = output_limits.split(value)
        with self._changing() as after:
            if self._holds(lease):
                lease.job.chunks.extend(pieces)
                after.append(lease.job.changed.fire)

    def finish(self, lease: Lease, outcome: Outcome) -> None:
        """End the job with what the worker posted."""
        outcome = output_limits.accepted(outcome, self._behavior.output_limit, lease.job.id)
        with self._changing() as after:
            if self._holds(lease):
                job = lease.job
                job.output = outcome.output
                job.error = outcome.error
                self._end(job, "COMPLETED" if outcome.error is None else "FAILED", after)

    def lose(self, lease: Lease) -> None:
        """The worker will never report back: give the job to another one, or give it up."""
        with self._changing() as after:
            if self._holds(lease):
                self._lose(lease.job, after)

    # What the server does

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._waiting)

    @property
    def urgent(self) -> int:
        """How many jobs wait for a worker and are worth starting one."""
        return self._waiting.urgent

    def counts(self) -> dict[str, int]:
        """Count jobs the way `/health` does. Those that ended count for ever."""
        with self._changing():
            counts = self._counts
            return {
                "completed": counts["COMPLETED"],
                "failed": counts["FAILED"] + counts["TIMED_OUT"],
                "inProgress": counts["IN_PROGRESS"],
                "inQueue": counts["IN_QUEUE"],
                "retried": self._retried,
            }

    def snapshot(self) -> list[JSONText]:
        """Give every job in its wire shape, in the order of submission."""
        with self._changing():
            return [job.text() for job in self._jobs.values()]

    def expire(self) -> float:
        """Do what is due by now; gives when something will be again, or infinity."""
        with self._changing():
            self._announced = self._deadlines.nearest
            return self._announced

    def close(self) -> None:
        """Give out no job any more and revoke every lease. Jobs stay as they are."""
        with self._changing() as after:
            self._closed = True
            for job in self._jobs.values():
                self._revoke(job, after)

    # Within `_changing`

    @contextmanager
    def _changing(self) -> Generator[list[Callable[[], object]], None, None]:
        """Hold the lock, with all done that is due; what is appended is called without it."""
        after: list[Callable[[], object]] = []
        try:
            with self._lock:
                # A closed queue stays as it is.
                for job in () if self._closed else self._deadlines.due(self._clock()):
                    self._expire(job, after)
                yield after
                if self._deadlines.nearest < self._announced:
                    after.append(self.nearer.fire)
        finally:
            for tell in after:
                tell()

    def _tell(self, after: list[Callable[[], object]], job: Job, text: str, *arguments: object) -> None:
        if logger.isEnabledFor(logging.INFO):
            after.append(partial(logger.info, "%s: job %s " + text, self._name, job.id, *arguments))

    def _get(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None or self._clock() - job.submitted_at < self._behavior.not_found_for.total_seconds():
            raise JobNotFoundError(job_id)
        return job

    def _holds(self, lease: Lease) -> bool:
        return lease.job.lease is lease and not lease.revoked

    def _wait(self, job: Job, *, first: bool = False) -> None:
        self._waiting.add(job, first=first)
        self._deadlines.set(job, job.dies_at)

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
        self._waiting.remove(job)
        job.ended_at = now
        if job.started_at is not None:
            job.execution_time = _milliseconds(now - job.started_at)
        job.lease = None
        self._move(job, status)
        self._deadlines.set(job, now + (SYNC_RETENTION if job.sync else RETENTION))
        took = "" if job.started_at is None else f" after {now - job.started_at:.2f} s"
        why = "" if job.error is None else f": {short_error(job.error)}"
        self._tell(after, job, "%s%s%s", status, took, why)
        after.append(job.changed.fire)
        told = status in _WEBHOOK_STATUSES or self._behavior.webhook_on_every_end
        if self._deliver is not None and job.payload.webhook and told:
            after.append(partial(self._deliver, job.payload.webhook, job.text(webhook=True)))

    def _requeue(self, job: Job, after: list[Callable[[], object]], *, first: bool = False) -> None:
        self._move(job, "IN_QUEUE")
        job.reset(self._clock())
        self._retried += 1
        self._wait(job, first=first)
        self._tell(after, job, "back in the queue")
        after += [job.changed.fire, self.arrivals.fire]

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
        if self._clock() < job.dies_at:
            self._lose(job, after)
        elif job.status == "IN_QUEUE" and self._behavior.timed_out:
            self._end(job, "TIMED_OUT", after)
        else:
            self._delete(job, after)

    def _delete(self, job: Job, after: list[Callable[[], object]]) -> None:
        self._waiting.remove(job)
        self._deadlines.remove(job)
        del self._jobs[job.id]
        if job.status not in ENDED:
            self._counts[job.status] -= 1
        job.deleted = True
        job.lease = None
        self._tell(after, job, "gone")
        after.append(job.changed.fire)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
