# Generated from src/runpod/_async/diagnosis.py by scripts/generate_sync.py. Do not edit.

"""Reads what `diagnose()` judges: the health of an endpoint, and its settings, workers and releases as far as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from runpod._sync.manage.requests import ManagementAPI
from runpod._sync.manage.serverless import Serverless
from runpod._protocol.decoding import parse, parse_job
from runpod._protocol.diagnosis import judge
from runpod._protocol.observations import Observations
from runpod._protocol.operations import HEALTH, STATUS, Call, check_id
from runpod.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    RunpodError,
    RunpodTimeoutError,
)
from runpod.models.endpoints import EndpointHealth

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._sync.session import Session
    from runpod._protocol.deadlines import Deadline, TimeoutOrDefault
    from runpod.models.diagnosis import Diagnosis
    from runpod.models.jobs import JobState
    from runpod.models.management.settings import EndpointType

T = TypeVar("T")

# These say something about the endpoint. Others, such as that of a closed client, are the caller's.
_FAILURES = (APIConnectionError, APIResponseError, APIStatusError, RunpodTimeoutError)

# Seconds. A management API that hangs does not hold back for longer what the health has told already.
_MANAGEMENT_TIMEOUT = 10.0


def diagnose(
    session: Session,
    endpoint_id: str,
    *,
    job_id: str | None,
    used_as: EndpointType,
    timeout: TimeoutOrDefault,
) -> Diagnosis:
    """Judges why jobs do not start. See `diagnose` of the endpoint."""
    job_id = None if job_id is None else check_id(job_id, "job_id")
    deadline = session.deadline(timeout)
    health = _attempt(lambda: _health(session, endpoint_id, deadline))
    job: JobState[Any] | RunpodError | None = None
    if job_id is not None and not isinstance(health, RunpodError):
        call = Call(STATUS, endpoint_id, job_id)
        job = _attempt(lambda: _job(session, call, deadline))
    api = Serverless(ManagementAPI(session))
    now = session.clock.now()
    end = min(deadline.at, now + _MANAGEMENT_TIMEOUT)

    def left() -> float:
        # Without any time left, a request fails with the usual error.
        return max(end - session.clock.now(), 0.001)

    # A key that is refused here has no rights there.
    skipped = isinstance(health, AuthenticationError) or deadline.passed(now)
    settings = None if skipped else _attempt(lambda: api.get(endpoint_id, timeout=left()))
    # What cannot be read of the endpoint cannot be read of its parts.
    has_parts = settings is not None and not isinstance(settings, RunpodError)
    workers = _attempt(lambda: api.workers(endpoint_id, timeout=left())) if has_parts else None
    releases = _attempt(lambda: api.releases(endpoint_id, timeout=left())) if has_parts else None
    seen = Observations(
        endpoint_id,
        session.engine.config.base_url,
        health=health,
        settings=settings,
        workers=workers,
        releases=releases,
        job=job,
        job_id=job_id,
        used_as=used_as,
    )
    return judge(seen)


def _attempt(read: Callable[[], T]) -> T | RunpodError:
    """What was read, or why it could not be."""
    try:
        return read()
    except _FAILURES as error:
        return error


def _health(session: Session, endpoint_id: str, deadline: Deadline) -> EndpointHealth:
    call = Call(HEALTH, endpoint_id)
    return parse(EndpointHealth, session.send(call, deadline), call)


def _job(session: Session, call: Call, deadline: Deadline) -> JobState[Any]:
    return parse_job(session.send(call, deadline), call)
