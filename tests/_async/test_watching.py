"""Watching a job, on a virtual clock: every change of status or progress, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

from runpod import AsyncRunpod, JobExpiredError, RunpodTimeoutError
from tests._async.calls import CANCELLED, DONE, FAILED, INPUT, JOB, QUEUED, RUNNING, TIMED_OUT, collect
from tests.servers import Held

if TYPE_CHECKING:
    from runpod import AsyncEndpoint
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

ENDS = [DONE, FAILED, CANCELLED, TIMED_OUT]
TROUBLE: list[Any] = [
    httpx.ConnectError("refused"),
    httpx.ReadError("reset"),
    429,
    503,
    httpx.Response(200, text="<html>"),
]


class Output(BaseModel):
    n: int


@pytest.fixture(autouse=True)
def _virtual(clock: AsyncVirtualClock) -> None:
    """No test here takes time."""


def states(seen: list[Any]) -> list[tuple[str, Any]]:
    return [(str(state.status), state.progress if not state.completed else state.output) for state in seen]


def progress(value: Any) -> dict[str, Any]:
    return {**RUNNING, "output": value}


async def test_watch_gives_every_change_and_the_end(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(QUEUED, QUEUED, QUEUED, RUNNING, progress("25 %"), progress("25 %"), progress("50 %"), DONE)
    job = await endpoint.run(input=INPUT)
    seen = await collect(job.watch())
    assert [
        ("IN_QUEUE", None),
        ("IN_PROGRESS", None),
        ("IN_PROGRESS", "25 %"),
        ("IN_PROGRESS", "50 %"),
        ("COMPLETED", {"n": 1}),
    ] == states(seen)
    assert seen[-1] is job.state


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end["status"])
async def test_watch_ends_with_the_end_however_it_is(end: dict[str, Any], endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(RUNNING, end)
    seen = await collect(endpoint.job(JOB).watch())
    assert ["IN_PROGRESS", end["status"]] == [state.status for state in seen]


async def test_watching_a_job_that_ended_gives_its_state(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(DONE)
    job = await endpoint.run(input=INPUT)
    assert [("COMPLETED", {"n": 1})] == states(await collect(job.watch()))
    assert 1 == len(wire.requests)


async def test_watch_survives_trouble(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(RUNNING, *TROUBLE, progress("50 %"), *TROUBLE, DONE)
    seen = await collect(endpoint.job(JOB).watch())
    assert ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"] == [state.status for state in seen]


async def test_watch_gives_the_output_as_its_type(client: AsyncRunpod, wire: Wire) -> None:
    wire.say(progress("50 %"), DONE)
    job = client.endpoint("ep", output_type=Output).job(JOB)
    assert [("IN_PROGRESS", "50 %"), ("COMPLETED", Output(n=1))] == states(await collect(job.watch()))


async def test_a_watch_left_early_asks_no_more(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(QUEUED, RUNNING)
    job = await endpoint.run(input=INPUT)
    async for state in job.watch():
        if state.status == "IN_PROGRESS":
            break
    assert 2 == len(wire.requests)
    assert "IN_PROGRESS" == job.status


async def test_watch_is_not_a_hot_loop(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.always(RUNNING)
    with pytest.raises(RunpodTimeoutError):
        await collect(endpoint.job(JOB).watch(timeout=60))
    assert len(wire.requests) <= 100


async def test_the_timeout_ends_watching(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.say(QUEUED)
    job = await endpoint.run(input=INPUT)
    wire.always(Held(2, RUNNING))
    start = clock.now()
    seen: list[str] = []
    with pytest.raises(RunpodTimeoutError) as caught:
        async for state in job.watch(timeout=30):
            seen.append(state.status)  # noqa: PERF401 - what came before the error counts
    assert ["IN_QUEUE", "IN_PROGRESS"] == seen
    assert (JOB, "IN_PROGRESS") == (caught.value.job_id, caught.value.state.status)
    assert start + 30 <= clock.now() <= start + 32


async def test_a_job_that_expires_while_it_is_watched(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(QUEUED, Held(60, RUNNING))
    wire.always(404)
    job = await endpoint.run(input=INPUT)
    seen: list[str] = []
    with pytest.raises(JobExpiredError):
        async for state in job.watch():
            seen.append(state.status)  # noqa: PERF401 - what came before the error counts
    assert ["IN_QUEUE", "IN_PROGRESS"] == seen


async def test_a_watch_that_ended_stays_ended(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(RUNNING, DONE)
    watch = endpoint.job(JOB).watch()
    assert 2 == len(await collect(watch))
    assert [] == await collect(watch)


async def test_two_watchers_of_one_job_see_the_same(endpoint: AsyncEndpoint, wire: Wire) -> None:
    job = endpoint.job(JOB)
    one, two = job.watch(), job.watch()
    wire.say(RUNNING, RUNNING, DONE, DONE)
    for status in ("IN_PROGRESS", "COMPLETED"):
        assert status == (await anext(one)).status
        assert status == (await anext(two)).status
