"""The state of a batch, and the results of its requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Generic

from pydantic import BeforeValidator, Field, PlainSerializer
from typing_extensions import override

from runpod._text import Shortened, readable
from runpod.models._base import (
    OptionalDatetime,
    ReceivedCount,
    ReceivedModel,
    ReceivedText,
    milliseconds,
    parsed_moment,
    received_number,
)
from runpod.models._shown import Shown
from runpod.models.jobs import JobState, OutputT, received_id

if TYPE_CHECKING:
    from runpod._base_errors import RunpodError
    from runpod.media.display import Summary
    from runpod.media.item import Media
    from runpod.models.status import JobStatus

__all__ = ["BatchResult", "BatchState"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# Numbers of seconds since 1970 are smaller.
_FIRST_MILLISECONDS = 1e11

_KNOWN = frozenset({"DRAFT", "FINALIZED", "FAILED", "CANCELLED"})


def received_moment(value: object) -> datetime | None:
    """A moment from the server: milliseconds or seconds since 1970, or ISO 8601; None for anything else."""
    if isinstance(value, datetime):
        return value
    number = received_number(value)
    try:
        if number is not None:
            return _EPOCH + timedelta(seconds=number / 1000 if abs(number) >= _FIRST_MILLISECONDS else number)
    except OverflowError:
        return None
    return parsed_moment(value)


def _received_status(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value.upper() if value.upper() in _KNOWN else value


_as_milliseconds = PlainSerializer(
    lambda moment: None if moment is None else milliseconds(moment - _EPOCH), when_used="json"
)


class BatchState(ReceivedModel):
    """The state of a batch at one point in time. Frozen; unknown fields are kept. Experimental.

    The fields that a response lacks are None (docs.runpod.io, "Batch jobs", of August 2026).

    Attributes:
        id: The batch's ID.
        endpoint_id: The ID of its endpoint.
        status: "DRAFT", "FINALIZED", "FAILED" or "CANCELLED". Other text is kept as it is. There is no
            status for a batch that has completed: it stays FINALIZED; see `done`.
        name: Its display name.
        request_total: How many requests it has.
        request_in_progress: How many of them are running.
        request_completed: How many of them have completed.
        request_failed: How many of them have failed.
        created_at: When it was created.

    Example:
        >>> state = batch.wait()
        >>> print(state.request_completed, "of", state.request_total)
    """

    id: Annotated[str, Field(min_length=1), BeforeValidator(received_id)]
    endpoint_id: ReceivedText = None
    status: Annotated[str | None, BeforeValidator(_received_status)] = None
    name: ReceivedText = None
    request_total: ReceivedCount = None
    request_in_progress: ReceivedCount = None
    request_completed: ReceivedCount = None
    request_failed: ReceivedCount = None
    created_at: Annotated[OptionalDatetime, BeforeValidator(received_moment), _as_milliseconds] = None

    @property
    def done(self) -> bool:
        """Whether nothing more happens: it has FAILED, is CANCELLED, or all requests of it have ended.

        A batch without requests is not done: the counts of a batch that was just finalized may still be 0.
        """
        if self.status in {"FAILED", "CANCELLED"}:
            return True
        ended = (self.request_completed or 0) + (self.request_failed or 0)
        return self.status not in {None, "DRAFT"} and 0 < (self.request_total or 0) <= ended


@dataclass(frozen=True, repr=False)
class BatchResult(Shown, Generic[OutputT]):
    """A request of a batch, and its result if it has ended. Experimental.

    Attributes:
        id: The ID of the request; None if the service sent none.
        state: The request as the state of a job: `state.result()` returns its output or raises. Its ID is
            "unknown" if the service sent none.
        key: Your own key, if the batch has a `key` and the handler returns it in its output; otherwise None.
        error: Why there is no output; None if the request has completed, or has not ended.
        started_at: When a worker began with it, or None.
        completed_at: When it ended, or None.

    Example:
        >>> for result in batch.results():
        ...     print(result.key, result.output if result.succeeded else result.error)
    """

    id: str | None
    state: JobState[OutputT]
    key: str | int | None = None
    error: RunpodError | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def status(self) -> JobStatus:
        """Its status, as that of a job."""
        return self.state.status

    @property
    def output(self) -> OutputT | None:
        """The output if it succeeded, otherwise None. `state.output` has what a failed request left."""
        return self.state.output if self.succeeded else None

    @property
    def succeeded(self) -> bool:
        """Whether it ended COMPLETED, and its output matches `output_type`."""
        return self.error is None and self.state.succeeded

    @property
    def media(self) -> list[Media]:
        """The pictures, sound, videos and other files in the output; see `JobState.media`."""
        return self.state.media

    @override
    def _summary(self) -> Summary:
        from runpod.media.display import worker_text

        shown = self.state._summary()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - both are models
        key = [] if self.key is None else [f"key {readable(str(self.key), 80)}"]
        error = None if self.error is None else worker_text(self.error.message)
        how_to_save = "client.save(result, folder)"
        return shown._replace(facts=[*key, *shown.facts], error=shown.error or error, how_to_save=how_to_save)

    def __repr__(self) -> str:
        parts = [f"id={readable(repr(self.id), 80)}", f"status={readable(repr(str(self.status)), 40)}"]
        if self.key is not None:
            parts.append(f"key={readable(repr(self.key), 80)}")
        if self.succeeded:
            parts.append(f"output={Shortened(self.output)!r}")
        if self.error is not None:
            parts.append(f"error={readable(repr(self.error), 200)}")
        return f"{type(self).__name__}({', '.join(parts)})"
