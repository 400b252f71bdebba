"""The delay from the end of a job to its result, and the number of requests per job."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.programs import AIOHTTP, HTTPX, PACKAGE, SDK, Program, not_installed
from benchmarks.server_process import serve
from benchmarks.tables import Row, Table, Target

if TYPE_CHECKING:
    from benchmarks.server_process import Serving

# Durations of jobs in seconds. The delay of a client that polls once a second depends on the fraction, so the fractions
# are spread evenly.
SECONDS = (0.05, 0.2, 0.4, 0.75, 1.1, 1.5, 1.8, 2.15, 2.5, 3.0)
COUNTED = (0.2, 1.5, 3.0)
WARM_UP = 0.05

FORMS = {
    HTTPX: ("run_sync", "run, result", "async run_sync", "async run, result"),
    AIOHTTP: ("async run_sync", "async run, result"),
    PACKAGE: ("run_sync", "run, output", "async run, output"),
    SDK: ("runSync", "run, statusSync"),
}
REFERENCE = "ours: run_sync"


@dataclass
class Delay:
    """The measurements of one job."""

    seconds: float
    late: float
    requests: int


def measure(rounds: int) -> list[Table]:
    """Run all forms of all clients concurrently in each round, since they mostly wait."""
    forms = [(program, form) for program, names in FORMS.items() if program.installed for form in names]
    by_form: dict[str, list[Delay]] = {f"{program.name}: {form}": [] for program, form in forms}
    with serve() as server, ThreadPoolExecutor(len(forms)) as pool:
        for round_number in range(rounds):
            print(f"jobs: round {round_number + 1} of {rounds}", file=sys.stderr)
            runs = [pool.submit(_run, *each, server, round_number) for each in forms]
            known = [each.result() for each in runs]
            stats = server.stats()
            assert stats["strays"] == 0, "there were requests without a job"
            for (program, form), moments in zip(forms, known, strict=True):
                by_form[f"{program.name}: {form}"] += _delays(program, form, round_number, moments, stats)

    delays = Table(f"Delay from the end of a job to its result, {len(SECONDS)} jobs in {rounds} rounds", REFERENCE)
    requests = Table("Requests per job, by duration", REFERENCE)
    for name, jobs in by_form.items():
        ours = name.startswith("ours")
        late = [job.late * 1000 for job in jobs]
        delays.rows.append(Row(name, {"ms": late}, (Target("ms", 20),) if ours else ()))
        counts = {
            f"{seconds:g} s": [float(job.requests) for job in jobs if job.seconds == seconds] for seconds in COUNTED
        }
        requests.rows.append(Row(name, counts, tuple(Target(column, 2) for column in counts) if ours else ()))
    for table in (delays, requests):
        table.notes += not_installed(*FORMS)
    return [delays, requests]


def _label(program: Program, form: str, round_number: int, number: int) -> str:
    return f"{program.name}, {form}, {round_number}, {number}"


def _run(program: Program, form: str, server: Serving, round_number: int) -> list[float]:
    """Run all jobs in one process, after a first one that opens the connection."""
    inputs: list[dict[str, Any]] = [
        {"label": _label(program, form, round_number, number), "seconds": seconds}
        for number, seconds in enumerate((WARM_UP, *SECONDS))
    ]
    known: list[float] = program.ask(
        "jobs", form, {"jobs": inputs}, base_url=server.base_url, timeout=60 + 5 * sum(SECONDS)
    )
    return known


def _delays(program: Program, form: str, round_number: int, known: list[float], stats: dict[str, Any]) -> list[Delay]:
    delays = []
    for number, (seconds, moment) in enumerate(zip((WARM_UP, *SECONDS), known, strict=True)):
        noted = stats["jobs"][_label(program, form, round_number, number)]
        delays.append(Delay(seconds, moment - noted["ended"], noted["requests"]))
    assert all(0 <= job.late < 60 for job in delays), f"{program.name} and the server use different clocks"
    return delays[1:]
