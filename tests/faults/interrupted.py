"""A program that is interrupted during a call: `python -m tests.faults.interrupted SIDE CALL BASE_URL`.

It prints how the call ended, and whether the client is usable afterwards.

The program interrupts itself after sending a request, when it starts to wait for the response. Another process could
not time this: a signal between Python's last check for signals and the blocking system call is handled only when that
call returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import signal
import sys
import threading
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from runpod import AsyncRunpod, Runpod
from tests.faults import invoke
from tests.faults.secrets import API_KEY, REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable

# The calls, and the number of the request during which each is interrupted.
CALLS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "submission": (lambda endpoint: endpoint.run(REQUEST), 1),
    "wait": (lambda endpoint: endpoint.run_sync(REQUEST), 2),
    "stream": (lambda endpoint: endpoint.stream("job-1"), 2),
}


interrupt = partial(signal.raise_signal, signal.SIGINT)

# In async code, in the next iteration of the event loop, when the call is waiting.
INTERRUPTS: dict[str, Callable[[], object]] = {
    "sync": interrupt,
    "asyncio": lambda: asyncio.get_running_loop().call_soon(interrupt),
    "trio": lambda: trio.lowlevel.current_trio_token().run_sync_soon(interrupt),
}


def report(error: BaseException, waiting: int) -> None:
    through = any("httpcore" in frame.filename for frame in traceback.extract_tb(error.__traceback__))
    print(f"health={waiting} threads={threading.active_count()} through={through}", flush=True)  # noqa: T201


def sync_main(call: Callable[[Any], Any], base_url: str) -> None:
    with Runpod(API_KEY, base_url=base_url) as client:
        endpoint = client.endpoint("ep")
        try:
            list(call(endpoint))
        except KeyboardInterrupt as error:
            report(error, endpoint.health().jobs.in_queue)


async def async_main(call: Callable[[Any], Any], base_url: str) -> None:
    async with AsyncRunpod(API_KEY, base_url=base_url) as client:
        endpoint = client.endpoint("ep")
        try:
            await invoke(call, endpoint, sync=False)
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            report(error, (await endpoint.health()).jobs.in_queue)


def main(side: str, name: str, base_url: str) -> None:
    call, number = CALLS[name]
    waits = itertools.count(1)

    def watch(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("receive_response_headers.started") and next(waits) == number:
            INTERRUPTS[side]()
        return False

    log = logging.getLogger("httpcore.http11")
    log.setLevel(logging.DEBUG)
    log.addFilter(watch)
    if side == "sync":
        sync_main(call, base_url)
    elif side == "asyncio":
        # Python 3.10 raises in the event loop first, then cancels the task.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(async_main(call, base_url))
    else:
        trio.run(async_main, call, base_url)


if __name__ == "__main__":
    main(*sys.argv[1:])
