"""Decisions about batches: calls, pages of results, and the wait."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod import BatchState, errors
from runpod._protocol.batch_results import BatchResultReader
from runpod._protocol.batch_wait import BatchWait
from runpod._protocol.batches import (
    ADD_REQUESTS,
    CANCEL_BATCH,
    CREATE_BATCH,
    FINALIZE_BATCH,
    GET_BATCH,
    LIST_BATCHES,
    LIST_REQUESTS,
    REMOVE_REQUEST,
    RENAME_BATCH,
    BatchCall,
    Pages,
    groups,
    object_body,
    parse_batch,
    parse_batches,
    update_of,
)
from runpod._protocol.deadlines import Deadline
from runpod._protocol.decoding import OutputReader
from runpod._protocol.failures import failure
from runpod._protocol.outcomes import RequestNotSent, Response, ResponseLost
from runpod.models.batches import received_moment

MOMENT = datetime(2026, 8, 20, 12, 0, 1, 500_000, timezone.utc)
GET = BatchCall(GET_BATCH, "ep", batch_id="b")
STATE = BatchState(id="b", status="DRAFT", request_total=3)


def response(value: Any, status: int = 200) -> Response:
    return Response(status, {}, value if isinstance(value, bytes) else json.dumps(value).encode())


# --- calls ------------------------------------------------------------------------------------


@pytest.mark.fact("protocol-2 2: host")
@pytest.mark.parametrize(
    ("call", "target"),
    [
        (BatchCall(CREATE_BATCH, "ep"), "/ep/batch"),
        (BatchCall(LIST_BATCHES, "a/b"), "/a%2Fb/batch"),
        (GET, "/ep/batch/b"),
        (BatchCall(RENAME_BATCH, "ep", batch_id=".."), "/ep/batch/%2E%2E"),
        (BatchCall(ADD_REQUESTS, "ep", batch_id="b"), "/ep/batch/b/requests"),
        (BatchCall(REMOVE_REQUEST, "ep", batch_id="b", request_id="r/1"), "/ep/batch/b/requests/r%2F1"),
        (BatchCall(FINALIZE_BATCH, "ep", batch_id="b"), "/ep/batch/b/finalize"),
        (BatchCall(CANCEL_BATCH, "ep", batch_id="b"), "/ep/batch/b/cancel"),
        (
            BatchCall(LIST_REQUESTS, "ep", batch_id="b", query=(("offset", 50), ("limit", 25))),
            "/ep/batch/b/requests?offset=50&limit=25",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_address_of_a_call(call: BatchCall, target: str) -> None:
    assert target == call.target


@pytest.mark.fact("protocol-2 2: beta")
@pytest.mark.parametrize(
    ("operation", "status", "advice"),
    [
        (CREATE_BATCH, 404, "The Batch API is in beta"),
        (CREATE_BATCH, 400, "at most 10 active batches and 50,000 queued requests"),
        (ADD_REQUESTS, 409, "Only a batch whose status is DRAFT can be changed."),
        (FINALIZE_BATCH, 404, "Check the batch ID, the endpoint ID 'ep'"),
        (REMOVE_REQUEST, 404, "Check the batch ID and the request ID"),
        (CANCEL_BATCH, 403, "This API key has no access to the endpoint"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_an_error_says_what_to_do(operation: Any, status: int, advice: str) -> None:
    batch_id = None if operation is CREATE_BATCH else "b"
    call = BatchCall(operation, "ep", batch_id=batch_id, request_id="r" if operation is REMOVE_REQUEST else None)
    message = failure(call, response({"error": "no"}, status), Deadline()).message
    named = "" if batch_id is None else " of batch 'b'"
    assert message.startswith(f"{operation.name}{named} on endpoint 'ep' failed with HTTP {status}: no. ")
    assert advice in message


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        (CREATE_BATCH, "endpoint.batches.list() shows it. A draft runs nothing and costs nothing."),
        (ADD_REQUESTS, "batch.refresh() shows how many the batch has."),
        (REMOVE_REQUEST, "batch.results() shows those that the batch has."),
        (FINALIZE_BATCH, "batch.refresh() shows its status."),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_lost_response_says_what_to_look_for(operation: Any, advice: str) -> None:
    lost = ResponseLost("Connection reset", partial=b'{"id": "b-7", "stat')
    error = failure(BatchCall(operation, "ep", batch_id="b"), lost, Deadline())
    assert error.maybe_submitted
    assert advice in error.message
    assert "job" not in error.message
    unsent = failure(BatchCall(operation, "ep", batch_id="b"), RequestNotSent("refused"), Deadline())
    assert not unsent.maybe_submitted


@pytest.mark.fact("protocol 8: size of a call")
@given(st.lists(st.integers(1, 60)), st.integers(80, 200))
def test_requests_are_divided_into_calls(sizes: list[int], limit: int) -> None:
    found = groups(sizes, limit)
    assert list(range(len(sizes))) == [index for group in found for index in group]
    bodies = [len(object_body([b"x" * sizes[index] for index in group])) for group in found]
    assert all(size <= limit for size in bodies)
    # None of them would fit into the one before.
    for group, size in zip(found[1:], bodies, strict=False):
        assert size + 1 + sizes[group.start] > limit
    assert ([range(len(sizes))] if sizes else []) == groups(sizes, None)


# --- responses --------------------------------------------------------------------------------

DOCUMENTED = {
    "id": "b",
    "endpointId": "ep",
    "status": "FINALIZED",
    "requestTotal": 3,
    "requestInProgress": 1,
    "requestCompleted": 1,
    "requestFailed": 1,
    "createdAt": 1787227201500,
    "region": "EU",
}


@pytest.mark.fact("protocol 8: state")
def test_the_documented_state() -> None:
    state = parse_batch(response(DOCUMENTED), GET)
    assert ("b", "ep", "FINALIZED", None) == (state.id, state.endpoint_id, state.status, state.name)
    counts = state.request_total, state.request_in_progress, state.request_completed, state.request_failed
    assert ((3, 1, 1, 1), MOMENT) == (counts, state.created_at)
    assert DOCUMENTED == state.model_dump(mode="json", by_alias=True, exclude_unset=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"batch": DOCUMENTED}, "FINALIZED"),
        ({"status": "finalized"}, "FINALIZED"),
        ({"id": "b", "status": "RUNNING", "requestTotal": "3", "createdAt": "soon"}, "RUNNING"),
        ({"id": "b", "status": 5}, None),
        ({"id": "b"}, None),
    ],
)
def test_other_states(value: Any, expected: str | None) -> None:
    state = parse_batch(response(value), GET)
    assert ("b", expected) == (state.id, state.status)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"id": "c", "status": "DRAFT"}, "it is about another batch, 'c'"),
        ({"status": 401, "title": "Unauthorized"}, "it is an error: 'Unauthorized'"),
        ({}, "id is missing"),
        ([], "Invalid BatchState"),
        (b"<html>", "it is HTML"),
        (b"", "it is empty"),
    ],
)
def test_what_is_no_state(value: Any, problem: str) -> None:
    with pytest.raises(errors.APIResponseError, match=problem):
        parse_batch(response(value), GET)


@pytest.mark.fact("protocol 8: undocumented responses")
@pytest.mark.parametrize("value", [b"", b" ", {}, [], None, "OK", {"message": "3 requests were added"}, {"id": "c"}])
def test_an_undocumented_response_changes_nothing(value: Any) -> None:
    assert STATE == update_of(response(value), BatchCall(FINALIZE_BATCH, "ep", batch_id="b"), STATE)


def test_an_undocumented_response_is_used() -> None:
    call = BatchCall(FINALIZE_BATCH, "ep", batch_id="b")
    state = update_of(response({"status": "FINALIZED", "requestTotal": None}), call, STATE)
    assert ("FINALIZED", 3) == (state.status, state.request_total)
    for value in (b"<html>", {"error": "no"}, b'{"id'):
        with pytest.raises(errors.APIResponseError, match="To finalize it again is harmless") as caught:
            update_of(response(value), call, STATE)
        assert caught.value.maybe_submitted


@pytest.mark.fact("protocol-2 2: list of batches")
@pytest.mark.parametrize(
    "value",
    [
        [{"id": "b2", "status": "DRAFT"}, {"status": "DRAFT"}, 5, {"id": "b1"}],
        {"batches": [{"id": "b2"}, {"id": "b1"}], "other": []},
        {"data": [{"id": "b2"}, {"id": "b1"}], "total": 2},
    ],
)
def test_the_list_of_batches(value: Any) -> None:
    assert ["b2", "b1"] == [each.id for each in parse_batches(response(value), BatchCall(LIST_BATCHES, "ep"))]


def test_a_list_of_no_batches() -> None:
    call = BatchCall(LIST_BATCHES, "ep")
    for value in ([], {"batches": None}, {"batches": []}):
        assert [] == parse_batches(response(value), call)
    # The last one would look as if there were no batches.
    for other in ({"a": [], "b": []}, {"id": "b"}, "none", b"<html>", [{"batchId": "b"}]):
        with pytest.raises(errors.APIResponseError):
            parse_batches(response(other), call)


@pytest.mark.parametrize(
    "value", [1787227201500, "1787227201500", 1787227201.5, "2026-08-20T12:00:01.5Z", "2026-08-20T12:00:01.500"]
)
def test_a_moment(value: Any) -> None:
    assert MOMENT == received_moment(value)
    assert MOMENT == received_moment(MOMENT)


@pytest.mark.parametrize("value", [None, "", "soon", True, [], 1e300, "2026-13-01"])
def test_no_moment(value: Any) -> None:
    assert received_moment(value) is None


# --- pages of results -------------------------------------------------------------------------

ROWS = [{"id": f"r{number}"} for number in range(7)]


def read(pages: Pages, *values: Any) -> list[str | None]:
    """The IDs on the pages, as long as they are requested."""
    found: list[str | None] = []
    script = list(values)
    while not pages.ended:
        call = BatchCall(LIST_REQUESTS, "ep", batch_id="b", query=pages.query)
        found += [row.get("id") for row in pages.take(response(script.pop(0)), call)]
    assert not script
    return found


def page(start: int, end: int, **fields: Any) -> dict[str, Any]:
    return {"requests": ROWS[start:end], **fields}


@pytest.mark.fact("protocol 8: results")
@pytest.mark.parametrize(
    "values",
    [
        (page(0, 3, hasMore=True, total=7), page(3, 6, hasMore=True, total=7), page(6, 7, hasMore=False, total=7)),
        (page(0, 3, total=7), page(3, 6, total=7), page(6, 7, total=7)),  # hasMore is missing
        (page(0, 3), page(3, 7), page(7, 7)),  # the total as well
        (ROWS[:3], ROWS[3:], []),
        (page(0, 7, hasMore=False),),  # the limit is ignored
        (page(0, 2, hasMore=True), page(2, 7, hasMore=False)),  # a lower limit
        (page(0, 4, hasMore=True), page(3, 7, hasMore=True), page(7, 7, hasMore=True)),  # they moved; no last page
        (page(0, 7, hasMore=True), page(0, 7, hasMore=True), page(0, 7, hasMore=True)),  # the offset is ignored
        ({"items": ROWS, "hasMore": False},),
    ],
    ids=range(9),
)
def test_pages(values: tuple[Any, ...]) -> None:
    pages = Pages(3)
    assert [row["id"] for row in ROWS] == read(pages, *values)
    assert 7 == pages.count


def test_the_next_page_begins_after_what_was_received() -> None:
    pages = Pages(100)
    assert (("offset", 0), ("limit", 100)) == pages.query
    pages.take(response(page(0, 5, hasMore=True)), GET)
    assert (("offset", 5), ("limit", 100)) == pages.query


def test_a_page_that_cannot_be_read_is_requested_again() -> None:
    pages = Pages(3)
    with pytest.raises(errors.APIResponseError):
        pages.take(response(b'{"requests": ['), GET)
    assert [None, None, "r0"] == read(pages, [{"output": 1}, 5, {}, ROWS[0]], [])


def reader(key: str | None = None, output_type: Any = None) -> BatchResultReader[Any]:
    return BatchResultReader("ep", OutputReader(output_type), key)


@pytest.mark.fact("protocol 8: results")
def test_results() -> None:
    result = reader("k")(
        {
            "id": "r",
            "status": "COMPLETED",
            "output": {"k": "horse-1", "n": 1},
            "startedAt": "2026-08-20T12:00:01.500Z",
            "completedAt": "2026-08-20T12:00:01.500Z",
        }
    )
    assert ("r", "COMPLETED", {"k": "horse-1", "n": 1}) == (result.id, result.status, result.output)
    assert ("horse-1", MOMENT, MOMENT, None) == (result.key, result.started_at, result.completed_at, result.error)
    assert (True, "r", {"k": "horse-1", "n": 1}) == (result.succeeded, result.state.id, result.state.result())
    assert "BatchResult(id='r', status='COMPLETED', key='horse-1', output={'k': 'horse-1', 'n': 1})" == repr(result)
    assert "key horse-1" in result.pretty()
    failed = reader("k")({"id": "f", "status": "FAILED", "error": "no unicorns", "input": {"k": 5}})
    assert (5, None, False) == (failed.key, failed.output, failed.succeeded)
    assert isinstance(failed.error, errors.JobFailedError)
    assert "FAILED" in failed.pretty()
    assert "error=JobFailedError(" in repr(failed)
    picture = reader()({"id": "p", "status": "COMPLETED", "output": {"image": "data:image/png;base64,iVBORw0KGgo="}})
    assert ["image/png"] == [media.mime for media in picture.media]
    queued = reader()({"id": "q", "status": "IN_QUEUE"})
    assert (None, False, None) == (queued.error, queued.succeeded, queued.key)


def test_unusual_results() -> None:
    unnamed = reader("k")({"status": "COMPLETED", "output": ["k"]})
    assert (None, "unknown", True, ["k"], None) == (
        unnamed.id,
        unnamed.state.id,
        unnamed.succeeded,
        unnamed.output,
        unnamed.key,
    )
    assert ("UNKNOWN", False) == (reader()({"id": "r"}).status, reader()({"id": "r", "output": 1}).succeeded)
    assert (None, "UNKNOWN") == ((broken := reader()({"id": {}, "status": 5})).id, broken.status)
    wrong = reader(output_type=int)({"id": "r", "status": "COMPLETED", "output": "many"})
    assert isinstance(wrong.error, errors.JobOutputError)
    assert (None, "many") == (wrong.output, wrong.state.output)


# --- the wait ---------------------------------------------------------------------------------


def waiting(timeout: float | None = 100.0, *, has_requests: bool = True, finalized: bool = True) -> BatchWait:
    return BatchWait("ep", STATE, Deadline.after(timeout, 0.0), has_requests, finalized, jitter=lambda: 0.5)


def state(status: str | None = "FINALIZED", total: int | None = 3, completed: int = 0, failed: int = 0) -> BatchState:
    return BatchState(id="b", status=status, request_total=total, request_completed=completed, request_failed=failed)


@pytest.mark.fact("protocol 8: done")
@pytest.mark.parametrize(
    ("received", "done"),
    [
        (state(completed=2, failed=1), True),
        (state(completed=3, failed=1), True),
        (state(completed=2), False),
        (state("CANCELLED", completed=1), True),
        (state("FAILED"), True),
        (state("RUNNING", completed=3), True),
        (state("RUNNING"), False),
        (state(total=0), False),
        (state(total=None, completed=3), False),
        (state(total=-1), False),
        (state(None, completed=3), False),
        (state("DRAFT"), False),  # the service is late
    ],
    ids=str,
)
def test_when_a_batch_is_done(received: BatchState, done: bool) -> None:
    wait = waiting()
    assert [done, done] == [wait.received(received), wait.received(received)]
    assert done is received.done


@pytest.mark.fact("protocol 8: empty batch")
def test_an_empty_batch_is_done_once_that_is_certain() -> None:
    wait = waiting(has_requests=False)
    assert [False, True] == [wait.received(state(total=0)), wait.received(state(total=0))]
    wait = waiting(has_requests=False)
    assert [False, False, False] == [wait.received(state(total=total)) for total in (0, 3, 0)]


def test_a_draft_does_not_run() -> None:
    with pytest.raises(errors.InvalidRequestError, match=r"Batch 'b' on endpoint 'ep' is a draft.*finalize\(\)"):
        waiting(finalized=False).received(state("DRAFT"))


@pytest.mark.fact("protocol-2 2: no notification")
def test_the_polls_become_less_frequent_until_something_changes() -> None:
    wait = waiting(None)
    pauses = [wait.pause(0.0) for _ in range(9)]
    assert (5.0, 7.5) == tuple(pauses[:2])
    assert (60.0, 60.0) == tuple(pauses[-2:])
    wait.received(state(completed=1))
    assert 5.0 == wait.pause(0.0)


def test_failed_polls() -> None:
    wait = waiting(None)
    lost = errors.APIConnectionError("reset", retryable=True)
    assert [5.0, 7.5] == [wait.failed(lost, 0.0), wait.failed(lost, 0.0)]
    # At most as long as the longest pause, whatever the service asks for.
    assert [30.0, 60.0] == [
        wait.failed(errors.RateLimitError("slow", retry_after=each, retryable=True), 0.0) for each in (30, 3600)
    ]
    with pytest.raises(errors.NotFoundError):
        wait.failed(errors.NotFoundError("gone"), 0.0)
    wait.received(state())
    # A poll has a timeout of its own.
    assert 5.0 == wait.failed(errors.RunpodTimeoutError("no response within 30 s"), 0.0)
    with pytest.raises(errors.APIConnectionError):
        for _ in range(10):
            wait.failed(lost, 0.0)


def test_the_end_of_a_wait() -> None:
    wait = waiting(8.0)
    wait.received(state(completed=1, failed=1))
    assert [5.0, 1.0, 0.5] == [
        wait.pause(0.0),
        wait.pause(6.0),
        wait.failed(errors.ServerError("x", retryable=True), 7.5),
    ]
    with pytest.raises(errors.RunpodTimeoutError) as caught:
        wait.failed(errors.RunpodTimeoutError("poll"), 8.0)
    message = caught.value.message
    assert "did not end within the timeout of 8 s (last status: FINALIZED; 3 requests, unknown running, " in message
    assert "1 completed, 1 failed). It was not cancelled" in message
    assert message.endswith("The last poll failed: x")
    assert ("b", "ep", False) == (caught.value.batch_id, caught.value.endpoint_id, caught.value.maybe_submitted)
    with pytest.raises(errors.RunpodTimeoutError):
        wait.pause(8.0)
