"""Many jobs with one request in twenty failing at random. `RUNPOD_SOAK_JOBS=100000` runs a longer test."""

from __future__ import annotations

import gc
import os
import random
from collections import Counter
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from runpod import AsyncRunpod, RetryPolicy, Runpod, RunpodError
from runpod.local import LocalServer
from tests.faults import invoke
from tests.faults.proxy import fault_proxy

if TYPE_CHECKING:
    from tests.faults.proxy import Link

KEY = "rpa_SOAK"
POLICY = RetryPolicy(max_retries=8, initial_delay=timedelta(seconds=0.002), max_delay=timedelta(seconds=0.05))
TIMEOUT = 60.0
CONCURRENCY = 12

# Read before the fixtures hide the RUNPOD_ variables.
JOBS = int(os.environ.get("RUNPOD_SOAK_JOBS", "600"))

# The possible outcomes of a call, and how often the job may have run for each.
RAN = {"result": {1}, "error with an id": {1}, "error with maybe_submitted": {0, 1}, "error": {0}}


def objects() -> int:
    """The number of objects of this library and its dependencies, without URLs, many of which are cached."""
    gc.collect()
    kinds = (f"{type(thing).__module__}.{type(thing).__name__}" for thing in gc.get_objects())
    ours = ("runpod.", "httpx.", "httpcore.", "h11.", "anyio.", "ssl.", "_contextvars.")
    others = ("runpod.local", "httpx.URL", "httpx._urlparse")
    return sum(kind.startswith(ours) and not kind.startswith(others) for kind in kinds)


@pytest.mark.parametrize("side", ["sync", "asyncio", "trio"])
def test_every_job_is_accounted_for_and_memory_does_not_grow(side: str) -> None:
    ran: Counter[int] = Counter()
    outcomes: dict[int, str] = {}
    sizes: list[int] = []
    sync = side == "sync"
    todo = iter(range(JOBS))
    chance = random.Random(787)

    async def handler(job: dict[str, Any]) -> int:
        number: int = job["input"]["n"]
        ran[number] += 1
        return number

    async def behave(link: Link) -> None:
        while request := await link.request():
            link.listener.requests.clear()
            kind = chance.randrange(140)
            if kind < 3:
                await link.respond(request, (429, 502, 503)[kind], b"<html>", "Retry-After: 0\r\n")
                continue
            if kind > 3:
                reply = await link.forward(request)
            if kind == 4:
                await link.respond(request, 524)
            elif kind == 5:
                await link.send(reply.cut)
                return
            elif kind in {3, 6}:
                await link.reset()
                return
            else:
                await link.send(reply.whole)

    async def work(endpoint: Any) -> None:
        for number in islice(todo, JOBS // 10 // CONCURRENCY):
            end, output = "result", number
            try:
                output = (await invoke(endpoint.run_sync, input={"n": number}, sync=sync, timeout=TIMEOUT)).output
            except RunpodError as error:
                end = "error with maybe_submitted" if error.maybe_submitted else "error"
                if error.job_id is not None:
                    end = "error with an id"
                    output = await invoke(endpoint.job(error.job_id).result, sync=sync, timeout=TIMEOUT)
            outcomes[number] = end if output == number else f"the output {output}"

    async def main(base_url: str) -> None:
        client: Any = (Runpod if sync else AsyncRunpod)(KEY, base_url=base_url, retry=POLICY)
        for _ in range(10):
            async with anyio.create_task_group() as group:
                for _ in range(CONCURRENCY):
                    group.start_soon(work, client.endpoint("soak"))
            sizes.append(objects())
        await invoke(client.close if sync else client.aclose, sync=sync)

    with (
        LocalServer({"soak": handler}, api_key=KEY, workers=16) as server,
        fault_proxy(server.base_url) as new_listener,
    ):
        anyio.run(main, new_listener(behave).base_url, backend="trio" if side == "trio" else "asyncio")
    assert {} == {number: (end, ran[number]) for number, end in outcomes.items() if ran[number] not in RAN.get(end, ())}
    assert {"result", "error with an id", "error with maybe_submitted"} <= set(outcomes.values())
    assert sizes[-1] - sizes[0] < JOBS / 8, sizes
