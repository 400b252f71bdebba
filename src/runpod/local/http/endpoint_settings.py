"""The settings of an endpoint, as the management API shows and changes them."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

__all__ = ["EndpointSettings", "InvalidSettingsError"]

_MAX_RELEASES = 100
_FLASHBOOT = ("OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT")
_ROUTES = {
    "run": "run",
    "runSync": "runsync",
    "status": "status/{job_id}",
    "stream": "stream/{job_id}",
    "cancel": "cancel/{job_id}",
    "retry": "retry/{job_id}",
    "purgeQueue": "purge-queue",
    "health": "health",
}


class InvalidSettingsError(ValueError):
    """A request names fields that do not exist, or values that are not allowed."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in cast("list[object]", value))


def _is_env(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in cast("dict[str, object]", value).values())


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_number(value: object, lowest: float = 0, highest: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


# The fields that can be changed: what they must be, and the check.
_FIELDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "name": ("a string that is not empty", _is_name),
    "image": ("a string", _is_text),
    "args": ("a string", _is_text),
    "disk": ("an integer of at least 1", lambda value: _is_number(value, 1)),
    "env": ("an object of strings", _is_env),
    "ports": ("an array of strings", _is_texts),
    "registry": ("a string or null", lambda value: value is None or isinstance(value, str)),
    "gpu": ("an object", _is_object),
    "cpu": ("an array", lambda value: isinstance(value, list)),
    "scaling": ("an object", _is_object),
    "dataCenterIds": ("an array of strings", _is_texts),
    "networkVolumes": ("an array of strings", _is_texts),
    "timeout": ("an integer", _is_number),
    "flashboot": (f"one of {', '.join(_FLASHBOOT)}", lambda value: value in _FLASHBOOT),
    "workers": ("an object", _is_object),
}
_WORKERS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "min": ("an integer of at least 0", _is_number),
    "max": ("an integer of at least 0", _is_number),
    "idleTimeout": ("an integer from 1 to 3600", lambda value: _is_number(value, 1, 3600)),
}


class EndpointSettings:
    """The settings of one endpoint. Used only on the server's event loop.

    Args:
        endpoint_id: ID of the endpoint.
        kind: How requests reach the workers.
        minimum: Number of workers that always run.
        maximum: Maximum number of workers.
        execution_timeout: Maximum run time of a job.
    """

    def __init__(
        self,
        endpoint_id: str,
        *,
        kind: Literal["QUEUE", "LOAD_BALANCER"] = "QUEUE",
        minimum: int,
        maximum: int,
        execution_timeout: timedelta,
    ) -> None:
        self.version: int = 1
        """Grows with each change."""

        self._releases: list[dict[str, Any]] = []
        self._fields: dict[str, Any] = {
            "id": endpoint_id,
            "name": endpoint_id,
            "type": kind,
            "image": "local",
            "args": "",
            "disk": 5,
            "ports": [],
            "env": {},
            "registry": None,
            "cpu": [{"id": "local", "vcpuCount": 2}],
            "workers": {"min": minimum, "max": maximum, "idleTimeout": 10},
            "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}
            if kind == "QUEUE"
            else {"type": "REQUEST_COUNT", "requestCount": 1},
            "dataCenterIds": [],
            "networkVolumes": [],
            "timeout": round(execution_timeout.total_seconds() * 1000),
            "flashboot": "OFF",
            "createdAt": _now(),
        }
        self._add_release([])

    def __repr__(self) -> str:
        return f"<EndpointSettings {self._fields['id']} {self.limits}>"

    @property
    def limits(self) -> tuple[int, int]:
        """The number of workers that always run, and the maximum."""
        workers = self._fields["workers"]
        return workers["min"], workers["max"]

    def as_json(self, base_url: str) -> dict[str, Any]:
        """Return the endpoint in the format of the API. `base_url` is that of its jobs."""
        name = quote(self._fields["id"], safe="")
        if self._fields["type"] == "LOAD_BALANCER":
            base = f"{base_url.removesuffix('/v2')}/load-balancer/{name}"
            return {**self._fields, "requestUrls": {"base": base, "health": f"{base}/ping"}}
        address = f"{base_url}/{name}"
        return {**self._fields, "requestUrls": {name: f"{address}/{path}" for name, path in _ROUTES.items()}}

    def changed(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields with changes, merged as a PATCH is; raises `InvalidSettingsError`."""
        errors = _problems(changes, _FIELDS, "$")
        workers = changes.get("workers")
        if isinstance(workers, dict):
            errors += _problems(cast("dict[str, Any]", workers), _WORKERS, "$.workers")
        if errors:
            raise InvalidSettingsError(errors)
        return {**self._fields, **changes, "workers": {**self._fields["workers"], **(workers or {})}}

    def replace(self, fields: dict[str, Any]) -> None:
        """Set the fields."""
        old, new = _flat(self._fields), _flat(fields)
        self._fields = fields
        self.version += 1
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        self._add_release([{"field": name, "old": old.get(name), "new": new.get(name)} for name in names])

    @property
    def releases(self) -> list[dict[str, Any]]:
        """The latest releases, the newest first."""
        return self._releases

    def _add_release(self, diff: list[dict[str, Any]]) -> None:
        release = {
            "id": f"{self._fields['id']}-{self.version}",
            "version": self.version,
            "source": "MANUAL",
            "buildId": None,
            "createdByUserId": "local",
            "createdAt": _now(),
            "diff": diff,
        }
        self._releases = [release, *self._releases][:_MAX_RELEASES]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with those of `workers`, by names such as `workers.max`."""
    workers = {f"workers.{name}": value for name, value in fields["workers"].items()}
    return {**{name: value for name, value in fields.items() if name != "workers"}, **workers}


def _problems(
    given: Mapping[str, Any], known: Mapping[str, tuple[str, Callable[[object], bool]]], where: str
) -> list[str]:
    # In the words of the service.
    problems = [f"{where}: additional properties {name!r} not allowed" for name in given if name not in known]
    return problems + [
        f"{where}.{name}: must be {expected}"
        for name, (expected, is_valid) in known.items()
        if name in given and not is_valid(given[name])
    ]
