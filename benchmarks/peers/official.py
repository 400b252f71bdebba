"""The official Python package. The tasks are documented in `ours.py`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib import import_module
from typing import Any

from load import Ends, Meter, async_load, job_of, load

# Not an import statement, since type checkers resolve that name to this library.
runpod: Any = import_module("runpod")

# Seconds, longer than any job. Without a timeout `output` does not wait.
LONG = 400


def run_sync(endpoint: Any, job: Any) -> Any:
    return endpoint.run_sync({"input": job})


def run_output(endpoint: Any, job: Any) -> Any:
    return endpoint.run({"input": job}).output(timeout=LONG)


async def async_run_output(endpoint: Any, job: Any) -> Any:
    return await (await endpoint.run(job)).output(timeout=LONG)


async def async_run_status(endpoint: Any, job: Any) -> Any:
    return await (await endpoint.run(job)).status() == "COMPLETED"


FORMS = {"run_sync": run_sync, "run, output": run_output}
ASYNC_FORMS = {"async run, output": async_run_output, "async run, status": async_run_status}


def jobs(form: str, inputs: list[dict[str, Any]]) -> list[float]:
    known = []
    endpoint = runpod.Endpoint("bench")
    for job in inputs:
        output = FORMS[form](endpoint, job)
        known.append(time.monotonic())
        assert output == job["label"], output
    return known


async def async_jobs(form: str, inputs: list[dict[str, Any]]) -> list[float]:
    known = []
    async with runpod.http_client.AsyncClientSession() as session:
        endpoint = runpod.AsyncioEndpoint("bench", session)
        for job in inputs:
            output = await ASYNC_FORMS[form](endpoint, job)
            known.append(time.monotonic())
            assert output == job["label"], output
    return known


def calls(form: str, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    costs = []
    for cell in cells:
        endpoint, job = runpod.Endpoint(cell["endpoint"]), job_of(cell)

        def call(endpoint: Any = endpoint, job: Any = job) -> None:
            assert FORMS[form](endpoint, job)

        costs.append(load(call, cell["width"], cell["seconds"]).data())
    return costs


async def async_calls(form: str, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    costs = []
    async with runpod.http_client.AsyncClientSession() as session:
        for cell in cells:
            endpoint, job = runpod.AsyncioEndpoint(cell["endpoint"], session), job_of(cell)

            async def call(endpoint: Any = endpoint, job: Any = job) -> None:
                assert await ASYNC_FORMS[form](endpoint, job)

            costs.append((await async_load(call, cell["width"], cell["seconds"])).data())
    return costs


async def crowd(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    known: list[float | None] = [None] * len(inputs)
    async with runpod.http_client.AsyncClientSession() as session:
        endpoint = runpod.AsyncioEndpoint("limited-polls", session)
        places = asyncio.Semaphore(200)

        async def one(index: int) -> None:
            try:
                async with places:
                    job = await endpoint.run(inputs[index])
                output = await job.output(timeout=LONG)
            except Exception as error:  # noqa: BLE001 - it raises whatever comes of a 429
                print(repr(error), file=sys.stderr)
            else:
                if output == inputs[index]["label"]:
                    known[index] = time.monotonic()

        meter = Meter()
        await asyncio.gather(*(one(index) for index in range(len(inputs))))
        return {"known": known, "cost": meter.stop(len(inputs)).data()}


async def many(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write the loop that its users write: a task for each job, and a semaphore."""
    costs = []
    async with runpod.http_client.AsyncClientSession() as session:
        for cell in cells:
            endpoint, ends = runpod.AsyncioEndpoint(cell["endpoint"], session), Ends(cell)
            slots, tasks = asyncio.Semaphore(cell["width"]), set[asyncio.Task[None]]()

            async def one(
                job: Any, endpoint: Any = endpoint, ends: Ends = ends, slots: asyncio.Semaphore = slots
            ) -> None:
                try:
                    ends.see(job, await (await endpoint.run(job)).output(timeout=LONG))
                except Exception as error:  # noqa: BLE001 - it raises whatever comes of a 429
                    print(repr(error), file=sys.stderr)
                finally:
                    slots.release()

            for job in ends.inputs():
                await slots.acquire()
                task = asyncio.create_task(one(job))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)
            costs.append(ends.data())
    return costs


def main() -> None:
    task, form, given = sys.argv[1], sys.argv[2], json.loads(sys.stdin.read())
    runpod.api_key = "bench"
    done: Any
    if task == "crowd":
        done = asyncio.run(crowd(given["jobs"]))
    elif task == "many":
        done = asyncio.run(many(given["cells"]))
    elif task == "jobs":
        done = jobs(form, given["jobs"]) if form in FORMS else asyncio.run(async_jobs(form, given["jobs"]))
    else:
        done = calls(form, given["cells"]) if form in FORMS else asyncio.run(async_calls(form, given["cells"]))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
