"""Tests of poll permits, on a simulated clock and with hypothesis."""

from __future__ import annotations

import gc
import math
import tracemalloc
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod import AsyncRunpod, EndpointLimits, RunpodTimeoutError
from runpod._protocol.limiter import MAX_SLOWDOWN, MIN_PAUSE, Permit
from runpod._protocol.operations import CANCEL, RUN, RUN_SYNC, STATUS, STATUS_SYNC, Call
from runpod._protocol.polling import Done, Routes
from runpod._protocol.rate_limits import CANCEL_SECONDS, CANCELS, Limiters, PollLimiter
from runpod._protocol.waiter import Waiter
from tests.servers import BASE_URL, KEY
from tests.unit.simulation import ENDPOINT, START, Simulation, deadline, job, reply, seeded

if TYPE_CHECKING:
    from runpod._protocol.outcomes import Response

LATENCY = 0.02  # latency of a response in seconds
POLL = Call(STATUS_SYNC, ENDPOINT, "job", hold=90.0)


class Endpoint:
    """A server whose jobs end at given times, with an optional limit of polls per second."""

    def __init__(self, ends: list[float], allows: int | None = None) -> None:
        self.ends = {f"job-{number}": START + end for number, end in enumerate(ends)}
        self.allows = allows
        self.polled: list[float] = []
        self.rejected = 0

    def __call__(self, call: Call, now: float) -> tuple[Response, float]:
        if self.allows is not None and sum(moment > now - 1.0 for moment in self.polled[-1000:]) >= self.allows:
            self.rejected += 1
            return reply("", 429), LATENCY
        self.polled.append(now)
        end = self.ends[str(call.job_id)]
        held = min(max(0.0, end - now), call.hold or 0.0) + LATENCY
        return job("COMPLETED" if now + held >= end else "IN_PROGRESS", id=str(call.job_id)), held


def crowd(server: Endpoint, limits: EndpointLimits | None = None, *, waiters: Any = None, **options: Any) -> Simulation:
    """Simulate a wait for each job of a server. `waiters` are tuples of start time, timeout and time of cancellation."""
    simulation = Simulation(limits or EndpointLimits())
    for number, job_id in enumerate(server.ends):
        after, timeout, leaves = waiters[number] if waiters else (0.0, None, None)
        machine = Waiter(ENDPOINT, job_id, deadline(timeout), START + after, jitter=seeded(number), **options)
        run = simulation.start(machine, server, after)
        if leaves is not None:
            simulation.later(leaves, run.abandon)
    simulation.run()
    simulation.check()
    return simulation


class Wakeup:
    woken = 0

    def set(self) -> None:
        self.woken += 1


def limiter(concurrent: int = 3, per_second: int = 10) -> PollLimiter:
    return PollLimiter(EndpointLimits(concurrent_polls=concurrent, polls_per_second=per_second))


def acquired(queue: PollLimiter, now: float = START) -> Permit:
    permit = Permit(Wakeup())
    assert 0 == queue.acquire(permit, now)
    return permit


def queued(queue: PollLimiter, now: float = START) -> tuple[Permit, Wakeup]:
    wakeup = Wakeup()
    permit = Permit(wakeup)
    assert queue.acquire(permit, now) > 0
    return permit, wakeup


def test_a_burst_of_half_a_second_and_then_an_even_rate() -> None:
    queue, now, begun = limiter(concurrent=100), START, []
    while len(begun) < 30:
        permit = Permit(Wakeup())
        while (pause := queue.acquire(permit, now)) > 0:
            now += pause
        begun.append(now - START)
    assert [0.0] * 5 == begun[:5]
    assert pytest.approx([0.25, 0.35, 0.45, 0.55, 0.65]) == begun[5:10]
    # No polls until a second after the burst, then an even rate.
    assert pytest.approx([1.0 + n / 10 for n in range(20)], abs=0.26) == begun[10:30]


