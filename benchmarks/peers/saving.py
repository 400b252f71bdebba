"""Save pictures by URL: `saving.py task form`, with the arguments as JSON on stdin. Prints seconds and CPU seconds.

The task is `save`; the forms are `save`, `async save`, `loop` and `async loop`. The last two are the loop that people
write: without retries, and without a look at what is downloaded.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from runpod import AsyncRunpod, Runpod
from runpod.media import Media


def save(given: dict[str, Any]) -> None:
    with Runpod(base_url=given["url"]) as client:
        client.save(pictures(given), given["folder"])


async def async_save(given: dict[str, Any]) -> None:
    async with AsyncRunpod(base_url=given["url"]) as client:
        await client.save(pictures(given), given["folder"])


def pictures(given: dict[str, Any]) -> list[Media]:
    return [Media("image/png", "horse.png", f"{given['url']}/horse.png?{n}") for n in range(given["pictures"])]


def loop(given: dict[str, Any]) -> None:
    with httpx.Client() as client:
        for number in range(given["pictures"]):
            with client.stream("GET", f"{given['url']}/horse.png?{number}") as response:
                response.raise_for_status()
                with Path(given["folder"], f"horse-{number}.png").open("wb") as file:
                    file.writelines(response.iter_bytes())


async def async_loop(given: dict[str, Any]) -> None:
    async with httpx.AsyncClient() as client:
        for number in range(given["pictures"]):
            async with client.stream("GET", f"{given['url']}/horse.png?{number}") as response:
                response.raise_for_status()
                with Path(given["folder"], f"horse-{number}.png").open("wb") as file:  # noqa: ASYNC230 - as people do
                    async for piece in response.aiter_bytes():
                        file.write(piece)


def run(form: str, given: dict[str, Any]) -> None:
    if form == "save":
        save(given)
    elif form == "async save":
        asyncio.run(async_save(given))
    elif form == "loop":
        loop(given)
    else:
        asyncio.run(async_loop(given))


def main() -> None:
    given = json.load(sys.stdin)
    # Imports, and everything else that happens once.
    run(sys.argv[2], {**given, "pictures": 3, "folder": given["warm_up"]})
    seconds, cpu = time.perf_counter(), time.process_time()
    run(sys.argv[2], given)
    print(json.dumps({"seconds": time.perf_counter() - seconds, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
