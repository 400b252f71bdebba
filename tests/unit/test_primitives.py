"""Tests of the sync and async clocks and wakeups."""

from __future__ import annotations

import math
import threading
import time

import anyio
import pytest

from runpod import _primitives
from runpod._primitives import AsyncClock, AsyncWakeup, Clock, TimeLimit, Wakeup, in_stoppable_thread, monotonic
from tests.servers import TEST_TIMEOUT


def test_clock_ignores_a_patched_time(monkeypatch: pytest.MonkeyPatch) -> None:
    before = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert before <= monotonic() <= Clock().now()


async def test_pauses_count_as_elapsed_if_sleep_is_patched(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_real_pause_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now, clock = [1000.0], Clock()
    monkeypatch.setattr(_primitives, "monotonic", lambda: now[0])
    for slept, expected in ((5.0, 1005.0), (3.0, 1010.0), (9.0, 1019.0)):
        monkeypatch.setattr(time, "sleep", lambda _, slept=slept: now.append(now.pop() + slept))
        clock.sleep(5.0)
        assert expected == clock.now()


def test_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(_primitives, "monotonic", lambda: now[0])
    with TimeLimit(5.0) as limit:
        now[0] = 1004.9
        assert not limit.passed()
        now[0] = 1005.0
        assert limit.passed()


async def test_wakeup_wakes_a_task_or_a_thread() -> None:
    async_wakeup, wakeup, woken = AsyncClock().wakeup(), Clock().wakeup(), anyio.Event()

    async def wait() -> None:
        await async_wakeup.wait(math.inf)
        woken.set()

    with anyio.fail_after(TEST_TIMEOUT):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert not woken.is_set()
            async_wakeup.set()
    thread = threading.Thread(target=wakeup.wait, args=(math.inf,), daemon=True)
    thread.start()
    wakeup.set()
    thread.join(TEST_TIMEOUT)
    assert not thread.is_alive()


async def test_a_wakeup_set_in_advance_ends_one_wait() -> None:
    async_wakeup, wakeup = AsyncWakeup(), Wakeup()
    for each in (async_wakeup, wakeup, async_wakeup, wakeup):
        each.set()
    with anyio.fail_after(TEST_TIMEOUT):
        await async_wakeup.wait(math.inf)
        wakeup.wait(math.inf)
        # Later waits end after their time, at once if it is negative.
        for seconds in (0.001, -1.0):
            await async_wakeup.wait(seconds)
            wakeup.wait(seconds)


@pytest.mark.parametrize(("error", "expected"), [(KeyboardInterrupt, True), (OSError, False)])
def test_an_interrupted_call_stops_its_other_threads(error: type[BaseException], expected: bool) -> None:
    stop = threading.Event()

    def fail() -> None:
        raise error

    with pytest.raises(error):
        in_stoppable_thread(fail, stop)
    assert expected == stop.is_set()
