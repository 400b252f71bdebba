"""The operations of an endpoint, and calls of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from runpod.errors import InvalidRequestError

# What nearly every id looks like.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")

# The server's limits for `wait` (docs.runpod.io, "Operation reference"), in seconds.
MIN_HOLD = 1.0
MAX_HOLD = 300.0


@dataclass(frozen=True)
class Operation:
    """One row of the table: how an operation meets HTTP, and whether it may be repeated."""

    name: str
    method: str
    path: str
    # May it be sent again although it may have arrived? False where doing it twice costs.
    repeatable: bool


RUN = Operation("run", "POST", "run", repeatable=False)
RUN_SYNC = Operation("run_sync", "POST", "runsync", repeatable=False)
STATUS = Operation("status", "GET", "status", repeatable=True)
STATUS_SYNC = Operation("status_sync", "GET", "status-sync", repeatable=True)
STREAM = Operation("stream", "GET", "stream", repeatable=True)
CANCEL = Operation("cancel", "POST", "cancel", repeatable=True)
RETRY = Operation("retry", "POST", "retry", repeatable=False)
HEALTH = Operation("health", "GET", "health", repeatable=True)
PURGE_QUEUE = Operation("purge_queue", "POST", "purge-queue", repeatable=False)


@dataclass(frozen=True)
class Call:
    """One call of an operation: everything that goes on the wire but the key."""

    operation: Operation
    endpoint_id: str
    job_id: str | None = None
    # How long the server may hold the response, in seconds; on the wire milliseconds.
    hold: float | None = None
    body: bytes | None = field(default=None, repr=False)

    @property
    def target(self) -> str:
        """The path below the base URL, with its query."""
        steps = [encoded(self.endpoint_id), self.operation.path]
        if self.job_id is not None:
            steps.append(encoded(self.job_id))
        query = "" if self.hold is None else f"?wait={_wait(self.hold)}"
        return "/" + "/".join(steps) + query

    def __str__(self) -> str:
        job = "" if self.job_id is None else f" of job {self.job_id!r}"
        return f"{self.operation.name}{job} on endpoint {self.endpoint_id!r}"


_PLURALS = {"endpoint_id": "Endpoint IDs", "job_id": "Job IDs"}


def check_id(value: object, what: str) -> str:
    """An endpoint or job id as it is, if it can be one.

    Raises:
        InvalidRequestError: It is not text, or there is nothing in it. An empty id would make
            the path name something else.
    """
    if not isinstance(value, str):
        msg = f"{_PLURALS[what]} must be str, not {type(value).__name__}."
        raise InvalidRequestError(msg)
    if not value.strip():
        msg = f"{what} is empty: pass the ID that Runpod gave you."
        raise InvalidRequestError(msg)
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = f"{what} holds a lone surrogate and cannot be put into a URL."
        raise InvalidRequestError(msg) from None
    return value


def encoded(identifier: str) -> str:
    """An id as one segment of a path."""
    if _PLAIN.fullmatch(identifier):
        return identifier
    # An id is one segment of a path whatever is in it. Dots alone would mean another folder.
    encoded = quote(identifier, safe="")
    return encoded if encoded.strip(".") else encoded.replace(".", "%2E")


def _wait(hold: float) -> int:
    return round(min(max(hold, MIN_HOLD), MAX_HOLD) * 1000)
