"""A worker without dependencies that takes jobs like the official one. The input selects its behavior.

An optional argument selects a mode in which it fails, exits or ignores signals.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

WORKER = os.environ["RUNPOD_POD_ID"]
KEY = os.environ["RUNPOD_AI_API_KEY"]


def url(name: str, job_id: str = "") -> str:
    template = os.environ[f"RUNPOD_WEBHOOK_{name}"]
    if name == "GET_JOB":
        return template.replace("$ID", WORKER)
    return template.replace("$RUNPOD_POD_ID", WORKER).replace("$ID", job_id)


def call(address: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Authorization": KEY})
    with urllib.request.urlopen(request) as response:
        text = response.read()
        return json.loads(text) if text else None


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def work(job_input: dict[str, Any]) -> dict[str, Any]:
    do = job_input.get("do")
    if do == "crash":
        os._exit(3)
    if do == "crash once":
        # The mark tells the second attempt from the first.
        try:
            Path(job_input["mark"]).touch(exist_ok=False)
            os._exit(3)
        except FileExistsError:
            return {"output": "survived"}
    if do == "environment":
        return {"output": dict(os.environ)}
    if do == "say":
        say(job_input["text"])
    if do == "hang":
        Path(job_input["mark"]).touch()
        while True:
            time.sleep(60)
    if do == "refresh":
        return {"output": WORKER, "stopPod": True}
    if do == "start a child that ignores SIGTERM":
        child = subprocess.Popen([sys.executable, "-c", IGNORES_SIGTERM], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        return {"output": [os.getpid(), child.pid]}
    return {"output": WORKER}


IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)\nwhile True: time.sleep(60)"
)


# As sent by the official worker right before it exits.
UNHEALTHY = "&status=unhealthy&check=_memory_check&reason=RuntimeError:+4+GB+needed"


def main(mode: str) -> None:
    if mode == "fails":
        say("there is no GPU")
        sys.exit(7)
    if mode == "unhealthy":
        call(os.environ["RUNPOD_WEBHOOK_PING"].replace("$RUNPOD_POD_ID", WORKER) + UNHEALTHY)
        sys.exit(1)
    if mode == "ends":
        call(url("GET_JOB") + "&job_in_progress=0")
        sys.exit(7)
    if mode == "ignore SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        job = call(url("GET_JOB") + "&job_in_progress=0")
        if job is None:
            # The server stops; the worker does not.
            while mode == "ignore SIGTERM":
                time.sleep(60)
        else:
            call(url("POST_OUTPUT", job["id"]) + "&isStream=false", work(job["input"]))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
