"""Every error the library raises.

    RunpodError
    ├── ConfigurationError (ValueError)      no key, bad base_url, http:// to a host that is not loopback
    ├── InvalidRequestError (ValueError)     what you passed cannot be sent
    ├── ClientClosedError (RuntimeError)     the client was closed before the call, or while it waited
    ├── RunpodTimeoutError (TimeoutError)    your `timeout` passed; the job, if any, goes on
    ├── APIConnectionError                   no usable answer: connect, reset, TLS, truncated body
    ├── APIStatusError                       the server said no: status_code, body, headers, request_id
    │   ├── BadRequestError                  400
    │   ├── AuthenticationError              401
    │   ├── PermissionDeniedError            403
    │   ├── NotFoundError                    404
    │   ├── ConflictError                    409
    │   ├── PayloadTooLargeError             413, and the 400 that says so
    │   ├── RateLimitError                   429: retry_after
    │   └── ServerError                      5xx
    ├── APIResponseError                     a 2xx whose body is not what the protocol allows
    └── JobError                             carries the JobState
        ├── JobFailedError                   FAILED
        ├── JobCancelledError                CANCELLED
        ├── JobTimedOutError                 TIMED_OUT: the server's limit, not your `timeout`
        ├── JobOutputError                   COMPLETED, but the output does not fit `output_type`
        └── JobExpiredError                  404 for a job that was seen alive: its result or TTL ran out

Two attributes of every error answer the questions that cost money: `maybe_submitted` (may a
job be running that you hold no handle for?) and `job_id` (the id, wherever the wire gave one).
`retryable` says whether the same call may be made again as it is.

No error holds the API key or the input. All of them can be pickled, and every class can be made from the `args` of its
errors, as task queues do whose results are JSON. A copy that lost its attributes on the way reads as "maybe submitted".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runpod._base_errors import (
    CONTEXT,
    ClientClosedError,
    ConfigurationError,
    InvalidRequestError,
    RunpodError,
    known,
)
from runpod.models.jobs import JobCancelledError, JobError, JobFailedError, JobState, JobTimedOutError, state_in

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "InvalidRequestError",
    "JobCancelledError",
    "JobError",
    "JobExpiredError",
    "JobFailedError",
    "JobOutputError",
    "JobTimedOutError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "RateLimitError",
    "RunpodError",
    "RunpodTimeoutError",
    "ServerError",
]


class RunpodTimeoutError(RunpodError, TimeoutError):
    """Your `timeout` passed. A job that was submitted goes on.

    Attributes:
        state: The last state of the job that was seen, or None.
    """

    _details = (*CONTEXT, "state")

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        state: JobState[Any] | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, details, **context)
        self.state: JobState[Any] | None = state_in(details) if state is None else state


class APIConnectionError(RunpodError):
    """No usable response came: no connection, a reset, a TLS failure, a body cut short."""


_OF_A_RESPONSE = (*CONTEXT, "status_code", "body", "headers")


class _ResponseError(RunpodError):
    _status: ClassVar[int] = 0
    _details: ClassVar[tuple[str, ...]] = _OF_A_RESPONSE

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        status_code: int | None = None,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, details, **context)
        found = known(details)
        self.status_code: int = status_code or found.get("status_code") or self._status
        self.body: str = body or found.get("body") or ""
        self.headers: dict[str, str] = dict(headers or found.get("headers") or {})
        self.request_id: str | None = self.headers.get("cf-ray")


class APIStatusError(_ResponseError):
    """The server answered, and said no.

    Attributes:
        status_code: The HTTP status; 0 where it is not known.
        body: The whole body, as text.
        headers: The headers of the response, names in lower case.
        request_id: What to quote to Runpod's support: the `cf-ray` header, or None.
    """


class BadRequestError(APIStatusError):
    """400: the server does not accept the request."""

    _status, _leaves_open = 400, False


class AuthenticationError(APIStatusError):
    """401: the API key is missing, wrong or revoked."""

    _status, _leaves_open = 401, False


class PermissionDeniedError(APIStatusError):
    """403: the API key may not use this endpoint."""

    _status, _leaves_open = 403, False


class NotFoundError(APIStatusError):
    """404: no such endpoint for this key, or no such job."""

    _status, _leaves_open = 404, False


class ConflictError(APIStatusError):
    """409: the request does not fit the state of the job or endpoint."""

    _status, _leaves_open = 409, False


class PayloadTooLargeError(APIStatusError):
    """413, or the 400 that says the body exceeds the maximum size."""

    _status, _leaves_open = 413, False


class RateLimitError(APIStatusError):
    """429: too many requests, or too long a queue. The request was not carried out.

    Attributes:
        retry_after: Seconds after which the server wants to be asked again, or None.
    """

    _status, _leaves_open = 429, False
    _details = (*_OF_A_RESPONSE, "retry_after")

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        retry_after: float | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, details, **context)
        found = known(details)
        self.retry_after: float | None = found.get("retry_after") if retry_after is None else retry_after


class ServerError(APIStatusError):
    """5xx: the service or the gateway in front of it is in trouble."""

    _status = 500


class APIResponseError(_ResponseError):
    """The server said yes, with a body that the protocol does not allow.

    HTML, broken JSON, a list, no id, no status: it is an error rather than a guess.

    Attributes:
        status_code: The HTTP status, a 2xx.
        body: The whole body, as text.
        headers: The headers of the response, names in lower case.
        request_id: What to quote to Runpod's support: the `cf-ray` header, or None.
    """

    _status = 200


class JobOutputError(JobError):
    """The job completed, but its output does not fit `output_type`. `state.output` has it raw."""


class JobExpiredError(JobError):
    """404 for a job that was seen alive: its result or its time to live ran out."""


# Whatever file a class is in, this is where people look for it, and what a pickle names.
for _name in __all__:
    globals()[_name].__module__ = __name__
