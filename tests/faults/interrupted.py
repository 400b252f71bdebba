"""A program that is interrupted in the middle of a call: `python -m tests.faults.interrupted SIDE CALL BASE_URL`.

It says on stdout how the call ended, and that the client is usable afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from typing import Any

from runpod import AsyncRunpod, Runpod
from tests.faults.secrets import API_KEY, REQUEST, leaked, shown

CALLS: dict[str, Any] = {
    "submission": lambda endpoint: endpoint.run(REQUEST),
    "wait": lambda endpoint: endpoint.run_sync(REQUEST),
    "stream": lambda endpoint: endpoint.stream("job-1"),
}


def say(error: BaseException, waiting: int) -> None:
    # What reports the end of a program may show the locals of a traceback.
    secret = leaked(text for text in shown(error) if text.startswith("locals"))
    print(f"health={waiting} threads={threading.active_count()} leaked={secret}", flush=True)  # noqa: T201


def sync_main(call: str, base_url: str) -> None:
    with Runpod(API_KEY, base_url=base_url) as client:
        endpoint = client.endpoint("ep")
        try:
            list(CALLS[call](endpoint))
        except KeyboardInterrupt as error:
            say(error, endpoint.health().jobs.in_queue)


async def async_main(call: str, base_url: str) -> None:
    async with AsyncRunpod(API_KEY, base_url=base_url) as client:
        endpoint = client.endpoint("ep")
        try:
            pending = CALLS[call](endpoint)
            if call == "stream":
                async for _ in pending:
                    pass
            else:
                await pending
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            say(error, (await endpoint.health()).jobs.in_queue)


def main(side: str, call: str, base_url: str) -> None:
    # A shell starts what runs in the background with interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if side == "sync":
        sync_main(call, base_url)
    elif side == "asyncio":
        # Python 3.10 interrupts the loop, and cancels the task only then.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(async_main(call, base_url))
    else:
        import trio

        trio.run(async_main, call, base_url)


if __name__ == "__main__":
    main(*sys.argv[1:])