@pytest.mark.parametrize("late", [0.0, 0.05, 0.2])
def test_late_wakeups_do_not_reduce_the_rate(late: float) -> None:
    queue, now = limiter(concurrent=1000, per_second=100), START
    crowd = [Permit(Wakeup()) for _ in range(600)]
    for permit in crowd:
        queue.acquire(permit, now)
    while now < START + 5.0:
        # Only the first waiter in the queue wakes up, and hands permits to the others.
        first = next(permit for permit in crowd if permit not in queue._running)
        now += queue.acquire(first, now) + late
    assert len(queue._running) >= 450


def test_a_released_permit_wakes_only_the_first_waiter() -> None:
    queue = limiter(concurrent=1)
    running = acquired(queue)
    (first, wakeup), (second, second_wakeup), (third, third_wakeup) = (queued(queue) for _ in range(3))
    queue.release(running, START)
    late, _ = queued(queue)
    assert math.isinf(queue.acquire(late, START)), "a new waiter overtook the queue"
    assert (1, 0) == (wakeup.woken, second_wakeup.woken)
    assert 0 == queue.acquire(first, START)
    # If a waiter leaves the queue, the next one moves up.
    queue.release(second, START)
    assert (0, 0) == (second_wakeup.woken, third_wakeup.woken)
    queue.release(first, START)
    assert 1 == third_wakeup.woken
    assert 0 == queue.acquire(third, START)
    assert (1, 2) == (len(queue._running), queue.waiting)


def test_releasing_twice_or_without_acquiring_has_no_effect() -> None:
    queue = limiter(concurrent=1)
    for permit in (Permit(Wakeup()), running := acquired(queue), running):
        queue.release(permit, START)
    assert 0 == queue.waiting
    acquired(queue)
    queued(queue)


def test_polls_without_a_permit_count_but_do_not_starve_waiters() -> None:
    queue = limiter(concurrent=100, per_second=4)
    for _ in range(4):
        queue.count_unpermitted(START)
    permit, _ = queued(queue)
    assert 1.0 == queue.acquire(permit, START)
    assert 0 == queue.acquire(permit, START + 1.0)

    queue, permit, begun = limiter(concurrent=100), Permit(Wakeup()), 0
    for step in range(2000):
        now = START + step / 1000
        queue.count_unpermitted(now)
        if queue.acquire(permit, now) <= 0:
            queue.release(permit, now)
            permit, begun = Permit(Wakeup()), begun + 1
    assert begun >= 9


def test_hold_times_shrink_as_the_queue_grows() -> None:
    # Twenty permits at ten polls a second: if all are held for two seconds, the rate is kept.
    queue, now = limiter(concurrent=20), START
    running: list[Permit] = []
    for _ in range(20):
        now += 1.0
        running.append(acquired(queue, now))
    assert [math.inf] * 10 + [6.0] * 10 == [permit.hold for permit in running]

    crowd = [queued(queue, now)[0] for _ in range(200)]
    for leaving, permit in zip(running, crowd, strict=False):
        now += 1.0
        queue.release(leaving, now)
        assert 0 == queue.acquire(permit, now)
    holds = [permit.hold for permit in crowd[:20]]
    assert 1.0 <= min(holds) <= max(holds) <= 2.3
    assert sorted(holds) == holds, "hold times must grow as the queue shrinks"

    queue = limiter(concurrent=1, per_second=100)
    first = acquired(queue)
    (second, _), _ = queued(queue), queued(queue)
    queue.release(first, START)
    assert 0 == queue.acquire(second, START + 0.1)
    assert 1.0 == second.shorten(POLL).hold, "the service accepts no less"
    assert second.shorten(Call(STATUS, ENDPOINT, "job")).hold is None


