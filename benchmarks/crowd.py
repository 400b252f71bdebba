"""Thousands of jobs waited for at once, on an endpoint with the limits of the service."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from benchmarks.programs import AIOHTTP, HTTPX, PACKAGE, SDK, Program, left_out
from benchmarks.serving import serve
from benchmarks.tables import Row, Table, Target

# In this order: the last one is done when all the others know how they fare.
FORMS = {HTTPX: "async run, result", AIOHTTP: "async run, result", PACKAGE: "async run, output", SDK: "run, statusSync"}
TIMEOUT = 180


def measure(jobs: int, seconds: float) -> Table:
    """So many jobs that take so long, all at once; one peer after another."""
    title = f"{jobs:,} jobs of {seconds:g} s waited for at once: seconds from the end to knowing, and what it took"
    table = Table(title, f"{HTTPX.name}: {FORMS[HTTPX]}", digits=2, more=("known",))
    for program, form in FORMS.items():
        if program.there:
            print(f"crowd: {program.name}, {form}", file=sys.stderr)
            table.rows.append(_row(program, form, jobs, seconds))
    table.notes += left_out(*FORMS)
    table.notes.append("the server refuses with 429 what the service does: 400 looks at once, 2,000 in ten seconds")
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
    cost, looks = done["cost"], stats["looks"]
    measured = {
        "known": [float(len(late))],
        "late": late,
        "latest": [max(late, default=0.0)],
        "requests": [stats["requests"] / jobs],
        "429s": [float(looks["refused"])],
        "at once": [float(looks["at_once"])],
        "KB a job": [cost["peak"] / jobs / 1000],
        "ms of CPU": [1000 * cost["cpu"] / jobs],
    }
    ours = program in {HTTPX, AIOHTTP}
    targets = (Target("429s", 0), Target("KB a job", 20)) if ours else ()
    return Row(name, measured, targets, whole=len(late) == jobs)
