"""All errors that the library raises.

    RunpodError
    ├── ConfigurationError (ValueError)      no API key, invalid base_url, http:// to a non-loopback host
    ├── InvalidRequestError (ValueError)     invalid arguments; nothing was sent
    │   └── InputTooLargeError               the request is larger than the service accepts
    ├── ClientClosedError (RuntimeError)     the client was closed before or during the call
    ├── RunpodTimeoutError (TimeoutError)    the call's `timeout` passed; the job, if any, keeps running
    ├── RunFileError                         the file of a bulk run cannot be used
    ├── MediaError                           media in an output cannot be decoded, downloaded or saved
    ├── NoTextError (ValueError)             an output has no text of a language model
    ├── UploadError                          a file of an input was not stored in the bucket of `S3Uploads`
    ├── WorkerGoneError                      the worker that a load balancer's session needs does not exist any more
    ├── WebhookTokenError                    a webhook came to an address with a wrong token
    ├── APIConnectionError                   no usable response: connect, reset, TLS, truncated body
    ├── APIStatusError                       an error status: status_code, body, headers, request_id
    │   ├── BadRequestError                  400
    │   ├── AuthenticationError              401
    │   ├── PermissionDeniedError            403
    │   ├── NotFoundError                    404
    │   ├── ConflictError                    409
    │   ├── PayloadTooLargeError             413, or a 400 with that message
    │   ├── UnprocessableEntityError         422: a field of a management call is wrong or unknown
    │   ├── RateLimitError                   429: retry_after
    │   └── ServerError                      5xx
    ├── APIResponseError                     a 2xx with an invalid body
    └── JobError                             carries the JobState
        ├── JobFailedError                   FAILED
        ├── JobCancelledError                CANCELLED
        ├── JobTimedOutError                 TIMED_OUT: the server's limit, not the call's `timeout`
        ├── JobOutputError                   the output or a chunk does not fit `output_type` or `chunk_type`
        └── JobExpiredError                  404 for a job that existed before: its result or TTL expired

Every error has `maybe_submitted` (whether a job may be running without a handle), `job_id` (if
known) and `retryable` (whether the same call can safely be repeated unchanged).

No error contains the API key or the input. Errors can be pickled, and can be rebuilt from their class and `args`, as
task queues with JSON results do. A copy that lost its attributes has `maybe_submitted` set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runpod._base_errors import (
    CONTEXT,
    ClientClosedError,
    ConfigurationError,
    InputTooLargeError,
    InvalidRequestError,
    MediaError,
    NoTextError,
    RunpodError,
    UploadError,
    details_dict,
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
    "InputTooLargeError",
    "InvalidRequestError",
    "JobCancelledError",
    "JobError",
    "JobExpiredError",
    "JobFailedError",
    "JobOutputError",
    "JobTimedOutError",
    "MediaError",
    "NoTextError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "RateLimitError",
    "RunFileError",
    "RunpodError",
    "RunpodTimeoutError",
    "ServerError",
    "UnprocessableEntityError",
    "UploadError",
    "WebhookTokenError",
    "WorkerGoneError",
]


class RunpodTimeoutError(RunpodError, TimeoutError):
    """The call's `timeout` passed. A submitted job keeps running.

    Attributes:
        state: The last known state of the job, or None.
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


class WorkerGoneError(RunpodError):
    """The worker that a session with strict affinity needs does not exist any more. The request was not executed.

    Attributes:
        worker_id: The worker.
    """

    _maybe_submitted_default = False
    _details = (*CONTEXT, "worker_id")

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        worker_id: str | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, details, **context)
        self.worker_id: str | None = worker_id or details_dict(details).get("worker_id")


class WebhookTokenError(RunpodError):
    """A webhook came to an address with a wrong token: it was not sent by Runpod. Answer 403."""

    _maybe_submitted_default = False


class RunFileError(RunpodError):
    """The file of a bulk run cannot be used: missing, read-only, damaged, in use, or the disk is full.

    What was saved before the error remains in the file.
    """

    _maybe_submitted_default = False


class APIConnectionError(RunpodError):
    """No usable response: connection failure, reset, TLS failure or truncated body."""


_RESPONSE_DETAILS = (*CONTEXT, "status_code", "body", "headers")


class _ResponseError(RunpodError):
    _status: ClassVar[int] = 0
    _details: ClassVar[tuple[str, ...]] = _RESPONSE_DETAILS

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
        found = details_dict(details)
        self.status_code: int = status_code or found.get("status_code") or self._status
        self.body: str = body or found.get("body") or ""
        self.headers: dict[str, str] = dict(headers or found.get("headers") or {})
        self.request_id: str | None = self.headers.get("x-request-id") or self.headers.get("cf-ray")


class APIStatusError(_ResponseError):
    """The server responded with an error status.

    Attributes:
        status_code: The HTTP status; 0 if unknown.
        body: The whole body, as text.
        headers: The response headers, with names in lower case.
        request_id: The `x-request-id` or `cf-ray` header, for Runpod's support, or None.
    """


class BadRequestError(APIStatusError):
    """400: the server rejected the request as invalid."""

    _status, _maybe_submitted_default = 400, False


class AuthenticationError(APIStatusError):
    """401: the API key is missing, wrong or revoked."""

    _status, _maybe_submitted_default = 401, False


class PermissionDeniedError(APIStatusError):
    """403: the API key has no access to this endpoint, or is not permitted to do this."""

    _status, _maybe_submitted_default = 403, False


class NotFoundError(APIStatusError):
    """404: the endpoint does not exist for this API key, or the job does not exist."""

    _status, _maybe_submitted_default = 404, False


class ConflictError(APIStatusError):
    """409: the request conflicts with the state of the job or endpoint."""

    _status, _maybe_submitted_default = 409, False


class PayloadTooLargeError(APIStatusError):
    """413, or a 400 whose message says that the body exceeds the maximum size."""

    _status, _maybe_submitted_default = 413, False


class UnprocessableEntityError(APIStatusError):
    """422: a field of the request is wrong or unknown. The message names it."""

    _status, _maybe_submitted_default = 422, False


class RateLimitError(APIStatusError):
    """429: too many requests, or too many queued jobs. The request was not executed.

    Attributes:
        retry_after: Seconds to wait before the next request (`Retry-After`), or None.
    """

    _status, _maybe_submitted_default = 429, False
    _details = (*_RESPONSE_DETAILS, "retry_after")

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
        found = details_dict(details)
        self.retry_after: float | None = found.get("retry_after") if retry_after is None else retry_after


class ServerError(APIStatusError):
    """5xx: the service, or a gateway in front of it, failed."""

    _status = 500


class APIResponseError(_ResponseError):
    """The server sent a 2xx response with an invalid body.

    The body cannot be parsed as the expected response: HTML, malformed or truncated JSON, the state of
    another job, or more than 100 MiB.

    Attributes:
        status_code: The HTTP status, a 2xx.
        body: The whole body, as text.
        headers: The response headers, with names in lower case.
        request_id: The `x-request-id` or `cf-ray` header, for Runpod's support, or None.
    """

    _status = 200


class JobOutputError(JobError):
    """The output of a completed job does not match `output_type`, or a chunk does not match `chunk_type`.

    `state.output` has the raw value.
    """


class JobExpiredError(JobError):
    """404 for a job that existed before: its result or its time to live expired."""


# The public module of every class, wherever it is defined. Pickles refer to it.
for _name in __all__:
    globals()[_name].__module__ = __name__
