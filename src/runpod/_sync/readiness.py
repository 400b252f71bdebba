# Generated from src/runpod/_async/readiness.py by scripts/generate_sync.py. Do not edit.

"""Waits until an endpoint has ready workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod._protocol.decoding import parse
from runpod._protocol.operations import HEALTH, Call
from runpod.errors import InvalidRequestError, RunpodTimeoutError
from runpod.models.endpoints import EndpointHealth

if TYPE_CHECKING:
    from datetime import timedelta

    from runpod._sync.session import Session
    from runpod._protocol.deadlines import Deadline

# Pauses between two polls, in seconds: each is longer than the one before by half.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0


def wait_ready(
    session: Session, endpoint_id: str, workers: object, timeout: float | timedelta | None
) -> EndpointHealth:
    """Polls `/health` until enough workers are ready.

    Args:
        session: The session of the client.
        endpoint_id: The endpoint's ID.
        workers: How many workers must be ready.
        timeout: Seconds or timedelta; None: no limit.

    Raises:
        InvalidRequestError: `workers` is not a positive number.
        RunpodTimeoutError: The deadline passed. The message says what the workers are doing.
        RunpodError: The endpoint cannot be asked.
    """
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        msg = f"workers must be a positive whole number, got {workers!r}."
        raise InvalidRequestError(msg, endpoint_id=endpoint_id)
    call, deadline = Call(HEALTH, endpoint_id), session.deadline(timeout)
    pause = _FIRST_PAUSE
    while True:
        health = parse(EndpointHealth, session.send(call, deadline), call)
        if health.workers.ready >= workers:
            return health
        remaining = deadline.remaining(session.clock.now())
        if remaining <= pause:
            raise RunpodTimeoutError(
                _not_ready(health, endpoint_id, workers, deadline), endpoint_id=endpoint_id, maybe_submitted=False
            )
        session.clock.sleep(pause)
        pause = min(1.5 * pause, _LONGEST_PAUSE)


def _not_ready(health: EndpointHealth, endpoint_id: str, workers: int, deadline: Deadline) -> str:
    states = {
        "initializing": health.workers.initializing,
        "throttled": health.workers.throttled,
        "unhealthy": health.workers.unhealthy,
    }
    others = ", ".join(f"{number} {state}" for state, number in states.items() if number)
    return (
        f"Endpoint {endpoint_id!r} had {health.workers.ready} ready workers of {workers} after "
        f"{deadline.span or 0:g} s ({others or 'none is starting'}). An endpoint whose minimum is 0 starts a worker only "
        "for a request: send one, or raise the minimum."
    )
