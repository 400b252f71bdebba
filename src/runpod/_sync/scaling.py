# Generated from src/runpod/_async/scaling.py by scripts/generate_sync.py. Do not edit.

"""The verbs of an endpoint about its workers: scale, pause, resume, wait_ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod._logging import logger
from runpod._protocol.decoding import parse
from runpod._protocol.management import new_call
from runpod._protocol.operations import HEALTH, Call
from runpod._protocol.polling import MAX_FAILURES
from runpod._protocol.scaling import (
    FIRST_INTERVAL,
    INTERVAL_FACTOR,
    LAST_INTERVAL,
    ScaleRequest,
    not_ready,
    ready_workers,
    resume_request,
    wanted_workers,
)
from runpod.errors import RateLimitError, RunpodError, RunpodTimeoutError
from runpod.models.endpoints import EndpointHealth
from runpod.models.management.endpoints import ServerlessEndpoint

if TYPE_CHECKING:
    from datetime import timedelta

    from runpod._sync.session import Session
    from runpod._protocol.deadlines import Deadline, TimeoutOrDefault
    from runpod._protocol.management import ManagementCall
    from runpod.models.management.settings import WorkerSettingsDict


def scale(
    session: Session, endpoint_id: str, request: ScaleRequest, timeout: TimeoutOrDefault
) -> ServerlessEndpoint:
    """Changes the number of workers. See `scale` of the endpoint."""
    deadline = session.deadline(timeout)
    current = None if request.is_whole else _get(session, endpoint_id, deadline)
    fields = request.fields(None if current is None else current.workers)
    endpoint = _update(session, endpoint_id, fields, deadline)
    if fields.get("max"):
        # The pause is over.
        session.paused.pop(endpoint_id, None)
    return endpoint


def pause(session: Session, endpoint_id: str, timeout: TimeoutOrDefault) -> ServerlessEndpoint:
    """Stops all workers. See `pause` of the endpoint."""
    deadline = session.deadline(timeout)
    limits = (_get(session, endpoint_id, deadline)).workers
    if limits.max:
        # Before the request, which may be executed although it fails.
        session.paused[endpoint_id] = limits.min or 0, limits.max
    return _update(session, endpoint_id, ScaleRequest(0, 0).fields(limits), deadline)


def resume(
    session: Session, endpoint_id: str, minimum: int | None, maximum: int | None, timeout: TimeoutOrDefault
) -> ServerlessEndpoint:
    """Allows workers again. See `resume` of the endpoint."""
    request = resume_request(minimum, maximum, session.paused.get(endpoint_id), endpoint_id)
    return scale(session, endpoint_id, request, timeout)


def wait_ready(
    session: Session, endpoint_id: str, workers: int, timeout: float | timedelta | None
) -> EndpointHealth:
    """Waits until workers have started. See `wait_ready` of the endpoint."""
    wanted, deadline = wanted_workers(workers), session.deadline(timeout)
    call = Call(HEALTH, endpoint_id)
    health: EndpointHealth | None = None
    problem: RunpodError | None = None
    interval, failures = FIRST_INTERVAL, 0
    while not deadline.passed(session.clock.now()):
        pause = interval
        try:
            health, failures = parse(EndpointHealth, session.send(call, deadline), call), 0
            problem = None
        except RunpodTimeoutError as error:
            raise not_ready(endpoint_id, health, wanted, deadline, problem) from error
        except RunpodError as error:
            problem = error
            failures += 1
            if not error.retryable or (failures >= MAX_FAILURES and not deadline.limited):
                raise
            logger.info("Waiting for workers of endpoint %s: %s", endpoint_id, error.message)
            if isinstance(error, RateLimitError):
                pause = max(pause, error.retry_after or 0.0)
        else:
            if ready_workers(health) >= wanted:
                return health
        session.clock.sleep(min(pause, deadline.remaining(session.clock.now())))
        interval = min(interval * INTERVAL_FACTOR, LAST_INTERVAL)
    raise not_ready(endpoint_id, health, wanted, deadline, problem)


def _get(session: Session, endpoint_id: str, deadline: Deadline) -> ServerlessEndpoint:
    return _send(session, new_call("endpoint.settings", "GET", ["serverless", endpoint_id]), deadline)


def _update(
    session: Session, endpoint_id: str, workers: WorkerSettingsDict, deadline: Deadline
) -> ServerlessEndpoint:
    call = new_call("endpoint.scale", "PATCH", ["serverless", endpoint_id], fields={"workers": workers})
    return _send(session, call, deadline)


def _send(session: Session, call: ManagementCall, deadline: Deadline) -> ServerlessEndpoint:
    return parse(ServerlessEndpoint, session.send(call, deadline), call)
