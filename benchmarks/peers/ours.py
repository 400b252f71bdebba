"""This library, in both twins.

What every peer does: takes a task, a form and a JSON object as arguments, and ends with a line of JSON.

    jobs    {"jobs": [input, …]}                              runs them one after another; gives for each the moment
                                                              at which its output was in hand (CLOCK_MONOTONIC)
    calls   {"cells": [{width, seconds, sent, endpoint}, …]}  keeps so many calls in flight for so long, with inputs of so
                                                              many bytes; gives what each cost
    crowd   {"jobs": [input, …]}                              submits all at once and waits for all at once; gives the
                                                              moments (null: it failed) and what it cost
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from load import Meter, async_load, load, text

from runpod import AsyncRunpod, RetryPolicy, Runpod, RunpodError

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


FORMS: dict[str, Callable[[Endpoint[Any], Input], Any]] = {"run_sync": run_sync, "run, wait": run_wait}
ASYNC_FORMS: dict[str, Callable[[AsyncEndpoint[Any], Input], Awaitable[Any]]] = {
    "async run_sync": async_run_sync,
    "async run, wait": async_run_wait,
}


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
    async with AsyncRunpod() as client:
        endpoint = client.endpoint("bench")
        for job in inputs:
            output = await form(endpoint, job)
            known.append(time.monotonic())
            assert output == job["label"], output
    return known


def calls(cells: list[Input]) -> list[Input]:
    costs = []
    with Runpod() as client:
        for cell in cells:
            endpoint = client.endpoint(cell["endpoint"])
            given = {"text": text(cell["sent"])}

            def call(endpoint: Endpoint[Any] = endpoint, given: Input = given) -> None:
                assert endpoint.run_sync(input=given).succeeded

            costs.append(load(call, cell["width"], cell["seconds"]).data())
    return costs


async def async_calls(form: str, cells: list[Input]) -> list[Input]:
    costs = []
    async with AsyncRunpod() as client:
        for cell in cells:
            endpoint = client.endpoint(cell["endpoint"])
            given = {"text": text(cell["sent"])}

            async def run_sync(endpoint: AsyncEndpoint[Any] = endpoint, given: Input = given) -> None:
                assert (await endpoint.run_sync(input=given)).succeeded

            async def run_refresh(endpoint: AsyncEndpoint[Any] = endpoint, given: Input = given) -> None:
                job = await endpoint.run(input=given)
                assert (await job.refresh()).succeeded

            call = run_sync if form == "async run_sync" else run_refresh
            cost = await async_load(call, cell["width"], cell["seconds"])
            cost.calls *= 1 if form == "async run_sync" else 2
            costs.append(cost.data())
    return costs


async def crowd(inputs: list[Input]) -> Input:
    known: list[float | None] = [None] * len(inputs)
    async with AsyncRunpod(timeout=600, retry=RetryPolicy(max_retries=10)) as client:
        endpoint = client.endpoint("limited")
        places = asyncio.Semaphore(200)  # what the service allows for `run`

        async def one(index: int) -> None:
            try:
                async with places:
                    job = await endpoint.run(input=inputs[index])
                output = (await job.wait(timeout=400)).output
            except RunpodError as error:
                print(error, file=sys.stderr)
            else:
                known[index] = time.monotonic()
                assert output == inputs[index]["label"]

        meter = Meter()
        await asyncio.gather(*(one(index) for index in range(len(inputs))))
        return {"known": known, "cost": meter.stop(len(inputs)).data()}


def main() -> None:
    task, form, given = sys.argv[1], sys.argv[2], json.loads(sys.stdin.read())
    done: Any
    if task == "jobs" and form in FORMS:
        done = jobs(FORMS[form], given["jobs"])
    elif task == "jobs":
        done = asyncio.run(async_jobs(ASYNC_FORMS[form], given["jobs"]))
    elif task == "crowd":
        done = asyncio.run(crowd(given["jobs"]))
    elif form == "run_sync":
        done = calls(given["cells"])
    else:
        done = asyncio.run(async_calls(form, given["cells"]))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
