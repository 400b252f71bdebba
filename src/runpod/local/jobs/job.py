"""A job: what was asked, where it stands, and what came of it."""

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
    """No job has this id, or none any more."""


class JobNotRetryableError(Exception):
    """Only a job that is FAILED or TIMED_OUT can be retried."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"job is {status}; only FAILED or TIMED_OUT jobs can be retried")


def new_id(*, sync: bool = False) -> str:
    """Make up the id of a job."""
    prefix = "sync-" if sync else ""
    return f"{prefix}{uuid.uuid4()}-u1"


@dataclass(frozen=True)
class Payload:
    """What a worker gets besides the id: a JSON object, kept as text.

    Every attempt decodes it anew, so a handler that changes its input cannot spoil a later one.
    """

    text: JSONText
    empty: bool
    """Whether `input` is `{}`, which the service loses on the way to the worker."""

    policy: Policy = field(default_factory=Policy)
    webhook: str | None = None
    input: JSONText | None = None
    """What the webhook is told of the input; None where there is no webhook."""


@dataclass(frozen=True)
class Outcome:
    """What a worker posts when it is done with a job."""

    output: JSONText | None = None
    """None where the worker posts no output at all, which is not the same as `null`."""

    error: str | None = None
    restart: bool = False
    """Whether the worker wants a restart (`refresh_worker`); clients never see it."""


class Lease:
    """A worker's hold on a job, for one attempt.

    Everything a worker reports comes with its lease. Once the lease is revoked (the job was
    cancelled, or the server stops) or the job was given to another worker, reports are ignored.

    A worker whose lease was revoked may finish what it does, but one that is `killed` may not:
    another worker takes its place.
    """

    __slots__ = ("job", "killed", "revocation", "revoked", "worker_id")

    def __init__(self, job: Job, worker_id: str) -> None:
        self.job = job
        self.worker_id = worker_id
        self.revoked = False
        self.killed = False
        self.revocation = Signal()

    def __repr__(self) -> str:
        state = "revoked" if self.revoked else "held"
        return f"<Lease on {self.job.id} by {self.worker_id}, {state}>"


@dataclass(eq=False)
class Job:
    """One job. Only its queue changes it, under the queue's lock.

    Times are readings of the queue's clock, in seconds; spans are milliseconds, as on the wire.
    """

    id: str
    payload: Payload
    sync: bool
    submitted_at: float
    queued_at: float
    dies_at: float
    """When its time to live is over; that covers waiting and running."""

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
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.deleted or self.status in ENDED

    def reset(self, now: float) -> None:
        """Put the job back to where it was when it was submitted, keeping its id."""
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
        """Give the job as the service shows it: no field before its time, none that is empty.

        "`input`, `webhook`: echoed only in webhook deliveries".
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
