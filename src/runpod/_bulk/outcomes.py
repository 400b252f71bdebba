"""What became of a row: how it is stored, and how it is handed out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import PydanticSerializationError, to_json

from runpod._bulk.changes import FINAL_STATES, Doubtful, Ended, Expired, Refused
from runpod._bulk.json_text import encode
from runpod._bulk.results import BulkResult
from runpod._protocol.decoding import is_status_only
from runpod._protocol.value_kinds import is_array
from runpod.errors import InputTooLargeError, JobExpiredError, JobOutputError, NotFoundError, RunpodTimeoutError
from runpod.models._base import milliseconds
from runpod.models._costs import cost_of
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpod._bulk.changes import Change
    from runpod._bulk.run_file import StoredRow
    from runpod.models.jobs import JobState
    from runpod.models.results import MapResult

# Outputs with more levels are not stored, since Python cannot read them again everywhere.
MAX_DEPTH = 500
_MAX_RETRIES = 10**9


class UnstorableOutputError(JobOutputError):
    """An output cannot be stored, so that the row has failed."""


class TooDeepError(Exception):
    """An output has more levels than can be stored."""


def output_json_of(output: Any) -> str:
    """The output as JSON text.

    Raises:
        TooDeepError: It has too many levels.
    """
    try:
        return to_json(output, inf_nan_mode="null").decode()
    except (PydanticSerializationError, UnicodeError):  # a lone surrogate, or more than 255 levels
        level = [output]
        for _ in range(MAX_DEPTH):
            level = [item for each in level for item in _items(each)]
        if level:
            raise TooDeepError from None
        return encode(output)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return value if is_array(value) else ()


def _outcome(result: MapResult[Any]) -> tuple[str, Any]:
    """The status of a row, and its error as it is stored. IN_QUEUE: the job goes on, so the next run waits for it."""
    state, error = result.state, result.error
    # What a cancellation returned may lack the output. The next run gets it.
    is_partial = state is not None and isinstance(error, RunpodTimeoutError) and is_status_only(state)
    if state is not None and state.completed and not is_partial:
        if isinstance(error, UnstorableOutputError):
            return "FAILED", error.message
        # An output that does not fit `output_type` is complete; only the loop over the run cannot use it.
        return str(state.status), error.message if isinstance(error, JobOutputError) else state.error
    if error is None:
        return "IN_QUEUE", None
    if isinstance(error, (JobExpiredError, NotFoundError)) and result.job_id is not None:
        return "EXPIRED", error.message
    if error.maybe_submitted:
        return "DOUBTFUL", error.message
    return "FAILED" if result.job_id is None else "IN_QUEUE", error.message


def _cost(state: JobState[Any], price: float | None) -> float | None:
    cost = cost_of(state.output)
    if cost is None and price is not None and state.execution_time is not None:
        cost = price * max(0.0, state.execution_time.total_seconds())
    return cost


def change_of(result: MapResult[Any], output_json: str | None, price: float | None) -> Change | None:
    """What to store of a result, if anything."""
    number = result.input.number
    status, error = _outcome(result)
    is_complete = status == JobStatus.COMPLETED
    error_json = None if error is None or is_complete else encode(error)
    if status == "IN_QUEUE":
        return None
    if status == "EXPIRED":
        return Expired(number, error_json)
    if status == "DOUBTFUL":
        return Doubtful(number, error_json)
    if isinstance(result.error, InputTooLargeError):
        return Refused(number, error_json)
    state = result.state
    if state is None:
        return Ended(number, status, None, error_json)
    return Ended(
        number,
        status,
        output_json,
        error_json,
        None if state.delay_time is None else milliseconds(state.delay_time),
        None if state.execution_time is None else milliseconds(state.execution_time),
        None if state.retries is None else min(state.retries, _MAX_RETRIES),
        _cost(state, price),
        state.id,
    )


def bulk_result(result: MapResult[Any]) -> BulkResult:
    row: StoredRow = result.input
    status, error = _outcome(result)
    # Of a job that ended.
    state = result.state if status in FINAL_STATES else None
    return BulkResult(
        row.key,
        status,
        json.loads(row.input_json),
        result.job_id or row.job_id,
        None if state is None else state.output,
        error,
        None if state is None or state.delay_time is None else milliseconds(state.delay_time),
        None if state is None or state.execution_time is None else milliseconds(state.execution_time),
        state is not None and state.has_output,
    )
