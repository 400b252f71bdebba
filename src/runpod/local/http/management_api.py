"""The part of the management API that is about serverless endpoints: settings, workers and logs."""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from starlette.responses import Response

from runpod.local.http.endpoint_settings import InvalidSettingsError
from runpod.local.http.log_stream import LogStream, invalid_parameters
from runpod.local.http.management_limits import ManagementLimits
from runpod.local.http.validation import HTTPError
from runpod.local.jobs.worker_logs import LogBook
from runpod.local.workers.pool import ResizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.datastructures import Headers

    from runpod.local.clock import Clock
    from runpod.local.http.call import Endpoint
    from runpod.local.http.long_poll import Hold

__all__ = ["MANAGEMENT_PREFIX", "ManagementAPI"]

MANAGEMENT_PREFIX = b"/management/"

_logger = logging.getLogger("runpod.local")

_BODY_LIMIT = 102_400  # bytes
_MAX_WORKERS = 1000  # of an endpoint: each is a process, or a thread.
_INVALID = "Request validation failed."
_STATES = ("running", "idle", "initializing", "throttled", "unhealthy")


class _Problem(Exception):  # noqa: N818  # Named as the format is, problem+json.
    """Makes the server respond with this status, and an object that describes the problem."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


class ManagementAPI:
    """Responds to requests below `/management/v2/serverless`.

    Args:
        endpoints: The endpoints by ID.
        authorize: Checks the API key in the headers; raises `HTTPError`.
        clock: Clock for the rate limits.
        enforces_limits: Whether requests beyond the rate limits are refused.
        is_closing: Returns whether the server stops.
        address: Returns the base URL of jobs.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        authorize: Callable[[Headers], None],
        clock: Clock,
        enforces_limits: bool,
        is_closing: Callable[[], bool],
        address: Callable[[], str],
    ) -> None:
        self._endpoints = endpoints
        self._authorize = authorize
        self._limits = ManagementLimits(clock, enforced=enforces_limits)
        self._is_closing = is_closing
        self._address = address

    def __repr__(self) -> str:
        return f"<ManagementAPI {sorted(self._endpoints)}>"

    def respond(
        self, method: str, raw_path: bytes, headers: Headers, query: Mapping[str, str], body: bytes, hold: Hold
    ) -> Response:
        """Return the response to a request, also on errors."""
        shown: dict[str, str] = {"x-request-id": uuid.uuid4().hex}
        try:
            self._admit(headers, shown)
            steps = [unquote(step) for step in raw_path.decode("ascii", "replace").split("/")[2:]]
            found = self._find(method, steps, query, body)
        except _Problem as problem:
            return _problem(problem, shown)
        except HTTPError as error:
            return _problem(_Problem(error.status, error.text), shown)
        except Exception:
            _logger.exception("The local server failed to process a request of the management API.")
            return _problem(_Problem(500, "internal server error"), shown)
        if not isinstance(found, LogBook):
            return _json(200, found, shown)
        return LogStream(
            found, query, headers.get("last-event-id", ""), hold=hold, is_closing=self._is_closing, headers=shown
        )

    def _admit(self, headers: Headers, shown: dict[str, str]) -> None:
        """Check the API key and the rate limits, whose headers are added to `shown`."""
        self._authorize(headers)
        limits, wait = self._limits.count()
        shown |= limits
        if wait is not None:
            raise _Problem(429, f"rate limit exceeded; retry in {wait} s")

    def _find(self, method: str, steps: list[str], query: Mapping[str, str], body: bytes) -> dict[str, Any] | LogBook:
        """Return the content of the response, or the logs to send."""
        match steps:
            case ["v2", "serverless"]:
                _check_method(method, "GET")
                return {"endpoints": [self._show(endpoint) for endpoint in self._endpoints.values()]}
            case ["v2", "serverless", endpoint_id]:
                _check_method(method, "GET", "PATCH")
                endpoint = self._endpoint(endpoint_id)
                if method == "PATCH":
                    _change(endpoint, body)
                return self._show(endpoint)
            case ["v2", "serverless", endpoint_id, "workers"]:
                _check_method(method, "GET")
                return _workers(self._endpoint(endpoint_id))
            case ["v2", "serverless", endpoint_id, "releases"]:
                _check_method(method, "GET")
                return _releases(self._endpoint(endpoint_id))
            case ["v2", "serverless", endpoint_id, "workers", worker_id, "logs"]:
                _check_method(method, "GET")
                book = self._endpoint(endpoint_id).queue.logs.get(worker_id)
                if book is None:
                    raise _Problem(404, "worker not found")
                if problems := invalid_parameters(query):
                    raise _Problem(422, _INVALID, problems)
                return book
            case _:
                raise _Problem(404, "route not found")

    def _endpoint(self, endpoint_id: str) -> Endpoint:
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is None:
            raise _Problem(404, "endpoint not found")
        return endpoint

    def _show(self, endpoint: Endpoint) -> dict[str, Any]:
        return endpoint.settings.as_json(self._address())


