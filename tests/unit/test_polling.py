"""Tests of the state machines behind `wait` and `stream`, with examples and hypothesis."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod import JobState, RetryPolicy, errors
from runpod._protocol.outcomes import DeadlineExceeded, RequestNotSent, Response, ResponseLost, TransportError
from runpod._protocol.polling import Done, Routes
from runpod._protocol.streamer import Streamer
from runpod._protocol.submissions import GRACE
from runpod._protocol.waiter import Waiter
from tests.unit import simulation
from tests.unit.simulation import ENDPOINT, JOB, START, Event, Script, chunks, deadline, drive, job, reply, routed

if TYPE_CHECKING:
    from runpod._protocol.operations import Call

ENDS = {"COMPLETED": type(None), "FAILED": errors.JobFailedError}
ENDS |= {"CANCELLED": errors.JobCancelledError, "TIMED_OUT": errors.JobTimedOutError}
HELD, EMPTY = Event(job("IN_PROGRESS"), None), Event(chunks("IN_PROGRESS"), None)
NOT_FOUND, BAD_GATEWAY = reply("", 404), reply("", 502)


def waiter(timeout: float | None = None, *, job_id: str = JOB, long_poll: bool = True, **options: Any) -> Waiter:
    options = {"jitter": lambda: 0.5, "routes": Routes(long_poll=long_poll), **options}
    return Waiter(ENDPOINT, job_id, deadline(timeout), START, **options)


def streamer(timeout: float | None = None, **options: Any) -> Streamer:
    return Streamer(ENDPOINT, JOB, deadline(timeout), START, **{"jitter": lambda: 0.5, **options})


def wait(*responses: Any, timeout: float | None = None, **options: Any) -> simulation.Run:
    return drive(waiter(timeout, **options), Script(*responses))


def stream(*responses: Any, status: Any = None, **options: Any) -> simulation.Run:
    return drive(streamer(**options), routed(stream=Script(*responses), status=status or job("COMPLETED")))


# --- both -------------------------------------------------------------------------------------

both = pytest.mark.parametrize("machine", [waiter, streamer])


def respond(status: str) -> Response:
    """A response that is valid for both /status and /stream."""
    return job(status, stream=[])


@both
@pytest.mark.parametrize(
    ("outcome", "timeout", "words"),
    [
        (Event(respond("IN_PROGRESS"), None), 20.0, "timeout of 20 s (last status: IN_PROGRESS). The job was not cancelled: wait for it"),
        (Event(respond("IN_QUEUE"), None), 20.0, "last status: IN_QUEUE"),
        (Event(ResponseLost("hangs"), 100.0), 0.5, "timeout of 0.5 s (last status: unknown)"),
        (reply("", 503), 0.05, "The last poll failed: "),
        (reply("", 503), 3.0, "HTTP 503"),
        (reply("", 429, retry_after="3600"), 60.0, "HTTP 429"),
        (RequestNotSent("refused"), 60.0, "could not be sent: refused."),
        (reply("<html>"), 60.0, "it is HTML"),
    ],
)  # fmt: skip
def test_polling_ends_at_the_deadline_with_the_last_outcome(
    machine: Any, outcome: Any, timeout: float, words: str
) -> None:
    run = drive(machine(timeout), Script(outcome))
    error = run.error
    assert isinstance(error, errors.RunpodTimeoutError)
    assert run.ended_at == pytest.approx(START + timeout)
    assert (JOB, ENDPOINT, False, True) == (error.job_id, error.endpoint_id, error.maybe_submitted, error.retryable)
    assert run.machine.state is error.state
    assert words in str(error)
    assert ("IN_QUEUE" in words) == ("endpoint.diagnose()" in str(error))
    assert ("last status" not in words) == ("The last poll failed: " in str(error))
    late = drive(machine(-1.0), Script(outcome))
    assert ([], errors.RunpodTimeoutError) == (late.polls, type(late.error))


@pytest.mark.fact("protocol 5: expired job")
@both
@pytest.mark.parametrize(
    ("responses", "options", "expected"),
    [
        ([NOT_FOUND], {}, errors.NotFoundError),
        ([NOT_FOUND], {"submitted_at": START - 60.0}, errors.JobExpiredError),
        ([NOT_FOUND], {"state": JobState(id=JOB, status="\x1b[2J" * 300)}, errors.JobExpiredError),
        ([Event(respond("IN_PROGRESS"), 1.0), NOT_FOUND], {}, errors.JobExpiredError),
        # Right after the submission, a 404 is not final.
        ([NOT_FOUND], {"submitted_at": START}, errors.JobExpiredError),
        ([*[NOT_FOUND] * 4, respond("IN_QUEUE"), respond("COMPLETED")], {"submitted_at": START}, type(None)),
    ],
)
def test_a_404_is_an_unknown_or_expired_job(machine: Any, responses: Any, options: Any, expected: Any) -> None:
    run = drive(machine(**options), Script(*responses))
    assert expected is type(run.error)
    if options == {"submitted_at": START}:
        assert len(run.polls) < 40
        # The 404 of the long poll (or of the stream) is confirmed with /status.
        assert run.names[:4] == run.names[:2] * 2 == [run.names[0], "status"] * 2
    if run.error is not None:
        assert (JOB, ENDPOINT, True) == (run.error.job_id, run.error.endpoint_id, run.machine.routes.long_poll)
        assert str(run.error).isprintable()
        assert len(str(run.error)) < 400
        assert options != {"submitted_at": START} or START + GRACE <= run.ended_at <= START + GRACE + 10.0
    if isinstance(run.error, errors.JobExpiredError):
        assert run.machine.state is run.error.state
        assert (run.error.state is not None) == ("no longer exists (last status: " in str(run.error))


@both
@pytest.mark.parametrize(
    ("outcome", "polls", "expected"),
    [
        (RequestNotSent("refused"), 10, errors.APIConnectionError),
        (ResponseLost("reset"), 10, errors.APIConnectionError),
        (reply("", 500), 10, errors.ServerError),
        (reply("[}"), 10, errors.APIResponseError),
        (RequestNotSent("no certificate", final=True), 1, errors.APIConnectionError),
        (reply("", 401), 1, errors.AuthenticationError),
        (reply("", 409), 1, errors.ConflictError),
    ],
)
def test_ten_consecutive_failures_or_one_final_error_end_polling(
    machine: Any, outcome: Any, polls: int, expected: Any
) -> None:
    run = drive(machine(), Script(*[BAD_GATEWAY] * 9, Event(respond("IN_PROGRESS"), None), outcome))
    assert (10 + polls, expected) == (len(run.polls), type(run.error))
    # With a deadline, failed polls do not end it.
    run = drive(machine(600.0), Script(*[BAD_GATEWAY] * 40, outcome))
    assert (errors.RunpodTimeoutError if polls == 10 else expected) is type(run.error)
    # A retry policy without pauses does not cause a busy loop.
    assert len(drive(machine(60.0, policy=RetryPolicy(initial_delay=timedelta(0))), Script(outcome)).polls) < 400


def check(run: simulation.Run, responses: list[Any], timeout: float | None) -> None:
    end = START + timeout if timeout else float("inf")
    assert run.ended_at <= end + 1e-6
    assert len(run.polls) <= simulation.max_polls(timeout, responses)
    assert max(run.pauses, default=0.0) <= 60.0 + 1e-6
    for poll in run.polls:
        assert (poll.call.hold is None) == (poll.call.operation.name == "status")
        # The service accepts no hold below a second. Only that of a stream may exceed the deadline.
        least = 1.0 if poll.call.operation.name == "stream" else 0.0
        assert poll.call.hold is None or 1.0 <= poll.call.hold <= max(least, min(90.0, end - poll.at))
    assert run.error is None or isinstance(run.error, errors.RunpodError)
    if isinstance(run.error, errors.RunpodTimeoutError):
        assert run.ended_at == pytest.approx(end)
        assert run.machine.state == run.error.state


beginnings = {
    "state": st.none() | st.just(JobState(id=JOB, status="IN_QUEUE")),
    "submitted_at": st.none() | st.just(START),
    "jitter": st.integers().map(simulation.seeded),
}


# --- waiting ----------------------------------------------------------------------------------


@pytest.mark.fact("protocol 2: statuses")
@pytest.mark.parametrize("status", simulation.TERMINAL)
def test_a_wait_ends_at_any_final_status(status: str) -> None:
    run = wait(HELD, Event(job(status, output=7), 3.0))
    assert (Done(), START + 93.0, []) == (run.end, run.ended_at, run.pauses)
    assert JobState(id=JOB, status=status, output=7) == run.machine.state
    assert [] == wait(ResponseLost("not asked"), state=run.machine.state).polls


def test_the_final_status_is_seen_with_and_without_long_polls() -> None:
    run = wait(Event(job("COMPLETED"), 89.0))
    assert [("status_sync", 90.0)] == [(poll.call.operation.name, poll.call.hold) for poll in run.polls]
    # The job ends just before the deadline.
    server = lambda _, now: (job("COMPLETED" if now >= START + 59.0 else "IN_PROGRESS"), 0.01)  # noqa: E731
    assert isinstance(drive(waiter(60.0, long_poll=False), server).end, Done)


SYNC = "status_sync"


@pytest.mark.fact("protocol 1.1: status-sync exists")
@pytest.mark.parametrize(
    ("error_responses", "submitted_at", "names", "remembered"),
    [
        # The route is missing, or rejects `wait`. The client remembers this.
        *[([reply("", status)], None, [SYNC, "status", "status"], True) for status in (400, 404, 405)],
        ([NOT_FOUND], START - GRACE, [SYNC, "status", "status"], True),
        # A recently submitted job may be unknown to one route only, so a second 404 is needed.
        ([NOT_FOUND], START, [SYNC, "status", SYNC, "status"], True),
        ([NOT_FOUND, job("COMPLETED")], START, [SYNC, "status", SYNC], False),
        ([NOT_FOUND, Event(job("IN_PROGRESS"), 1.0), NOT_FOUND], START, [SYNC, "status", SYNC, SYNC, "status"], False),
        ([BAD_GATEWAY, ResponseLost("reset"), reply("<html>"), job("COMPLETED")], None, [SYNC] * 4, False),
    ],
)  # fmt: skip
def test_missing_long_poll_support_is_detected_and_remembered(
    error_responses: Any, submitted_at: float | None, names: list[str], remembered: bool
) -> None:
    routes = Routes()
    server = routed(status_sync=Script(*error_responses), status=Script(job("IN_QUEUE"), job("COMPLETED")))
    assert names == drive(waiter(routes=routes, submitted_at=submitted_at), server).names
    assert remembered is not routes.long_poll
    if remembered:
        assert ["status"] == drive(waiter(routes=routes), server).names


def test_polling_backs_off_until_the_state_changes() -> None:
    pauses = wait(*[job("IN_QUEUE")] * 40, job("IN_PROGRESS"), job("COMPLETED"), long_poll=False).pauses
    assert (0.1, 5.0, 0.1) == pytest.approx((pauses[0], pauses[-2], pauses[-1]))
    assert sorted(pauses[:-1]) == pauses[:-1]
    assert all(later <= earlier * 2 for earlier, later in pairwise(pauses))
    # Jitter keeps waits from polling simultaneously.
    first = [
        wait(job("X"), job("COMPLETED"), long_poll=False, jitter=lambda each=each: each).pauses for each in (0.0, 1.0)
    ]
    assert [[0.08], [0.12]] == [pytest.approx(pauses) for pauses in first]
    # If the server returns long polls at once, there are pauses between them.
    assert len(wait(job("IN_PROGRESS"), timeout=60.0).polls) < 40


@pytest.mark.fact("protocol 5: result of /runsync")
@pytest.mark.parametrize("outcome", [job("IN_QUEUE", id="sync-1"), reply("", 429, retry_after="3600")])
def test_a_run_sync_result_is_polled_twice_within_its_minute_of_retention(outcome: Response) -> None:
    run = wait(
        outcome, timeout=600.0, job_id="sync-1", long_poll=False, policy=RetryPolicy(max_delay=timedelta(seconds=900))
    )
    assert len(run.polls) > 600 / 30 - 1
    assert max(run.pauses) <= 30.0


def test_retry_after_is_honoured_up_to_a_minute() -> None:
    for asked, job_id, expected in (("7", JOB, 7.0), ("3600", JOB, 60.0), ("3600", "sync-1", 30.0)):
        run = wait(reply("", 429, retry_after=asked), job("COMPLETED", id=job_id), job_id=job_id)
        assert [expected] == run.pauses


def test_watch_sees_a_change_within_about_a_second_and_polls_fast_again() -> None:
    def server(call: Any, now: float) -> tuple[Response, float]:
        held = min(call.hold or 0.0, START + 60.0 - now)
        step = int((now + held - START) // 10)
        return (job("COMPLETED") if step >= 6 else job("IN_PROGRESS", output=step)), held

    run = drive(waiter(changes=True), server)
    firsts: dict[Any, tuple[int, float]] = {}
    for index, poll in enumerate(run.polls):
        firsts.setdefault(poll.got.output, (index, poll.ended - START))
    assert (Done(), [0, 1, 2, 3, 4, 5, None]) == (run.end, list(firsts))
    assert all(seen - 10 * step < 2.5 for step, (_, seen) in enumerate(firsts.values()))
    assert {"status"} == {run.names[0], *(run.names[index + 1] for index, _ in list(firsts.values())[:-1])}
    assert SYNC in run.names


@pytest.mark.parametrize("long_poll", [True, False])
def test_a_wait_that_returns_the_latest_state_at_its_deadline(long_poll: bool) -> None:
    run = wait(HELD, timeout=30.0, until=START + 29.0, long_poll=long_poll)
    assert (Done(), JobState(id=JOB, status="IN_PROGRESS")) == (run.end, run.machine.state)
    assert START + 29.0 == pytest.approx(run.ended_at) == run.machine.end()
    # Without any state, it raises.
    run = wait(BAD_GATEWAY, timeout=30.0, until=START + 5.0, long_poll=long_poll)
    assert (errors.RunpodTimeoutError, START + 30.0) == (type(run.error), pytest.approx(run.ended_at))
    assert START + 30.0 == run.machine.end()


def meaning(poll: simulation.Poll) -> str:
    """The specified meaning of the outcome of a poll."""
    outcome, held = poll.outcome, poll.call.operation.name == SYNC
    if not isinstance(outcome, Response):
        return "late" if isinstance(outcome, DeadlineExceeded) else "failed"
    if outcome.status == 404 or (held and outcome.status in {400, 405}):
        return "no route?" if held else "no job"
    if 200 <= outcome.status < 300:
        return "failed" if poll.got is None else "ended" if poll.got.completed else "alive"
    return "failed" if outcome.status in simulation.TRANSIENT else "refused"


@settings(max_examples=300)
@given(
    responses=st.lists(simulation.events(simulation.anything), min_size=1, max_size=25),
    timeout=simulation.timeouts,
    options=st.fixed_dictionaries({**beginnings, "long_poll": st.booleans(), "changes": st.booleans()}),
)
def test_any_wait_ends_with_the_job_or_at_its_deadline(
    responses: list[Event], timeout: float | None, options: dict[str, Any]
) -> None:
    # Without a deadline the wait only ends with the job, so the job must end.
    run = drive(waiter(timeout, **options), Script(*responses, *([] if timeout else [job("COMPLETED")])))
    check(run, responses, timeout)
    assert options["long_poll"] or SYNC not in run.names
    found = [meaning(poll) for poll in run.polls]
    in_a_row = 0
    for what in found:
        in_a_row = in_a_row + 1 if what == "failed" else 0 if what in {"alive", "ended"} else in_a_row
        assert in_a_row <= 10 or timeout is not None
    # A final outcome ends the wait at once. Only a recently submitted job may continue after a 404.
    assert {"ended", "late", "refused"}.isdisjoint(found[:-1])
    before = [poll.ended for poll, what in zip(run.polls[:-1], found, strict=False) if what == "no job"]
    assert not before or (options["submitted_at"] is not None and max(before) < START + GRACE)
    last, outcome, error = found[-1] if found else "", run.polls[-1].outcome if found else None, run.error
    if last == "ended":
        assert isinstance(run.end, Done)
        assert JobState.model_validate(json.loads(outcome.body)) == run.machine.state
    elif last == "refused":
        assert outcome.status == error.status_code
    elif last == "no job" and not isinstance(error, errors.RunpodTimeoutError):
        alive = options["state"] or options["submitted_at"] or "alive" in found
        assert (errors.JobExpiredError if alive else errors.NotFoundError) is type(error)
    elif timeout is None:
        assert ("failed", 10) == (last, in_a_row)
    else:
        assert isinstance(error, errors.RunpodTimeoutError)


# --- streaming --------------------------------------------------------------------------------


@pytest.mark.fact("protocol 3: last chunks", "protocol 3: chunks after the final status")
@pytest.mark.parametrize(
    ("responses", "status", "expected"),
    [
        # The stream ends with an empty response after the job has ended.
        ([chunks("IN_QUEUE"), chunks("IN_PROGRESS", 1, 2), EMPTY, chunks("COMPLETED", 3), chunks("COMPLETED")], [], [1, 2, 3]),
        ([chunks("COMPLETED", 1), chunks("COMPLETED", 2), chunks("COMPLETED")], [], [1, 2]),
        ([chunks("COMPLETED")], [], []),
        # If the stream has no status, /status is polled, and then the stream once more.
        ([chunks(None, 1), chunks(None)], [job("IN_PROGRESS"), job("COMPLETED")], [1]),
        ([chunks(None, 1), chunks(None), chunks(None, 2), chunks(None)], [], [1, 2]),
        ([reply({"status": "", "stream": [{"output": 1}]}), reply({"stream": []})], [], [1]),
        # A 404 of the stream counts as an empty response.
        ([reply({"status": "IN_PROGRESS"}), chunks("COMPLETED", 1), reply({"status": "COMPLETED", "stream": None})], [], [1]),
        # Unusable responses and failed polls do not end it.
        ([reply("<html>"), reply({"stream": 5, "status": "X"}), chunks("COMPLETED", 1), chunks("COMPLETED")], [], [1]),
        ([chunks(None), *[BAD_GATEWAY] * 5, chunks("COMPLETED", 1), chunks("COMPLETED")], [*[BAD_GATEWAY] * 5, job("IN_PROGRESS")], [1]),
        # The job was retried; the server forgets a job once streamed; a recently submitted job is unknown at first.
        ([chunks("FAILED", 1), chunks("FAILED"), chunks("IN_PROGRESS", 2), chunks("COMPLETED")], [job("IN_QUEUE")], [1, 2]),
        ([chunks("COMPLETED", 1), chunks("FAILED")], [job("FAILED")], [1]),
        ([NOT_FOUND, NOT_FOUND, chunks("COMPLETED", 1), chunks("COMPLETED")], [NOT_FOUND, job("IN_QUEUE")], [1]),
        ([NOT_FOUND, chunks("COMPLETED", 1), chunks("COMPLETED")], [NOT_FOUND], [1]),
    ],
)  # fmt: skip
def test_all_chunks_are_yielded_in_order_before_the_end(
    responses: list[Any], status: list[Any], expected: list[int]
) -> None:
    run = stream(*responses, status=Script(*status) if status else None, submitted_at=START)
    assert (Done(), expected) == (run.end, run.streamed)


@pytest.mark.fact("protocol 3: failed stream")
@pytest.mark.parametrize("status", simulation.TERMINAL)
@pytest.mark.parametrize("last", [[], [EMPTY]])
def test_a_failed_job_yields_all_chunks_and_then_raises_the_error_of_status(status: str, last: list[Any]) -> None:
    # /status is polled through transient errors, after the last chunks were received.
    status_script = Script(
        *[BAD_GATEWAY] * 5, ResponseLost("reset"), job(status, error="handler: no horse\ntraceback: x")
    )
    run = stream(chunks("IN_PROGRESS", 1), *last, chunks(status, 2), chunks(status), status=status_script)
    assert ([1, 2], ENDS[status]) == (run.streamed, type(run.error))
    if run.error is not None:
        assert (JOB, ENDPOINT, "status") == (run.error.job_id, run.error.endpoint_id, run.names[-1])
        assert "handler: no horse\ntraceback: x" == run.error.state.error
    # If the job expires right after its end, its chunks and status are kept.
    for first, rest in product((chunks("IN_PROGRESS", 1), chunks(status, 1)), ([NOT_FOUND], [chunks(status)])):
        run = stream(first, chunks(status, 2), *rest, status=NOT_FOUND)
        assert ([1, 2], ENDS[status]) == (run.streamed, type(run.error))
        assert (status == "COMPLETED") == isinstance(run.end, Done)
    # What /status respond is known.
    run = stream(chunks(None, 1), chunks(None), NOT_FOUND, status=job(status, error="no horse"))
    assert status == "COMPLETED" or run.error.state.error == "no horse"


def test_a_stream_timeout_reports_the_last_status() -> None:
    last = {
        "unknown, but chunks were received": [chunks(None, 1), Event(chunks(None), 100.0)],
        "IN_PROGRESS": [chunks("IN_PROGRESS", 1), EMPTY],
        "FAILED": [chunks("FAILED", 1), Event(chunks("FAILED"), 100.0)],
    }
    for words, responses in last.items():
        assert f"last status: {words}" in str(stream(*responses, timeout=60.0).error)
    assert "IN_QUEUE" == stream(chunks(None), status=job("IN_QUEUE"), timeout=60.0).error.state.status
    # The job may exist although its stream is a 404.
    assert [1] == stream(NOT_FOUND, chunks("COMPLETED", 1), chunks("COMPLETED"), status=job("IN_PROGRESS")).streamed


@pytest.mark.fact("protocol 3: hold in the queue")
def test_only_empty_immediate_responses_are_followed_by_a_pause() -> None:
    every = [chunks("IN_PROGRESS", n) for n in range(50)]
    assert [] == stream(*every, EMPTY, Event(chunks("IN_PROGRESS"), 0.6), chunks("COMPLETED")).pauses
    assert 1 == len(stream(Event(chunks("IN_PROGRESS"), 0.4), chunks("COMPLETED")).pauses)
    run = stream(*[chunks("IN_PROGRESS")] * 20, chunks("IN_PROGRESS", 1), chunks("IN_PROGRESS"), chunks("COMPLETED"))
    assert (0.1, 0.1) == pytest.approx((run.pauses[0], run.pauses[-1]))
    assert sorted(run.pauses[:-1]) == run.pauses[:-1]
    assert run.pauses[-2] > 4.0
    assert [10.0, 1.0] == [poll.call.hold for poll in stream(chunks("COMPLETED", 1), chunks("COMPLETED")).polls]
    # Polls of a retried job are held as long as those of a new one.
    run = stream(chunks("FAILED"), EMPTY, EMPTY, chunks("COMPLETED"), status=job("IN_PROGRESS"))
    assert ["stream", "status", "stream", "stream", "stream"] == run.names
    assert [10.0, None, 10.0, 10.0, 10.0] == [poll.call.hold for poll in run.polls]


@st.composite
def batches(draw: st.DrawFn) -> Response:
    outputs = draw(st.lists(simulation.plain_json, max_size=3))
    items = [each if draw(st.booleans()) and not isinstance(each, dict) else {"output": each} for each in outputs]
    body: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={"status": simulation.statuses}))
    return reply(draw(st.sampled_from([items, {**body, "stream": items}, body])))


def outputs_of(poll: simulation.Poll) -> list[Any]:
    """The outputs in a successful response of /stream."""
    if poll.call.operation.name != "stream" or not isinstance(poll.outcome, Response) or poll.outcome.status != 200:
        return []
    try:
        body = json.loads(poll.outcome.body)
    except ValueError:
        return []
    items = body.get("stream") if isinstance(body, dict) else body
    return [each.get("output") if isinstance(each, dict) else each for each in items] if isinstance(items, list) else []


@settings(max_examples=300)
@given(
    responses=st.lists(simulation.events(st.one_of(batches(), batches(), simulation.anything)), max_size=25),
    timeout=simulation.timeouts,
    options=st.fixed_dictionaries(beginnings),
)
def test_each_received_chunk_is_yielded_once_in_order(
    responses: list[Event], timeout: float | None, options: dict[str, Any]
) -> None:
    script = Script(*responses, Event(reply("[]"), None))

    def server(call: Call, now: float) -> tuple[Response | TransportError, float]:
        # The job ends eventually, so that a stream without a deadline ends, too.
        over = len(script.events) == 1 and call.operation.name == "status"
        return (job("FAILED", error="no horse"), 0.0) if over else script(call, now)

    run = drive(streamer(timeout, **options), server)
    check(run, responses, timeout)
    assert [output for poll in run.polls for output in outputs_of(poll)] == run.streamed
    if isinstance(run.error, errors.JobError) and not isinstance(run.error, errors.JobExpiredError):
        assert ENDS[run.error.state.status] is type(run.error)
