"""The attributes of spans and metrics."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runpod._text import readable
from runpod.models.jobs import job_failure

if TYPE_CHECKING:
    from datetime import timedelta

    from opentelemetry.util.types import AttributeValue

    from runpod.models.jobs import JobState
    from runpod.models.reports import RunReport

# The version of the semantic conventions that `server.address`, `server.port` and `error.type` are taken from.
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

ENDPOINT_ID = "runpod.endpoint.id"
JOB_ID = "runpod.job.id"
STATUS = "runpod.job.status"
DELAY = "runpod.job.delay_ms"
EXECUTION = "runpod.job.execution_ms"
WORKER_ID = "runpod.worker.id"
ATTEMPTS = "runpod.request.attempts"
MAYBE_SUBMITTED = "runpod.job.maybe_submitted"
ELSEWHERE = "runpod.job.submitted_elsewhere"
ERROR_TYPE = "error.type"

# Of jobs whose end is not a status of the service.
UNKNOWN = "UNKNOWN"
EXPIRED = "EXPIRED"
DOUBTFUL = "DOUBTFUL"
NOT_SUBMITTED = "NOT_SUBMITTED"

_COUNTS = ("submitted", "completed", "failed", "cancelled", "timed_out", "in_doubt", "expired", "retries")

# The maximum length of an ID from the service, and of an error message, in characters.
_MAX_ID = 200
_MAX_MESSAGE = 200

# Longer durations are not believed: the start of a span would be before 1970.
_MAX_SECONDS = 366 * 86_400.0


def text(value: str) -> str:
    """An ID that a server sent, bounded and without characters that exporters refuse, such as lone surrogates."""
    return str.__str__(readable(value, _MAX_ID))


def message(value: str) -> str:
    """An error message, likewise."""
    return readable(value, _MAX_MESSAGE)


@lru_cache(maxsize=64)
def server_attributes(base_url: str) -> dict[str, AttributeValue]:
    """The address of the service."""
    parts = urlsplit(base_url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    found: dict[str, AttributeValue | None] = {"server.address": parts.hostname, "server.port": port}
    return {name: value for name, value in found.items() if value is not None}


def seconds(span: timedelta | None) -> float | None:
    """A duration from a server, in seconds; None if it is missing or impossible."""
    if span is None:
        return None
    value = span.total_seconds()
    return value if 0 <= value <= _MAX_SECONDS else None


def queued_seconds(state: JobState[Any]) -> float | None:
    """How long the job waited for a worker; None if unknown."""
    return seconds(state.delay_time)


def running_seconds(state: JobState[Any]) -> float | None:
    """How long the job ran; None if unknown."""
    return seconds(state.execution_time)


def end_attributes(state: JobState[Any]) -> dict[str, AttributeValue]:
    """What is known of a job that has ended."""
    queued, running = queued_seconds(state), running_seconds(state)
    found: dict[str, AttributeValue | None] = {
        STATUS: text(state.status),
        DELAY: None if queued is None else round(queued * 1000),
        EXECUTION: None if running is None else round(running * 1000),
        WORKER_ID: text(state.worker_id) if state.worker_id else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def failure_of(state: JobState[Any]) -> tuple[str, str] | None:
    """The error type and message of a job that ended without success; None if it succeeded."""
    if state.succeeded:
        return None
    kind, found = state.status.title().replace("_", ""), ""
    # A worker can report anything, also what cannot be shown.
    with suppress(Exception):
        error = job_failure(state)
        kind = kind if error is None else type(error).__name__
        found = state.error_message or ""
    return kind, message(found)


def report_attributes(report: RunReport) -> dict[str, AttributeValue]:
    """The counts of a run."""
    return {f"runpod.run.{name}": int(getattr(report, name)) for name in _COUNTS}
