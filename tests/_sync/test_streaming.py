# Generated from tests/_async/test_streaming.py by scripts/generate_sync.py. Do not edit.

"""Streaming what a handler yields, on a virtual clock."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import (
    APIConnectionError,
    APIResponseError,
    AuthenticationError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobTimedOutError,
    NotFoundError,
    RunpodError,
    RunpodTimeoutError,
)
from tests._sync.calls import CANCELLED, DONE, FAILED, INPUT, JOB, PATH, QUEUED, RUNNING, TIMED_OUT
from tests.servers import Held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import Endpoint, StreamChunk
    from tests.clocks import VirtualClock
    from tests.servers import Wire

STREAM = f"GET {PATH}/ep/stream/{JOB}"
STATUS = f"GET {PATH}/ep/status/{JOB}"
ERRORS = [(FAILED, JobFailedError), (CANCELLED, JobCancelledError), (TIMED_OUT, JobTimedOutError)]


@pytest.fixture(autouse=True)
def _virtual(clock: VirtualClock) -> None:
    """No test here takes time."""


def chunks(*outputs: Any, status: str = "IN_PROGRESS") -> dict[str, Any]:
    return {"status": status, "stream": [{"output": output} for output in outputs]}


def outputs(stream: Iterator[StreamChunk]) -> list[Any]:
    return [chunk.output for chunk in stream]


def outputs_and_error(stream: Iterator[StreamChunk]) -> tuple[list[Any], RunpodError | None]:
    """Everything a stream gave, and how it ended."""
    given: list[Any] = []
    try:
        for chunk in stream:
            given.append(chunk.output)  # noqa: PERF401 - what came before an error counts
    except RunpodError as error:
        return given, error
    return given, None


def paths(wire: Wire) -> list[str]:
    return [line.partition("?")[0] for line in wire.sent]


def test_every_chunk_comes_once_and_in_order(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(
        {"status": "IN_QUEUE", "stream": []},
        chunks(0, 1),
        Held(10, chunks()),
        chunks(2),
        chunks(3, 4, 5),
        chunks(status="COMPLETED"),
    )
    assert list(range(6)) == outputs(endpoint.stream(JOB))
    assert {STREAM} == set(paths(wire))


def test_chunks_come_as_soon_as_they_are_there(endpoint: Endpoint, wire: Wire) -> None:
    stream = endpoint.stream(JOB)
    assert [] == wire.sent, "nothing is asked before somebody wants a chunk"
    wire.say(chunks(0, 1))
    assert 0 == (next(stream)).output
    assert 1 == (next(stream)).output
    assert 1 == len(wire.requests)
    wire.say(chunks(2))
    assert 2 == (next(stream)).output


def test_chunks_with_and_after_the_final_status_are_drained(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(
        chunks(0),
        chunks(1, status="COMPLETED"),
        chunks(2, 3, status="COMPLETED"),
        chunks(status="COMPLETED"),
    )
    assert [0, 1, 2, 3] == outputs(endpoint.stream(JOB))
    assert [f"{STREAM}?wait=10000"] * 2 + [f"{STREAM}?wait=1000"] * 2 == wire.sent


def test_what_a_handler_yields_may_be_anything(endpoint: Endpoint, wire: Wire) -> None:
    given = [None, False, 0, "", [], {}, {"output": {"output": 1}}, 2**70]
    wire.say(chunks(*given, status="COMPLETED"), chunks(status="COMPLETED"))
    assert given == outputs(endpoint.stream(JOB))


def test_the_stream_of_a_handler_that_does_not_yield_is_empty(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(Held(10, chunks()), Held(3, chunks(status="COMPLETED")))
    assert [] == outputs(endpoint.stream(JOB))


@pytest.mark.parametrize(
    ("end", "error_class"), ERRORS, ids=lambda value: value.get("status") if isinstance(value, dict) else ""
)
@pytest.mark.parametrize("last", [(), (1, 2)], ids=["alone", "with-chunks"])
def test_a_failure_is_raised_after_everything_was_given(
    end: dict[str, Any], error_class: type[JobError], last: tuple[int, ...], endpoint: Endpoint, wire: Wire
) -> None:
    status = end["status"]
    wire.say(chunks(0), chunks(*last, status=status))
    if last:
        wire.say(chunks(3, status=status), chunks(status=status))
    wire.say(end)
    given, error = outputs_and_error(endpoint.stream(JOB))
    assert [0, 1, 2, 3] if last else [0] == given
    assert error_class is type(error)
    assert (JOB, "ep", status) == (error.job_id, error.endpoint_id, error.state.status)
    assert end.get("error") == error.state.error
    assert STATUS == wire.sent[-1]


def test_the_error_of_a_generator_is_taken_apart(endpoint: Endpoint, wire: Wire) -> None:
    text = "handler: no such horse \ntraceback: Traceback (most recent call last):\nValueError: no such horse\n"
    wire.say(chunks(0, status="FAILED"), chunks(status="FAILED"), {**FAILED, "error": text})
    given, error = outputs_and_error(endpoint.stream(JOB))
    assert [0] == given
    assert isinstance(error, JobFailedError)
    assert "no such horse" in str(error)
    assert "Traceback (most" not in str(error)
    assert "no such horse" == error.state.worker_error.message


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT"])
def test_a_failed_job_that_is_gone_is_still_a_failure(status: str, endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0, status=status), chunks(status=status), 404)
    given, error = outputs_and_error(endpoint.stream(JOB))
    assert [0] == given
    assert isinstance(error, JobError)
    assert status == error.state.status


def test_a_job_that_was_retried_while_it_streamed(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0, status="FAILED"), chunks(status="FAILED"), QUEUED, chunks(1), chunks(status="COMPLETED"))
    assert [0, 1] == outputs(endpoint.stream(JOB))


TROUBLE: list[Any] = [
    httpx.ConnectError("refused"),
    httpx.ReadError("reset"),
    408,
    429,
    500,
    502,
    httpx.Response(200, text="<html>"),
    httpx.Response(200, text='{"status":"COMPLETED","stream":[{"output":'),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=repr)
def test_trouble_on_the_way_does_not_end_a_stream(trouble: Any, endpoint: Endpoint, wire: Wire) -> None:
    wire.say(
        trouble,
        chunks(0),
        *[trouble] * 9,
        chunks(1, status="COMPLETED"),
        *[trouble] * 9,
        chunks(status="COMPLETED"),
    )
    assert [0, 1] == outputs(endpoint.stream(JOB))


@pytest.mark.parametrize("trouble", TROUBLE, ids=repr)
def test_trouble_for_ever_ends_a_stream(
    trouble: Any, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(chunks(0))
    wire.always(trouble)
    given, error = outputs_and_error(endpoint.stream(JOB))
    assert [0] == given
    assert isinstance(error, RunpodError)
    assert not isinstance(error, RunpodTimeoutError)
    assert JOB == error.job_id
    assert 11 == len(wire.requests)

    start = clock.now()
    given, error = outputs_and_error(endpoint.stream(JOB, timeout=60))
    assert isinstance(error, RunpodTimeoutError)
    assert JOB == error.job_id
    assert start + 60 == pytest.approx(clock.now(), abs=0.006)


@pytest.mark.parametrize("trouble", TROUBLE[:2], ids=repr)
def test_trouble_while_asking_for_the_error(trouble: Any, endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(status="FAILED"), trouble, trouble, FAILED)
    _, error = outputs_and_error(endpoint.stream(JOB))
    assert isinstance(error, JobFailedError)
    wire.say(chunks(status="FAILED"), *[trouble] * 10)
    _, error = outputs_and_error(endpoint.stream(JOB))
    assert isinstance(error, (APIConnectionError, JobFailedError))


@pytest.mark.parametrize("timeout", [10, 10.0, timedelta(seconds=10)])
def test_the_timeout_ends_a_stream(
    timeout: float | timedelta, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(chunks(0), Held(4, chunks(1)), Held(4, chunks(2)))
    wire.always(Held(1, chunks()))
    start = clock.now()
    given, error = outputs_and_error(endpoint.stream(JOB, timeout=timeout))
    assert [0, 1, 2] == given
    assert isinstance(error, RunpodTimeoutError)
    assert (JOB, "ep") == (error.job_id, error.endpoint_id)
    assert start + 10 <= clock.now() <= start + 11
    assert all(int(request.url.params["wait"]) < 10_000 for request in wire.requests)


def test_a_stream_that_timed_out_tells_the_last_status(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0))
    wire.always(Held(1, chunks()))
    _, error = outputs_and_error(endpoint.stream(JOB, timeout=10))
    assert isinstance(error, RunpodTimeoutError)
    assert "IN_PROGRESS" in str(error)
    assert "IN_PROGRESS" == error.state.status


def test_a_stream_without_a_timeout_goes_on(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(*[Held(10, chunks())] * 200, chunks(1, status="COMPLETED"), chunks(status="COMPLETED"))
    assert [1] == outputs(endpoint.stream(JOB))


def test_chunks_are_fetched_without_pauses_and_empty_answers_with(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(*[chunks(index) for index in range(5)], Held(10, chunks()), Held(0.6, chunks()), chunks(5))
    wire.say(chunks(status="COMPLETED"))
    outputs(endpoint.stream(JOB))
    assert [] == clock.pauses, "the server held, or had something"

    wire.say(*[chunks()] * 20, chunks(5), chunks(), chunks(status="COMPLETED"))
    outputs(endpoint.stream(JOB))
    assert 21 == len(clock.pauses), "a server that does not hold is not run hot"
    assert clock.pauses[0] < 0.2
    assert 1 < max(clock.pauses) <= 6
    assert clock.pauses[-1] < 0.2, "after a chunk the next one is near"


def test_a_404_right_after_the_submission_is_not_an_answer(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, 404, 404, 404, RUNNING, chunks(0), chunks(status="COMPLETED"))
    job = endpoint.run(input=INPUT)
    assert [0] == outputs(job.stream())


def test_an_unknown_job_is_not_streamed(endpoint: Endpoint, wire: Wire) -> None:
    wire.always(404)
    _, error = outputs_and_error(endpoint.stream(JOB))
    assert isinstance(error, NotFoundError)
    assert JOB == error.job_id


def test_a_job_that_expires_while_it_streams(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0), Held(60, chunks(1)))
    wire.always(404)
    given, error = outputs_and_error(endpoint.stream(JOB))
    assert [0, 1] == given
    assert isinstance(error, JobExpiredError)
    assert JOB == error.job_id


def test_a_stream_that_is_gone_while_the_job_is_known(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(404, DONE, chunks(0, status="COMPLETED"), chunks(status="COMPLETED"))
    assert [0] == outputs(endpoint.stream(JOB))
    wire.say(404, DONE, 404)
    assert [] == outputs(endpoint.stream(JOB))


def test_a_refusal_ends_a_stream(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0), 401)
    given, error = outputs_and_error(endpoint.stream(JOB))
    assert [0] == given
    assert isinstance(error, AuthenticationError)


@pytest.mark.parametrize(
    "answer", [{"status": "COMPLETED", "stream": "text"}, {"status": "COMPLETED", "stream": {}}, {}, 7]
)
def test_an_answer_that_is_no_stream(answer: Any, endpoint: Endpoint, wire: Wire) -> None:
    wire.always(httpx.Response(200, json=answer))
    _, error = outputs_and_error(endpoint.stream(JOB))
    assert isinstance(error, APIResponseError)


def test_leaving_early_leaves_nothing_open(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0, 1))
    for chunk in endpoint.stream(JOB):
        assert 0 == chunk.output
        break
    # What is left open complains when it is collected.
    gc.collect()
    assert 1 == len(wire.requests)


def test_a_stream_left_by_an_error_leaves_nothing_open(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0, 1))
    with pytest.raises(ZeroDivisionError):
        for chunk in endpoint.stream(JOB):
            _ = 1 / chunk.output
    gc.collect()


def test_closing_a_stream_ends_it(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0, 1))
    stream = endpoint.stream(JOB)
    next(stream)
    stream.close()
    assert [] == outputs(stream)
    stream.close()


def test_a_stream_goes_on_where_a_loop_left_it(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0, 1, 2), chunks(3, status="COMPLETED"), chunks(status="COMPLETED"))
    stream = endpoint.stream(JOB)
    for chunk in stream:
        if chunk.output == 1:
            break
    # The chunks of an answer that were not given yet are still in hand.
    assert [2, 3] == outputs(stream)


def test_a_new_stream_takes_what_the_server_still_has(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0))
    stream = endpoint.stream(JOB)
    assert 0 == (next(stream)).output
    wire.say(chunks(1, status="COMPLETED"), chunks(status="COMPLETED"))
    assert [1] == outputs(endpoint.job(JOB).stream())


def test_a_stream_that_ended_stays_ended(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(chunks(0, status="COMPLETED"), chunks(status="COMPLETED"))
    stream = endpoint.stream(JOB)
    assert [0] == outputs(stream)
    assert [] == outputs(stream)
    wire.say(401)
    stream = endpoint.stream(JOB)
    with pytest.raises(AuthenticationError):
        next(stream)
    assert [] == outputs(stream)


def test_a_job_is_streamed_from_its_handle(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, chunks(0, status="COMPLETED"), chunks(status="COMPLETED"), DONE)
    job = endpoint.run(input=INPUT)
    assert [0] == outputs(job.stream(timeout=60))
    assert {"n": 1} == job.result()
