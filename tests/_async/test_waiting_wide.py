"""Thousands of waits at once on one client, on a virtual clock, for an endpoint that refuses what is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio  # async-only
import pytest

from runpod import AsyncRunpod, JobState, RateLimitError, RetryPolicy, RunpodTimeoutError, WaitLimits
from tests.crowds import WAY, AsyncCrowdClock, AsyncLimitedEndpoint
from tests.servers import BASE_URL, KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WIDTH = AsyncCrowdClock.width
LIMITS = WaitLimits(concurrent=WIDTH // 5, per_second=WIDTH // 10)


class Crowd:
    """A client, the endpoint it talks to, and the clock of both."""

    def __init__(self, client: AsyncRunpod, **limits: int) -> None:
        self.client = client
        self.clock = AsyncCrowdClock()
        self.limited = AsyncLimitedEndpoint(**{**LIMITS.model_dump(), **limits})
        client._session.clock = self.clock  # type: ignore[assignment]
        client._session.engine = self.limited  # type: ignore[assignment]
        self.start = self.clock.now()

    def job(self, index: int, ends: float) -> Any:
        """A job that ends so many seconds after the start."""
        job_id = f"job-{index}"
        self.limited.ends[job_id] = self.start + ends
        return self.client.endpoint("ep").job(job_id)


@pytest.fixture
async def client() -> AsyncIterator[AsyncRunpod]:
    client = AsyncRunpod(KEY, base_url=BASE_URL, wait_limits=LIMITS, retry=RetryPolicy(max_retries=0))
    engine = client._session.engine
    yield client
    client._session.engine = engine
    await client.aclose()


async def test_a_crowd_keeps_to_the_limits_and_sees_every_end_in_time(client: AsyncRunpod) -> None:
    crowd = Crowd(client)

    async def wait(index: int) -> float:
        job = crowd.job(index, ends=20.0 + index / WIDTH)
        assert (await job.wait()).succeeded
        return crowd.clock.now() - crowd.limited.ends[job.id]

    late = await crowd.clock.together(wait, WIDTH)
    assert [] == [error for error in late if isinstance(error, BaseException)]
    assert 0 == crowd.limited.refused
    assert crowd.limited.most <= LIMITS.concurrent
    assert max(late) <= 2.0 + WIDTH / LIMITS.per_second


async def test_a_few_waits_are_as_quick_and_cheap_as_one(client: AsyncRunpod) -> None:
    crowd = Crowd(client)
    few = LIMITS.concurrent // 4

    async def wait(index: int) -> float:
        await crowd.job(index, ends=80.0).wait()
        return crowd.clock.now()

    ends = await crowd.clock.together(wait, few)
    assert [pytest.approx(crowd.start + 80.0 + WAY)] * few == ends
    assert few == len(crowd.limited.asked)


async def test_deadlines_hold_for_those_in_line(client: AsyncRunpod) -> None:
    crowd = Crowd(client)

    async def wait(index: int) -> tuple[Any, float]:
        with pytest.raises(RunpodTimeoutError, match=r"had not ended within the timeout of 3") as caught:
            await crowd.job(index, ends=10_000.0).wait(timeout=3)
        return caught.value.job_id, crowd.clock.now()

    ends = await crowd.clock.together(wait, WIDTH)
    assert [(f"job-{index}", pytest.approx(crowd.start + 3.0)) for index in range(WIDTH)] == ends
    assert len(crowd.limited.asked) < WIDTH, "some never had a turn"


async def test_status_is_not_queued_behind_those_who_wait(client: AsyncRunpod) -> None:
    crowd = Crowd(client, concurrent=LIMITS.concurrent + 1, per_second=2 * LIMITS.per_second)

    async def one(index: int) -> Any:
        if index:
            return await crowd.job(index, ends=20.0).wait()
        job = crowd.job(index, ends=10_000.0)
        await crowd.clock.sleep(10.0)
        assert client._session._turns.of("ep", LIMITS).waiting == WIDTH - 1
        await job.refresh()
        return crowd.clock.now()

    results = await crowd.clock.together(one, WIDTH)
    assert pytest.approx(crowd.start + 10.0 + WAY) == results[0]
    assert 0 == crowd.limited.refused


async def test_an_endpoint_that_allows_less_slows_all_of_them(client: AsyncRunpod) -> None:
    crowd = Crowd(client, per_second=LIMITS.per_second // 4)
    width = WIDTH // 4

    async def wait(index: int) -> JobState[Any]:
        state: JobState[Any] = await crowd.job(index, ends=20.0).wait(timeout=200)
        return state

    states = await crowd.clock.together(wait, width)
    assert all(isinstance(state, JobState) and state.succeeded for state in states)
    assert crowd.limited.refused < len(crowd.limited.asked)


async def test_other_endpoints_are_not_held_up(client: AsyncRunpod) -> None:
    crowd = Crowd(client, concurrent=LIMITS.concurrent + 1, per_second=2 * LIMITS.per_second)

    async def wait(index: int) -> float:
        job = crowd.job(index, ends=15.0)
        if index == 0:
            job = client.endpoint("another").job(job.id)
        await job.wait()
        return crowd.clock.now()

    ends = await crowd.clock.together(wait, WIDTH)
    assert pytest.approx(crowd.start + 15.0 + WAY) == ends[0]


async def test_limits_of_options(client: AsyncRunpod) -> None:
    crowd = Crowd(client)
    narrow = client.with_options(wait_limits=WaitLimits(concurrent=1, per_second=5))
    narrower = narrow.endpoint("ep").with_options(wait_limits=WaitLimits(concurrent=2, per_second=5))

    for endpoint, most in ((narrow.endpoint("ep"), 1), (narrower, 2)):
        crowd.limited.most = 0

        async def wait(index: int, endpoint: Any = endpoint) -> Any:
            crowd.job(index, ends=10.0)
            return (await endpoint.job(f"job-{index}").wait()).status

        assert ["COMPLETED"] * 10 == await crowd.clock.together(wait, 10)
        assert most == crowd.limited.most


async def test_a_stream_and_a_watch_take_turns_as_well(client: AsyncRunpod) -> None:
    crowd = Crowd(client)
    narrow = client.with_options(wait_limits=WaitLimits(concurrent=3, per_second=5)).endpoint("ep")

    async def look(index: int) -> int:
        crowd.job(index, ends=10.0)
        job = narrow.job(f"job-{index}")
        items = job.watch() if index % 2 else job.stream()
        return len([item async for item in items])

    assert [0, 2] * 5 == await crowd.clock.together(look, 10)
    assert 3 == crowd.limited.most


async def test_an_error_gives_the_turn_back(client: AsyncRunpod) -> None:
    crowd = Crowd(client, per_second=1)
    narrow = client.with_options(wait_limits=WaitLimits(concurrent=1, per_second=20)).endpoint("ep")

    async def wait(index: int) -> Any:
        crowd.job(index, ends=10_000.0)
        return await narrow.job(f"job-{index}").wait()

    crowd.limited.asked = [10_000.0]  # refuses everything from now on
    errors = await crowd.clock.together(wait, 5)
    assert [RateLimitError] * 5 == [type(error) for error in errors]
    assert 0 == client._session._turns.of("ep", WaitLimits(concurrent=1, per_second=20)).waiting


async def test_cancelled_waits_give_their_turns_back(client: AsyncRunpod) -> None:  # async-only: threads cannot be
    crowd = Crowd(client)
    scopes = [anyio.CancelScope() for _ in range(WIDTH)]
    order = sorted(range(WIDTH), key=lambda index: index * 7919 % WIDTH)

    async def one(index: int) -> Any:
        if index == WIDTH:
            # One after another at moments between everything else, most of them in line.
            for number in order[: WIDTH - 50]:
                await crowd.clock.sleep(0.0037)
                scopes[number].cancel()
            return None
        with scopes[index]:
            return (await crowd.job(index, ends=30.0).wait()).status
        return "cancelled"

    results = await crowd.clock.together(one, WIDTH + 1)
    assert 50 == results.count("COMPLETED")
    assert WIDTH - 50 == results.count("cancelled")
    turns = client._session._turns.of("ep", LIMITS)
    assert (0, 0) == (turns.running, turns.waiting)

    # Every slot is there for the next ones.
    crowd.start = crowd.clock.now()
    crowd.limited.most = 0

    async def wait(index: int) -> Any:
        return (await crowd.job(index, ends=5.0).wait()).status

    assert ["COMPLETED"] * WIDTH == await crowd.clock.together(wait, WIDTH)
    assert LIMITS.concurrent == crowd.limited.most
