"""Make calls with a client of the official package. Reads calls and writes results, one JSON object per line.

The argument is the client, `sync` or `asyncio`. The package reads the address of the server from
`RUNPOD_ENDPOINT_BASE_URL`, but its API key must be set in code.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import threading
from typing import Any

import runpod
from runpod.http_client import AsyncClientSession

runpod.api_key = os.environ["RUNPOD_API_KEY"]

lock = threading.Lock()
jobs: dict[str, Any] = {}


def send(**line: Any) -> None:
    with lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def send_error(number: int, error: Exception) -> None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    send(number=number, error={"kind": type(error).__name__, "message": str(error), "status": status})


def send_result(number: int, result: Any) -> None:
    if hasattr(result, "job_id"):  # A job, to which later commands refer by ID.
        jobs[result.job_id] = result
        result = {"job": result.job_id}
    send(number=number, result=result)


def function_of(command: dict[str, Any], session: Any = None) -> Any:
    if "job" in command:
        target = jobs[command["job"]]
    elif session is None:
        target = runpod.Endpoint(command["endpoint"], api_key=command.get("api_key"))
    else:
        target = runpod.AsyncioEndpoint(command["endpoint"], session, api_key=command.get("api_key"))
    return getattr(target, command["name"])


def call(command: dict[str, Any]) -> None:
    number = command["number"]
    try:
        result = function_of(command)(*command.get("arguments", ()), **command.get("keywords", {}))
        if inspect.isgenerator(result):
            for item in result:
                send(number=number, item=item)
            result = {"yielded": True}
        send_result(number, result)
    except Exception as error:  # noqa: BLE001  # Every error is reported to the test.
        send_error(number, error)


async def call_async(command: dict[str, Any], session: Any) -> None:
    number = command["number"]
    try:
        result = function_of(command, session)(*command.get("arguments", ()), **command.get("keywords", {}))
        if inspect.isasyncgen(result):
            async for item in result:
                send(number=number, item=item)
            send_result(number, {"yielded": True})
        else:
            send_result(number, await result)
    except Exception as error:  # noqa: BLE001  # As above.
        send_error(number, error)


def main() -> None:
    for line in sys.stdin:
        threading.Thread(target=call, args=[json.loads(line)], daemon=True).start()


async def main_async() -> None:
    loop = asyncio.get_running_loop()
    tasks = set()
    async with AsyncClientSession() as session:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            tasks.add(asyncio.create_task(call_async(json.loads(line), session)))
        for task in tasks:
            task.cancel()


if sys.argv[1:] == ["asyncio"]:
    asyncio.run(main_async())
else:
    main()
