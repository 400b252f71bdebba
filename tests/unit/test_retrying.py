"""What may be sent again: the table, the pauses, and what a submission can cost at most."""

from __future__ import annotations

import random
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    RateLimitError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
)
from runpod._protocol.decoding import read_job
from runpod._protocol.failures import in_doubt
from runpod._protocol.operations import (
    CANCEL,
    HEALTH,
    PURGE_QUEUE,
    RETRY,
    RUN,
    RUN_SYNC,
    STATUS,
    STATUS_SYNC,
    STREAM,
    Call,
    Operation,
)
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, TooLate, Trouble
from runpod._protocol.retrying import Again, Fail, decide
from tests.unit.machines import (
    ENDPOINT,
    ERROR_CLASSES,
    JOB,
    PASSING,
    REFUSALS,
    START,
    deadline,
    job,
    refusals,
    reply,
    retry_after_texts,
    seeded,
    troubles,
)

SUBMISSIONS = (RUN, RUN_SYNC, RETRY, PURGE_QUEUE)
QUESTIONS = (STATUS, STATUS_SYNC, HEALTH, CANCEL, STREAM)
OPERATIONS = SUBMISSIONS + QUESTIONS

NOT_SENT = NotSent("ConnectError: refused")
NO_ANSWER = NoAnswer("ReadError: reset")
TOO_LATE = TooLate("the deadline passed", sent=True)
TOO_LATE_UNSENT = TooLate("the deadline passed", sent=False)

# Outcome → is it sent again: a submission, a submission with resubmit=True, anything else.
TABLE: dict[Any, tuple[bool, bool, bool]] = {
    NOT_SENT: (True, True, True),
    NO_ANSWER: (False, True, True),
    TOO_LATE: (False, False, False),
    TOO_LATE_UNSENT: (False, False, False),
    429: (True, True, True),
    408: (False, True, True),
    **dict.fromkeys((500, 502, 503, 504, 520, 522, 524), (False, True, True)),
    **dict.fromkeys((301, 302, 307, 400, 401, 402, 403, 404, 405, 409, 413, 422), (False, False, False)),
}

ABSURD = ("31536000", "9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT")

names = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
outcomes = pytest.mark.parametrize("outcome", TABLE, ids=lambda o: str(o) if isinstance(o, int) else type(o).__name__)


def call(operation: Operation) -> Call:
    about_a_job = operation in {STATUS, STATUS_SYNC, STREAM, CANCEL, RETRY}
    body = b'{"input":{"secret":"PLANTED"}}' if operation in {RUN, RUN_SYNC} else None
    return Call(operation, ENDPOINT, JOB if about_a_job else None, body=body)


def ask(operation: Operation, outcome: Any, *, timeout: float | None = None, **options: Any) -> Again | Fail | None:
    settings: dict[str, Any] = {
        "attempt": 1,
        "policy": RetryPolicy(),
        "now": START,
        "submitted_at": None,
        "jitter": lambda: 0.5,
        **options,
    }
    outcome = reply("", outcome) if isinstance(outcome, int) else outcome
    return decide(call(operation), outcome, deadline=deadline(timeout), **settings)


@names
@outcomes
@pytest.mark.parametrize("resubmit", [False, True])
def test_the_table(operation: Operation, outcome: Any, resubmit: bool) -> None:
    submission, resubmission, question = TABLE[outcome]
    expected = question if operation in QUESTIONS else resubmission if resubmit else submission
    got = ask(operation, outcome, policy=RetryPolicy(resubmit=resubmit))
    assert expected == isinstance(got, Again)
    assert isinstance(got, (Again, Fail))


