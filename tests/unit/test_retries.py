"""Tests of retry rules and pauses, and of how often a submission can be processed."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod import RetryPolicy, errors
from runpod._protocol.decoding import parse_job
from runpod._protocol.operations import HEALTH, RETRY, RUN, RUN_SYNC, STATUS, Call, Operation
from runpod._protocol.outcomes import DeadlineExceeded, Outcome, RequestNotSent, Response, ResponseLost
from runpod._protocol.retries import Attempts
from tests.unit import simulation
from tests.unit.simulation import ENDPOINT, JOB, START, deadline, job, reply, seeded

NOT_SENT = RequestNotSent("ConnectError: refused")
NO_ANSWER = ResponseLost("ReadError: reset")
TOO_LATE = DeadlineExceeded("the deadline passed", sent=True)

# Whether an outcome is retried, for a submission, for one with resubmit=True, and for other operations.
TABLE: list[tuple[tuple[bool, bool, bool], list[Any]]] = [
    ((True, True, True), [NOT_SENT, 429]),
    ((False, True, True), [NO_ANSWER, 408, 500, 503, 599]),
    (
        (False, False, False),
        [RequestNotSent("no certificate", final=True), TOO_LATE, DeadlineExceeded("too late", sent=False)],
    ),
    ((False, False, False), [300, 399, 400, 401, 403, 404, 409, 413, 422, 499]),
]


def after(
    operation: Operation, outcome: Any, *, timeout: float | None = None, now: float = START, **options: Any
) -> Any:
    """Return the pause before the next attempt, or the error."""
    call = Call(operation, ENDPOINT, JOB if operation in {STATUS, RETRY} else None)
    options = {"policy": RetryPolicy(), "jitter": lambda: 0.5, **options}
    attempts = Attempts(call, deadline=deadline(timeout), **options)
    try:
        return attempts.next_delay(reply("", outcome) if isinstance(outcome, int) else outcome, now)
    except errors.RunpodError as error:
        return error


@pytest.mark.fact("protocol 4: 429", "protocol 4: gateway errors")
@pytest.mark.parametrize(("expected", "outcome"), [(row[0], outcome) for row in TABLE for outcome in row[1]])
def test_retry_table(expected: tuple[bool, bool, bool], outcome: Any) -> None:
    got = [after(RUN, outcome), after(RUN, outcome, policy=RetryPolicy(resubmit=True)), after(STATUS, outcome)]
    assert expected == tuple(isinstance(each, float) for each in got)
    # After the last attempt, the error of the outcome is raised.
    for operation in (RUN, STATUS):
        last = after(operation, outcome, number=4)
        assert isinstance(last, errors.RunpodError)
        assert isinstance(last, errors.APIStatusError) == isinstance(outcome, int)


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_max_retries(max_retries: int) -> None:
    policy = RetryPolicy(max_retries=max_retries)
    got = [after(STATUS, NO_ANSWER, number=n, policy=policy) for n in range(1, max_retries + 2)]
    assert [float] * max_retries + [errors.APIConnectionError] == [type(each) for each in got]
    assert (f" ({max_retries + 1} attempts)" if max_retries else "got no response: ") in str(got[-1])


def test_exponential_backoff_with_full_jitter() -> None:
    policy = RetryPolicy(max_retries=2000, initial_delay=timedelta(seconds=0.5), max_delay=timedelta(seconds=8.0))
    longest = [after(STATUS, NO_ANSWER, number=n, policy=policy, jitter=lambda: 1.0) for n in (1, 2, 3, 4, 5, 6, 1500)]
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0] == longest
    assert 0.0 == after(STATUS, NO_ANSWER, jitter=lambda: 0.0)
    # The caller's own delays may be longer than the limit for Retry-After.
    policy = RetryPolicy(initial_delay=timedelta(seconds=400.0), max_delay=timedelta(seconds=400.0))
    assert 400.0 == after(STATUS, NO_ANSWER, policy=policy, jitter=lambda: 1.0)


@pytest.mark.parametrize(
    ("text", "timeout", "expected"),
    [
        *[("7", 60.0, 7.0), ("59.9", 60.0, 59.9), ("0", 60.0, 0.25), ("-5", 60.0, 0.25), ("soon", 60.0, 0.25)],
        # A pause beyond the deadline is an immediate error.
        *[(text, 60.0, None) for text in ("60", "9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT")],
        # Without a deadline, Retry-After has an upper limit.
        *[("300", None, 300.0), ("301", None, None), ("301", 1000.0, 301.0)],
    ],
)
def test_retry_after_is_honoured_within_the_deadline(text: str, timeout: float | None, expected: float | None) -> None:
    got = after(RUN, reply("", 429, retry_after=text), timeout=timeout)
    if expected is not None:
        assert expected == got
    else:
        assert errors.RateLimitError is type(got)
        assert got.retry_after >= 60.0


@given(
    outcome=simulation.transient,
    number=st.integers(1, 10_000),
    timeout=st.floats(0.001, 100.0),
    gone=st.floats(0.0, 120.0),
    first=st.floats(0, 100),
    jitter=st.integers().map(seeded),
)
def test_pauses_end_before_the_deadline(
    outcome: Any, number: int, timeout: float, gone: float, first: float, jitter: Any
) -> None:
    policy = RetryPolicy(max_retries=10_000, initial_delay=timedelta(seconds=first))
    got = after(STATUS, outcome, number=number, policy=policy, timeout=timeout, now=START + gone, jitter=jitter)
    assert isinstance(got, Exception) or START + gone <= START + gone + got < START + timeout


@pytest.mark.fact("protocol 4: 404 after the submission")
@pytest.mark.parametrize(
    ("operation", "submitted_at", "expected"),
    [
        *[(STATUS, START - 9.99, 0.25), (STATUS, START - 10.0, None), (STATUS, None, None)],
        *[(RETRY, START - 1.0, None), (HEALTH, START - 1.0, None)],
    ],
)
def test_a_404_right_after_the_submission_is_retried(operation: Any, submitted_at: Any, expected: Any) -> None:
    got = after(operation, 404, submitted_at=submitted_at)
    assert expected == (got if isinstance(got, float) else None)
    assert isinstance(after(STATUS, 400, submitted_at=START), errors.BadRequestError)


def test_a_404_of_a_recently_submitted_job_is_retried_even_without_max_retries() -> None:
    policy = RetryPolicy(max_retries=0, initial_delay=timedelta(0))
    assert 0.1 == after(STATUS, 404, submitted_at=START, policy=policy, number=9)


class Service:
    """A service that loses, rejects or processes submissions at random, and counts those processed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.submitted = 0

    def __call__(self) -> Outcome:
        kind = self.chance.choice(["not sent", "429", "refused", "lost", "502", "408", "too late", "broken", "good"])
        if kind == "not sent":
            return NOT_SENT
        if kind == "429":
            return reply("", 429, retry_after=self.chance.choice(["0", "1", "x", "900"]))
        if kind == "refused":
            return reply("no", self.chance.choice([*simulation.FINAL, 404, 413]))
        # The response does not tell whether the submission was processed.
        self.submitted += kind in {"good", "broken"} or self.chance.random() < 0.5
        if kind == "lost":
            return ResponseLost("ReadError: reset", partial=self.chance.choice([b"", b'{"id": "job-1", "sta']))
        if kind == "broken":
            return reply(self.chance.choice(["", "<html>", "[]", '{"id": "job-1"}', '{"id": "job-1", "st']))
        return TOO_LATE if kind == "too late" else job("IN_QUEUE") if kind == "good" else reply("", int(kind))


