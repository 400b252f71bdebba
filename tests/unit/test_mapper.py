"""Tests of the state machine of `map`: workers and a consumer in any order, on a simulated clock."""

from __future__ import annotations

import math
import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod import JobFailedError, JobState, MapResult, RunpodTimeoutError, errors
from runpod._protocol.deadlines import Deadline
from runpod._protocol.map_actions import Cancel, Entry, Idle, Poll, Read, Stage, Stop, Submit
from runpod._protocol.mapper import MAX_DOUBTS, PATIENCE, Mapper
from runpod._protocol.polling import Done, Pause
from runpod._protocol.polling import Poll as PollAction
from runpod._protocol.rate_limits import CONCURRENT_CANCELS

if TYPE_CHECKING:
    from collections.abc import Generator

START = 1000.0


class Wakeup:
    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        self.is_set = True


class Waiter:
    """A stub for the waiter of a job that ends at the given time."""

    def __init__(self, job_id: str, ends: float, now: float) -> None:
        self.job_id = job_id
        self.ends = ends
        self.polled_at = now
        self.is_done = False
        self.may_hold = True
        self.state: Any = None

    def next(self, now: float) -> Any:
        if self.is_done:
            return Done()
        return PollAction(None) if now >= self.polled_at else Pause(self.polled_at - now)  # type: ignore[arg-type]


