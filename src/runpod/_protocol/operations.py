"""The operations of an endpoint, and calls to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from runpod.errors import InvalidRequestError

# Ids that need no quoting.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")

# Bounds of the `wait` parameter (docs.runpod.io, "Operation reference"), in seconds.
MIN_HOLD = 1.0
MAX_HOLD = 300.0


@dataclass(frozen=True)
class Service:
    """A part of Runpod's API with an address of its own."""

    name: str
    # The argument of a client, and the setting, that has its address.
    setting: str


JOBS = Service("Runpod API", "base_url")
MANAGEMENT = Service("Runpod management API", "management_url")


@dataclass(frozen=True)
class Operation:
    """An operation: its HTTP method and path, and whether it is safe to repeat."""

    name: str
    method: str
    path: str
    # Whether it may be sent again although the server may have executed it.
    repeatable: bool
    service: Service = JOBS


RUN = Operation("run", "POST", "run", repeatable=False)
RUN_SYNC = Operation("run_sync", "POST", "runsync", repeatable=False)
STATUS = Operation("status", "GET", "status", repeatable=True)
STATUS_SYNC = Operation("status_sync", "GET", "status-sync", repeatable=True)
STREAM = Operation("stream", "GET", "stream", repeatable=True)
CANCEL = Operation("cancel", "POST", "cancel", repeatable=True)
RETRY = Operation("retry", "POST", "retry", repeatable=False)
HEALTH = Operation("health", "GET", "health", repeatable=True)
PURGE_QUEUE = Operation("purge_queue", "POST", "purge-queue", repeatable=False)


_ADVICE = {
    401: "Check the API key.",
    403: "This API key has no access to the endpoint; check its permissions in the Runpod console.",
    413: "Upload large data to storage and pass a URL.",
}


@dataclass(frozen=True)
class Call:
    """A call to an operation: the whole request except for the address of its service and the API key."""

    operation: Operation
    endpoint_id: str
    job_id: str | None = None
    # For long polls: how long the server may hold the response, in seconds. Sent in milliseconds.
    hold: float | None = None
    body: bytes | None = field(default=None, repr=False)

    @property
    def target(self) -> str:
        """The path below the URL of its service, with its query."""
        steps = [encoded(self.endpoint_id), self.operation.path]
        if self.job_id is not None:
            steps.append(encoded(self.job_id))
        query = "" if self.hold is None else f"?wait={_wait(self.hold)}"
        return "/" + "/".join(steps) + query

    def advice(self, status: int) -> str:
        """What to do after an error status, as sentences; empty for most."""
        if status == 404:
            advice = f"Check the endpoint ID {self.endpoint_id!r}, and that this API key has access to it."
            if self.job_id is not None:
                advice += " Check the job ID. Results are kept for 30 minutes, and for one minute after run_sync."
            return advice
        return _ADVICE.get(status, "")

    @property
    def doubt_advice(self) -> str:
        """What to do if the request may have been executed, as sentences."""
        return (
            "The request may have been executed, and sending it again may execute it twice. Check the endpoint's queue "
            "first, or allow retries with RetryPolicy(resubmit=True)."
        )

    @property
    def secrets(self) -> frozenset[str]:
        """Texts of the request that a response may quote, but no error may show."""
        return self.secrets_of(self.body or b"")

    def secrets_of(self, body: bytes) -> frozenset[str]:  # noqa: ARG002 - most calls have none
        """Texts of the body of a request or a response that no error may show."""
        return frozenset()

    def __str__(self) -> str:
        job = "" if self.job_id is None else f" of job {self.job_id!r}"
        return f"{self.operation.name}{job} on endpoint {self.endpoint_id!r}"


_CONSOLE = re.compile(r"https://console\.runpod\.io/serverless/user/endpoint/([\w-]+)/?(?:[?#].*)?", re.ASCII)

_PLURALS = {
    "endpoint_id": "Endpoint IDs",
    "job_id": "Job IDs",
    "batch_id": "Batch IDs",
    "request_id": "Request IDs",
}


def check_id(value: object, what: str) -> str:
    """Validates the ID of an endpoint, a job or anything else.

    For an endpoint, it may also be the address of its page in the console, which people copy; exactly that, since an ID
    is opaque.

    Raises:
        InvalidRequestError: The ID is not a str, is blank (the path would have another meaning), or
            cannot be encoded.
    """
    if not isinstance(value, str):
        msg = f"{_PLURALS.get(what, what)} must be str, not {type(value).__name__}."
        raise InvalidRequestError(msg)
    if not value.strip():
        msg = f"{what} is blank. Pass the ID that Runpod assigned."
        raise InvalidRequestError(msg)
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = f"{what} contains a lone surrogate and cannot be encoded in a URL."
        raise InvalidRequestError(msg) from None
    address = _CONSOLE.fullmatch(value) if what == "endpoint_id" else None
    return value if address is None else address[1]


def encoded(identifier: str) -> str:
    """Encodes an ID as one path segment."""
    if _PLAIN.fullmatch(identifier):
        return identifier
    # `.` and `..` would be resolved as relative path segments.
    encoded = quote(identifier, safe="")
    return encoded if encoded.strip(".") else encoded.replace(".", "%2E")


def _wait(hold: float) -> int:
    return round(min(max(hold, MIN_HOLD), MAX_HOLD) * 1000)