@names
@outcomes
def test_what_comes_out_in_the_end_is_the_error_of_the_outcome(operation: Operation, outcome: Any) -> None:
    got = ask(operation, outcome, attempt=4)
    assert isinstance(got, Fail)
    expected: type[RunpodError]
    if isinstance(outcome, int):
        expected = ERROR_CLASSES.get(outcome, ERROR_CLASSES[500])
    else:
        expected = RunpodTimeoutError if isinstance(outcome, TooLate) else APIConnectionError
    assert expected is type(got.error)
    assert ENDPOINT == got.error.endpoint_id
    assert call(operation).job_id == got.error.job_id
    assert ENDPOINT in str(got.error)
    assert "PLANTED" not in str(got.error) + repr(got.error) + repr(vars(got.error))


@names
@outcomes
def test_maybe_submitted_is_said_only_where_the_fate_of_a_submission_is_unknown(
    operation: Operation, outcome: Any
) -> None:
    got = ask(operation, outcome, attempt=4)
    unknown = outcome in {NO_ANSWER, TOO_LATE, 408, 500, 502, 503, 504, 520, 522, 524}
    assert isinstance(got, Fail)
    assert (operation in SUBMISSIONS and unknown) == got.error.maybe_submitted


@names
@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_good_answer_is_taken(operation: Operation, status: int) -> None:
    assert ask(operation, status) is None


@pytest.mark.parametrize("max_retries", [0, 1, 3, 10])
@pytest.mark.parametrize("outcome", [NOT_SENT, NO_ANSWER, 429, 503], ids=str)
def test_a_call_is_sent_again_as_often_as_the_policy_says(max_retries: int, outcome: Any) -> None:
    policy = RetryPolicy(max_retries=max_retries)
    got = [ask(STATUS, outcome, attempt=n, policy=policy) for n in range(1, max_retries + 2)]
    assert [Again] * max_retries + [Fail] == [type(decision) for decision in got]


def test_the_number_of_attempts_is_told() -> None:
    got = ask(STATUS, NO_ANSWER, attempt=4)
    assert isinstance(got, Fail)
    assert "4 attempts" in str(got.error)


# --- pauses -----------------------------------------------------------------------------------


def test_pauses_double_up_to_their_bound_and_are_drawn_from_all_of_it() -> None:
    policy = RetryPolicy(max_retries=2000, initial_delay=0.5, max_delay=8.0)
    longest = [ask(STATUS, NO_ANSWER, attempt=n, policy=policy, jitter=lambda: 1.0) for n in (1, 2, 3, 4, 5, 6, 1500)]
    assert [Again(0.5), Again(1.0), Again(2.0), Again(4.0), Again(8.0), Again(8.0), Again(8.0)] == longest
    assert Again(0.0) == ask(STATUS, NO_ANSWER, jitter=lambda: 0.0)


@given(seed=st.integers(), attempt=st.integers(1, 10_000), first=st.floats(0, 100), most=st.floats(0, 299))
def test_a_pause_is_between_nothing_and_its_bound(seed: int, attempt: int, first: float, most: float) -> None:
    policy = RetryPolicy(max_retries=10_000, initial_delay=first, max_delay=most)
    got = ask(STATUS, NO_ANSWER, attempt=attempt, policy=policy, jitter=seeded(seed))
    assert isinstance(got, Again)
    assert 0.0 <= got.delay <= min(most, first * 2.0 ** min(attempt - 1, 1000))


def test_a_long_pause_of_the_callers_own_policy_is_taken() -> None:
    policy = RetryPolicy(max_retries=10, initial_delay=400.0, max_delay=400.0)
    assert Again(400.0) == ask(STATUS, NO_ANSWER, policy=policy, jitter=lambda: 1.0)


@names
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": " 2.5 "}, 2.5),
        ({"retry_after": "0"}, 0.25),
        ({"retry_after": "-5"}, 0.25),
        ({"retry_after": "soon"}, 0.25),
        ({"retry_after": ""}, 0.25),
        ({"retry_after": formatdate(1_000_012, usegmt=True), "date": formatdate(1_000_000, usegmt=True)}, 12.0),
        ({"retry_after": formatdate(900_000, usegmt=True)}, 0.25),
    ],
    ids=["seconds", "fraction", "zero", "negative", "words", "nothing", "date", "past date"],
)
def test_retry_after_is_honoured_as_seconds_and_as_a_date(
    operation: Operation, headers: dict[str, str], expected: float
) -> None:
    assert Again(expected) == ask(operation, reply("", 429, **headers), timeout=60.0)