@dataclass
class Run:
    """A run whose workers and consumer take steps in random order. Time passes when all of them wait."""

    inputs: int
    in_flight: int
    seed: int = 0
    ordered: bool = False
    fail_fast: bool = False
    stop_on_outage: bool = False
    cancel: bool = True
    submitting: int = 3
    polling: int = 4
    threads: int = 12
    timeout: float | None = None
    # Of the inputs with these indices.
    fails: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()
    doubtful: frozenset[int] = frozenset()
    expired: frozenset[int] = frozenset()
    # How often a submission is put off.
    postponed: int = 0
    # After how many results the consumer leaves the loop.
    leaves_after: float = math.inf
    raises_at: int | None = None
    time: float = START
    results: list[MapResult[Any]] = field(default_factory=list)
    submitted: list[int] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    cancelled: list[int] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=dict)
    closed_at: float | None = None
    end: Any = None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.mapper = Mapper(
            self.in_flight,
            ordered=self.ordered,
            fail_fast=self.fail_fast,
            stop_on_outage=self.stop_on_outage,
            cancel=self.cancel,
            max_submitting=self.submitting,
            max_polling=self.polling,
        )
        self.mapper.start(Deadline.after(self.timeout, self.time), self.time)
        self.actors: dict[Any, Any] = {}
        self.read = 0
        self.readers: set[int] = set()
        self.put_off: dict[int, int] = {}

    # Actors yield the seconds they wait, or (wakeup, seconds).

    def worker(self) -> Generator[Any, None, None]:
        wakeup, mapper = Wakeup(), self.mapper
        while True:
            action = mapper.next(wakeup, self.time)
            self.add_worker()
            if isinstance(action, Stop):
                return
            if isinstance(action, Idle):
                yield wakeup, action.seconds
                continue
            if isinstance(action, Read):
                self.readers.add(id(wakeup))
                assert len(self.readers) == 1, "two workers read the inputs"
                yield from self.do_read()
            elif isinstance(action, Submit):
                yield from self.do_submit(action.entry)
            elif isinstance(action, Poll):
                yield from self.do_poll(action.entry)
            elif isinstance(action, Cancel):
                yield from self.do_cancel(action.entry)

    def do_read(self) -> Generator[Any, None, None]:
        yield self.random.choice([0.0, 0.1])
        if self.read == self.raises_at:
            self.mapper.end_of_inputs(ValueError("input"))
        elif self.read == self.inputs:
            self.mapper.end_of_inputs()
        else:
            entry = Entry(self.read, f"input {self.read}")
            self.read += 1
            self.mapper.read(entry, self.time)
            self.check_limits()

    def do_submit(self, entry: Entry) -> Generator[Any, None, None]:
        assert entry.index not in self.submitted, "submitted twice"
        yield self.random.choice([0.0, 0.05, 1.0])
        index = entry.index
        if self.put_off.get(index, 0) < self.postponed and self.random.random() < 0.5:
            self.put_off[index] = self.put_off.get(index, 0) + 1
            self.mapper.postpone(entry, self.random.choice([0.0, 5.0]), self.time)
        elif index in self.refused:
            error: Any = errors.BadRequestError("refused")
            self.mapper.finish(entry, MapResult(index, entry.input, error=error), self.time)
        elif index in self.doubtful:
            self.submitted.append(index)
            self.ended.add(index)
            error = errors.APIConnectionError("lost", maybe_submitted=True)
            self.mapper.finish(entry, MapResult(index, entry.input, error=error), self.time)
        else:
            self.submitted.append(index)
            waiter: Any = Waiter(f"job-{index}", self.time + self.random.choice([0.0, 1.0, 30.0]), self.time)
            self.mapper.submitted(entry, waiter, self.time)

    def do_poll(self, entry: Entry) -> Generator[Any, None, None]:
        waiter: Any = entry.waiter
        hold = min(90.0, max(0.0, waiter.ends - self.time)) if waiter.may_hold else 0.0
        yield hold + 0.02
        if self.time >= waiter.ends:
            waiter.is_done = True
            self.ended.add(entry.index)
        waiter.polled_at = self.time + 0.5
        if self.mapper.polled(entry, self.time) is None:
            return
        if entry.index in self.expired and entry.stage is Stage.POLLING:
            self.mapper.cancel(entry, RunpodTimeoutError("late", job_id=waiter.job_id))
            return
        if not self.mapper.claim(entry):
            return
        yield self.random.choice([0.0, 0.01])
        state: Any = JobState(id=waiter.job_id, status="FAILED" if entry.index in self.fails else "COMPLETED")
        error = JobFailedError("failed", state=state) if entry.index in self.fails else None
        self.mapper.finish(entry, MapResult(entry.index, entry.input, waiter.job_id, state, error), self.time)

    def do_cancel(self, entry: Entry) -> Generator[Any, None, None]:
        yield 0.05
        assert entry.index not in self.cancelled
        self.cancelled.append(entry.index)
        self.mapper.finish(entry, MapResult(entry.index, entry.input, entry.job_id, error=entry.error), self.time)

    def consumer(self) -> Generator[Any, None, None]:
        wakeup = Wakeup()
        while len(self.results) < self.leaves_after:
            found = self.mapper.take(wakeup, self.time)
            self.add_worker()
            if isinstance(found, Stop):
                break
            if isinstance(found, Idle):
                yield wakeup, found.seconds
                continue
            self.results.append(found)
            yield self.random.choice([0.0, 0.0, 2.0])
        self.mapper.close(self.time)
        self.add_worker()
        while not self.mapper.wait_until_closed(wakeup):
            yield wakeup, math.inf
        self.closed_at = self.time

    def add_worker(self) -> None:
        if self.mapper.needs_worker(self.time) and len(self.actors) <= self.threads:
            self.start(self.worker())

    def start(self, actor: Any) -> None:
        self.actors[actor] = (None, self.time)

    def check_limits(self) -> None:
        mapper = self.mapper
        stages = mapper._stages
        assert len(mapper._open) <= self.in_flight
        assert sum(stages[each] for each in Stage if each is not Stage.ENDED) == len(mapper._open)
        assert stages[Stage.SUBMITTING] <= self.submitting
        assert stages[Stage.POLLING] <= self.polling
        assert stages[Stage.CANCELLING] <= CONCURRENT_CANCELS
        assert len(mapper._open) + len(mapper._results) <= (2 if self.ordered else 1) * self.in_flight

    def play(self) -> Run:
        self.start(self.consumer())
        while self.actors:
            ready = [a for a, (wakeup, due) in self.actors.items() if due <= self.time or (wakeup and wakeup.is_set)]
            if not ready:
                due = min(due for _, due in self.actors.values())
                assert due < math.inf, f"all wait: {self.mapper._stages}"
                self.time = due
                continue
            actor = self.random.choice(ready)
            wakeup, _ = self.actors[actor]
            if wakeup is not None:
                wakeup.is_set = False
            self.actors[actor] = (None, math.inf)
            try:
                waits = next(actor)
            except StopIteration:
                del self.actors[actor]
            else:
                wakeup, seconds = waits if isinstance(waits, tuple) else (None, waits)
                self.actors[actor] = (wakeup, self.time + seconds)
            self.check_limits()
        assert self.closed_at is not None
        # Nothing that was submitted is left running, unless it was asked for.
        left = set(self.submitted) - self.ended - set(self.cancelled)
        kept = {entry.index for entry in self.mapper.kept}
        assert left <= kept
        assert len(self.submitted) == len(set(self.submitted))
        indices = [result.index for result in self.results]
        assert len(indices) == len(set(indices))
        if self.ordered:
            assert indices == list(range(len(indices)))
        return self


