"""Clocks and bells, in pairs: pauses, and what wakes a wait whose turn may have come."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

import anyio

from runpod import _primitives
from runpod._primitives import AsyncClock, AsyncWakeup, Clock, TimeLimit, Wakeup, monotonic
from tests.servers import PATIENCE

if TYPE_CHECKING:
    import pytest


def test_a_clock_does_not_stand_still_where_time_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    before = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert before <= monotonic() <= Clock().now()


async def test_a_pause_counts_as_elapsed_also_where_sleep_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    pauses: list[float] = []
    monkeypatch.setattr(_primitives, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(anyio, "sleep", sleep)
    clock, async_clock = Clock(), AsyncClock()
    for seconds in (5.0, 2.5):
        clock.sleep(seconds)
        await async_clock.sleep(seconds)
    assert (1007.5, 1007.5, [5.0, 5.0, 2.5, 2.5]) == (clock.now(), async_clock.now(), pauses)


def test_a_pause_that_was_slept_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now, clock = [1000.0], Clock()
    monkeypatch.setattr(_primitives, "monotonic", lambda: now[0])
    for slept, expected in ((5.0, 1005.0), (3.0, 1010.0), (9.0, 1019.0)):
        monkeypatch.setattr(time, "sleep", lambda _, slept=slept: now.append(now.pop() + slept))
        clock.sleep(5.0)
        assert expected == clock.now()


def test_a_time_limit_passes_at_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(_primitives, "monotonic", lambda: now[0])
    with TimeLimit(5.0) as limit:
        now[0] = 1004.9
        assert not limit.passed()
        now[0] = 1005.0
        assert limit.passed()


async def test_a_ring_wakes_a_task_or_a_thread() -> None:
    async_bell, wakeup, woken = AsyncClock().wakeup(), Clock().wakeup(), anyio.Event()

    async def wait() -> None:
        await async_bell.wait(math.inf)
        woken.set()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert not woken.is_set()
            async_bell.set()
    thread = threading.Thread(target=wakeup.wait, args=(math.inf,), daemon=True)
    thread.start()
    wakeup.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


async def test_a_ring_that_nobody_waited_for_is_kept_for_one_wait() -> None:
    async_bell, wakeup = AsyncWakeup(), Wakeup()
    for each in (async_bell, wakeup, async_bell, wakeup):
        each.set()
    with anyio.fail_after(PATIENCE):
        await async_bell.wait(math.inf)
        wakeup.wait(math.inf)
        # And then only time ends it; one that has passed is no wait.
        for seconds in (0.001, -1.0):
            await async_bell.wait(seconds)
            wakeup.wait(seconds)
