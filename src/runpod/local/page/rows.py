"""Endpoints and jobs as the page lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod.local.json_text import decode

if TYPE_CHECKING:
    from runpod.local.clock import Clock
    from runpod.local.http.call import Endpoint
    from runpod.local.jobs.history import JobHistory, JobRow
    from runpod.local.jobs.job import Status
    from runpod.local.json_text import JSONText

__all__ = ["endpoint_fields", "history_of", "row_fields"]

_STATUSES: tuple[Status, ...] = ("IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
_SUMMARY = 160  # characters
_LONGEST_STRING = 100_000  # characters of JSON that are decoded for a summary


def history_of(endpoint: Endpoint) -> JobHistory:
    """Return the changes of an endpoint's jobs, which are recorded if the server has a page."""
    history = endpoint.queue.history
    assert history is not None, "the server has a page"
    return history


def endpoint_fields(endpoint_id: str, endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint with its workers. Must be called on the event loop."""
    infos = [*endpoint.pool.workers(), *endpoint.remote_workers.workers()]
    with endpoint.queue.reading() as (_, counts):
        jobs = history_of(endpoint).workers()
        shown = {status: counts.get(status, 0) for status in _STATUSES}
    workers = [
        {"id": info.id, "state": "ready" if info.state == "idle" else info.state, "job_id": jobs.get(info.id)}
        for info in infos
    ]
    kind = "queue" if endpoint.balancer is None else "load_balancer"
    return {"id": endpoint_id, "kind": kind, "workers": workers, "counts": shown}


def row_fields(endpoint_id: str, row: JobRow, clock: Clock) -> dict[str, Any]:
    """Return a job. The queue's lock need not be held."""
    return {
        "endpoint": endpoint_id,
        "id": row.id,
        "status": row.status,
        "submitted_at": clock.since_epoch(row.submitted_at),
        "queued_at": clock.since_epoch(row.queued_at),
        "started_at": None if row.started_at is None else clock.since_epoch(row.started_at),
        "ended_at": None if row.ended_at is None else clock.since_epoch(row.ended_at),
        "worker_id": row.worker_id,
        "retries": row.retries,
        "summary": _cut(row.payload.input),
        "progress": None if row.progress is None else _summary(row.progress),
        "version": row.version,
    }


def _summary(text: JSONText) -> str:
    # Most updates are a string, which needs no quotes.
    is_string = text.startswith('"') and len(text) <= _LONGEST_STRING
    return _cut(decode(text) if is_string else text)


def _cut(text: str) -> str:
    # As a plain `str`: JSON text would be inserted as such.
    return str(text) if len(text) <= _SUMMARY else f"{text[: _SUMMARY - 1]}…"
