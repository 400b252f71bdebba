"""One job with all that is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from runpod.local.jobs.job import JobNotFoundError
from runpod.local.jobs.policy import Policy
from runpod.local.json_text import JSONText, array_text, object_text
from runpod.local.page.parts import part
from runpod.local.page.rows import history_of, row_fields

if TYPE_CHECKING:
    from runpod.local.clock import Clock
    from runpod.local.http.call import Endpoint
    from runpod.local.jobs.history import JobRow
    from runpod.local.jobs.kept_chunks import ChunkList

__all__ = ["JobRecord", "details", "job_path", "record_of", "value_of"]

_MAX_CHUNKS_SIZE = 512 * 1024  # characters of the chunks that are not links
_MAX_MESSAGE = 20_000  # characters
_MAX_TRACEBACK = 100_000


class JobRecord(NamedTuple):
    """A copy of a job."""

    endpoint_id: str
    row: JobRow
    output: JSONText | None
    error: str | None
    chunks: ChunkList


def record_of(endpoint_id: str, endpoint: Endpoint, job_id: str) -> JobRecord:
    """Copy a job; raises `JobNotFoundError` if it does not exist."""
    history = history_of(endpoint)
    with endpoint.queue.reading() as (jobs, _):
        job = jobs.get(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        output = None if job.status == "IN_PROGRESS" else job.output
        return JobRecord(endpoint_id, history.row(job), output, job.error, history.chunks.get(job_id))


def job_path(record: JobRecord) -> str:
    """Return the path of a job on the page."""
    return f"/page/endpoints/{quote(record.endpoint_id, safe='')}/jobs/{quote(record.row.id, safe='')}"


def value_of(record: JobRecord, name: str, index: str = "") -> JSONText | None:
    """Return the whole text of a value of a job; None if there is none."""
    values = {"input": record.row.payload.input, "output": record.output, "progress": record.row.progress}
    if name != "chunks" or not index.isdecimal() or len(index) > 9:
        return None if index else values.get(name)
    items, total = record.chunks
    position = int(index) - (total - len(items))
    return items[position] if 0 <= position < len(items) else None


def details(record: JobRecord, media: list[dict[str, Any]], clock: Clock) -> JSONText:
    """Return a job as JSON."""
    path = job_path(record)
    row, payload = record.row, record.row.payload

    def shown(name: str) -> JSONText | None:
        value = value_of(record, name)
        return None if value is None else part(value, f"{path}/{name}")

    return object_text(
        {
            **row_fields(record.endpoint_id, row, clock),
            "input": shown("input"),
            "output": shown("output"),
            "update": shown("progress"),
            "error": None if record.error is None else _error(record.error),
            "chunks": _chunks(record, path),
            "policy": None if payload.policy == Policy() else _policy(payload.policy),
            "webhook": payload.webhook,
            "media": media,
        }
    )


def _chunks(record: JobRecord, path: str) -> JSONText:
    items, total = record.chunks
    first = total - len(items)
    left = _MAX_CHUNKS_SIZE
    shown: list[JSONText] = []
    for index in range(len(items) - 1, -1, -1):  # The newest ones are shown, if not all can be.
        shown.append(part(items[index], f"{path}/chunks/{first + index}", left))
        left -= len(shown[-1])
    return object_text({"items": array_text(reversed(shown)), "total": total})


def _error(text: str) -> dict[str, str | None]:
    # It needs pydantic, which few programs of the server have imported before.
    from runpod.models.worker_failure import parse_worker_error

    try:
        failure = parse_worker_error(text)
    except (ValueError, TypeError, RecursionError):  # It only looks like a report.
        failure = None
    if failure is None:
        return {"message": text[:_MAX_MESSAGE]}
    traceback = failure.traceback
    if traceback is not None and len(traceback) > _MAX_TRACEBACK:
        traceback = f"…{traceback[-_MAX_TRACEBACK:]}"
    return {"type": failure.type, "message": failure.message[:_MAX_MESSAGE], "traceback": traceback}


def _policy(policy: Policy) -> dict[str, Any]:
    timeout = policy.execution_timeout
    return {
        "ttl": round(policy.ttl * 1000),
        "executionTimeout": None if timeout is None else round(timeout * 1000),
        "lowPriority": policy.low_priority,
    }
