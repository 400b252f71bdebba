"""Thousands of concurrent waits on an endpoint with the service's rate limits for polls."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from benchmarks.programs import AIOHTTP, HTTPX, PACKAGE, SDK, Program, not_installed
from benchmarks.server_process import serve
from benchmarks.tables import Row, Table, Target

# The one that may time out comes last.
FORMS = {HTTPX: "async run, result", AIOHTTP: "async run, result", PACKAGE: "async run, output", SDK: "run, statusSync"}
TIMEOUT = 180


def measure(jobs: int, seconds: float) -> Table:
    """Wait for all jobs at once, for one client after another."""
    title = f"{jobs:,} concurrent waits for jobs of {seconds:g} s: delay until the result in seconds, and cost"
    table = Table(title, f"{HTTPX.name}: {FORMS[HTTPX]}", digits=2, more=("known",))
    for program, form in FORMS.items():
        if program.installed:
            print(f"crowd: {program.name}, {form}", file=sys.stderr)
            table.rows.append(_row(program, form, jobs, seconds))
    table.notes += not_installed(*FORMS)
    table.notes.append("the server has the service's limits for polls: 400 at once, 2,000 in ten seconds")
    return table


def _row(program: Program, form: str, jobs: int, seconds: float) -> Row:
    inputs = [{"label": str(number), "seconds": seconds} for number in range(jobs)]
    name = f"{program.name}: {form}"
    with serve() as server:
        try:
            done: dict[str, Any] = program.ask(
                "crowd", form, {"jobs": inputs}, base_url=server.base_url, timeout=TIMEOUT
            )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            print(f"{name}: {type(error).__name__}", file=sys.stderr)
            return Row(name, {"known": [0.0]}, whole=False)
        stats = server.stats()
    noted = stats["jobs"]
    late = [moment - noted[str(number)]["ended"] for number, moment in enumerate(done["known"]) if moment is not None]
    cost, polls = done["cost"], stats["polls"]
    measured = {
        "known": [float(len(late))],
        "late": late,
        "latest": [max(late, default=0.0)],
        "requests": [stats["requests"] / jobs],
        "429s": [float(polls["rejected"])],
        "at once": [float(polls["at_once"])],
        "KB a job": [cost["peak"] / jobs / 1000],
        "ms of CPU": [1000 * cost["cpu"] / jobs],
    }
    ours = program in {HTTPX, AIOHTTP}
    targets = (Target("429s", 0), Target("KB a job", 20)) if ours else ()
    return Row(name, measured, targets, whole=len(late) == jobs)