indices = st.frozensets(st.integers(0, 20), max_size=4)

RUNS: dict[str, Any] = {
    "inputs": st.integers(0, 25),
    "in_flight": st.integers(1, 12),
    "seed": st.integers(0, 10**6),
    "ordered": st.booleans(),
    "submitting": st.integers(1, 4),
    "polling": st.integers(1, 12),
    "fails": indices,
    "refused": indices,
    "doubtful": indices,
    "postponed": st.integers(0, 2),
}


@settings(max_examples=300)
@given(st.builds(Run, **RUNS, expired=indices))
def test_every_input_has_exactly_one_result(run: Run) -> None:
    run.play()
    assert set(range(run.inputs)) == {result.index for result in run.results}
    assert set(run.submitted) == set(range(run.inputs)) - run.refused
    assert {i for i in run.expired - run.refused - run.doubtful if i < run.inputs} == set(run.cancelled)


@settings(max_examples=300)
@given(
    st.builds(
        Run,
        **RUNS,
        cancel=st.booleans(),
        fail_fast=st.booleans(),
        stop_on_outage=st.booleans(),
        leaves_after=st.integers(0, 20),
        timeout=st.none() | st.sampled_from([0.01, 1.0, 10.0]),
        raises_at=st.none() | st.integers(0, 25),
    )
)
def test_nothing_is_left_however_the_loop_ends(run: Run) -> None:
    run.play()
    assert run.cancel or not run.cancelled
    assert not run.cancel or not run.mapper.kept


def submitting(mapper: Mapper, *, reader: Wakeup | None = None, now: float = START) -> Entry:
    """The next input: it was read, and is being submitted."""
    action = mapper.next(reader or Wakeup(), now)
    assert isinstance(action, Read)
    entry = Entry(0, None)
    mapper.read(entry, now)
    assert isinstance(mapper.next(Wakeup(), now), Submit)
    return entry


def test_map_runs_ahead_by_twice_in_flight() -> None:
    run = Run(inputs=100, in_flight=5, ordered=True, polling=5)
    mapper, most = run.mapper, 0
    slow = 0
    reader = Wakeup()
    for number in range(400):
        action = mapper.next(reader if number % 2 == 0 else Wakeup(), START)
        if isinstance(action, Read):
            mapper.read(Entry(run.read, None), START)
            run.read += 1
        elif isinstance(action, Submit):
            run.submitted.append(action.entry.index)
            mapper.submitted(action.entry, Waiter("job", math.inf, START), START)  # type: ignore[arg-type]
        elif isinstance(action, Poll) and action.entry.index != slow:
            assert mapper.claim(action.entry)
            mapper.finish(action.entry, MapResult(action.entry.index, None), START)
        most = max(most, len(mapper._results))
    assert (9, 10) == (most, len(run.submitted))
    assert isinstance(mapper.take(Wakeup(), START), Idle)


