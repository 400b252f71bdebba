"""A job: its payload, its state and its outcome."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from runpod.local.jobs.policy import Policy
from runpod.local.json_text import JSONText, object_text
from runpod.local.signals import Signal

__all__ = [
    "ENDED",
    "RETRYABLE",
    "Job",
    "JobNotFoundError",
    "JobNotRetryableError",
    "Lease",
    "Outcome",
    "Payload",
    "Status",
    "new_id",
]

Status = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]

ENDED: frozenset[Status] = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
RETRYABLE: frozenset[Status] = frozenset({"FAILED", "TIMED_OUT"})


class JobNotFoundError(LookupError):
    """The job does not exist, or was deleted."""


class JobNotRetryableError(Exception):
    """The job is not FAILED or TIMED_OUT, so it cannot be retried."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"job is {status}; only FAILED or TIMED_OUT jobs can be retried")


def new_id(*, sync: bool = False) -> str:
    """Create the ID of a job."""
    prefix = "sync-" if sync else ""
    return f"{prefix}{uuid.uuid4()}-u1"


@dataclass(frozen=True)
class Payload:
    """What a worker receives besides the ID, kept as text.

    Each attempt decodes it again, so that a handler cannot modify the input of a later attempt.
    """

    input: JSONText
    """A JSON object."""

    empty: bool
    """Whether `input` is `{}`, which the service does not pass on to the worker."""

    policy: Policy = field(default_factory=Policy)
    webhook: str | None = None
    others: JSONText | None = None
    """An object with the fields besides `input`, if there are any."""

    @property
    def text(self) -> JSONText:
        """All of it as a JSON object."""
        others = "}" if self.others is None else f",{self.others[1:]}"
        return JSONText(f'{{"input":{self.input}{others}')


@dataclass(frozen=True)
class Outcome:
    """What a worker posts at the end of a job."""

    output: JSONText | None = None
    """None if the worker posts no output, which differs from `null`."""

    error: str | None = None
    restart: bool = False
    """Whether the worker requests a restart (`refresh_worker`); not visible to clients."""


class Lease:
    """One attempt of a worker at a job.

    A worker passes its lease with every report. Reports are ignored once the lease is revoked (the
    job was cancelled, or the server stops) or the job was given to another worker.

    A worker whose lease is revoked may finish its handler. If the lease is also `killed`, a new
    worker replaces it.
    """

    __slots__ = ("job", "killed", "revocation", "revoked", "worker_id")

    def __init__(self, job: Job, worker_id: str) -> None:
        self.job: Job = job
        self.worker_id: str = worker_id
        self.revoked: bool = False
        self.killed: bool = False
        self.revocation: Signal = Signal()

    def __repr__(self) -> str:
        state = "revoked" if self.revoked else "held"
        return f"<Lease on {self.job.id} by {self.worker_id}, {state}>"


@dataclass(eq=False)
class Job:
    """One job. Only its queue modifies it, under the queue's lock.

    Times are seconds of the queue's clock; durations are milliseconds, as in responses.
    """

    id: str
    payload: Payload
    sync: bool
    submitted_at: float
    queued_at: float
    expires_at: float
    """End of the TTL, which covers waiting and running."""

    status: Status = "IN_QUEUE"
    started_at: float | None = None
    ended_at: float | None = None
    delay_time: int | None = None
    execution_time: int | None = None
    worker_id: str | None = None
    retries: int = 0
    output: JSONText | None = None
    error: str | None = None
    chunks: deque[JSONText] = field(default_factory=deque[JSONText])
    lease: Lease | None = None
    deleted: bool = False
    changed: Signal = field(default_factory=Signal)

    @property
    def done(self) -> bool:
        """Whether the job has ended or was deleted."""
        return self.deleted or self.status in ENDED

    def start(self, worker_id: str, now: float) -> Lease:
        """Lease the job to a worker."""
        self.lease = Lease(self, worker_id)
        self.worker_id = worker_id
        self.started_at = now
        self.delay_time = _milliseconds(now - self.queued_at)
        return self.lease

    def end(self, now: float) -> Lease | None:
        """End the job, and return the lease that ended with it, if any."""
        self.ended_at = now
        if self.started_at is not None:
            self.execution_time = _milliseconds(now - self.started_at)
        lease, self.lease = self.lease, None
        return lease

    def reset(self, now: float) -> None:
        """Reset the job to its state after submission, keeping its ID."""
        self.status = "IN_QUEUE"
        self.queued_at = now
        self.started_at = None
        self.ended_at = None
        self.delay_time = None
        self.execution_time = None
        self.worker_id = None
        self.output = None
        self.error = None
        self.chunks.clear()
        self.lease = None

    def text(self, *, webhook: bool = False) -> JSONText:
        """Return the job as the service shows it, without fields that are not set yet.

        As on the service, `input` and `webhook` are included only in the body of a webhook.
        """
        fields: dict[str, object] = {"id": self.id, "status": self.status}
        optional: dict[str, object | None] = {
            "delayTime": self.delay_time,
            "executionTime": self.execution_time,
            "workerId": self.worker_id,
            "output": self.output,
            "error": self.error,
            "retries": self.retries or None,
        }
        if webhook:
            optional.update({"input": self.payload.input, "webhook": self.payload.webhook})
        fields.update({key: value for key, value in optional.items() if value is not None})
        return object_text(fields)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
