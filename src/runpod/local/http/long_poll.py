"""Holds requests open until a condition is met."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.clock import Timer
from runpod.local.signals import Signal, call_soon

if TYPE_CHECKING:
    from starlette.types import Receive

    from runpod.local.clock import Clock

__all__ = ["ClientDisconnectedError", "Hold", "hold"]

Hold = Callable[[Signal, Callable[[], bool], float], Awaitable[None]]
"""Keeps a request open until the function returns True, or for a number of seconds.

The function is called whenever the signal fires. Raises `ClientDisconnectedError`.
"""


class ClientDisconnectedError(Exception):
    """The client has disconnected."""


async def hold(
    ready: Callable[[], bool],
    *,
    seconds: float,
    clock: Clock,
    changed: Signal,
    closing: Signal,
    receive: Receive,
) -> None:
    """Wait until `ready()`, for at most `seconds`, or until the server stops.

    `ready` is called each time `changed` fires, from any thread; there is no polling.

    Raises:
        ClientDisconnectedError: The client disconnected meanwhile, even if `ready()` is true: the
            chunks of a stream, for example, stay available to the next request.
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
            if disconnected.done():
                raise ClientDisconnectedError
            if ready() or not waiting:
                return
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