def submit(operation: Operation, server: Service, policy: RetryPolicy, timeout: float | None) -> Any:
    """Submit as a session does. Returns the error, or None on success."""
    call = Call(operation, ENDPOINT, JOB if operation is RETRY else None)
    now, end = START, deadline(timeout)
    attempts = Attempts(call, policy, end, START, server.chance.random)
    while True:
        outcome = server()
        try:
            if isinstance(outcome, Response) and outcome.is_success:
                parse_job(outcome, call)
                return None
            now += attempts.next_delay(outcome, now)
        except errors.RunpodError as error:
            return error
        assert attempts.number <= policy.max_retries + 1
        assert now <= end.at


@pytest.mark.fact("protocol 4: submission in doubt", "protocol 4: retry in doubt", "protocol 7: no key")
@settings(max_examples=500)
@given(
    operation=st.sampled_from([RUN, RUN_SYNC, RETRY]),
    seed=st.integers(),
    policy=st.builds(RetryPolicy, max_retries=st.integers(0, 20), resubmit=st.booleans()),
    timeout=st.none() | st.floats(0.1, 100.0),
)
def test_a_job_is_processed_at_most_once_and_doubt_is_reported(
    operation: Operation, seed: int, policy: RetryPolicy, timeout: float | None
) -> None:
    server = Service(seed)
    error = submit(operation, server, policy, timeout)
    # Twice only with resubmit=True.
    assert server.submitted <= (policy.max_retries + 1 if policy.resubmit else 1)
    if error is None:
        assert server.submitted >= 1
    elif server.submitted:
        assert error.maybe_submitted
        assert not error.retryable
