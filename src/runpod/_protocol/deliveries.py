"""Webhook deliveries: how they are parsed, and how repetitions are recognized."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast

from pydantic import Field, ValidationError
from pydantic_core import from_json

from runpod._text import readable, size_text
from runpod.errors import InvalidRequestError, JobError, NotFoundError, RunpodError, WebhookTokenError
from runpod.models._base import ReceivedText, describe, milliseconds
from runpod.models.jobs import JobState
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from datetime import timedelta

# Input and output of a job have at most 20 MiB each (docs.runpod.io, "Send requests").
MAX_BYTES = 50_000_000

# Job IDs have about 40 characters. The ID of a forged delivery becomes part of a request.
_MAX_ID = 200

_NOT_ENDED = frozenset({JobStatus.IN_QUEUE, JobStatus.IN_PROGRESS})


class DeliveredState(JobState[Any]):
    """The state of a job as a webhook delivers it: that of `/status`, and the input.

    Attributes:
        input: The input of the job. Neither shown in `repr` nor dumped, so that no error contains it.
        webhook: The address that was called. It can contain a token, so the same applies.
    """

    input: Annotated[Any, Field(exclude=True)] = None
    webhook: Annotated[ReceivedText, Field(exclude=True)] = None


@dataclass(frozen=True)
class Delivery:
    """A webhook that was received.

    Attributes:
        state: The state of the job, as fetched with the API key. Not what was delivered.
        duplicate: Whether the same end of the job was received before.
        endpoint_id: The ID of the endpoint that the job ran on.
        input: The input of the job, as delivered: the service does not return it otherwise, so
            nothing confirms it. Hidden in `repr`.
        key: What this delivery and its repetitions have in common: endpoint, job, final status and
            times in milliseconds, since a job that is retried ends again.
    """

    state: JobState[Any]
    duplicate: bool
    endpoint_id: str
    input: Any = field(repr=False)
    key: str


class SeenDeliveries(Protocol):
    """Where a receiver notes what it received: one for several processes, such as a table or Redis.

    An async receiver calls it in a thread.

    Example:
        >>> class Seen:
        ...     def add(self, key: str) -> bool:
        ...         return bool(redis.set(f"webhook:{key}", 1, nx=True, ex=86400))
        ...
        ...     def discard(self, key: str) -> None:
        ...         redis.delete(f"webhook:{key}")
    """

    def add(self, key: str) -> bool:
        """Notes a delivery. Returns whether it is new; of several calls at once, only one returns True."""
        ...

    def discard(self, key: str) -> object:
        """Forgets a delivery, if it was noted."""
        ...


class RecentDeliveries:
    """The latest deliveries of this process.

    Args:
        limit: How many are remembered. The repetitions of a delivery arrive within a minute.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._keys: dict[str, None] = {}
        self._lock = threading.Lock()

    def add(self, key: str) -> bool:
        """Notes a delivery. Returns whether it is new."""
        with self._lock:
            if key in self._keys:
                return False
            self._keys[key] = None
            if len(self._keys) > self._limit:
                del self._keys[next(iter(self._keys))]
            return True

    def discard(self, key: str) -> None:
        """Forgets a delivery."""
        with self._lock:
            self._keys.pop(key, None)


def parse(body: bytes | bytearray | str | Mapping[str, Any], *, max_bytes: int = MAX_BYTES) -> DeliveredState:
    """Parses the body of a webhook: a `JobState` with `input`.

    It confirms nothing: the service does not sign webhooks. A `WebhookReceiver` does.

    Args:
        body: The body of the request, or the JSON object in it.
        max_bytes: The maximum size of the body in bytes, by default 50 MB: the service accepts
            20 MiB of input and of output.

    Raises:
        InvalidRequestError: The body is too large, is not a JSON object, or has no job ID or status.

    Example:
        >>> state = parse(b'{"id": "JOB_ID", "status": "COMPLETED", "output": 1, "input": {"n": 1}}')
        >>> state.output, state.input
        (1, {'n': 1})
    """
    try:
        state = DeliveredState.model_validate(dict(body) if isinstance(body, Mapping) else _decoded(body, max_bytes))
    except ValidationError as error:
        raise _invalid(f"it is not the state of a job: {describe(error, DeliveredState)}") from None
    if len(state.id) > _MAX_ID:
        raise _invalid(f"its id has {len(state.id)} characters")
    return state


def _decoded(body: object, max_bytes: int) -> Any:
    if isinstance(body, str):
        # A lone surrogate in a value must not lose the delivery.
        body = body.encode("utf-8", "surrogatepass")
    if not isinstance(body, (bytes, bytearray)):
        msg = f"body must be bytes, str or a mapping, not {type(body).__name__}."
        raise InvalidRequestError(msg)
    if len(body) > max_bytes:
        raise _invalid(f"it has {size_text(len(body))}, more than max_bytes allows ({size_text(max_bytes)})")
    # As responses are decoded: the second is slower, but accepts lone surrogates and a byte order mark.
    with suppress(ValueError):
        return from_json(body, cache_strings="keys")
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    raise _invalid("it is empty" if not body.strip() else "it is not valid JSON, truncated, or nested too deeply")


def _invalid(problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"The body of a webhook cannot be used: {problem}. Answer 400.")


def confirmed(delivered: DeliveredState, state: JobState[Any], endpoint_id: str) -> Delivery:
    """The delivery with the state that was fetched; its `duplicate` is not decided yet.

    Raises:
        JobError: The job has not ended. An unknown status counts as an end: the service calls no webhook before.
    """
    if state.status in _NOT_ENDED:
        msg = (
            f"A webhook said that job {state.id!r} on endpoint {endpoint_id!r} ended {readable(delivered.status, 40)}, but "
            f"its status is {state.status}: the job was retried since, or the webhook is forged. Answer 503, so that it "
            "is delivered again."
        )
        raise JobError(msg, state=state, endpoint_id=endpoint_id, retryable=True)
    spans = "/".join(_milliseconds(span) for span in (state.delay_time, state.execution_time))
    key = f"{endpoint_id}/{state.id}/{state.status}/{spans}"
    return Delivery(state, duplicate=False, endpoint_id=endpoint_id, input=delivered.input, key=key)


def _milliseconds(span: timedelta | None) -> str:
    return "" if span is None else str(milliseconds(span))


def unknown_job(job_id: str, endpoint_id: str, error: NotFoundError) -> NotFoundError:
    """The error for a delivery whose job the service does not know."""
    msg = (
        f"The webhook of job {readable(job_id, 80)!r} on endpoint {endpoint_id!r} cannot be confirmed: the service answered "
        "404. The job is not one of this endpoint, or its result has expired. Answer 404."
    )
    return NotFoundError(msg, body=error.body, headers=error.headers, endpoint_id=endpoint_id, job_id=job_id)


def http_status(error: RunpodError) -> int:
    """The HTTP status to answer if `receive` raised this error.

    403 for a wrong token, 400 for an unusable body, 404 for an unknown job. 503 for anything else, such
    as a request to the service that failed. After each, the service delivers again, up to twice.

    Example:
        >>> http_status(WebhookTokenError("…"))
        403
    """
    if isinstance(error, WebhookTokenError):
        return 403
    if isinstance(error, InvalidRequestError):
        return 400
    return 404 if isinstance(error, NotFoundError) else 503


# The public module, which pickles refer to.
for _item in (DeliveredState, Delivery, SeenDeliveries, parse, http_status):
    cast("Any", _item).__module__ = "runpod.webhooks"
