"""Calls to the Batch API, and its responses.

Much of it is undocumented: what adding, finalizing and cancelling return, and the list of batches. Such bodies are used
if they can be, and no error if not, since a status of 2xx says that the request was executed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from pydantic import ValidationError

from runpod._protocol.decoding import gateway_error, parse_json, response_error
from runpod._protocol.operations import Call, Operation, encoded
from runpod._protocol.value_kinds import is_array, is_mapping
from runpod._text import readable
from runpod.errors import APIResponseError, InvalidRequestError, RunpodError
from runpod.models._base import describe
from runpod.models.batches import BatchState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runpod._protocol.outcomes import Response

CREATE_BATCH = Operation("batches.create", "POST", "batch", repeatable=False)
LIST_BATCHES = Operation("batches.list", "GET", "batch", repeatable=True)
GET_BATCH = Operation("batch.refresh", "GET", "", repeatable=True)
RENAME_BATCH = Operation("batch.rename", "PUT", "", repeatable=True)
ADD_REQUESTS = Operation("batch.add", "POST", "requests", repeatable=False)
LIST_REQUESTS = Operation("batch.results", "GET", "requests", repeatable=True)
# Not repeatable: the second of two requests gets a 404, which would say that there was no such request.
REMOVE_REQUEST = Operation("batch.remove", "DELETE", "requests", repeatable=False)
FINALIZE_BATCH = Operation("batch.finalize", "POST", "finalize", repeatable=False)
# Twice, it does the same.
CANCEL_BATCH = Operation("batch.cancel", "POST", "cancel", repeatable=True)

_LIMITS = "An endpoint has at most 10 active batches and 50,000 queued requests, unless your account allows more."
_DOUBT = {
    CREATE_BATCH: (
        "The draft may have been created: endpoint.batches.list() shows it. A draft runs nothing and costs nothing."
    ),
    ADD_REQUESTS: (
        "The requests may have been added, or may still be: batch.refresh() shows how many the batch has. Nothing runs "
        "before finalize()."
    ),
    REMOVE_REQUEST: "The request may have been removed: batch.results() shows those that the batch has.",
    FINALIZE_BATCH: (
        "The batch may start: batch.refresh() shows its status. To finalize it again is harmless, as it starts only once."
    ),
}


@dataclass(frozen=True)
class BatchCall(Call):
    """A call to the Batch API."""

    batch_id: str | None = None
    request_id: str | None = None
    query: tuple[tuple[str, int], ...] = ()

    @property
    def target(self) -> str:
        """The path below the base URL, with its query."""
        if self.batch_id is None:
            return f"/{encoded(self.endpoint_id)}/batch"
        steps = [encoded(self.endpoint_id), "batch", encoded(self.batch_id)]
        steps += [step for step in (self.operation.path, encoded(self.request_id or "")) if step]
        query = f"?{urlencode(self.query)}" if self.query else ""
        return "/" + "/".join(steps) + query

    def advice(self, status: int) -> str:
        """What to do after an HTTP error."""
        if status == 404 and self.batch_id is not None:
            what = "the batch ID" if self.request_id is None else "the batch ID and the request ID"
            return f"Check {what}, the endpoint ID {self.endpoint_id!r}, and that this API key has access to it."
        if status == 404:
            return f"{super().advice(status)} The Batch API is in beta, and may not be there for every account."
        if status in {400, 409} and self.operation in {ADD_REQUESTS, REMOVE_REQUEST}:
            return "Only a batch whose status is DRAFT can be changed."
        if status in {400, 409} and self.operation in {CREATE_BATCH, FINALIZE_BATCH}:
            return _LIMITS
        return super().advice(status)

    @property
    def doubt_advice(self) -> str:
        """What to do if the request may have been executed."""
        return _DOUBT.get(self.operation, super().doubt_advice)

    def __str__(self) -> str:
        batch = "" if self.batch_id is None else f" of batch {self.batch_id!r}"
        return f"{self.operation.name}{batch} on endpoint {self.endpoint_id!r}"


def array_body(requests: Sequence[bytes]) -> bytes:
    """The body of the call that creates a batch."""
    return b"[" + b",".join(requests) + b"]"


def object_body(requests: Sequence[bytes]) -> bytes:
    """The body of the call that adds requests."""
    return b'{"requests":' + array_body(requests) + b"}"


# How much larger the body of one request is than the request.
OVERHEAD = len(object_body([b""]))


def groups(sizes: Sequence[int], limit: int | None) -> list[range]:
    """Divides requests into the calls that add them, by the sizes of their bodies.

    Args:
        sizes: The sizes of the requests in bytes; none is larger than the limit by itself.
        limit: The limit of a body, or None.

    Returns:
        The positions of the requests of each call.
    """
    found: list[range] = []
    start, size = 0, OVERHEAD
    for index, each in enumerate(sizes):
        if limit is not None and index > start and size + each > limit:
            found.append(range(start, index))
            start, size = index, OVERHEAD
        size += each + 1  # a comma
    return [*found, range(start, len(sizes))] if sizes else found


def parse_batch(response: Response, call: BatchCall) -> BatchState:
    """Parses a response that is the state of a batch.

    Raises:
        APIResponseError: It is not.
    """
    value = parse_json(response, call)
    problem = gateway_error(value)
    try:
        state = BatchState.model_validate(_with_id(value, call.batch_id))
    except ValidationError as error:
        problem = problem or f"Invalid {BatchState.__name__}: {describe(error, BatchState)}"
        raise response_error(response, call, problem) from None
    if problem is not None:
        raise response_error(response, call, problem)
    if call.batch_id is not None and state.id != call.batch_id:
        raise response_error(response, call, f"it is about another batch, {readable(state.id, 80)!r}")
    return state


def _with_id(value: Any, batch_id: str | None) -> Any:
    """The fields of a batch, also from within an envelope, with the ID that the request had."""
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    if "id" not in fields and "status" not in fields:
        inner = [cast("dict[str, Any]", each) for each in fields.values() if isinstance(each, dict)]
        fields = inner[0] if len(inner) == 1 else fields
    # Only with a status, it is that batch.
    return {"id": batch_id, **fields} if batch_id is not None and "status" in fields else fields


def update_of(response: Response, call: BatchCall, state: BatchState) -> BatchState:
    """The state of a batch after a call whose response is undocumented: with the fields of the response, if it has any.

    Raises:
        APIResponseError: The response comes from elsewhere, such as an HTML page, or is an error.
    """
    if not response.body.strip():
        return state
    value = parse_json(response, call)
    problem = gateway_error(value)
    # Not a message that the request was executed.
    if problem is not None and "error" in value:
        raise response_error(response, call, problem)
    try:
        found = parse_batch(response, call)
    except APIResponseError:
        return state
    return merged(state, found)


def merged(state: BatchState, found: BatchState) -> BatchState:
    """A state with the fields that a newer one has."""
    fields = {name: getattr(found, name) for name in found.model_fields_set}
    return state.model_copy(update={name: value for name, value in fields.items() if value is not None})


def parse_batches(response: Response, call: BatchCall) -> list[BatchState]:
    """Parses the list of batches, in any envelope. What is no batch in it is left out.

    Raises:
        APIResponseError: There is no list in the response, or no batch in the list that it has.
    """
    found = list[BatchState]()
    items = _items(parse_json(response, call), response, call, "batches")
    for item in items:
        with suppress(ValidationError):
            found.append(BatchState.model_validate(item))
    if items and not found:
        raise response_error(response, call, "none of its items is a batch with an ID")
    return found


def _items(value: object, response: Response, call: BatchCall, name: str) -> Sequence[Any]:
    """The items of a list that a response is, or has as a field.

    Raises:
        APIResponseError: There is none.
    """
    if is_array(value):
        return value
    if is_mapping(value):
        if name in value and value[name] is None:  # some encoders write an empty list like this
            return []
        lists = {key: each for key, each in value.items() if is_array(each)}
        if name in lists:
            return lists[name]
        if len(lists) == 1:
            return next(iter(lists.values()))
    raise response_error(response, call, gateway_error(value) or f"it has no list of {name}")


class Pages:
    """Reads the list of the requests of a batch, page by page.

    The order of the list is unspecified and may change between two pages, so a request can be on both.

    Args:
        size: How many requests to ask for at once.

    Attributes:
        ended: Whether the last page was read.
        count: How many requests were found.
        total: How many there are, if the service says so.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._offset = 0
        self._seen = set[str]()
        self._stale = 0
        self.ended: bool = False
        self.count: int = 0
        self.total: int | None = None

    @property
    def query(self) -> tuple[tuple[str, int], ...]:
        """The query of the next page."""
        return ("offset", self._offset), ("limit", self._size)

    def take(self, response: Response, call: BatchCall) -> list[dict[str, Any]]:
        """Takes a page. Returns the requests on it that were not on an earlier one.

        Raises:
            APIResponseError: The response is no page.
        """
        value = parse_json(response, call)
        rows = _items(value, response, call, "requests")
        more = self._read(value) if is_mapping(value) else None
        new = [dict(row) for row in rows if is_mapping(row) and self._is_new(row.get("id"))]
        self._offset += len(rows)
        self.count += len(new)
        # A service that ignores the offset returns the same page again and again.
        self._stale = 0 if new else self._stale + 1
        if not rows or self._stale > 1:
            self.ended = True
        elif more is not None:
            self.ended = not more
        elif self.total is not None:
            self.ended = self._offset >= self.total
        return new

    def _read(self, fields: Mapping[str, Any]) -> bool | None:
        total, more = fields.get("total"), fields.get("hasMore")
        if isinstance(total, int) and not isinstance(total, bool):
            self.total = total
        return more if isinstance(more, bool) else None

    def _is_new(self, request_id: object) -> bool:
        if not isinstance(request_id, (str, int)):
            return True
        name = json.dumps(request_id)
        known = name in self._seen
        self._seen.add(name)
        return not known