@names
@pytest.mark.parametrize(
    ("text", "timeout"),
    [
        ("61", 60.0),
        *[(text, timeout) for text in ABSURD for timeout in (60.0, None)],
    ],
)
def test_an_absurd_retry_after_is_an_error_at_once(operation: Operation, text: str, timeout: float | None) -> None:
    got = ask(operation, reply("", 429, retry_after=text), timeout=timeout)
    assert isinstance(got, Fail)
    assert isinstance(got.error, RateLimitError)
    assert got.error.retry_after is not None
    assert got.error.retry_after > 60.0


def test_a_rate_limit_says_when_to_come_back() -> None:
    got = ask(RUN, reply("", 429, retry_after="17"), attempt=4)
    assert isinstance(got, Fail)
    assert isinstance(got.error, RateLimitError)
    assert 17.0 == got.error.retry_after
    assert not got.error.maybe_submitted


@given(
    operation=st.sampled_from(OPERATIONS),
    outcome=st.one_of(troubles, refusals(st.sampled_from(PASSING))),
    timeout=st.floats(0.001, 100.0),
    gone=st.floats(0.0, 120.0),
    seed=st.integers(),
)
def test_no_pause_reaches_the_deadline(
    operation: Operation, outcome: Any, timeout: float, gone: float, seed: int
) -> None:
    got = ask(operation, outcome, timeout=timeout, now=START + gone, jitter=seeded(seed))
    if isinstance(got, Again):
        assert START + gone + got.delay < START + timeout


# --- a 404 for a young job --------------------------------------------------------------------


@pytest.mark.parametrize("operation", [STATUS, STATUS_SYNC, STREAM, CANCEL], ids=lambda operation: operation.name)
def test_a_404_right_after_the_submission_is_asked_again_also_without_retries(operation: Operation) -> None:
    options: dict[str, Any] = {"submitted_at": START - 1.0, "policy": RetryPolicy(max_retries=0)}
    assert isinstance(ask(operation, 404, **options), Again)
    assert isinstance(ask(operation, 404, attempt=9, **options), Again)


@pytest.mark.parametrize(
    ("operation", "submitted_at"),
    [(STATUS, START - 60.0), (STATUS, None), (RETRY, START - 1.0), (RUN, START - 1.0), (HEALTH, START - 1.0)],
)
def test_any_other_404_is_an_answer(operation: Operation, submitted_at: float | None) -> None:
    assert isinstance(ask(operation, 404, submitted_at=submitted_at), Fail)


def test_a_young_job_is_not_asked_about_without_pause() -> None:
    policy = RetryPolicy(initial_delay=0.0)
    now, asked = START, 0
    while isinstance(got := ask(STATUS, 404, attempt=asked + 1, now=now, submitted_at=START, policy=policy), Again):
        now += got.delay
        asked += 1
        assert asked < 1000, "it spins"


# --- what it can cost -------------------------------------------------------------------------


@dataclass
class Till:
    """A server that loses, refuses and carries out submissions, and counts those it carried out."""

    chance: random.Random
    submitted: int = 0

    def __call__(self) -> Answer | Trouble:
        kind = self.chance.choice(["not sent", "429", "refused", "lost", "5xx", "408", "too late", "broken", "good"])
        if kind == "not sent":
            return NOT_SENT
        if kind == "429":
            return reply("", 429, retry_after=self.chance.choice(["0", "1", "x", "900"]))
        if kind == "refused":
            return reply("no", self.chance.choice([*REFUSALS, 404, 413]))
        # Whether it was carried out, nobody can tell from what comes back.
        if kind in {"good", "broken"} or self.chance.random() < 0.5:
            self.submitted += 1
        if kind == "lost":
            return NoAnswer("ReadError: reset", partial=self.chance.choice([b"", b'{"id": "job-1", "sta']))
        if kind == "too late":
            return TooLate("the deadline passed", sent=True)
        if kind == "broken":
            return reply(self.chance.choice(["", "<html>", "[]", '{"id": "job-1"}', '{"id": "job-1", "st']))
        return job("IN_QUEUE") if kind == "good" else reply("", 408 if kind == "408" else 502)


