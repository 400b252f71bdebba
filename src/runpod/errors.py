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

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod.models.jobs import JobState

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


# What every error tells beside its message.
_CONTEXT = ("endpoint_id", "job_id", "maybe_submitted", "retryable")
_OF_A_RESPONSE = (*_CONTEXT, "status_code", "body", "headers")


def _restore(cls: type[RunpodError], message: str, attributes: dict[str, Any]) -> RunpodError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class RunpodError(Exception):
    """Base of everything the library raises.

    Args:
        message: What happened and what to do next, in words.
        details: The attributes as a mapping that JSON can hold: what `args` has behind the message.

    Attributes:
        message: What happened and what to do next, in words.
        endpoint_id: The endpoint it happened on, where there is one.
        job_id: The job it happened to, wherever an id is known, also when the id could only be
            picked from a broken response.
        maybe_submitted: True only where a request that creates or changes something (`run`,
            `run_sync`, `retry`, `purge_queue`) was sent and its fate is unknown. Sending it
            again may do it twice. Where nobody said, it is True unless the class rules it out.
        retryable: Whether the same call may be made again as it is: it can succeed, and does
            nothing twice. False for a `run_sync` whose job was submitted: wait for that job.
    """

    # Whether an error of this class leaves it open what became of a submission, unless it says so itself.
    _leaves_open: ClassVar[bool] = True
    _details: ClassVar[tuple[str, ...]] = _CONTEXT

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        endpoint_id: str | None = None,
        job_id: str | None = None,
        maybe_submitted: bool | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.endpoint_id = endpoint_id
        self.job_id = job_id
        self.maybe_submitted: bool = self._leaves_open if maybe_submitted is None else maybe_submitted
        self.retryable = retryable
        for name, value in _known(details).items():
            if name in _CONTEXT and value is not None:
                setattr(self, name, value)

    if not TYPE_CHECKING:

        @property
        def args(self) -> tuple[Any, ...]:
            """The message, and the attributes in a mapping that JSON can hold. `type(error)(*error.args)` is a copy."""
            values = {name: getattr(self, name) for name in self._details}
            return self.message, {name: _in_json(value) for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Callable[..., RunpodError], tuple[Any, ...]]:
        return _restore, (type(self), self.message, self.__dict__.copy())


def _in_json(value: Any) -> Any:
    """A detail as JSON can hold it: the state of a job becomes a mapping in the shape of the wire."""
    if not hasattr(value, "model_dump"):
        return value
    # pydantic cannot write every output, nor every error: they may be nested too deeply.
    for exclude in (None, {"output"}, {"output", "error"}):
        with suppress(ValueError, TypeError, RecursionError):
            return value.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=exclude)
    return {"id": value.id, "status": str(value.status)}


def _known(details: Mapping[str, Any] | None) -> dict[str, Any]:
    # Whatever a copy puts there, such as a text, must not break it.
    return dict(details) if isinstance(details, Mapping) else {}


def _state_in(details: Mapping[str, Any] | None) -> JobState[Any] | None:
    """The state of a job out of such a mapping."""
    found = _known(details).get("state")
    if found is None:
        return None
    from runpod.models.jobs import JobState  # it imports this module

    return JobState[Any].model_validate(found)


class ConfigurationError(RunpodError, ValueError):
    """The client cannot be built: no API key, a bad `base_url`, an impossible `timeout`."""

    _leaves_open = False


class InvalidRequestError(RunpodError, ValueError):
    """What you passed cannot be sent. Nothing was."""

    _leaves_open = False


class ClientClosedError(RunpodError, RuntimeError):
    """The client was closed, so nothing more can be sent. `job_id` says which job was asked about, if any."""


class RunpodTimeoutError(RunpodError, TimeoutError):
    """Your `timeout` passed. A job that was submitted goes on.

    Attributes:
        state: The last state of the job that was seen, or None.
    """

    _details = (*_CONTEXT, "state")

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
        self.state: JobState[Any] | None = _state_in(details) if state is None else state


class APIConnectionError(RunpodError):
    """No usable response came: no connection, a reset, a TLS failure, a body cut short."""


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
        known = _known(details)
        self.status_code: int = status_code or known.get("status_code") or self._status
        self.body: str = body or known.get("body") or ""
        self.headers: dict[str, str] = dict(headers or known.get("headers") or {})
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
        known = _known(details)
        self.retry_after: float | None = known.get("retry_after") if retry_after is None else retry_after


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


class JobError(RunpodError):
    """A job did not give what was asked of it.

    Attributes:
        state: The last state of the job that was seen, whole; None where it was never seen, or is not known.
    """

    _leaves_open = False
    _details = (*_CONTEXT, "state")

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        state: JobState[Any] | None = None,
        **context: Any,
    ) -> None:
        state = _state_in(details) if state is None else state
        if state is not None:
            context.setdefault("job_id", state.id)
        super().__init__(message, details, **context)
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
