"""Tests of `watch` on a virtual clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests._async.calls import DONE, FAILED, INPUT, JOB, PATH, QUEUED, RUNNING, collect
from tests.servers import Delayed

if TYPE_CHECKING:
    from runpod import AsyncEndpoint
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

TRANSIENT: list[Any] = [httpx.ReadError("reset"), 503, httpx.Response(200, text="<html>")]


@pytest.fixture(autouse=True)
def _virtual(clock: AsyncVirtualClock) -> None:
    """Run every test of this module on the virtual clock."""


def progress(value: Any) -> dict[str, Any]:
    return {**RUNNING, "output": value}


async def test_watch_yields_every_change_and_the_final_state(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(
        QUEUED, QUEUED, *TRANSIENT, RUNNING, progress("25 %"), progress("25 %"), *TRANSIENT, progress("50 %"), DONE
    )
    job = await endpoint.run(input=INPUT)
    watch = job.watch()
    seen = await collect(watch)
    assert [
        ("IN_QUEUE", None),
        ("IN_PROGRESS", None),
        ("IN_PROGRESS", "25 %"),
        ("IN_PROGRESS", "50 %"),
        ("COMPLETED", {"n": 1}),
    ] == [(state.status, state.output) for state in seen]
    assert seen[-1] is job.state
    assert f"GET {PATH}/ep/status/{JOB}" == wire.sent[1], "watch must not use long polls"
    # After the job has ended, no more requests are sent.
    assert [] == await collect(watch)
    assert [job.state] == await collect(job.watch())


async def test_breaking_out_of_watch_stops_polling(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, RUNNING)
    job = await endpoint.run(input=INPUT)
    async for state in job.watch():
        if state.status == "IN_PROGRESS":
            break
    assert 2 == len(wire.requests)
    assert "IN_PROGRESS" == job.status
    wire.respond(FAILED)
    assert ["IN_PROGRESS", "FAILED"] == [state.status async for state in job.watch()]


async def test_two_watchers_of_a_job_see_the_same_states(endpoint: AsyncEndpoint, wire: Wire) -> None:
    job = endpoint.job(JOB)
    one, two = job.watch(), job.watch()
    wire.respond(Delayed(1, RUNNING), RUNNING, DONE, DONE)
    for status in ("IN_PROGRESS", "COMPLETED"):
        assert status == (await anext(one)).status
        assert status == (await anext(two)).status