def submit(operation: Operation, server: Till, policy: RetryPolicy, timeout: float | None) -> RunpodError | None:
    """What a session does with the decisions."""
    asked = Call(operation, ENDPOINT, JOB if operation is RETRY else None)
    now, attempt, end = START, 1, deadline(timeout)
    doubt: Answer | Trouble | None = None
    while True:
        outcome = server()
        got = decide(
            asked,
            outcome,
            attempt=attempt,
            policy=policy,
            deadline=end,
            now=now,
            submitted_at=START,
            jitter=server.chance.random,
            doubt=doubt,
        )
        if isinstance(got, Fail):
            return got.error
        if got is None:
            assert isinstance(outcome, Answer)
            try:
                read_job(outcome, asked)
            except APIResponseError as error:
                return error
            return None
        now += got.delay
        attempt += 1
        if doubt is None and in_doubt(asked, outcome):
            doubt = outcome
        assert attempt <= policy.max_retries + 1
        assert now <= end.at


@settings(max_examples=1000)
@given(
    operation=st.sampled_from([RUN, RUN_SYNC, RETRY]),
    seed=st.integers(),
    retries=st.integers(0, 30),
    timeout=st.none() | st.floats(0.1, 100.0),
)
def test_a_job_is_paid_for_once_whatever_the_network_does(
    operation: Operation, seed: int, retries: int, timeout: float | None
) -> None:
    server = Till(random.Random(seed))
    error = submit(operation, server, RetryPolicy(max_retries=retries), timeout)
    assert server.submitted <= 1
    if error is None:
        assert 1 == server.submitted
    elif server.submitted:
        assert error.maybe_submitted
    if error is not None and not error.maybe_submitted:
        assert 0 == server.submitted


@settings(max_examples=500)
@given(operation=st.sampled_from([RUN, RUN_SYNC, RETRY]), seed=st.integers(), retries=st.integers(0, 5))
def test_whoever_allows_doubles_is_told_where_there_may_be_one(operation: Operation, seed: int, retries: int) -> None:
    server = Till(random.Random(seed))
    error = submit(operation, server, RetryPolicy(max_retries=retries, resubmit=True), None)
    assert server.submitted <= retries + 1
    if error is None:
        assert server.submitted
    elif server.submitted:
        assert error.maybe_submitted


@given(
    operation=st.sampled_from(OPERATIONS),
    outcome=st.one_of(troubles, refusals(st.integers(300, 999)), st.just(TOO_LATE), st.just(TOO_LATE_UNSENT)),
    attempt=st.integers(1, 5),
    resubmit=st.booleans(),
    timeout=st.none() | st.floats(0.001, 1000.0),
)
def test_nothing_but_our_errors_comes_out(
    operation: Operation, outcome: Any, attempt: int, resubmit: bool, timeout: float | None
) -> None:
    got = ask(operation, outcome, attempt=attempt, policy=RetryPolicy(resubmit=resubmit), timeout=timeout)
    if isinstance(got, Fail):
        assert isinstance(got.error, RunpodError)
        assert str(got.error)
        if isinstance(outcome, Answer):
            assert isinstance(got.error, APIStatusError)
            assert outcome.status == got.error.status_code


@given(text=retry_after_texts | st.text(max_size=40), date=retry_after_texts | st.text(max_size=40))
def test_no_header_breaks_the_decision(text: str, date: str) -> None:
    got = ask(STATUS, Answer(503, {"retry-after": text, "date": date}), timeout=1e9)
    assert isinstance(got, (Again, Fail))