def _change(endpoint: Endpoint, body: bytes) -> None:
    """Change the settings of an endpoint, and the number of its workers."""
    if len(body) > _BODY_LIMIT:
        raise _Problem(413, f"the body is larger than {_BODY_LIMIT} bytes")
    try:
        changes: object = json.loads(body)
    except (ValueError, RecursionError):
        raise _Problem(400, "the body is not valid JSON") from None
    if not isinstance(changes, dict):
        raise _Problem(422, _INVALID, ["$: must be an object"])
    settings = endpoint.settings
    try:
        fields = settings.changed(cast("dict[str, Any]", changes))
    except InvalidSettingsError as error:
        raise _Problem(422, _INVALID, error.errors) from None
    minimum, maximum = fields["workers"]["min"], fields["workers"]["max"]
    if minimum > maximum:
        raise _Problem(400, f"workers.min ({minimum}) must not be greater than workers.max ({maximum})")
    if maximum > _MAX_WORKERS:
        raise _Problem(400, f"workers.max ({maximum}) must not be greater than {_MAX_WORKERS}")
    if (minimum, maximum) != settings.limits:
        try:
            endpoint.pool.resize(minimum, maximum)
        except ResizeError as error:
            raise _Problem(400, str(error)) from None
    settings.replace(fields)


def _workers(endpoint: Endpoint) -> dict[str, Any]:
    """Return the workers of an endpoint, and their number by status."""
    workers = [*endpoint.pool.workers(), *endpoint.remote_workers.workers()]
    now, version = datetime.now(timezone.utc), endpoint.settings.version
    shown: list[dict[str, Any]] = [
        {
            "id": worker.id,
            "status": worker.state.upper(),
            "isStale": False,
            "version": version,
            "gpuCount": 0,
            "image": "local",
            "uptimeSeconds": None if worker.started_at is None else int((now - worker.started_at).total_seconds()),
            "gpuTypeId": None,
            "dataCenterId": None,
            "startedAt": None
            if worker.started_at is None
            else worker.started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        for worker in workers
    ]
    counts = Counter(worker.state for worker in workers)
    summary = {**{state: counts[state] for state in _STATES}, "total": len(workers)}
    return {"workers": shown, "summary": summary, "endpointVersion": version}


def _releases(endpoint: Endpoint) -> dict[str, Any]:
    """Return the releases of an endpoint. Its workers need no replacement: all run the latest one."""
    count, settings = len(_workers(endpoint)["workers"]), endpoint.settings
    shown = [
        {**release, "workerCount": count if release["version"] == settings.version else 0}
        for release in settings.releases
    ]
    rollout = {"inProgress": False, "workersOnLatest": count, "workersTotal": count, "percentOnLatest": 100}
    return {"releases": shown, "rollout": rollout, "endpointVersion": settings.version}


def _check_method(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise _Problem(405, f"method {method} is not allowed", headers={"allow": ", ".join(allowed)})


def _problem(problem: _Problem, headers: Mapping[str, str]) -> Response:
    content: dict[str, Any] = {
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        content["errors"] = list(problem.errors)
    return _json(problem.status, content, {**headers, **problem.headers}, "application/problem+json")


def _json(status: int, content: object, headers: Mapping[str, str], kind: str = "application/json") -> Response:
    return Response(json.dumps(content), status, headers, media_type=kind)