def test_the_first_failure_ends_the_submissions() -> None:
    run = Run(inputs=1000, in_flight=5, ordered=True, fail_fast=True, fails=frozenset({3}), polling=5, submitting=5)
    run.play()
    assert max(run.submitted) < 30
    assert [0, 1, 2, 3] == [result.index for result in run.results][:4]


def test_the_error_of_the_inputs_comes_after_all_results() -> None:
    run = Run(inputs=1000, in_flight=5, raises_at=7).play()
    assert set(range(7)) == {result.index for result in run.results}
    assert "input" == str(run.mapper.problem)


def test_an_error_for_all_inputs_ends_the_run() -> None:
    mapper = Run(inputs=1, in_flight=1).mapper
    for error, submitting, strict in (
        (errors.AuthenticationError("401"), False, True),
        (errors.PermissionDeniedError("403"), True, True),
        (errors.ClientClosedError("closed"), True, True),
        (errors.NotFoundError("404"), True, True),
    ):
        assert strict == mapper.ends_run(error, submitting=submitting)
    for error in (errors.NotFoundError("404"), errors.JobExpiredError("gone"), errors.ServerError("500")):
        assert not mapper.ends_run(error, submitting=False)
    durable = Run(inputs=1, in_flight=1, stop_on_outage=True).mapper
    assert durable.ends_run(errors.APIConnectionError("refused", maybe_submitted=False), submitting=True)
    assert not durable.ends_run(errors.APIConnectionError("lost", maybe_submitted=True), submitting=True)
    assert durable.ends_run(errors.RateLimitError("429"), submitting=True)


def test_an_outage_is_waited_out() -> None:
    mapper = Run(inputs=1, in_flight=1).mapper
    assert mapper.is_patient(START)
    assert mapper.is_patient(START + PATIENCE - 1)
    assert not mapper.is_patient(START + PATIENCE)
    entry = submitting(mapper)
    mapper.submitted(entry, Waiter("job", math.inf, START), START + 100)  # type: ignore[arg-type]
    assert mapper.is_patient(START + PATIENCE + 99)
    # It counts from the first failure, not from the last success.
    mapper.submitted(entry, Waiter("job", math.inf, START), START + 200)  # type: ignore[arg-type]
    assert mapper.is_patient(START + 10 * PATIENCE)
    assert not mapper.is_patient(START + 11 * PATIENCE)


def test_a_poll_is_held_only_if_every_job_has_a_worker() -> None:
    for in_flight, polling, held in ((4, 4, True), (5, 4, False)):
        run = Run(inputs=100, in_flight=in_flight, polling=polling)
        mapper = run.mapper
        entry = submitting(mapper)
        waiter: Any = Waiter("job", math.inf, START)
        mapper.submitted(entry, waiter, START)
        assert isinstance(mapper.next(Wakeup(), START), Poll)
        assert held == waiter.may_hold
        # The last jobs have workers enough.
        mapper.end_of_inputs()
        mapper.polled(entry, START)
        mapper.next(Wakeup(), START + 1)
        assert waiter.may_hold


def test_doubtful_submissions_slow_down_and_end_the_run() -> None:
    mapper, now, wakeup = Run(inputs=99, in_flight=99).mapper, START, Wakeup()
    reader = Wakeup()
    for index in range(60):
        assert isinstance(mapper.next(reader, now), Read)
        mapper.read(Entry(index, None), now)
    lost, pauses, doubtful = errors.ServerError("502", maybe_submitted=True), [], 0

    def submissions() -> list[Entry]:
        found = []
        while isinstance(action := mapper.next(wakeup, now), Submit):
            found.append(action.entry)
        pauses.append(getattr(action, "seconds", None))
        return found

    while not mapper.closing:
        entries = submissions()
        if not entries:
            assert pauses[-1] is not None
            now += pauses[-1]
            continue
        # Those that were under way count once.
        for entry in entries:
            doubtful += 1
            mapper.finish(entry, MapResult(entry.index, None, error=lost), now)
    assert [1, 2, 4, 8, 16, 32, 60, 60] == [pause for pause in pauses if pause and pause < math.inf]
    assert (lost, MAX_DOUBTS + 2) == (mapper.problem, doubtful)


