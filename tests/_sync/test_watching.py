# Generated from tests/_async/test_watching.py by scripts/generate_sync.py. Do not edit.

"""Watching a job, on a virtual clock: every change of status or progress, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

from runpod import Runpod, JobExpiredError, RunpodTimeoutError
from tests._sync.calls import CANCELLED, DONE, FAILED, INPUT, JOB, QUEUED, RUNNING, TIMED_OUT, collect
from tests.servers import Held

if TYPE_CHECKING:
    from runpod import Endpoint
    from tests.clocks import VirtualClock
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
def _virtual(clock: VirtualClock) -> None:
    """No test here takes time."""


def states(seen: list[Any]) -> list[tuple[str, Any]]:
    return [(str(state.status), state.progress if not state.completed else state.output) for state in seen]


def progress(value: Any) -> dict[str, Any]:
    return {**RUNNING, "output": value}


def test_watch_gives_every_change_and_the_end(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, QUEUED, QUEUED, RUNNING, progress("25 %"), progress("25 %"), progress("50 %"), DONE)
    job = endpoint.run(input=INPUT)
    seen = collect(job.watch())
    assert [
        ("IN_QUEUE", None),
        ("IN_PROGRESS", None),
        ("IN_PROGRESS", "25 %"),
        ("IN_PROGRESS", "50 %"),
        ("COMPLETED", {"n": 1}),
    ] == states(seen)
    assert seen[-1] is job.state


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end["status"])
def test_watch_ends_with_the_end_however_it_is(end: dict[str, Any], endpoint: Endpoint, wire: Wire) -> None:
    wire.say(RUNNING, end)
    seen = collect(endpoint.job(JOB).watch())
    assert ["IN_PROGRESS", end["status"]] == [state.status for state in seen]


def test_watching_a_job_that_ended_gives_its_state(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(DONE)
    job = endpoint.run(input=INPUT)
    assert [("COMPLETED", {"n": 1})] == states(collect(job.watch()))
    assert 1 == len(wire.requests)


def test_watch_survives_trouble(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(RUNNING, *TROUBLE, progress("50 %"), *TROUBLE, DONE)
    seen = collect(endpoint.job(JOB).watch())
    assert ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"] == [state.status for state in seen]


def test_watch_gives_the_output_as_its_type(client: Runpod, wire: Wire) -> None:
    wire.say(progress("50 %"), DONE)
    job = client.endpoint("ep", output_type=Output).job(JOB)
    assert [("IN_PROGRESS", "50 %"), ("COMPLETED", Output(n=1))] == states(collect(job.watch()))


def test_a_watch_left_early_asks_no_more(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, RUNNING)
    job = endpoint.run(input=INPUT)
    for state in job.watch():
        if state.status == "IN_PROGRESS":
            break
    assert 2 == len(wire.requests)
    assert "IN_PROGRESS" == job.status


def test_watch_is_not_a_hot_loop(endpoint: Endpoint, wire: Wire, clock: VirtualClock) -> None:
    wire.always(RUNNING)
    with pytest.raises(RunpodTimeoutError):
        collect(endpoint.job(JOB).watch(timeout=60))
    assert len(wire.requests) <= 100


def test_the_timeout_ends_watching(endpoint: Endpoint, wire: Wire, clock: VirtualClock) -> None:
    wire.say(QUEUED)
    job = endpoint.run(input=INPUT)
    wire.always(Held(2, RUNNING))
    start = clock.now()
    seen: list[str] = []
    with pytest.raises(RunpodTimeoutError) as caught:
        for state in job.watch(timeout=30):
            seen.append(state.status)  # noqa: PERF401 - what came before the error counts
    assert ["IN_QUEUE", "IN_PROGRESS"] == seen
    assert (JOB, "IN_PROGRESS") == (caught.value.job_id, caught.value.state.status)
    assert start + 30 <= clock.now() <= start + 32


def test_a_job_that_expires_while_it_is_watched(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, Held(60, RUNNING))
    wire.always(404)
    job = endpoint.run(input=INPUT)
    seen: list[str] = []
    with pytest.raises(JobExpiredError):
        for state in job.watch():
            seen.append(state.status)  # noqa: PERF401 - what came before the error counts
    assert ["IN_QUEUE", "IN_PROGRESS"] == seen


def test_a_watch_that_ended_stays_ended(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(RUNNING, DONE)
    watch = endpoint.job(JOB).watch()
    assert 2 == len(collect(watch))
    assert [] == collect(watch)


def test_two_watchers_of_one_job_see_the_same(endpoint: Endpoint, wire: Wire) -> None:
    job = endpoint.job(JOB)
    one, two = job.watch(), job.watch()
    wire.say(RUNNING, RUNNING, DONE, DONE)
    for status in ("IN_PROGRESS", "COMPLETED"):
        assert status == (next(one)).status
        assert status == (next(two)).status
