"""Makes the calls of the official package's client that its input asks for, a JSON object a line.

Says what came of each. Its argument is `sync` or `asyncio`, which of the two clients it is about. It finds the server
as every program with that package does, by `RUNPOD_ENDPOINT_BASE_URL`; the package wants its key set by hand.
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


def say(**line: Any) -> None:
    with lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def say_error(number: int, error: Exception) -> None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    say(number=number, error={"kind": type(error).__name__, "message": str(error), "status": status})


def say_result(number: int, result: Any) -> None:
    if hasattr(result, "job_id"):  # A job: later commands name it.
        jobs[result.job_id] = result
        result = {"job": result.job_id}
    say(number=number, result=result)


def function_of(command: dict[str, Any], session: Any = None) -> Any:
    if "job" in command:
        target = jobs[command["job"]]
    elif session is None:
        target = runpod.Endpoint(command["endpoint"], api_key=command.get("api_key"))
    else:
        target = runpod.AsyncioEndpoint(command["endpoint"], session, api_key=command.get("api_key"))
    return getattr(target, command["name"])


def carry_out(command: dict[str, Any]) -> None:
    number = command["number"]
    try:
        result = function_of(command)(*command.get("arguments", ()), **command.get("keywords", {}))
        if inspect.isgenerator(result):
            for item in result:
                say(number=number, item=item)
            result = {"yielded": True}
        say_result(number, result)
    except Exception as error:  # noqa: BLE001  # Whatever it is, a test wants to know.
        say_error(number, error)


async def carry_out_async(command: dict[str, Any], session: Any) -> None:
    number = command["number"]
    try:
        result = function_of(command, session)(*command.get("arguments", ()), **command.get("keywords", {}))
        if inspect.isasyncgen(result):
            async for item in result:
                say(number=number, item=item)
            say_result(number, {"yielded": True})
        else:
            say_result(number, await result)
    except Exception as error:  # noqa: BLE001  # As above.
        say_error(number, error)


def main() -> None:
    for line in sys.stdin:
        threading.Thread(target=carry_out, args=[json.loads(line)], daemon=True).start()


async def main_async() -> None:
    loop = asyncio.get_running_loop()
    tasks = set()
    async with AsyncClientSession() as session:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            tasks.add(asyncio.create_task(carry_out_async(json.loads(line), session)))
        for task in tasks:
            task.cancel()


if sys.argv[1:] == ["asyncio"]:
    asyncio.run(main_async())
else:
    main()
