"""A program that runs the rows of a file: `python -m tests.faults.bulk_program SIDE BASE_URL PATH ROWS IN_FLIGHT`.

It is killed and interrupted by `test_bulk_kills.py`. It prints what it does, and the key of each result.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from runpod import AsyncRunpod, EndpointLimits, Runpod
from runpod.bulk import AsyncBulkRun, BulkRun
from tests.faults.secrets import API_KEY

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ENDPOINT = "ep"
# Higher than those of the service, so that the program is fast.
LIMITS = EndpointLimits(
    concurrent_polls=1000, polls_per_second=10_000, submissions_per_second=10_000, concurrent_submissions=1000
)


def rows(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"key": key_of(number), "n": number}


def key_of(number: int) -> str:
    return f"row-{number}"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


@contextmanager
def telling() -> Generator[None, None, None]:
    """Print that the loop was interrupted, before the run is closed."""
    try:
        yield
    except BaseException as error:
        say(type(error).__name__)
        raise


def sync_main(base_url: str, path: str, count: int, in_flight: int) -> None:
    with Runpod(API_KEY, base_url=base_url, limits=LIMITS) as client, BulkRun(path) as run:
        say("adding")
        run.add(rows(count), key="key")
        say("running")
        with telling():
            for result in run.run(client.endpoint(ENDPOINT), in_flight=in_flight):
                say(result.key)
    say("end")


async def async_main(base_url: str, path: str, count: int, in_flight: int) -> None:
    async with AsyncRunpod(API_KEY, base_url=base_url, limits=LIMITS) as client, AsyncBulkRun(path) as run:
        say("adding")
        await run.add(rows(count), key="key")
        say("running")
        with telling():
            async for result in run.run(client.endpoint(ENDPOINT), in_flight=in_flight):
                say(result.key)
    say("end")


def main(side: str, base_url: str, path: str, count: str, in_flight: str) -> None:
    with suppress(KeyboardInterrupt):
        if side == "sync":
            sync_main(base_url, path, int(count), int(in_flight))
        else:
            asyncio.run(async_main(base_url, path, int(count), int(in_flight)))
        return
    say("interrupted")


if __name__ == "__main__":
    main(*sys.argv[1:])