def test_a_submission_ends_the_doubt() -> None:
    mapper, now = Run(inputs=99, in_flight=99).mapper, START
    reader = Wakeup()
    for index in range(9):
        mapper.next(reader, now)
        mapper.read(Entry(index, None), now)
    first: Any = mapper.next(Wakeup(), now)
    lost = errors.ServerError("502", maybe_submitted=True)
    mapper.finish(first.entry, MapResult(0, None, error=lost), now)
    second: Any = mapper.next(Wakeup(), now + 1)
    assert isinstance(second, Submit)
    assert not isinstance(mapper.next(Wakeup(), now + 1), Submit)
    mapper.submitted(second.entry, Waiter("job", math.inf, now), now + 1)  # type: ignore[arg-type]
    assert isinstance(mapper.next(Wakeup(), now + 1), Submit)
    assert isinstance(mapper.next(Wakeup(), now + 1), Submit)


@pytest.mark.parametrize("cancel", [True, False])
def test_a_late_result_is_not_handed_out(cancel: bool) -> None:
    run = Run(inputs=10, in_flight=2, cancel=cancel)
    mapper = run.mapper
    entry = submitting(mapper)
    mapper.close(START)
    assert not mapper.closed
    mapper.submitted(entry, Waiter("job", math.inf, START), START)  # type: ignore[arg-type]
    assert cancel != mapper.closed
    assert ([] if cancel else [entry]) == mapper.kept
    if cancel:
        assert isinstance(mapper.next(Wakeup(), START), Cancel)
        assert not mapper.finish(entry, MapResult(0, None), START)
    assert mapper.closed
    assert isinstance(mapper.take(Wakeup(), START), Stop)


def test_giving_up_an_input_is_no_progress() -> None:
    mapper = Run(inputs=2, in_flight=2).mapper
    reader = Wakeup()
    refused = errors.APIConnectionError("refused", maybe_submitted=False, retryable=True)
    assert mapper.is_patient(START)
    for error, is_patient in ((refused, False), (errors.BadRequestError("400"), True)):
        entry = submitting(mapper, reader=reader, now=START + PATIENCE)
        mapper.finish(entry, MapResult(0, None, error=error), START + PATIENCE)
        assert is_patient == mapper.is_patient(START + PATIENCE)


def test_the_time_of_a_run() -> None:
    mapper = Mapper(1)
    assert 0 == mapper.report(START).wall_seconds
    mapper.start(Deadline(), START)
    assert 5 == mapper.report(START + 5).wall_seconds
    mapper.close(START + 7)
    assert 7 == mapper.report(START + 9).wall_seconds


def test_the_garbage_collector_can_close_it_in_the_middle_of_a_call() -> None:
    mapper = Run(inputs=2, in_flight=2).mapper
    idle, reader = Wakeup(), Wakeup()
    assert isinstance(mapper.next(reader, START), Read)
    assert isinstance(mapper.next(idle, START), Idle)
    with mapper._lock:
        mapper.close(START)
        assert not mapper.closed
    assert idle.is_set
    assert isinstance(mapper.next(idle, START), Stop)
    assert mapper.closed
    # What Ctrl-C interrupts in Python code, between acquiring and releasing, would leave it locked.
    assert type(threading.RLock()) is type(mapper._lock)


def test_an_interrupted_cancellation_is_done_again() -> None:
    mapper = Run(inputs=1, in_flight=1).mapper
    entry = submitting(mapper)
    mapper.submitted(entry, Waiter("job", math.inf, START), START)  # type: ignore[arg-type]
    # As after a Ctrl-C in the middle of `close`.
    mapper._closing = True
    mapper.close(START)
    for _ in range(2):
        assert isinstance(mapper.next(Wakeup(), START), Cancel)
        # The worker that polled it was interrupted, too.
        mapper.drop(entry, is_poll=True)
        assert not mapper.closed
        mapper.cancel_again(entry)
    assert isinstance(mapper.next(Wakeup(), START), Cancel)
    mapper.drop(entry)
    assert mapper.closed
