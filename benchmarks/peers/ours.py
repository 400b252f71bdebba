"""This library, in both twins.

What every peer does: takes the name of a form and a JSON list of job inputs as arguments, runs the jobs one after
another, and ends with a line of JSON: for each job the moment at which its output was in hand (CLOCK_MONOTONIC).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from runpod import AsyncRunpod, Runpod

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runpod import AsyncEndpoint, Endpoint

    Input = dict[str, Any]


def run_sync(endpoint: Endpoint[Any], job: Input) -> Any:
    return endpoint.run_sync(input=job).output


def run_wait(endpoint: Endpoint[Any], job: Input) -> Any:
    return endpoint.run(input=job).wait().output


async def async_run_sync(endpoint: AsyncEndpoint[Any], job: Input) -> Any:
    return (await endpoint.run_sync(input=job)).output


async def async_run_wait(endpoint: AsyncEndpoint[Any], job: Input) -> Any:
    return (await (await endpoint.run(input=job)).wait()).output


def measure(form: Callable[[Endpoint[Any], Input], Any], jobs: list[Input]) -> list[float]:
    known = []
    with Runpod() as client:
        endpoint = client.endpoint("bench")
        for job in jobs:
            output = form(endpoint, job)
            known.append(time.monotonic())
            assert output == job["label"], output
    return known


async def async_measure(form: Callable[[AsyncEndpoint[Any], Input], Awaitable[Any]], jobs: list[Input]) -> list[float]:
    known = []
    async with AsyncRunpod() as client:
        endpoint = client.endpoint("bench")
        for job in jobs:
            output = await form(endpoint, job)
            known.append(time.monotonic())
            assert output == job["label"], output
    return known


def main() -> None:
    form, jobs = sys.argv[1], json.loads(sys.argv[2])
    sync_forms = {"run_sync": run_sync, "run, wait": run_wait}
    async_forms = {"async run_sync": async_run_sync, "async run, wait": async_run_wait}
    if form in sync_forms:
        known = measure(sync_forms[form], jobs)
    else:
        known = asyncio.run(async_measure(async_forms[form], jobs))
    print(json.dumps(known))


if __name__ == "__main__":
    main()
