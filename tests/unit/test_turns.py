"""Turns of those who wait for jobs of one endpoint, on a virtual clock and with hypothesis."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod import ConfigurationError, RunpodTimeoutError, WaitLimits
from runpod._protocol.looking import Done, Routes
from runpod._protocol.operations import STATUS, STATUS_SYNC, Call
from runpod._protocol.turns import PAUSE, SLOWEST, Turn, Turns, TurnsByEndpoint
from runpod._protocol.waiting import Waiter
from tests.unit.crowds import Crowd
from tests.unit.machines import ENDPOINT, START, deadline, job, reply, seeded

if TYPE_CHECKING:
    from runpod._protocol.outcomes import Answer

WAY = 0.02  # seconds that an answer is on its way


@dataclass
class Endpoint:
    """Jobs that end at a moment, and how often the endpoint lets itself be asked in a second."""

    ends: dict[str, float]
    allows: int | None = None
    asked: list[float] = field(default_factory=list)
    refused: int = 0

    def __call__(self, call: Call, now: float) -> tuple[Answer, float]:
        recent = [moment for moment in self.asked[-1000:] if moment > now - 1.0]
        if self.allows is not None and len(recent) >= self.allows:
            self.refused += 1
            return reply("", 429), WAY
        self.asked.append(now)
        assert call.job_id is not None
        end = self.ends[call.job_id]
        held = min(max(0.0, end - now), call.hold or 0.0) + WAY
        return job("COMPLETED" if now + held >= end else "IN_PROGRESS", id=call.job_id), held


class Bell:
    def __init__(self) -> None:
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1


def turns(concurrent: int = 3, per_second: int = 10) -> Turns:
    return Turns(WaitLimits(concurrent=concurrent, per_second=per_second))


def taken(line: Turns, now: float = START) -> Turn:
    turn = Turn(Bell())
    assert 0 == line.ask(turn, now)
    return turn


def in_line(line: Turns, now: float = START) -> tuple[Turn, Bell]:
    bell = Bell()
    turn = Turn(bell)
    assert line.ask(turn, now) > 0
    return turn, bell


def wait_for(crowd: Crowd, server: Endpoint, *, timeout: float | None = None, arrive: Any = None) -> list[Waiter]:
    """A wait for each job of the endpoint, from moments on that `arrive` gives by number."""
    waiters = []
    for number, job_id in enumerate(server.ends):
        at = START + (arrive(number) if arrive else 0.0)
        waiter = Waiter(ENDPOINT, job_id, deadline(timeout), at, jitter=seeded(number))
        waiters.append(waiter)
        crowd.enter(lambda person, waiter=waiter: crowd.wait(person, waiter, server), at)
    return waiters


# --- the turn ---------------------------------------------------------------------------------


def test_the_turn_comes_at_once_where_nobody_waits_and_holds_as_long_as_it_likes() -> None:
    turn = taken(turns())
    call = Call(STATUS_SYNC, ENDPOINT, "job", hold=90.0)
    assert call is turn.shorten(call)


def test_half_of_what_a_second_allows_may_begin_at_once_and_the_rest_evenly() -> None:
    line = turns(concurrent=100, per_second=10)
    begun = []
    now = START
    while len(begun) < 30:
        pause = line.ask(turn := Turn(Bell()), now)
        while pause > 0:
            now += pause
            pause = line.ask(turn, now)
        begun.append(now - START)
    assert [0.0] * 5 == begun[:5]
    assert pytest.approx([0.25, 0.35, 0.45, 0.55, 0.65]) == begun[5:10]
    # One pause until the burst is a second ago, and then evenly.
    assert pytest.approx([1.0 + n / 10 for n in range(20)], abs=0.26) == begun[10:30]


@pytest.mark.parametrize("late", [0.0, 0.002, 0.05, 0.2])
def test_a_busy_program_that_wakes_everybody_late_keeps_its_pace(late: float) -> None:
    line = turns(concurrent=1000, per_second=100)
    crowd = [Turn(Bell()) for _ in range(600)]
    now = START
    for turn in crowd:
        line.ask(turn, now)
    while now < START + 5.0:
        # Only the one who keeps the time is awake, and gives the others their turns.
        first = next(turn for turn in crowd if turn not in line._running)
        now += line.ask(first, now) + late
    assert line.running >= 450


def test_who_leaves_a_slot_wakes_the_first_in_line() -> None:
    line = turns(concurrent=1)
    running = taken(line)
    (first, bell), (_, second_bell) = in_line(line), in_line(line)
    line.leave(running, START)
    assert (1, 0) == (bell.rung, second_bell.rung)
    assert 0 == line.ask(first, START)
    assert 0 == second_bell.rung, "there is no slot"
    line.leave(first, START)
    assert 1 == second_bell.rung


def test_who_leaves_the_line_makes_the_next_the_first() -> None:
    line = turns(concurrent=1)
    running = taken(line)
    (first, _), (second, _), (third, bell) = (in_line(line) for _ in range(3))
    line.leave(running, START)
    line.leave(second, START)
    assert 0 == bell.rung
    line.leave(first, START)
    assert 1 == bell.rung
    assert 0 == line.ask(third, START)
    assert 1 == line.waiting


def test_nobody_overtakes_the_line() -> None:
    line = turns(concurrent=1)
    running = taken(line)
    first, _ = in_line(line)
    line.leave(running, START)
    late, _ = in_line(line)
    assert math.isinf(line.ask(late, START))
    assert 0 == line.ask(first, START)


def test_leaving_twice_or_without_having_asked_gives_nothing_back() -> None:
    line = turns(concurrent=1)
    running = taken(line)
    line.leave(Turn(Bell()), START)
    line.leave(running, START)
    line.leave(running, START)
    assert 0 == line.waiting
    taken(line)
    in_line(line)


def test_looks_beside_the_turns_count() -> None:
    line = turns(concurrent=100, per_second=4)
    for _ in range(4):
        line.count(START)
    turn, _ = in_line(line)
    assert 1.0 == line.ask(turn, START)
    assert 0 == line.ask(turn, START + 1.0)


def test_looks_beside_the_turns_starve_nobody() -> None:
    line = turns(concurrent=100, per_second=10)
    begun = 0
    turn = Turn(Bell())
    for step in range(2000):
        now = START + step / 1000
        line.count(now)
        if line.ask(turn, now) <= 0:
            line.leave(turn, now)
            begun += 1
            turn = Turn(Bell())
    assert begun >= 9


def test_the_more_wait_the_shorter_a_look_is_held() -> None:
    # Twenty slots, ten looks a second: a full house of holds of two seconds keeps to the rate.
    line = Turns(WaitLimits(concurrent=20, per_second=10))
    holds: list[float] = []
    short: list[float] = []
    running: list[Turn] = []
    now = START
    for _ in range(20):
        now += 1.0
        running.append(taken(line, now))
        holds.append(running[-1].hold)
    assert [math.inf] * 10 + [6.0] * 10 == holds

    crowd = [in_line(line, now)[0] for _ in range(200)]
    for turn in running:
        now += 1.0
        line.leave(turn, now)
        turn_of_crowd = crowd.pop(0)
        assert 0 == line.ask(turn_of_crowd, now)
        short.append(turn_of_crowd.hold)
    assert 1.0 <= min(short) <= max(short) <= 2.3
    assert sorted(short) == short, "slots that are held for long come back"


def test_a_look_that_is_shortened_is_held_for_a_second_at_least() -> None:
    line = turns(concurrent=1, per_second=100)
    first = taken(line)
    (second, _), _ = in_line(line), in_line(line)
    line.leave(first, START)
    assert 0 == line.ask(second, START + 0.1)
    assert 1.0 == second.shorten(Call(STATUS_SYNC, ENDPOINT, "job", hold=90.0)).hold
    assert Call(STATUS, ENDPOINT, "job") == second.shorten(Call(STATUS, ENDPOINT, "job"))


def test_a_429_makes_everybody_pause_and_then_go_slower_for_a_while() -> None:
    line = turns(concurrent=100, per_second=100)
    line.leave(taken(line), START, reply("", 429, retry_after="3"))
    turn, _ = in_line(line, START + 0.1)
    assert pytest.approx(2.9) == line.ask(turn, START + 0.1)
    assert 0 == line.ask(turn, START + 3.0)
    # Twice the usual distance; none of it is for free.
    assert pytest.approx(0.02) == line.ask(Turn(Bell()), START + 3.0)


@pytest.mark.parametrize("header", ["86400", "soon", "-1", "nan"])
def test_what_a_429_asks_for_is_bounded(header: str) -> None:
    line = turns()
    line.leave(taken(line), START, reply("", 429, retry_after=header))
    assert PAUSE - 1e-9 <= line.ask(Turn(Bell()), START) <= 30.0


def test_the_pace_comes_back_when_there_is_no_more_429() -> None:
    line = Turns(WaitLimits(concurrent=1000, per_second=100))
    now = START
    for _ in range(10):
        line.leave(taken(line, now), now, reply("", 429))
        now += 2.0
    impatient, _ = in_line(line, now - 2.0)
    assert pytest.approx(SLOWEST / 100) == line.ask(impatient, now - 2.0)
    line.leave(impatient, now)
    now += 60.0
    for _ in range(50):
        taken(line, now)


def test_endpoints_and_limits_have_turns_of_their_own() -> None:
    every, limits = TurnsByEndpoint(), WaitLimits()
    assert every.of("one", limits) is every.of("one", WaitLimits())
    assert every.of("one", limits) is not every.of("two", limits)
    assert every.of("one", limits) is not every.of("one", WaitLimits(concurrent=5))


def test_a_forked_child_has_turns_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    every, limits = TurnsByEndpoint(), WaitLimits()
    parents = every.of("one", limits)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert every.of("one", limits) is not parents


@pytest.mark.parametrize("wrong", [{"concurrent": 0}, {"per_second": -1}, {"per_second": 0.5}, {"concurrent": True}])
def test_limits_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"WaitLimits is not valid: {next(iter(wrong))}"):
        WaitLimits(**wrong)


# --- crowds -----------------------------------------------------------------------------------


def test_a_lone_wait_is_as_if_there_were_no_turns() -> None:
    crowd, server = Crowd(), Endpoint({"job": START + 89.0})
    (waiter,) = wait_for(crowd, server)
    crowd.run()
    assert isinstance(waiter.over, Done)
    assert [90.0] == [look.call.hold for look in crowd.looks if look.call]
    assert START + 89.0 + WAY == pytest.approx(crowd.now)


@pytest.mark.parametrize("arrive", [None, lambda number: number / 100], ids=["at once", "100 a second"])
@pytest.mark.parametrize("jobs", [50, 300, 700, 3000])
def test_an_end_is_seen_in_time(jobs: int, arrive: Any) -> None:
    ends = {f"job-{number}": START + 40.0 + 0.01 * number for number in range(jobs)}
    crowd, server = Crowd(), Endpoint(ends)
    waiters = wait_for(crowd, server, arrive=arrive)
    crowd.run()
    crowd.check()
    assert all(isinstance(waiter.over, Done) for waiter in waiters)
    seen: dict[str | None, float] = {look.call.job_id: look.ended for look in crowd.looks if look.call}
    late = sorted(moment - ends[job_id] for job_id, moment in seen.items() if job_id)
    allowed = 0.2 if jobs <= 350 else 1.0 + jobs / crowd.limits.per_second
    assert late[-1] <= allowed
    if jobs <= 350:
        # No more than its own slot lets a wait look: the first half of them hold on.
        assert len(crowd.looks) <= 2 * jobs + (jobs - min(jobs, 175)) * 45 / 5


def test_ten_thousand_waits_that_begin_at_once() -> None:
    ends = {f"job-{number}": START + 60.0 for number in range(10_000)}
    crowd, server = Crowd(), Endpoint(ends)
    waiters = wait_for(crowd, server)
    crowd.run()
    crowd.check()
    assert all(isinstance(waiter.over, Done) for waiter in waiters)
    assert crowd.now - (START + 60.0) <= 2.0 + 10_000 / crowd.limits.per_second
    # The first in line did not keep their slots from the others.
    first = {look.call.job_id: look.at for look in reversed(crowd.looks) if look.call}
    assert max(first.values()) - START <= 8.0 + 10_000 / crowd.limits.per_second


def test_a_deadline_that_passes_in_line_ends_the_wait_on_time() -> None:
    ends = {f"job-{number}": math.inf for number in range(3000)}
    crowd, server = Crowd(), Endpoint(ends)
    waiters = wait_for(crowd, server, timeout=5.0)
    crowd.run()
    crowd.check()
    assert START + 5.0 == crowd.now
    assert len({look.call.job_id for look in crowd.looks if look.call}) < 2000, "some never had a turn"
    for waiter in waiters:
        assert isinstance(getattr(waiter.over, "error", None), RunpodTimeoutError)


def test_a_server_that_allows_less_is_not_overrun() -> None:
    ends = {f"job-{number}": START + 60.0 for number in range(1000)}
    crowd, server = Crowd(), Endpoint(ends, allows=60)
    waiters = wait_for(crowd, server)
    crowd.run()
    crowd.check()
    assert all(isinstance(waiter.over, Done) for waiter in waiters)
    assert server.refused < len(crowd.looks) / 5


def test_a_server_without_long_polls_is_polled_within_the_limits() -> None:
    ends = {f"job-{number}": START + 30.0 for number in range(2000)}
    crowd, server = Crowd(), Endpoint(ends)
    waiters = wait_for(crowd, server)
    for waiter in waiters:
        waiter.routes = Routes(long_poll=False)
    crowd.run()
    crowd.check()
    assert crowd.now <= START + 30.0 + 2.0 + 5.0 + 2000 / crowd.limits.per_second


@settings(max_examples=150, deadline=None)
@given(
    limits=st.builds(WaitLimits, concurrent=st.integers(1, 6), per_second=st.integers(1, 12)),
    people=st.lists(
        st.tuples(
            st.one_of(st.just(0.0), st.floats(0.0, 5.0)),  # arrives
            st.lists(st.one_of(st.just(0.0), st.floats(0.0, 3.0)), min_size=1, max_size=4),  # looks
            st.one_of(st.just(math.inf), st.floats(0.0, 4.0)),  # patience
            st.one_of(st.none(), st.floats(0.0, 10.0)),  # leaves, in the middle of whatever it is
        ),
        min_size=1,
        max_size=30,
    ),
)
def test_whoever_comes_and_goes_the_limits_hold_and_nobody_starves(limits: WaitLimits, people: list[Any]) -> None:
    crowd = Crowd(limits)
    longest = max(seconds for _, looks, _, _ in people for seconds in looks)

    for arrives, looks, patience, leaves in people:

        def story(person: Any, looks: Any = looks, patience: Any = patience) -> Any:
            for seconds in looks:
                yield from crowd.look(person, seconds, patience=patience)

        person = crowd.enter(story, START + arrives)
        if leaves is not None:

            def leaving(_: Any, person: Any = person) -> Any:
                crowd.leave(person)
                yield 0.0, False

            crowd.enter(leaving, START + leaves)
    crowd.run()
    crowd.check()
    for look in crowd.looks:
        rounds = math.ceil((look.ahead + 1) / limits.concurrent)
        assert look.at - look.joined <= 1.0 + (look.ahead + 1) / limits.per_second + rounds * longest + 1e-6


@settings(max_examples=60, deadline=None)
@given(
    limits=st.builds(WaitLimits, concurrent=st.integers(1, 20), per_second=st.integers(1, 50)),
    jobs=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 30.0)), min_size=1, max_size=60),
    timeout=st.none() | st.floats(0.1, 20.0),
    allows=st.none() | st.integers(5, 50),
)
def test_whatever_jobs_the_limits_hold_and_every_wait_ends(
    limits: WaitLimits, jobs: list[tuple[float, float]], timeout: float | None, allows: int | None
) -> None:
    ends = {f"job-{number}": START + end for number, (_, end) in enumerate(jobs)}
    crowd, server = Crowd(limits), Endpoint(ends, allows=allows)
    waiters = wait_for(crowd, server, timeout=timeout, arrive=lambda number: jobs[number][0])
    crowd.run()
    crowd.check()
    for waiter in waiters:
        if timeout is None and allows is None:
            assert isinstance(waiter.over, Done)
        elif not isinstance(waiter.over, Done):
            assert waiter.over is not None
            assert timeout is None or isinstance(waiter.over.error, RunpodTimeoutError)
    if timeout is not None:
        assert crowd.now <= START + max(timeout, 5.0) + 1e-6
