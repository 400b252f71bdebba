"""What a wait costs in memory while many go on: a thousand here, ten thousand in the benchmarks."""

from __future__ import annotations

import gc
import tracemalloc

import anyio
import anyio.lowlevel
import httpx

from runpod import AsyncRunpod, WaitLimits
from tests.servers import BASE_URL, KEY

JOBS = 1000
LIMITS = WaitLimits(per_second=10_000)  # the slots fill at once


async def test_a_wait_among_many_takes_less_than_20_kilobytes() -> None:
    never = anyio.Event()
    submitted = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal submitted
        if request.method == "GET":
            await never.wait()
        submitted += 1
        return httpx.Response(200, json={"id": f"job-{submitted}", "status": "IN_QUEUE"})

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client,
        AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client, wait_limits=LIMITS) as client,
    ):
        endpoint = client.endpoint("ep")
        turns = client._session._turns.of("ep", LIMITS)

        async def one() -> None:
            await (await endpoint.run(input={"prompt": "a horse"})).wait()

        await endpoint.run(input={"prompt": "what is loaded with the first job"})
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            async with anyio.create_task_group() as group:
                for _ in range(JOBS):
                    group.start_soon(one)
                while turns.waiting < JOBS:
                    await anyio.lowlevel.checkpoint()
                assert LIMITS.concurrent == turns.running
                gc.collect()
                after, _ = tracemalloc.get_traced_memory()
                group.cancel_scope.cancel()
        finally:
            tracemalloc.stop()
    assert 0 == turns.waiting
    assert (after - before) / JOBS < 20_000
