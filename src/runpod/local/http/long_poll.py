"""Holds requests open until a condition is met."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.clock import Timer
from runpod.local.signals import call_soon

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive

    from runpod.local.clock import Clock
    from runpod.local.signals import Signal

__all__ = ["hold"]


async def hold(
    ready: Callable[[], bool],
    *,
    seconds: float,
    clock: Clock,
    changed: Signal,
    closing: Signal,
    receive: Receive,
) -> bool:
    """Wait until `ready()`, for at most `seconds`, or until the server stops.

    `ready` is called each time `changed` fires, from any thread; there is no polling.

    Returns:
        False if the client disconnected meanwhile. No chunk should be taken from a stream then.
    """
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()
    waiting = True

    def stop_waiting() -> None:
        nonlocal waiting
        waiting = False
        wake.set()

    # Connected before the first check, so that no change is missed.
    disconnects = [
        changed.connect(partial(call_soon, loop, wake.set)),
        closing.connect(stop_waiting),
    ]
    timer = Timer(clock, clock() + seconds, stop_waiting)
    disconnected = loop.create_task(_wait_for_disconnect(receive))
    disconnected.add_done_callback(lambda _: wake.set())
    try:
        while True:
            wake.clear()
            if ready() or not waiting or disconnected.done():
                return not disconnected.done()
            await wake.wait()
    finally:
        timer.cancel()
        for disconnect in disconnects:
            disconnect()
        disconnected.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await disconnected


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