@pytest.mark.fact("protocol 5: allowance per worker")
def test_a_429_pauses_all_waiters_and_reduces_the_rate() -> None:
    queue = limiter(concurrent=1000, per_second=100)
    queue.release(acquired(queue), START, reply("", 429, retry_after="3"))
    permit, _ = queued(queue, START + 0.1)
    assert pytest.approx(2.9) == queue.acquire(permit, START + 0.1)
    assert 0 == queue.acquire(permit, START + 3.0)
    # The interval doubles, and there is no burst.
    assert pytest.approx(0.02) == queue.acquire(Permit(Wakeup()), START + 3.0)
    queue, now = limiter(concurrent=1000, per_second=100), START
    for _ in range(10):
        queue.release(acquired(queue, now), now, reply("", 429))
        now += 2.0
    impatient, _ = queued(queue, now - 2.0)
    assert pytest.approx(MAX_SLOWDOWN / 100) == queue.acquire(impatient, now - 2.0)
    queue.release(impatient, now)
    for _ in range(50):  # a burst, once the rate has recovered
        acquired(queue, now + 60.0)


def test_the_pause_after_a_429_is_bounded() -> None:
    for asked, expected in (("86400", 30.0), ("0.01", MIN_PAUSE), ("soon", MIN_PAUSE), ("-1", MIN_PAUSE)):
        queue = limiter()
        queue.release(acquired(queue), START, reply("", 429, retry_after=asked))
        assert pytest.approx(expected) == queue.acquire(Permit(Wakeup()), START)


def test_limiters_are_separate_per_endpoint_limits_and_process(monkeypatch: pytest.MonkeyPatch) -> None:
    every, limits = Limiters(), EndpointLimits()
    found = every.polls("one", limits)
    assert found is every.polls("one", EndpointLimits())
    assert found is not every.polls("two", limits)
    assert found is not every.polls("one", EndpointLimits(concurrent_polls=5))
    assert found is not every.polls("one", EndpointLimits(polls_per_second=5))
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert found is not every.polls("one", limits)


def test_a_single_wait_is_not_limited() -> None:
    simulation = crowd(Endpoint([89.0]))
    assert ([90.0], START + 89.0 + LATENCY) == (
        [poll.call.hold for poll in simulation.polls],
        pytest.approx(simulation.now),
    )


@pytest.mark.parametrize("gap", [0.0, 0.01])
@pytest.mark.parametrize("jobs", [300, 1500])
def test_the_delay_until_a_final_status_is_seen(jobs: int, gap: float) -> None:
    server = Endpoint([40.0 + 0.01 * number for number in range(jobs)])
    simulation = crowd(server, waiters=[(number * gap, None, None) for number in range(jobs)])
    assert {Done} == {type(run.end) for run in simulation.runs}
    late = max(run.ended_at - server.ends[run.machine.job_id] for run in simulation.runs)
    assert late <= (0.2 if jobs <= 350 else 1.0 + jobs / 190)
    if jobs <= 350:
        # The waits that hold a permit use long polls. Only the others poll more often.
        assert len(simulation.polls) <= 2 * jobs + (jobs - min(jobs, 175)) * 45 / 5
    else:
        # The first waiters did not keep their permits from the others.
        assert max(run.polls[0].at - run.polls[0].wanted for run in simulation.runs) <= 8.0 + jobs / 190


def test_a_deadline_that_passes_in_the_queue_is_met() -> None:
    runs = crowd(Endpoint([math.inf] * 2000), waiters=[(0.0, 5.0, None)] * 2000).runs
    assert {(START + 5.0, RunpodTimeoutError)} == {(run.ended_at, type(run.error)) for run in runs}
    assert any(not run.polls for run in runs), "every wait had a permit"


@pytest.mark.parametrize(("allows", "long_poll"), [(60, True), (60, False), (None, False)])
def test_a_server_with_lower_limits_or_without_long_polls_is_not_overloaded(
    allows: int | None, long_poll: bool
) -> None:
    server = Endpoint([20.0] * 800, allows)
    simulation = crowd(server, routes=Routes(long_poll=long_poll))
    assert {Done} == {type(run.end) for run in simulation.runs}
    assert server.rejected < len(simulation.polls) / 5
    assert allows is not None or simulation.now <= START + 20.0 + 2.0 + 5.0 + 800 / 190


