"""Batches: jobs that are collected in a draft and submitted together (beta on the service)."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from runpod.local.jobs.job import new_id
from runpod.local.json_text import JSONText, array_text, object_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runpod.local.jobs.job import Job, Payload
    from runpod.local.jobs.queue import JobQueue

__all__ = ["Batch", "BatchError", "BatchNotFoundError", "Batches"]

# The service's limits: active batches per endpoint, requests per batch, and queued requests per
# endpoint. The status and the text of the error over a limit are undocumented.
_MAX_ACTIVE = 10
_MAX_REQUESTS = 5_000
_MAX_QUEUED = 50_000

# The service also has FAILED, for systemic failures, which do not occur here. There is no status for
# batches that run or have completed: they stay FINALIZED.
BatchStatus = Literal["DRAFT", "FINALIZED", "CANCELLED"]


class BatchNotFoundError(LookupError):
    """The batch, or the request in it, does not exist."""


class BatchError(Exception):
    """The batch does not allow the operation: it is not a draft, or a limit would be exceeded."""


@dataclass
class _Request:
    payload: Payload
    job: Job | None = None
    """None until the batch is finalized. Kept after the queue has deleted the job."""

    @property
    def status(self) -> str:
        # The status of a draft's request is undocumented.
        if self.job is None:
            return "IN_QUEUE"
        # A purged or expired job has no final status of its own.
        return "CANCELLED" if self.job.deleted and self.job.ended_at is None else self.job.status


@dataclass
class Batch:
    """One batch. Modified only on the server's event loop."""

    id: str
    created_at: int
    """Milliseconds since 1970."""

    requests: dict[str, _Request] = field(default_factory=dict[str, _Request])
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    finalized: bool = False
    cancelled: bool = False

    @property
    def status(self) -> BatchStatus:
        """The status. As on the service, it is CANCELLED only once no job of the batch is running."""
        if self.cancelled and not self.count("IN_PROGRESS"):
            return "CANCELLED"
        return "FINALIZED" if self.finalized else "DRAFT"

    @property
    def done(self) -> bool:
        """Whether all its requests have ended."""
        return self.status == "CANCELLED" or (self.finalized and not self.count("IN_QUEUE", "IN_PROGRESS"))

    def count(self, *statuses: str) -> int:
        """Count the requests with one of `statuses`."""
        return sum(request.status in statuses for request in self.requests.values())


class Batches:
    """The batches of one endpoint. Used only on the server's event loop.

    Args:
        endpoint_id: ID of the endpoint.
        queue: The endpoint's queue.
        clock: The queue's clock.
    """

    def __init__(self, endpoint_id: str, queue: JobQueue, clock: Callable[[], float]) -> None:
        self._endpoint_id = endpoint_id
        self._queue = queue
        self._clock = clock
        self._epoch = time.time() - clock()
        self._batches: dict[str, Batch] = {}

    def __repr__(self) -> str:
        return f"<Batches of {self._endpoint_id}: {len(self._batches)}>"

    def create(self, payloads: Iterable[Payload]) -> Batch:
        """Create a draft; raises `BatchError` over a limit."""
        if sum(not batch.done for batch in self._batches.values()) >= _MAX_ACTIVE:
            raise BatchError(f"there are {_MAX_ACTIVE} active batches already")
        batch = Batch(str(uuid.uuid4()), round((self._epoch + self._clock()) * 1000))
        self.add(batch, payloads)
        self._batches[batch.id] = batch
        return batch

    def get(self, batch_id: str) -> Batch:
        """Return a batch; raises `BatchNotFoundError` if it does not exist."""
        try:
            return self._batches[batch_id]
        except KeyError:
            raise BatchNotFoundError("batch not found") from None

    def newest_first(self) -> list[Batch]:
        """Return all batches, newest first."""
        return list(reversed(self._batches.values()))

    def add(self, batch: Batch, payloads: Iterable[Payload]) -> None:
        """Add requests to a draft, or none if it raises `BatchError`."""
        self._check_draft(batch)
        added = {new_id(): _Request(payload) for payload in payloads}
        if len(batch.requests) + len(added) > _MAX_REQUESTS:
            raise BatchError(f"a batch has {_MAX_REQUESTS} requests at most")
        batch.requests.update(added)

    def remove(self, batch: Batch, request_id: str) -> None:
        """Remove a request from a draft; raises `BatchError` or `BatchNotFoundError`."""
        self._check_draft(batch)
        if batch.requests.pop(request_id, None) is None:
            raise BatchNotFoundError("request not found")

    def finalize(self, batch: Batch) -> None:
        """Submit every request as a job; raises `BatchError` if it is not a draft, or over a limit."""
        self._check_draft(batch)
        if self._queue.waiting + len(batch.requests) > _MAX_QUEUED:
            raise BatchError(f"an endpoint has {_MAX_QUEUED} queued requests at most")
        batch.finalized = True
        for request_id, request in batch.requests.items():
            request.job = self._queue.submit(request.payload, job_id=request_id)

    def cancel(self, batch: Batch) -> None:
        """Cancel queued jobs, which the service does not bill, but not running ones."""
        batch.cancelled = True
        for request in batch.requests.values():
            if request.job is not None:
                self._queue.cancel_if_queued(request.job)

    def text(self, batch: Batch) -> JSONText:
        """Return a batch as JSON."""
        return object_text(
            {
                **batch.attributes,
                "id": batch.id,
                "endpointId": self._endpoint_id,
                "status": batch.status,
                "requestTotal": len(batch.requests),
                "requestInProgress": batch.count("IN_PROGRESS"),
                "requestCompleted": batch.count("COMPLETED"),
                # Every other final status counts as failed, because clients take a batch as done once
                # its completed and failed requests add up to the total.
                "requestFailed": batch.count("FAILED", "TIMED_OUT", "CANCELLED"),
                "createdAt": batch.created_at,
            }
        )

    def page(self, batch: Batch, offset: int, limit: int) -> JSONText:
        """Return a page of the requests of a batch as JSON."""
        shown = list(batch.requests.items())[offset : offset + limit]
        total = len(batch.requests)
        return object_text(
            {
                "requests": array_text(self._request_text(*item) for item in shown),
                "total": total,
                "offset": offset,
                "limit": limit,
                "hasMore": offset + limit < total,
            }
        )

    def _request_text(self, request_id: str, request: _Request) -> JSONText:
        job = request.job
        fields: dict[str, object | None] = {"id": request_id, "status": request.status}
        if job is not None:
            fields["startedAt"] = self._iso(job.started_at)
            fields["completedAt"] = self._iso(job.ended_at)
            fields["output"] = job.output if job.ended_at is not None else None
            fields["error"] = job.error
        return object_text(_without_none(fields))

    def _iso(self, moment: float | None) -> str | None:
        if moment is None:
            return None
        return datetime.fromtimestamp(self._epoch + moment, timezone.utc).isoformat(timespec="milliseconds")

    def _check_draft(self, batch: Batch) -> None:
        if batch.status != "DRAFT":
            raise BatchError(f"batch is {batch.status}; only a DRAFT can be changed")


def _without_none(fields: Mapping[str, object | None]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