def check_name(name: object) -> str:
    """Validates a display name.

    Raises:
        InvalidRequestError: It is blank or not a str.
    """
    if not isinstance(name, str) or not name.strip():
        msg = f"name must be text, not {'blank' if isinstance(name, str) else type(name).__name__}."
        raise InvalidRequestError(msg)
    return name


def check_key(key: object) -> str:
    """Validates the name of the field that has the caller's key.

    Raises:
        InvalidRequestError: It is blank or not a str.
    """
    if not isinstance(key, str) or not key.strip():
        msg = f'key must be the name of a field of each input, such as "id", not {type(key).__name__} {key!r:.40}.'
        raise InvalidRequestError(msg)
    return key


def check_page_size(size: object) -> int:
    """Validates a page size.

    Raises:
        InvalidRequestError: It is not a positive whole number.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        msg = f"page_size must be a whole number of requests, at least 1, not {size!r:.40}."
        raise InvalidRequestError(msg)
    return size


def with_batch(error: RunpodError, batch_id: str | None) -> None:
    """Adds the ID of the batch to an error: as an attribute, and to its message if that does not name it."""
    # The ID in an incomplete response is that of a batch.
    error.batch_id = batch_id or error.batch_id or error.job_id
    error.job_id = None
    if error.batch_id is not None and repr(error.batch_id) not in error.message:
        error.message += f" The batch is {readable(repr(error.batch_id), 80)}."
