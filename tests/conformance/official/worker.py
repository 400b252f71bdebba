"""A worker built on the official package. Its first argument names the handler, the others are the package's own."""

from __future__ import annotations

import asyncio
import os
import sys
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
    for percent in job["input"]["progress"]:
        runpod.serverless.progress_update(job, {"percent": percent})
    return plain(job)


def crashing(job: Job) -> Any:
    os._exit(3)


async def waiting(job: Job) -> Any:
    """Never ends by itself; says so in files whose names the job brings, since nobody else hears a handler."""
    started, stopped = job["input"]["started"], job["input"]["stopped"]
    try:
        with open(started, "x"):  # noqa: ASYNC230, PTH123
            pass
        await asyncio.Event().wait()
    finally:
        with open(stopped, "x"):  # noqa: ASYNC230, PTH123
            pass


def chosen(job: Job) -> Any:
    """Any of the others that are no generators, so that a test can do with one worker."""
    return globals()[job["input"]["handler"]](job)


if __name__ == "__main__":
    name = sys.argv.pop(1)
    config: dict[str, Any] = {"handler": globals()[name.removesuffix("-aggregated")]}
    if name.endswith("-aggregated"):
        config["return_aggregate_stream"] = True
    runpod.serverless.start(config)
