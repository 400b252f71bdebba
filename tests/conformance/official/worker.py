"""A worker with the official package. The first argument names the handler, the others are for the package."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import runpod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Job = dict[str, Any]


def plain(job: Job) -> Any:
    return {"prompt": job["input"]["prompt"], "image": "…"}


async def plain_async(job: Job) -> Any:
    await asyncio.sleep(0)
    return plain(job)


def generator(job: Job) -> Iterator[Any]:
    for number in range(job["input"]["photos"]):
        yield {"photo": number}
    if "prompt" in job["input"]:
        failing(job)


async def generator_async(job: Job) -> AsyncIterator[Any]:
    for chunk in generator(job):
        await asyncio.sleep(0)
        yield chunk


def failing(job: Job) -> Any:
    raise ValueError(f"there is no {job['input']['prompt']}")


def error_returning(job: Job) -> Any:
    return {"error": "bad seed", "detail": 1}


def nothing(job: Job) -> Any:
    return {}


def progress_sending(job: Job) -> Any:
    """Send progress updates, then wait until the file `go` exists."""
    for percent in job["input"]["progress"]:
        runpod.serverless.progress_update(job, {"percent": percent})
    while not Path(job["input"]["go"]).exists():
        time.sleep(0.01)
    return plain(job)


def crashing(job: Job) -> Any:
    os._exit(3)


def meeting(job: Job) -> Any:
    """Wait until the expected number of jobs is running concurrently."""
    folder = Path(job["input"]["folder"])
    (folder / job["id"]).touch()
    while len(list(folder.iterdir())) < job["input"]["expected"]:
        time.sleep(0.01)
    return "met"


running: list[Job] = []


async def meeting_here(job: Job) -> Any:
    """Wait until the expected number of jobs is running concurrently in this process."""
    running.append(job)
    while len(running) < job["input"]["expected"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return "met"


async def waiting(job: Job) -> Any:
    """Run until cancelled. The files `started` and `stopped` report this to the test."""
    Path(job["input"]["started"]).touch()  # noqa: ASYNC240
    try:
        await asyncio.Event().wait()
    finally:
        Path(job["input"]["stopped"]).touch()  # noqa: ASYNC240


def refreshing(job: Job) -> Any:
    return {"refresh_worker": True, "was": os.environ["RUNPOD_POD_ID"]}


def chosen(job: Job) -> Any:
    """Call the handler named by the input, except generators, so that tests can share a worker."""
    return globals()[job["input"]["handler"]](job)


if __name__ == "__main__":
    name = sys.argv.pop(1)
    config: dict[str, Any] = {"handler": globals()[name.split("-")[0]]}
    if name.endswith("-aggregated"):
        config["return_aggregate_stream"] = True
    if name.endswith("-in-pairs"):
        config["concurrency_modifier"] = lambda _: 2
    runpod.serverless.start(config)
