# Generated from tests/_async/test_watching.py by scripts/generate_sync.py. Do not edit.

"""`watch` on a virtual clock: every change of status or progress, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests._sync.calls import DONE, FAILED, INPUT, JOB, PATH, QUEUED, RUNNING, collect
from tests.servers import Held

if TYPE_CHECKING:
    from runpod import Endpoint
    from tests.clocks import VirtualClock
    from tests.servers import Wire

TROUBLE: list[Any] = [httpx.ReadError("reset"), 503, httpx.Response(200, text="<html>")]


@pytest.fixture(autouse=True)
def _virtual(clock: VirtualClock) -> None:
    """No test here takes time."""


def progress(value: Any) -> dict[str, Any]:
    return {**RUNNING, "output": value}


def test_watch_gives_every_change_and_the_end(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, QUEUED, *TROUBLE, RUNNING, progress("25 %"), progress("25 %"), *TROUBLE, progress("50 %"), DONE)
    job = endpoint.run(input=INPUT)
    watch = job.watch()
    seen = collect(watch)
    assert [
        ("IN_QUEUE", None),
        ("IN_PROGRESS", None),
        ("IN_PROGRESS", "25 %"),
        ("IN_PROGRESS", "50 %"),
        ("COMPLETED", {"n": 1}),
    ] == [(state.status, state.output) for state in seen]
    assert seen[-1] is job.state
    assert f"GET {PATH}/ep/status/{JOB}" == wire.sent[1], "a long poll would see nothing but the end"
    # Once it ended, nothing more is requested.
    assert [] == collect(watch)
    assert [job.state] == collect(job.watch())


def test_a_watch_left_early_sends_no_more_requests(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, RUNNING)
    job = endpoint.run(input=INPUT)
    for state in job.watch():
        if state.status == "IN_PROGRESS":
            break
    assert 2 == len(wire.requests)
    assert "IN_PROGRESS" == job.status
    wire.say(FAILED)
    assert ["IN_PROGRESS", "FAILED"] == [state.status for state in job.watch()]


def test_two_watchers_of_one_job_see_the_same(endpoint: Endpoint, wire: Wire) -> None:
    job = endpoint.job(JOB)
    one, two = job.watch(), job.watch()
    wire.say(Held(1, RUNNING), RUNNING, DONE, DONE)
    for status in ("IN_PROGRESS", "COMPLETED"):
        assert status == (next(one)).status
        assert status == (next(two)).status
