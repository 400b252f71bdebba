"""Completed jobs per second, from submission to result."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.programs import AIOHTTP, HTTPX, PACKAGE, SDK, WARM_UP, Form, cell, measure_forms, not_installed
from benchmarks.server_process import serve
from benchmarks.tables import Table

if TYPE_CHECKING:
    from benchmarks.server_process import Serving

# Concurrent jobs, and number of threads.
WIDTH, THREADS = 256, 32

# Durations of the jobs, and of each measurement, in seconds.
JOBS = {0.0: 1.5, 0.1: 1.5, 1.0: 3.0}

# Groups of equivalent forms. The first of each group is the reference.
ONE_CALL = (
    Form(SDK, "runSync"),
    Form(HTTPX, "async run_sync"),
    Form(HTTPX, "async run_sync, wide limits"),
    Form(AIOHTTP, "async run_sync, wide limits"),
)
SUBMITTED = (
    Form(SDK, "run, statusSync"),
    Form(HTTPX, "async run, result"),
    Form(HTTPX, "async run, result, wide limits"),
    Form(AIOHTTP, "async run, result, wide limits"),
    Form(PACKAGE, "async run, output"),
)
SYNC = (Form(PACKAGE, "run_sync"), Form(HTTPX, "run_sync"))
SPEED = "jobs per second"


def measure(rounds: int, *, quick: bool) -> list[Table]:
    """Measure all forms in each round, each in its own process. Returns one table per job duration."""
    groups = [[form for form in group if form.program.installed] for group in (ONE_CALL, SUBMITTED, SYNC)]
    references = {form.name: group[0].name for group in groups for form in group}
    title = f"{WIDTH} in flight, sync calls from {THREADS} threads: completed jobs per second, jobs of "
    tables = [Table(f"{title}{1000 * takes:g} ms", groups[0][0].name, digits=0, more=(SPEED,)) for takes in JOBS]
    with serve() as server:
        for rows in measure_forms([form for group in groups for form in group], rounds, partial(_run, server, quick)):
            for table, row in zip(tables, rows, strict=True):
                row.reference = references[row.name]
                table.rows.append(row)
    tables[0].notes.append(
        "without wide limits, ours starts at most 95 submissions and 190 polls per second, since the service rejects more"
        " than 1,000 and 2,000 in ten seconds, which limits `run, result`"
    )
    tables[0].notes += not_installed(SDK, AIOHTTP, PACKAGE)
    return tables


def _run(server: Serving, quick: bool, form: Form) -> list[dict[str, float]]:
    width = THREADS if form in SYNC else WIDTH
    cells = [
        cell(width, seconds / 2 if quick else seconds, endpoint=f"jobs-{takes}", takes=takes)
        for takes, seconds in JOBS.items()
    ]
    costs = form.ask(server, {**cells[0], "seconds": WARM_UP}, *cells)
    counts = server.stats()["endpoints"].values()
    return [
        {
            SPEED: cost["jobs"] / cost["seconds"],
            "µs of CPU": 1e6 * cost["cpu"] / cost["jobs"],
            "requests": count["requests"] / count["jobs"],
        }
        for cost, count in zip(costs, counts, strict=True)
    ]
