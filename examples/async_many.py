"""Run many jobs in async code with `map`: inputs from an async iterator, typed outputs, errors in their place.

    python examples/async_many.py

It runs on a local server. For a real endpoint remove the server: `AsyncRunpod()` takes the key from RUNPOD_API_KEY.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from runpod import AsyncRunpod, RunpodError
from runpod.local import LocalEndpoint, LocalServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

JOBS = 20


class Horse(BaseModel):
    """The output of a job."""

    length: float
    height: float


async def measure(job: dict[str, Any]) -> dict[str, float]:
    """The handler: returns the height of a horse of this length."""
    length = job["input"]["length"]
    if length == 13:
        raise ValueError("no horse is 13 m long")
    await asyncio.sleep(0.2)
    return {"length": length, "height": length * 0.95}


async def inputs() -> AsyncIterator[dict[str, int]]:
    """The inputs, as they arrive, for example from a database. They are read no earlier than they are needed."""
    for length in range(1, JOBS + 1):
        await asyncio.sleep(0.01)
        yield {"length": length}


async def main() -> None:
    async with (
        LocalServer({"measure": LocalEndpoint(measure, workers=5)}) as server,
        AsyncRunpod(server.api_key, base_url=server.base_url) as client,
    ):
        endpoint = client.endpoint("measure", output_type=Horse)
        # In the order of the inputs. With return_exceptions, a failed job does not end the run.
        async with endpoint.map(inputs(), in_flight=10, return_exceptions=True) as results:
            length = 0
            async for result in results:
                length += 1
                if isinstance(result, RunpodError):
                    print(f"{length:>3} m long: {result}")
                else:
                    print(f"{result.length:>3.0f} m long: {result.height:.1f} m tall")
        print(f"\n{results.report}")


if __name__ == "__main__":
    asyncio.run(main())
