"""The stream machine, in stories and in every order that hypothesis finds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod import (
    APIConnectionError,
    AuthenticationError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobState,
    JobTimedOutError,
    NotFoundError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
)
from runpod._protocol.looking import Done
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, Trouble
from runpod._protocol.streaming import Streamer
from tests.unit.machines import (
    ENDPOINT,
    JOB,
    START,
    TERMINAL,
    Event,
    Looked,
    Routed,
    Run,
    Script,
    StreamedJob,
    anything,
    budget,
    chunks,
    deadline,
    drive,
    events,
    job,
    open_statuses,
    passing,
    plain_json,
    reply,
    seeded,
    statuses,
    timeouts,
)

if TYPE_CHECKING:
    from runpod._protocol.operations import Call

ENDS = {"FAILED": JobFailedError, "CANCELLED": JobCancelledError, "TIMED_OUT": JobTimedOutError}
EMPTY = Event(chunks("IN_PROGRESS"), None)


def streamer(timeout: float | None = None, **options: Any) -> Streamer:
    options.setdefault("jitter", lambda: 0.5)
    return Streamer(ENDPOINT, JOB, deadline(timeout), START, **options)


def stream(*answers: Any, status: Any = None, **options: Any) -> Run:
    server = Routed(stream=Script(*answers), status=status or job("COMPLETED"))
    return drive(streamer(**options), server)


# --- stories ----------------------------------------------------------------------------------


def test_chunks_are_given_in_order_and_the_stream_ends_when_an_answer_is_empty() -> None:
    run = stream(
        chunks("IN_QUEUE"),
        chunks("IN_PROGRESS", "a", "b"),
        EMPTY,
        chunks("IN_PROGRESS", "c"),
        chunks("COMPLETED", "d"),
        chunks("COMPLETED"),
    )
    assert ["a", "b", "c", "d"] == run.streamed
    assert isinstance(run.end, Done)


def test_chunks_that_are_left_after_the_end_of_the_job_are_given_too() -> None:
    run = stream(chunks("COMPLETED", 1, 2), chunks("COMPLETED", 3), chunks("COMPLETED", 4), chunks("COMPLETED"))
    assert [1, 2, 3, 4] == run.streamed
    assert [] == run.pauses


def test_a_handler_that_yields_nothing_gives_an_empty_stream() -> None:
    run = stream(chunks("COMPLETED"))
    assert [] == run.streamed
    assert ["stream"] == run.names


@pytest.mark.parametrize(("status", "expected"), ENDS.items())
@pytest.mark.parametrize("together", [True, False])
def test_a_job_that_ends_badly_gives_every_chunk_and_then_raises_what_status_says(
    status: str, expected: type[JobError], together: bool
) -> None:
    last = [chunks(status, "c")] if together else [chunks("IN_PROGRESS", "c"), EMPTY]
    run = stream(
        chunks("IN_PROGRESS", "a", "b"),
        *last,
        chunks(status),
        status=job(status, error="handler: no horse\ntraceback: x"),
    )
    assert ["a", "b", "c"] == run.streamed
    assert expected is type(run.error)
    assert isinstance(run.error, JobError)
    assert run.error.state is not None
    assert "handler: no horse\ntraceback: x" == run.error.state.error
    assert "no horse" in str(run.error)
    assert "status" == run.names[-1]
    assert (JOB, ENDPOINT) == (run.error.job_id, run.error.endpoint_id)


def test_the_error_of_a_failed_job_is_fetched_through_trouble() -> None:
    status = Script(*[reply("", 502)] * 5, NoAnswer("reset"), job("FAILED", error="no horse"))
    run = stream(chunks("FAILED"), status=status)
    assert isinstance(run.error, JobFailedError)
    assert "no horse" in str(run.error)


@pytest.mark.parametrize("status", TERMINAL)
@pytest.mark.parametrize("gone", ["stream", "status"])
def test_a_job_that_is_gone_right_after_its_end_keeps_its_chunks_and_its_end(status: str, gone: str) -> None:
    rest = [reply("", 404)] if gone == "stream" else [chunks(status)]
    run = stream(chunks(status, "a", "b"), *rest, status=reply("", 404))
    assert ["a", "b"] == run.streamed
    assert ENDS.get(status, type(None)) is type(run.error)


@pytest.mark.parametrize("empty", [chunks(None), reply({"stream": []}), reply({"status": "", "stream": None})])
def test_where_the_stream_does_not_say_the_status_it_is_asked_for(empty: Answer) -> None:
    run = stream(chunks(None, 1), chunks(None, 2, 3), empty, status=Script(job("IN_PROGRESS"), job("COMPLETED")))
    assert [1, 2, 3] == run.streamed
    assert isinstance(run.end, Done)


def test_chunks_that_came_between_the_last_empty_answer_and_the_end_are_not_lost() -> None:
    run = stream(chunks(None, 1), chunks(None), chunks(None, 2), chunks(None), status=job("FAILED", error="no"))
    assert [1, 2] == run.streamed
    assert isinstance(run.error, JobFailedError)


@pytest.mark.parametrize(
    "missing", [reply({"status": "IN_PROGRESS"}), reply({"status": "IN_PROGRESS", "stream": None})]
)
def test_a_missing_stream_is_an_empty_one(missing: Answer) -> None:
    assert [1] == stream(missing, chunks("COMPLETED", 1), chunks("COMPLETED")).streamed


@pytest.mark.parametrize("broken", [reply("<html>"), reply(b""), reply({"stream": 5, "status": "X"}), reply('{"sta')])
def test_an_answer_that_cannot_be_read_does_not_end_the_stream(broken: Answer) -> None:
    run = stream(chunks("IN_PROGRESS", 1), broken, chunks("COMPLETED", 2), chunks("COMPLETED"))
    assert [1, 2] == run.streamed
    assert isinstance(run.end, Done)


def test_chunks_in_no_wrapper_and_fields_of_tomorrow_are_kept() -> None:
    body = {"status": "COMPLETED", "stream": ["bare", None, {"output": 1, "metrics": {"n": 2}, "new": 3}]}
    run = stream(reply(body), chunks("COMPLETED"))
    assert ["bare", None, 1] == run.streamed
    last = run.looks[0].got[-1]
    assert ({"n": 2}, {"new": 3}) == (last.metrics, last.model_extra)


def test_an_empty_answer_that_was_held_is_followed_at_once() -> None:
    assert [] == stream(EMPTY, EMPTY, EMPTY, chunks("COMPLETED")).pauses


def test_an_empty_answer_that_came_at_once_is_not_followed_at_once() -> None:
    run = stream(chunks("IN_PROGRESS"), timeout=60.0)
    assert len(run.looks) < 40
    assert sorted(run.pauses[:10]) == run.pauses[:10]
    assert isinstance(run.error, RunpodTimeoutError)


def test_a_chunk_makes_the_looks_fast_again() -> None:
    run = stream(*[chunks("IN_PROGRESS")] * 20, chunks("IN_PROGRESS", 1), chunks("IN_PROGRESS"), chunks("COMPLETED"))
    assert run.pauses[-2] > 4.0
    assert 0.1 == pytest.approx(run.pauses[-1])


def test_chunks_are_fetched_without_pause() -> None:
    run = stream(*[chunks("IN_PROGRESS", n) for n in range(50)], chunks("COMPLETED"))
    assert list(range(50)) == run.streamed
    assert [] == run.pauses


@pytest.mark.parametrize("timeout", [0.1, 5.0, 60.0])
@pytest.mark.parametrize("outcome", [EMPTY, reply("", 503), reply("", 429, retry_after="3600"), NoAnswer("reset")])
def test_a_stream_ends_at_its_deadline(timeout: float, outcome: Any) -> None:
    run = stream(chunks("IN_PROGRESS", 1), outcome, timeout=timeout)
    assert [1] == run.streamed
    assert isinstance(run.error, RunpodTimeoutError)
    assert run.ended_at == pytest.approx(START + timeout)
    assert JOB == run.error.job_id


def test_without_a_deadline_ten_failed_looks_in_a_row_end_the_stream() -> None:
    run = stream(chunks("IN_PROGRESS", 1), NotSent("refused"))
    assert 11 == len(run.looks)
    assert isinstance(run.error, APIConnectionError)


def test_no_pauses_between_retries_do_not_make_a_stream_spin() -> None:
    run = stream(NotSent("refused"), timeout=60.0, policy=RetryPolicy(initial_delay=0.0))
    assert len(run.looks) < 2000


def test_a_refusal_ends_the_stream() -> None:
    run = stream(chunks("IN_PROGRESS", 1), reply("", 401))
    assert [1] == run.streamed
    assert isinstance(run.error, AuthenticationError)


def test_a_404_right_after_the_submission_is_not_yet_an_answer() -> None:
    server = Routed(
        stream=Script(reply("", 404), reply("", 404), chunks("COMPLETED", 1), chunks("COMPLETED")),
        status=Script(reply("", 404), job("IN_QUEUE")),
    )
    run = drive(streamer(submitted_at=START), server)
    assert [1] == run.streamed
    assert isinstance(run.end, Done)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, NotFoundError),
        ({"submitted_at": START - 60.0}, JobExpiredError),
        ({"state": JobState(id=JOB, status="IN_PROGRESS")}, JobExpiredError),
    ],
)
def test_a_404_is_about_a_job_that_never_was_or_is_no_more(options: Any, expected: type[RunpodError]) -> None:
    assert expected is type(stream(reply("", 404), status=reply("", 404), **options).error)


def test_a_job_that_somebody_retried_is_streamed_on() -> None:
    run = stream(
        chunks("FAILED", 1),
        chunks("FAILED"),
        chunks("IN_PROGRESS", 2),
        chunks("COMPLETED", 3),
        chunks("COMPLETED"),
        status=job("IN_QUEUE"),
    )
    assert [1, 2, 3] == run.streamed
    assert isinstance(run.end, Done)


def test_a_job_that_somebody_retried_runs_again() -> None:
    run = stream(chunks("FAILED"), EMPTY, EMPTY, chunks("COMPLETED"), status=job("IN_PROGRESS"))
    assert ["stream", "status", "stream", "stream", "stream"] == run.names
    assert run.looks[2].call.hold == run.looks[0].call.hold


# --- every order ------------------------------------------------------------------------------


@st.composite
def batches(draw: st.DrawFn) -> Answer:
    outputs = draw(st.lists(plain_json, max_size=3))
    items: list[Any] = [
        output if draw(st.booleans()) and not isinstance(output, dict) else {"output": output} for output in outputs
    ]
    body = draw(st.sampled_from(["list", "envelope", "no status", "no stream"]))
    if body == "list":
        return reply(items)
    status = {} if body == "no status" else {"status": draw(statuses)}
    return reply(status if body == "no stream" else {**status, "stream": items})


def carried(look: Looked) -> list[Any]:
    """The outputs that a good answer of /stream carried."""
    if look.call.operation.name != "stream" or not isinstance(look.outcome, Answer) or look.outcome.status != 200:
        return []
    try:
        body = json.loads(look.outcome.body)
    except ValueError:
        return []
    items = body.get("stream") if isinstance(body, dict) else body
    if not isinstance(items, list):
        return []
    return [item.get("output") if isinstance(item, dict) else item for item in items]


def check_bounds(run: Run, timeout: float | None, looks: float) -> None:
    end = START + timeout if timeout else float("inf")
    assert run.ended_at <= end + 1e-6
    assert len(run.looks) <= looks
    assert max(run.pauses, default=0.0) <= 60.0 + 1e-6
    for look in run.looks:
        hold = look.call.hold
        assert (hold is None) == (look.call.operation.name == "status")
        if hold is not None:
            # The service takes no less than a second.
            assert 1.0 <= hold <= max(1.0, min(90.0, end - look.at))


@settings(max_examples=400)
@given(
    story=st.lists(events(st.one_of(batches(), batches(), anything)), max_size=25),
    timeout=timeouts,
    submitted=st.booleans(),
    seen=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_whatever_comes_each_chunk_that_came_is_given_once_and_in_order(
    story: list[Event], timeout: float | None, submitted: bool, seen: bool, seed: int
) -> None:
    machine = streamer(
        timeout,
        state=JobState(id=JOB, status="IN_QUEUE") if seen else None,
        submitted_at=START if submitted else None,
        jitter=seeded(seed),
    )
    before = Script(*story, Event(reply("[]"), None))

    def server(call: Call, now: float) -> tuple[Answer | Trouble, float]:
        # In the end it did end, so that a stream without a deadline ends as well.
        if len(before._events) == 1 and call.operation.name == "status":
            return job("FAILED", error="no horse"), 0.0
        return before(call, now)

    run = drive(machine, server)
    check_bounds(run, timeout, 2 * len(story) + budget(timeout))
    assert [output for look in run.looks for output in carried(look)] == run.streamed
    assert run.error is None or isinstance(run.error, RunpodError)
    if isinstance(run.error, (JobFailedError, JobCancelledError, JobTimedOutError)):
        assert ENDS[run.error.state.status] is type(run.error)
    if isinstance(run.error, RunpodTimeoutError):
        assert timeout is not None
        assert run.ended_at == pytest.approx(START + timeout)


@settings(max_examples=300)
@given(
    gaps=st.lists(st.floats(0.0, 15.0), max_size=12),
    tail=st.floats(0.0, 15.0),
    status=st.sampled_from(TERMINAL),
    running=open_statuses,
    cap=st.integers(1, 5),
    holds=st.booleans(),
    trouble=st.lists(st.none() | passing, max_size=20).filter(lambda found: sum(one is not None for one in found) < 10),
    timeout=st.none() | st.just(100_000.0),
    seed=st.integers(0, 2**32),
)
def test_a_job_that_yields_is_streamed_whole_whatever_happens_on_the_way(
    gaps: list[float],
    tail: float,
    status: str,
    running: str,
    cap: int,
    holds: bool,
    trouble: list[Any],
    timeout: float | None,
    seed: int,
) -> None:
    moments = [START + sum(gaps[: n + 1]) for n in range(len(gaps))]
    ends = (moments[-1] if moments else START) + tail
    server = StreamedJob(
        list(zip(moments, range(len(moments)), strict=True)), ends, status, running, cap, holds, trouble
    )
    run = drive(streamer(timeout, jitter=seeded(seed)), server)
    assert [n for n in range(len(moments)) if n not in server.lost] == run.streamed
    assert ENDS.get(status, type(None)) is type(run.error)
    if isinstance(run.error, JobError):
        assert run.error.state == JobState(id=JOB, status=status, error="no horse")
    assert run.ended_at >= ends
