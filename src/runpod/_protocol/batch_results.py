"""Reads a result out of an item of the list of a batch's requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, cast

from pydantic import ValidationError

from runpod.errors import JobOutputError
from runpod.models.batches import BatchResult, received_moment
from runpod.models.jobs import JobState, OutputT, job_failure
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from runpod._protocol.decoding import OutputReader
    from runpod.errors import RunpodError

# The ID of the state of a request without one.
_NO_ID = "unknown"


class BatchResultReader(Generic[OutputT]):
    """Reads results.

    Args:
        endpoint_id: The endpoint's ID, for messages.
        read_output: Validates outputs.
        key: The field that has the caller's key, or None.
    """

    def __init__(self, endpoint_id: str, read_output: OutputReader[OutputT], key: str | None) -> None:
        self._endpoint_id = endpoint_id
        self._read_output = read_output
        self._key = key

    def __call__(self, item: dict[str, Any]) -> BatchResult[OutputT]:
        """Reads an item. One that is broken is a result with the status UNKNOWN."""
        raw = _state_of(item)
        error: RunpodError | None
        try:
            state = self._read_output(raw, self._endpoint_id)
            error = job_failure(state, self._endpoint_id)
        except JobOutputError as problem:
            state, error = cast("JobState[OutputT]", raw), problem
        return BatchResult(
            id=None if raw.id == _NO_ID else raw.id,
            state=state,
            key=self._key_in(item),
            error=error,
            started_at=received_moment(item.get("startedAt")),
            completed_at=received_moment(item.get("completedAt")),
        )

    def _key_in(self, item: dict[str, Any]) -> str | int | None:
        """The caller's key: in the output, or in the input should the service return it."""
        for part in (item.get("input"), item.get("output")):
            found: object = cast("dict[str, Any]", part).get(self._key or "") if isinstance(part, dict) else None
            if self._key is not None and isinstance(found, (str, int)) and not isinstance(found, bool):
                return found
        return None


def _state_of(item: dict[str, Any]) -> JobState[Any]:
    status = item.get("status")
    known = JobStatus(status) if isinstance(status, str) and status and status.isprintable() else JobStatus.UNKNOWN
    fields = {**item, "status": known}
    try:
        return JobState.model_validate({"id": _NO_ID, **fields})
    except ValidationError:
        return JobState.model_validate({**fields, "id": _NO_ID})
