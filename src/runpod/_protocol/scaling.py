"""The number of workers of an endpoint: what to ask for, and whether enough of them are ready."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runpod.errors import InvalidRequestError, RunpodTimeoutError

if TYPE_CHECKING:
    from runpod._protocol.deadlines import Deadline
    from runpod.errors import RunpodError
    from runpod.models.endpoints import EndpointHealth
    from runpod.models.management.endpoints import EndpointWorkerLimits
    from runpod.models.management.settings import WorkerSettingsDict

# Seconds between the first two polls for ready workers; it grows up to the last one.
FIRST_INTERVAL = 0.5
LAST_INTERVAL = 5.0
INTERVAL_FACTOR = 1.5

# In seconds (docs.runpod.io, "API reference", endpoints).
_MAX_IDLE = 3600


@dataclass(frozen=True)
class ScaleRequest:
    """What a caller wants to change. None: as it is.

    Attributes:
        minimum: Workers that always run.
        maximum: The maximum number of workers.
        idle_seconds: How long a worker waits for the next job.
    """

    minimum: int | None = None
    maximum: int | None = None
    idle_seconds: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the current settings need not be known."""
        return None not in {self.minimum, self.maximum, self.idle_seconds}

    def fields(self, current: EndpointWorkerLimits | None) -> WorkerSettingsDict:
        """The field `workers` of a request.

        All of it, since the service may set what is left out to its default.

        Args:
            current: The current settings; None if `is_whole`.

        Raises:
            InvalidRequestError: There would be more workers that always run than may run.
        """
        minimum, maximum, idle = self.minimum, self.maximum, self.idle_seconds
        if current is not None:
            minimum = (current.min or 0) if minimum is None else minimum
            maximum = current.max if maximum is None else maximum
            # Where it is not allowed, it is not shown either.
            if idle is None and current.idle_timeout is not None:
                idle = round(current.idle_timeout.total_seconds())
        if maximum is None:
            msg = "The service did not say how many workers the endpoint may have. Pass max."
            raise InvalidRequestError(msg)
        minimum = minimum or 0
        if minimum > maximum:
            raise InvalidRequestError(self._contradiction(minimum, maximum))
        fields: WorkerSettingsDict = {"min": minimum, "max": maximum}
        if idle is not None:
            fields["idleTimeout"] = idle
        return fields

    def _contradiction(self, minimum: int, maximum: int) -> str:
        msg = f"min ({minimum}) must not be greater than max ({maximum})"
        if self.maximum is None:
            return f"{msg}, which the endpoint has now. Pass max, too: scale(min={minimum}, max={minimum})."
        if self.minimum is None:
            return f"{msg}; min is what the endpoint has now. Pass min, too: scale(min={maximum}, max={maximum})."
        return f"{msg}."


def scale_request(minimum: object, maximum: object, idle_timeout: object) -> ScaleRequest:
    """The request for the arguments of a call.

    Raises:
        InvalidRequestError: An argument is invalid, or there is none.
    """
    if minimum is None and maximum is None and idle_timeout is None:
        msg = "Pass min, max or idle_timeout: scale(max=5)."
        raise InvalidRequestError(msg)
    request = ScaleRequest(_count("min", minimum), _count("max", maximum), _idle_seconds(idle_timeout))
    if request.minimum is not None and request.maximum is not None:
        request.fields(None)
    return request


def resume_request(minimum: object, maximum: object, paused: tuple[int, int] | None, endpoint_id: str) -> ScaleRequest:
    """The request that ends a pause.

    Args:
        minimum: The argument `min`.
        maximum: The argument `max`.
        paused: The limits before the pause, if they are known.
        endpoint_id: The endpoint's ID.

    Raises:
        InvalidRequestError: An argument is invalid, or the limits are not known.
    """
    least, most = _count("min", minimum), _count("max", maximum)
    if most is None:
        if paused is None:
            msg = (
                f"How many workers endpoint {endpoint_id!r} had is not known: it was not paused with this client. "
                "Pass max: resume(max=3)."
            )
            raise InvalidRequestError(msg)
        most = paused[1]
    if least is None:
        least = 0 if paused is None else min(paused[0], most)
    if not most:
        msg = "max must be at least 1 to resume an endpoint: resume(max=3)."
        raise InvalidRequestError(msg)
    request = ScaleRequest(least, most)
    request.fields(None)
    return request


def _count(name: str, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        msg = f"{name} must be a number of workers, 0 or more, not {value!r:.40}."
        raise InvalidRequestError(msg)
    return value


def _idle_seconds(value: object) -> int | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 1 <= seconds <= _MAX_IDLE:
        msg = f"idle_timeout must be from 1 s to {_MAX_IDLE} s, as seconds or timedelta, not {value!r:.60}."
        raise InvalidRequestError(msg)
    return round(seconds)


def wanted_workers(value: object) -> int:
    """The number of workers to wait for.

    Raises:
        InvalidRequestError: It is not a positive number.
    """
    number = _count("workers", value)
    if not number:
        msg = f"workers must be a number of workers, 1 or more, not {value!r:.40}."
        raise InvalidRequestError(msg)
    return number


def ready_workers(health: EndpointHealth) -> int:
    """The number of workers that have started. What the service counts as `ready` is not documented."""
    workers = health.workers
    return max(workers.ready, workers.idle + workers.running)


def not_ready(
    endpoint_id: str, health: EndpointHealth | None, wanted: int, deadline: Deadline, problem: RunpodError | None
) -> RunpodTimeoutError:
    """The error for workers that were not ready in time. `health`: the last one, if any; `problem`: why it is late."""
    span = f"within the timeout of {deadline.span or 0.0:g} s"
    if health is None:
        reason = "/health did not respond." if problem is None else problem.message
        msg = f"Whether endpoint {endpoint_id!r} has ready workers was not known {span}: {reason}"
        return RunpodTimeoutError(msg, endpoint_id=endpoint_id, maybe_submitted=False, retryable=True)
    workers = health.workers
    counts = {
        "initializing": workers.initializing,
        "throttled": workers.throttled,
        "unhealthy": workers.unhealthy,
    }
    others = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    msg = (
        f"Endpoint {endpoint_id!r} had {ready_workers(health)} of {wanted} ready workers {span}"
        f" ({others or 'no others'}; jobs in the queue: {health.jobs.in_queue}). {_advice(health)}"
    )
    if problem is not None:
        msg += f" The last poll failed: {problem.message}"
    return RunpodTimeoutError(msg, endpoint_id=endpoint_id, maybe_submitted=False, retryable=True)


def _advice(health: EndpointHealth) -> str:
    workers = health.workers
    if workers.unhealthy:
        return "Unhealthy workers fail to start: read endpoint.logs()."
    if workers.throttled:
        return "Throttled workers wait for a machine: allow more GPU pools or data centers."
    if workers.initializing:
        return "They are starting: wait longer, or read endpoint.logs()."
    return (
        "No worker is starting. Without jobs, only those start that scale(min=…) asks for; none of a paused endpoint."
    )
