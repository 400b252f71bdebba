"""Bulk runs of this library, and `map_unordered` for comparison.

    speed    {path, rows, bytes, in_flight, takes}    adds rows and runs them; returns the times and the cost
    add      {path, rows, bytes, stop_after}          adds rows, runs them until so many ended, and exits without
                                                      cleaning up; returns the times and the peak memory
    resume   {path, rows, bytes, stop_after}          opens such a file, adds the same rows again, and runs it until so
                                                      many more ended; returns the times and the peak memory

The forms are `async bulk`, `bulk`, and for `speed` also `async map_unordered` and `map_unordered`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from load import Meter, memory
from ours import WIDE, connected, options_of

from runpod import Runpod
from runpod.bulk import AsyncBulkRun, BulkRun

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows_of(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows, each of about so many bytes."""
    for number in range(given["rows"]):
        yield {"id": number, "label": str(number).ljust(given["bytes"] - 50, "x"), "seconds": given["takes"]}


class Laps:
    """The seconds that each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def stop(self, name: str) -> None:
        """Note the time since the last call."""
        now = time.monotonic()
        self.seconds[name], self._last = now - self._last, now

    def data(self) -> dict[str, Any]:
        """Return the times and the peak memory."""
        return {**self.seconds, "resident": memory("VmHWM")}


async def async_map(given: dict[str, Any]) -> dict[str, Any]:
    async with connected(WIDE) as client:
        endpoint, meter, seen = client.endpoint("bulk"), Meter(), 0
        async for result in endpoint.map_unordered(rows_of(given), in_flight=given["in_flight"]):
            seen += result.output == result.input["label"]
        return {**meter.stop(seen).data(), "resident": memory("VmHWM")}


def sync_map(given: dict[str, Any]) -> dict[str, Any]:
    with Runpod(**options_of(WIDE)) as client:
        endpoint, meter, seen = client.endpoint("bulk"), Meter(), 0
        for result in endpoint.map_unordered(rows_of(given), in_flight=given["in_flight"]):
            seen += result.output == result.input["label"]
        return {**meter.stop(seen).data(), "resident": memory("VmHWM")}


async def async_speed(given: dict[str, Any]) -> dict[str, Any]:
    async with connected(WIDE) as client, AsyncBulkRun(given["path"]) as run:
        await run.add(rows_of(given), key="id")
        endpoint, meter, seen = client.endpoint("bulk"), Meter(), 0
        async for result in run.run(endpoint, in_flight=given["in_flight"]):
            seen += result.output == result.input["label"]
        return {**meter.stop(seen).data(), "resident": memory("VmHWM")}


def sync_speed(given: dict[str, Any]) -> dict[str, Any]:
    with Runpod(**options_of(WIDE)) as client, BulkRun(given["path"]) as run:
        run.add(rows_of(given), key="id")
        endpoint, meter, seen = client.endpoint("bulk"), Meter(), 0
        for result in run.run(endpoint, in_flight=given["in_flight"]):
            seen += result.output == result.input["label"]
        return {**meter.stop(seen).data(), "resident": memory("VmHWM")}


async def async_add_and_run(given: dict[str, Any], *, crash: bool) -> dict[str, Any]:
    laps, seen = Laps(), 0
    async with connected(WIDE) as client, AsyncBulkRun(given["path"]) as run:
        laps.stop("open")
        await run.add(rows_of(given), key="id")
        laps.stop("add")
        async for _ in run.run(client.endpoint("bulk"), in_flight=given["in_flight"]):
            seen += 1
            if seen == 1:
                laps.stop("first")
            if seen == given["stop_after"]:
                break
        return finished(laps, crash=crash)


def sync_add_and_run(given: dict[str, Any], *, crash: bool) -> dict[str, Any]:
    laps, seen = Laps(), 0
    with Runpod(**options_of(WIDE)) as client, BulkRun(given["path"]) as run:
        laps.stop("open")
        run.add(rows_of(given), key="id")
        laps.stop("add")
        for _ in run.run(client.endpoint("bulk"), in_flight=given["in_flight"]):
            seen += 1
            if seen == 1:
                laps.stop("first")
            if seen == given["stop_after"]:
                break
        return finished(laps, crash=crash)


def finished(laps: Laps, *, crash: bool) -> dict[str, Any]:
    if crash:
        print(json.dumps(laps.data()), flush=True)
        os._exit(0)
    return laps.data()


def main() -> None:
    task, form, given = sys.argv[1], sys.argv[2], json.loads(sys.stdin.read())
    if task == "speed":
        if form.startswith("async"):
            done = asyncio.run(async_map(given) if "map" in form else async_speed(given))
        else:
            done = sync_map(given) if "map" in form else sync_speed(given)
    elif form.startswith("async"):
        done = asyncio.run(async_add_and_run(given, crash=task == "add"))
    else:
        done = sync_add_and_run(given, crash=task == "add")
    print(json.dumps(done))


if __name__ == "__main__":
    main()
