"""Holding a request open until there is something to say."""

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
    """Wait until `ready()`, for so many seconds at most, and no longer than the server runs.

    Nothing is polled: `ready` is asked again each time `changed` fires, from whatever thread.
    Gives False where the client has gone meanwhile, so that nothing is taken out of a stream for
    somebody who cannot get it any more.
    """
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()
    patience = True

    def give_up() -> None:
        nonlocal patience
        patience = False
        wake.set()

    # Connected before the first look, so that no change falls between the two.
    disconnects = [
        changed.connect(partial(call_soon, loop, wake.set)),
        closing.connect(give_up),
    ]
    timer = Timer(clock, clock() + seconds, give_up)
    gone = loop.create_task(_until_gone(receive))
    gone.add_done_callback(lambda _: wake.set())
    try:
        while True:
            wake.clear()
            if ready() or not patience or gone.done():
                return not gone.done()
            await wake.wait()
    finally:
        timer.cancel()
        for disconnect in disconnects:
            disconnect()
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