arrivals = st.tuples(
    st.just(0.0) | st.floats(0.0, 5.0), st.none() | st.floats(0.1, 20.0), st.none() | st.floats(0.0, 10.0)
)


@pytest.mark.fact("protocol 5: our share")
@settings(max_examples=100)
@given(
    limits=st.builds(EndpointLimits, concurrent_polls=st.integers(1, 20), polls_per_second=st.integers(1, 50)),
    ends=st.lists(st.just(0.0) | st.floats(0.0, 8.0) | st.floats(0.0, 30.0), min_size=1, max_size=40),
    waiters=st.lists(arrivals, min_size=40, max_size=40),
    allows=st.none() | st.integers(5, 50),
)
def test_limits_hold_and_no_waiter_starves(
    limits: EndpointLimits, ends: list[float], waiters: list[Any], allows: int | None
) -> None:
    simulation = crowd(Endpoint(ends, allows), limits, waiters=waiters)
    longest = max((poll.ended - poll.at for poll in simulation.polls), default=0.0)
    for poll in simulation.polls:
        before = (poll.ahead + 1) / limits.polls_per_second + math.ceil(
            (poll.ahead + 1) / limits.concurrent_polls
        ) * longest
        assert allows is not None or poll.at - poll.wanted <= 1.0 + before + 1e-6
    for run, (arrives, timeout, leaves) in zip(simulation.runs, waiters, strict=False):
        if leaves is None and (timeout is not None or allows is None):
            assert isinstance(run.end, Done) or (timeout and isinstance(run.error, RunpodTimeoutError))
            assert timeout is None or run.ended_at <= START + max(timeout, arrives) + 1e-6


async def test_each_of_many_waits_uses_less_than_20_kilobytes() -> None:
    jobs, limits, never = 600, EndpointLimits(polls_per_second=10_000), anyio.Event()  # all permits are granted at once

    async def handle(_: httpx.Request) -> httpx.Response:
        await never.wait()
        raise AssertionError

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http_client,
        AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client, limits=limits) as client,
        anyio.create_task_group() as group,
    ):
        queue = client._session._limiters.polls("ep", limits)
        tracemalloc.start()
        try:
            # This includes what the first call loads.
            for number in range(jobs):
                group.start_soon(client.endpoint("ep").job(f"job-{number}").wait)
            while queue.waiting < jobs:
                await anyio.lowlevel.checkpoint()
            assert limits.concurrent_polls == len(queue._running)
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] / jobs < 20_000
        finally:
            tracemalloc.stop()
            group.cancel_scope.cancel()
    assert 0 == queue.waiting


def test_submissions_and_cancellations_have_limits_of_their_own() -> None:
    every, limits = Limiters(), EndpointLimits(concurrent_submissions=3, submissions_per_second=1000)
    submissions = every.requests(RUN, "one", limits)
    assert submissions is every.requests(RUN, "one", limits)
    assert submissions is not None
    assert submissions is not every.requests(CANCEL, "one", limits)
    assert every.requests(RUN_SYNC, "one", limits) is None
    running = [Permit(Wakeup()) for _ in range(4)]
    assert [0, 0, 0, math.inf] == [submissions.acquire(permit, START) for permit in running]
    # A 429 pauses and slows down all of them.
    submissions.release(running[0], START, reply("", 429, retry_after="3"))
    assert pytest.approx(3.0) == submissions.acquire(running[3], START)
    assert 0 == submissions.acquire(running[3], START + 3.0)


def test_cancellations_may_start_in_one_burst() -> None:
    cancellations = Limiters().requests(CANCEL, "one", EndpointLimits())
    assert cancellations is not None
    started = 0
    while 0 == cancellations.acquire(permit := Permit(Wakeup()), START):
        cancellations.release(permit, START)
        started += 1
    assert (CANCELS, CANCEL_SECONDS) == (started, cancellations.acquire(permit, START))
