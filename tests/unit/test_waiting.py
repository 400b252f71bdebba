"""The wait machine, in stories and in every order that hypothesis finds."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod import (
    APIConnectionError,
    APIResponseError,
    AuthenticationError,
    BadRequestError,
    JobExpiredError,
    JobState,
    NotFoundError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
)
from runpod._protocol.looking import Done, Routes
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, TooLate
from runpod._protocol.retrying import GRACE
from runpod._protocol.waiting import Waiter
from tests.unit.machines import (
    ENDPOINT,
    ERROR_CLASSES,
    JOB,
    PASSING,
    START,
    TERMINAL,
    Event,
    Looked,
    Routed,
    Script,
    anything,
    budget,
    deadline,
    drive,
    events,
    job,
    reply,
    seeded,
    timeouts,
)

HELD = Event(job("IN_PROGRESS"), None)


def waiter(timeout: float | None = None, **options: Any) -> Waiter:
    options.setdefault("jitter", lambda: 0.5)
    return Waiter(ENDPOINT, options.pop("job_id", JOB), deadline(timeout), START, **options)


# --- stories ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", TERMINAL)
def test_a_wait_ends_at_once_when_the_job_ends_however_it_ends(status: str) -> None:
    machine = waiter()
    run = drive(machine, Script(HELD, Event(job(status, output=7), 3.0)))
    assert isinstance(run.end, Done)
    assert machine.state == JobState(id=JOB, status=status, output=7)
    assert START + 93.0 == run.ended_at
    assert [] == run.pauses


def test_a_job_known_to_have_ended_is_not_looked_at_again() -> None:
    run = drive(waiter(state=JobState(id=JOB, status="COMPLETED")), Script(NoAnswer("not asked")))
    assert [] == run.looks
    assert isinstance(run.end, Done)


def test_a_job_of_ninety_seconds_takes_one_held_look() -> None:
    run = drive(waiter(), Script(Event(job("COMPLETED"), 89.0)))
    assert [("status_sync", 90.0)] == [(look.call.operation.name, look.call.hold) for look in run.looks]


def test_a_wait_ends_at_its_deadline_with_the_last_state_in_the_error() -> None:
    run = drive(waiter(20.0), Script(HELD))
    assert isinstance(run.error, RunpodTimeoutError)
    assert isinstance(run.error, TimeoutError)
    assert START + 20.0 == run.ended_at
    assert JOB == run.error.job_id
    assert run.error.state is not None
    assert "IN_PROGRESS" == run.error.state.status
    assert not run.error.maybe_submitted
    assert JOB in str(run.error)
    assert "20 s" in str(run.error)


@pytest.mark.parametrize("timeout", [0.05, 0.2, 3.0, 60.0])
@pytest.mark.parametrize(
    "outcome",
    [reply("", 503), reply("", 429, retry_after="3600"), NotSent("refused"), reply("<html>")],
    ids=["503", "429", "refused", "html"],
)
def test_trouble_until_the_deadline_ends_there_and_says_what_the_trouble_was(outcome: Any, timeout: float) -> None:
    run = drive(waiter(timeout), Script(outcome))
    assert isinstance(run.error, RunpodTimeoutError)
    assert run.ended_at == pytest.approx(START + timeout)
    assert "The last look failed" in str(run.error)


def test_a_deadline_that_passed_before_the_first_look_is_a_timeout() -> None:
    machine = waiter(5.0)
    machine.now = START + 6.0
    run = drive(machine, Script(job("COMPLETED")))
    assert [] == run.looks
    assert isinstance(run.error, RunpodTimeoutError)


def test_a_job_that_ends_just_before_the_deadline_is_seen_also_when_polling() -> None:
    def server(call: Any, now: float) -> tuple[Answer, float]:
        return job("COMPLETED" if now >= START + 59.0 else "IN_PROGRESS"), 0.01

    run = drive(waiter(60.0, routes=Routes(long_poll=False)), server)
    assert isinstance(run.end, Done)


@pytest.mark.parametrize("status", [400, 405])
def test_a_server_that_refuses_the_long_poll_is_polled_from_then_on(status: int) -> None:
    routes = Routes()
    server = Routed(status_sync=reply("", status), status=Script(job("IN_QUEUE"), job("COMPLETED")))
    assert ["status_sync", "status", "status"] == drive(waiter(routes=routes), server).names
    # Another wait of the same client knows it from the start.
    assert ["status"] == drive(waiter(routes=routes), server).names


def test_a_route_that_is_missing_while_status_knows_the_job_is_not_asked_again() -> None:
    routes = Routes()
    server = Routed(status_sync=reply("", 404), status=Script(job("IN_QUEUE"), job("COMPLETED")))
    assert ["status_sync", "status", "status"] == drive(waiter(routes=routes), server).names
    assert not routes.long_poll


def test_a_job_that_is_missing_says_nothing_about_the_route() -> None:
    routes = Routes()
    run = drive(waiter(routes=routes), Script(reply("", 404)))
    assert ["status_sync", "status"] == run.names
    assert isinstance(run.error, NotFoundError)
    assert routes.long_poll


def test_a_404_of_the_long_poll_right_after_the_submission_says_nothing_about_the_route() -> None:
    routes = Routes()
    server = Routed(status_sync=Script(reply("", 404), job("COMPLETED")), status=job("IN_QUEUE"))
    assert ["status_sync", "status", "status_sync"] == drive(waiter(routes=routes, submitted_at=START), server).names
    assert routes.long_poll


def test_trouble_says_nothing_about_the_route() -> None:
    routes = Routes()
    drive(waiter(routes=routes), Script(reply("", 502), NoAnswer("reset"), reply("<html>"), job("COMPLETED")))
    assert routes.long_poll


def test_a_404_right_after_the_submission_is_not_yet_an_answer() -> None:
    run = drive(waiter(submitted_at=START), Script(*[reply("", 404)] * 4, job("COMPLETED")))
    assert isinstance(run.end, Done)
    assert run.pauses


def test_a_job_never_seen_and_long_submitted_is_expired_at_a_404() -> None:
    run = drive(waiter(submitted_at=START - 60.0), Script(reply("", 404)))
    assert isinstance(run.error, JobExpiredError)
    assert run.error.state is None
    assert JOB == run.error.job_id


def test_a_404_that_does_not_go_away_after_the_submission_ends_the_wait() -> None:
    run = drive(waiter(submitted_at=START), Script(reply("", 404)))
    assert isinstance(run.error, JobExpiredError)
    assert START + GRACE <= run.ended_at <= START + GRACE + 10.0
    assert len(run.looks) < 40


def test_a_404_for_a_job_that_was_seen_alive_is_expired_and_carries_the_last_state() -> None:
    run = drive(waiter(), Script(Event(job("IN_PROGRESS", output="half"), None), reply("", 404)))
    assert isinstance(run.error, JobExpiredError)
    assert run.error.state == JobState(id=JOB, status="IN_PROGRESS", output="half")
    assert (JOB, ENDPOINT) == (run.error.job_id, run.error.endpoint_id)


def test_a_status_is_cut_and_safe_in_a_message() -> None:
    run = drive(waiter(state=JobState(id=JOB, status="\x1b[2J" * 300)), Script(reply("", 404)))
    assert str(run.error).isprintable()
    assert len(str(run.error)) < 400


def test_without_a_deadline_ten_failed_looks_in_a_row_end_the_wait() -> None:
    story = [reply("", 502)] * 9 + [HELD] + [NotSent("refused")]
    run = drive(waiter(), Script(*story))
    assert 9 + 1 + 10 == len(run.looks)
    assert isinstance(run.error, APIConnectionError)
    assert JOB == run.error.job_id


def test_with_a_deadline_it_goes_on_through_any_number_of_failed_looks() -> None:
    run = drive(waiter(600.0), Script(*[reply("", 502)] * 40, job("COMPLETED")))
    assert isinstance(run.end, Done)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (reply("", 401), AuthenticationError),
        (reply("", 500), ServerError),
        (NoAnswer("reset"), APIConnectionError),
        (reply("[]"), APIResponseError),
    ],
    ids=["401", "500", "reset", "list"],
)
def test_what_ends_a_wait_without_a_deadline_is_the_error_of_the_last_look(
    outcome: Any, expected: type[RunpodError]
) -> None:
    run = drive(waiter(), Script(outcome))
    assert expected is type(run.error)


def test_a_400_of_status_itself_is_an_answer() -> None:
    assert isinstance(drive(waiter(), Script(reply('{"error":"no"}', 400))).error, BadRequestError)


def test_polling_begins_fast_and_eases_off_to_five_seconds() -> None:
    server = Script(*[job("IN_QUEUE")] * 40, job("COMPLETED"))
    pauses = drive(waiter(routes=Routes(long_poll=False)), server).pauses
    assert 0.1 == pytest.approx(pauses[0])
    assert sorted(pauses) == pauses
    assert 5.0 == pytest.approx(pauses[-1])
    assert {True} == {later <= earlier * 2 for earlier, later in pairwise(pauses)}


def test_a_change_makes_polling_fast_again() -> None:
    server = Script(*[job("IN_QUEUE")] * 40, job("IN_PROGRESS"), job("COMPLETED"))
    assert 0.1 == pytest.approx(drive(waiter(routes=Routes(long_poll=False)), server).pauses[-1])


@pytest.mark.parametrize("outcome", [job("IN_QUEUE", id="sync-1"), reply("", 429, retry_after="3600")])
def test_two_looks_at_a_sync_job_fall_into_the_minute_its_result_is_kept(outcome: Answer) -> None:
    machine = waiter(600.0, job_id="sync-1", routes=Routes(long_poll=False), policy=RetryPolicy(max_delay=900))
    run = drive(machine, Script(outcome))
    assert len(run.looks) > 600 / 30 - 1
    assert max(run.pauses) <= 30.0


def test_a_server_that_does_not_keep_its_hold_is_not_asked_without_pause() -> None:
    run = drive(waiter(60.0), Script(job("IN_PROGRESS")))
    assert len(run.looks) < 40


def test_no_pauses_between_retries_do_not_make_a_wait_spin() -> None:
    machine = waiter(60.0, policy=RetryPolicy(initial_delay=0.0))
    run = drive(machine, Script(NotSent("refused")))
    assert len(run.looks) < 2000


def test_watching_sees_a_change_within_about_a_second() -> None:
    def server(call: Any, now: float) -> tuple[Answer, float]:
        step = int((now - START) // 10)
        held = min(call.hold or 0.0, 10 * (step + 1) - (now - START))
        return (job("COMPLETED") if step >= 6 else job("IN_PROGRESS", output=step)), held

    run = drive(waiter(changes=True), server)
    assert isinstance(run.end, Done)
    firsts: dict[Any, float] = {}
    for look in run.looks:
        firsts.setdefault(look.got.output, look.at - START)
    assert [0, 1, 2, 3, 4, 5, None] == list(firsts)
    assert {True} == {seen - 10 * step < 2.5 for step, seen in enumerate(firsts.values())}


@pytest.mark.parametrize("long_poll", [True, False])
def test_a_wait_until_a_moment_returns_the_state_of_then(long_poll: bool) -> None:
    machine = waiter(30.0, until=START + 29.0, routes=Routes(long_poll=long_poll))
    run = drive(machine, Script(HELD))
    assert isinstance(run.end, Done)
    assert machine.state == JobState(id=JOB, status="IN_PROGRESS")
    assert START + 29.0 == pytest.approx(run.ended_at)


def test_a_wait_until_a_moment_needs_a_state_to_return() -> None:
    run = drive(waiter(30.0, until=START + 29.0), Script(Event(NoAnswer("hangs"), 100.0)))
    assert isinstance(run.error, RunpodTimeoutError)
    assert START + 30.0 == run.ended_at


# --- every order ------------------------------------------------------------------------------


def meaning(look: Looked, submitted: bool) -> str:
    """What a look means, read off the design."""
    outcome, held = look.outcome, look.call.operation.name == "status_sync"
    if not isinstance(outcome, Answer):
        return "late" if isinstance(outcome, TooLate) else "trouble"
    if outcome.status == 404:
        return "route?" if held else "no job"
    if held and outcome.status in {400, 405}:
        return "route?"
    if 200 <= outcome.status < 300:
        if look.got is None:
            return "trouble"
        return "ended" if look.got.completed else "alive"
    return "trouble" if outcome.status in PASSING else "refusal"


@settings(max_examples=400)
@given(
    story=st.lists(events(anything), max_size=25),
    tail=events(anything),
    timeout=timeouts,
    submitted=st.booleans(),
    seen=st.booleans(),
    long_poll=st.booleans(),
    changes=st.booleans(),
    job_id=st.just(JOB),
    seed=st.integers(0, 2**32),
)
def test_whatever_comes_a_wait_ends_at_the_end_of_the_job_or_at_its_deadline(
    story: list[Event],
    tail: Event,
    timeout: float | None,
    submitted: bool,
    seen: bool,
    long_poll: bool,
    changes: bool,
    job_id: str,
    seed: int,
) -> None:
    routes = Routes(long_poll=long_poll)
    machine = waiter(
        timeout,
        job_id=job_id,
        state=JobState(id=job_id, status="IN_QUEUE") if seen else None,
        submitted_at=START if submitted else None,
        routes=routes,
        changes=changes,
        jitter=seeded(seed),
    )
    end = machine.deadline.at
    # Without a deadline, a job that never ends is waited for for ever; so let it end.
    run = drive(machine, Script(*story, tail, *([] if timeout else [Event(job("COMPLETED"))])))

    assert run.ended_at <= end + 1e-6
    assert len(run.looks) <= 2 * len(story) + budget(timeout)
    assert max(run.pauses, default=0.0) <= 60.0 + 1e-6
    for look in run.looks:
        hold = look.call.hold
        if hold is not None:
            assert 1.0 <= hold <= 90.0
            assert look.at + hold <= end
        assert (hold is None) == (look.call.operation.name == "status")
        assert job_id == look.call.job_id

    in_a_row = 0
    alive = seen
    for look in run.looks:
        last = look is run.looks[-1]
        what = meaning(look, submitted)
        in_a_row = in_a_row + 1 if what == "trouble" else 0 if what in {"alive", "ended"} else in_a_row
        assert in_a_row <= 10 or timeout is not None
        if what == "ended":
            assert last
            assert isinstance(run.end, Done)
            assert isinstance(look.outcome, Answer)
            assert machine.state == JobState.model_validate(json.loads(look.outcome.body))
        elif what == "late":
            assert last
            assert isinstance(run.error, RunpodTimeoutError)
        elif what == "refusal":
            assert last
            assert isinstance(look.outcome, Answer)
            assert ERROR_CLASSES[look.outcome.status] is type(run.error)
        elif what == "no job" and last and not isinstance(run.error, RunpodTimeoutError):
            assert (JobExpiredError if alive or submitted else NotFoundError) is type(run.error)
        elif what == "no job":
            # Only grace makes it look again.
            assert submitted
            assert look.at < START + GRACE
        elif last and timeout is None:
            assert what == "trouble"
            assert 10 == in_a_row
            assert isinstance(run.error, RunpodError)
        elif last:
            assert isinstance(run.error, RunpodTimeoutError)
            assert run.ended_at == pytest.approx(end)
        alive = alive or what == "alive"
    if isinstance(run.error, RunpodTimeoutError):
        assert run.ended_at == pytest.approx(end)
        assert machine.state == run.error.state
    if not long_poll:
        assert "status_sync" not in run.names
