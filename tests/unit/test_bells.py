"""Bells, in both colours: what wakes a wait whose turn may have come."""

from __future__ import annotations

import math
import threading

import anyio
import pytest

from runpod import Runpod, WaitLimits
from runpod._primitives import AsyncBell, AsyncClock, Bell, Clock
from runpod._protocol.turns import Turn
from tests.servers import BASE_URL, KEY, PATIENCE


async def test_a_ring_wakes_a_task() -> None:
    bell = AsyncClock().bell()
    woken = anyio.Event()

    async def wait() -> None:
        await bell.wait(math.inf)
        woken.set()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert not woken.is_set()
            bell.ring()


def test_a_ring_wakes_a_thread() -> None:
    bell = Clock().bell()
    thread = threading.Thread(target=bell.wait, args=(math.inf,), daemon=True)
    thread.start()
    bell.ring()
    thread.join(PATIENCE)
    assert not thread.is_alive()


async def test_a_ring_that_nobody_waited_for_is_kept_for_one_wait() -> None:
    async_bell, bell = AsyncBell(), Bell()
    for each in (async_bell, bell):
        each.ring()
        each.ring()
    with anyio.fail_after(PATIENCE):
        await async_bell.wait(math.inf)
        bell.wait(math.inf)
        # And then only time ends it.
        await async_bell.wait(0.001)
        bell.wait(0.001)


async def test_a_time_that_passed_is_no_wait() -> None:
    await AsyncBell().wait(-1.0)
    Bell().wait(-1.0)


@pytest.mark.parametrize("where", ["in line", "looking"])
def test_a_keyboard_interrupt_gives_the_turn_back(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = WaitLimits(concurrent=1)
    with Runpod(KEY, base_url=BASE_URL, wait_limits=limits) as client:
        turns = client._session._turns.of("ep", limits)
        other = Turn(Bell())
        if where == "in line":
            assert 0 == turns.ask(other, 0.0)

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Bell, "wait", interrupt)
        monkeypatch.setattr(type(client._session.engine), "send", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.endpoint("ep").job("job").wait()
        turns.leave(other, 0.0)
        assert (0, 0) == (turns.running, turns.waiting)
