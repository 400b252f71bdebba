"""Run twenty jobs with limited concurrency, and collect the results and errors.

    python examples/async_many.py

It runs on a local server. For a real endpoint remove the server: `AsyncRunpod()` takes the key from RUNPOD_API_KEY.
"""

from __future__ import annotations

import asyncio
from typing import Any

from runpod import AsyncEndpoint, AsyncRunpod, RunpodError
from runpod.local import LocalServer

JOBS = 20
CONCURRENCY = 5


async def measure(job: dict[str, Any]) -> dict[str, float]:
    """The handler: returns the height of a horse of this length."""
    length = job["input"]["length"]
    if length == 13:
        raise ValueError("no horse is 13 m long")
    await asyncio.sleep(0.2)
    return {"length": length, "height": length * 0.95}


async def height(endpoint: AsyncEndpoint[Any], length: int, semaphore: asyncio.Semaphore) -> float:
    async with semaphore:
        job = await endpoint.run(input={"length": length})
        output = await job.result(timeout=60)
    return float(output["height"])


async def main() -> None:
    async with (
        LocalServer({"measure": measure}) as server,
        AsyncRunpod(server.api_key, base_url=server.base_url) as client,
    ):
        endpoint = client.endpoint("measure")
        semaphore = asyncio.Semaphore(CONCURRENCY)
        lengths = range(1, JOBS + 1)
        # With return_exceptions, a failed job does not cancel the others.
        results = await asyncio.gather(*(height(endpoint, n, semaphore) for n in lengths), return_exceptions=True)

    for length, result in zip(lengths, results, strict=True):
        if isinstance(result, RunpodError):
            print(f"{length:>3} m long: {result}")
        elif isinstance(result, BaseException):
            raise result
        else:
            print(f"{length:>3} m long: {result:.1f} m tall")


if __name__ == "__main__":
    asyncio.run(main())
