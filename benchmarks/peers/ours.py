"""The sync and async client of this library.

Each client program takes a task, a form and a JSON object, and prints a line of JSON at the end.

    jobs    {"jobs": [input, …]}                              runs the jobs sequentially; returns for each the time
                                                              at which it had the output (CLOCK_MONOTONIC)
    calls   {"cells": [{width, seconds, …}, …]}               runs each cell, as described for `cell` in
                                                              `programs.py`; returns the cost of each
    crowd   {"jobs": [input, …]}                              submits and waits for all concurrently; returns the
                                                              times (null for a failure) and the cost
    many    {"cells": [{width, jobs, …}, …]}                  runs the jobs of each cell with `width` of them in
                                                              flight, as described for `many_cell` in `programs.py`;
                                                              returns the cost of each
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import httpx
from load import Ends, Meter, async_load, job_of, load

from runpod import AsyncRunpod, EndpointLimits, RetryPolicy, Runpod, RunpodError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from runpod import AsyncEndpoint, Endpoint

    Input = dict[str, Any]


def run_sync(endpoint: Endpoint[Any], job: Input) -> Any:
    return endpoint.run_sync(input=job).output


def run_result(endpoint: Endpoint[Any], job: Input) -> Any:
    return endpoint.run(input=job).result()


async def async_run_sync(endpoint: AsyncEndpoint[Any], job: Input) -> Any:
    return (await endpoint.run_sync(input=job)).output


async def async_run_result(endpoint: AsyncEndpoint[Any], job: Input) -> Any:
    return await (await endpoint.run(input=job)).result()


async def async_run_refresh(endpoint: AsyncEndpoint[Any], job: Input) -> Any:
    return (await (await endpoint.run(input=job)).refresh()).output


FORMS: dict[str, Callable[[Endpoint[Any], Input], Any]] = {"run_sync": run_sync, "run, result": run_result}
ASYNC_FORMS: dict[str, Callable[[AsyncEndpoint[Any], Input], Awaitable[Any]]] = {
    "async run_sync": async_run_sync,
    "async run, result": async_run_result,
    "async run, refresh": async_run_refresh,
}
# Suffix of the forms that ignore the rate limits of the service.
WIDE = ", wide limits"
WIDE_SUBMISSIONS: dict[str, int] = {"submissions_per_second": 100_000, "concurrent_submissions": 2000}
WIDE_POLLS: dict[str, int] = {"polls_per_second": 100_000, "concurrent_polls": 2000}


def options_of(form: str) -> Any:
    """The options of the client for this form."""
    return {"limits": EndpointLimits(**WIDE_SUBMISSIONS, **WIDE_POLLS)} if form.endswith(WIDE) else {}


@asynccontextmanager
async def connected(form: str = "", **options: Any) -> AsyncIterator[AsyncRunpod]:
    """Create a client, with httpx_aiohttp if it is installed."""
    options |= options_of(form)
    async with AsyncExitStack() as stack:
        if find_spec("httpx_aiohttp"):
            limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
            client = import_module("httpx_aiohttp").HttpxAiohttpClient(limits=limits)
            options["http_client"] = await stack.enter_async_context(client)
        yield await stack.enter_async_context(AsyncRunpod(**options))


def jobs(form: Callable[[Endpoint[Any], Input], Any], inputs: list[Input]) -> list[float]:
    known = []
    with Runpod() as client:
        endpoint = client.endpoint("bench")
        for job in inputs:
            output = form(endpoint, job)
            known.append(time.monotonic())
            assert output == job["label"], output
    return known


async def async_jobs(form: Callable[[AsyncEndpoint[Any], Input], Awaitable[Any]], inputs: list[Input]) -> list[float]:
    known = []
    async with connected() as client:
        endpoint = client.endpoint("bench")
        for job in inputs:
            output = await form(endpoint, job)
            known.append(time.monotonic())
            assert output == job["label"], output
    return known


def calls(form: str, cells: list[Input]) -> list[Input]:
    costs = []
    with Runpod() as client:
        for cell in cells:
            endpoint, job = client.endpoint(cell["endpoint"]), job_of(cell)

            def call(endpoint: Endpoint[Any] = endpoint, job: Input = job) -> None:
                assert FORMS[form](endpoint, job)

            costs.append(load(call, cell["width"], cell["seconds"]).data())
    return costs


async def async_calls(form: str, cells: list[Input]) -> list[Input]:
    costs = []
    run = ASYNC_FORMS[form.removesuffix(WIDE)]
    async with connected(form) as client:
        for cell in cells:
            endpoint, job = client.endpoint(cell["endpoint"]), job_of(cell)

            async def call(endpoint: AsyncEndpoint[Any] = endpoint, job: Input = job) -> None:
                assert await run(endpoint, job)

            costs.append((await async_load(call, cell["width"], cell["seconds"])).data())
    return costs


async def crowd(inputs: list[Input]) -> Input:
    known: list[float | None] = [None] * len(inputs)
    limits = EndpointLimits(**WIDE_SUBMISSIONS)
    async with connected(timeout=600, retry=RetryPolicy(max_retries=10), limits=limits) as client:
        endpoint = client.endpoint("limited-polls")
        slots = asyncio.Semaphore(200)  # the concurrency limit of the service for `run`

        async def one(index: int) -> None:
            try:
                async with slots:
                    job = await endpoint.run(input=inputs[index])
                output = await job.result(timeout=400)
            except RunpodError as error:
                print(error, file=sys.stderr)
            else:
                known[index] = time.monotonic()
                assert output == inputs[index]["label"]

        meter = Meter()
        await asyncio.gather(*(one(index) for index in range(len(inputs))))
        return {"known": known, "cost": meter.stop(len(inputs)).data()}


def many(form: str, cells: list[Input]) -> list[Input]:
    costs = []
    with Runpod(**options_of(form)) as client:
        for cell in cells:
            endpoint, ends = client.endpoint(cell["endpoint"]), Ends(cell)
            for result in endpoint.map_unordered(ends.inputs(), in_flight=cell["width"]):
                ends.see(result.input, result.output if result.error is None else result.error)
            costs.append(ends.data())
    return costs


async def async_many(form: str, cells: list[Input]) -> list[Input]:
    costs = []
    async with connected(form) as client:
        for cell in cells:
            endpoint, ends = client.endpoint(cell["endpoint"]), Ends(cell)
            async for result in endpoint.map_unordered(ends.inputs(), in_flight=cell["width"]):
                ends.see(result.input, result.output if result.error is None else result.error)
            costs.append(ends.data())
    return costs


def main() -> None:
    task, form, given = sys.argv[1], sys.argv[2], json.loads(sys.stdin.read())
    done: Any
    if task == "jobs" and form in FORMS:
        done = jobs(FORMS[form], given["jobs"])
    elif task == "jobs":
        done = asyncio.run(async_jobs(ASYNC_FORMS[form], given["jobs"]))
    elif task == "crowd":
        done = asyncio.run(crowd(given["jobs"]))
    elif task == "many" and form.startswith("map"):
        done = many(form, given["cells"])
    elif task == "many":
        done = asyncio.run(async_many(form, given["cells"]))
    elif form in FORMS:
        done = calls(form, given["cells"])
    else:
        done = asyncio.run(async_calls(form, given["cells"]))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
