"""Every error the library raises.

    RunpodError
    ├── ConfigurationError (ValueError)      no key, bad base_url, http:// to a host that is not loopback
    ├── InvalidRequestError (ValueError)     what you passed cannot be sent
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
No error holds the API key or the input, and all of them can be pickled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod.models.jobs import JobState

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "AuthenticationError",
    "BadRequestError",
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


def _restore(cls: type[RunpodError], message: str, attributes: dict[str, Any]) -> RunpodError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class RunpodError(Exception):
    """Base of everything the library raises.

    Attributes:
        message: What happened and what to do next, in words.
        endpoint_id: The endpoint it happened on, where there is one.
        job_id: The job it happened to, wherever an id is known, also when the id could only be
            picked from a broken answer.
        maybe_submitted: True only where a request that creates or changes something (`run`,
            `run_sync`, `retry`, `purge_queue`; on the API server of a worker also a look at a
            job, which runs it) was sent and its fate is unknown. Sending it again may do it
            twice.
    """

    def __init__(
        self,
        message: str,
        *,
        endpoint_id: str | None = None,
        job_id: str | None = None,
        maybe_submitted: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.endpoint_id = endpoint_id
        self.job_id = job_id
        self.maybe_submitted = maybe_submitted

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Callable[..., RunpodError], tuple[Any, ...]]:
        # Keyword-only arguments do not survive the default protocol of exceptions.
        return _restore, (type(self), self.message, self.__dict__.copy())


class ConfigurationError(RunpodError, ValueError):
    """The client cannot be built: no API key, a bad `base_url`, an impossible `timeout`."""


class InvalidRequestError(RunpodError, ValueError):
    """What you passed cannot be sent. Nothing was."""


class RunpodTimeoutError(RunpodError, TimeoutError):
    """Your `timeout` passed. A job that was submitted goes on.

    Attributes:
        state: The last state of the job that was seen, or None.
    """

    def __init__(self, message: str, *, state: JobState[Any] | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.state = state


class APIConnectionError(RunpodError):
    """No usable answer came: no connection, a reset, a TLS failure, a body cut short."""


class APIStatusError(RunpodError):
    """The server answered, and said no.

    Attributes:
        status_code: The HTTP status.
        body: The whole body, as text.
        headers: The headers of the answer, names in lower case.
        request_id: What to quote to Runpod's support: the `cf-ray` header, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.status_code = status_code
        self.body = body
        self.headers: dict[str, str] = dict(headers or {})
        self.request_id: str | None = self.headers.get("cf-ray")


class BadRequestError(APIStatusError):
    """400: the server does not accept the request."""


class AuthenticationError(APIStatusError):
    """401: the API key is missing, wrong or revoked."""


class PermissionDeniedError(APIStatusError):
    """403: the API key may not use this endpoint."""


class NotFoundError(APIStatusError):
    """404: no such endpoint for this key, or no such job."""


class ConflictError(APIStatusError):
    """409: the request does not fit the state of the job or endpoint."""


class PayloadTooLargeError(APIStatusError):
    """413, or the 400 that says the body exceeds the maximum size."""


class RateLimitError(APIStatusError):
    """429: too many requests, or too long a queue. The request was not carried out.

    Attributes:
        retry_after: Seconds after which the server wants to be asked again, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after


class ServerError(APIStatusError):
    """5xx: the service or the gateway in front of it is in trouble."""


class APIResponseError(RunpodError):
    """The server said yes, with a body that the protocol does not allow.

    HTML, broken JSON, a list, no id, no status: it is an error rather than a guess.

    Attributes:
        status_code: The HTTP status, a 2xx.
        body: The whole body, as text.
        headers: The headers of the answer, names in lower case.
        request_id: What to quote to Runpod's support: the `cf-ray` header, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.status_code = status_code
        self.body = body
        self.headers: dict[str, str] = dict(headers or {})
        self.request_id: str | None = self.headers.get("cf-ray")


class JobError(RunpodError):
    """A job did not give what was asked of it.

    Attributes:
        state: The last state of the job that was seen, whole; None only where it was never seen.
    """

    def __init__(self, message: str, *, state: JobState[Any] | None, **context: Any) -> None:
        if state is not None:
            context.setdefault("job_id", state.id)
        super().__init__(message, **context)
        self.state = state


class JobFailedError(JobError):
    """The job ended FAILED: the handler raised or returned an error, or the platform gave up."""


class JobCancelledError(JobError):
    """The job ended CANCELLED."""


class JobTimedOutError(JobError):
    """The job ended TIMED_OUT: it expired in the queue, or its worker never reported back."""


class JobOutputError(JobError):
    """The job completed, but its output does not fit `output_type`. `state.output` has it raw."""


class JobExpiredError(JobError):
    """404 for a job that was seen alive: its result or its time to live ran out."""
