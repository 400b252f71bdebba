"""Many jobs with a bounded number in flight: `map_unordered`, and the loops that users of other clients write."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.programs import AIOHTTP, HTTPX, PACKAGE, SDK, WARM_UP, Form, many_cell, measure_forms, not_installed
from benchmarks.server_process import serve
from benchmarks.tables import Row, Table, Target

if TYPE_CHECKING:
    from benchmarks.server_process import Serving

RAMP = 1.0  # in seconds, as in `peers/load.py`
WIDTHS = (10, 100, 1000)

# The first is the reference.
FORMS = (
    Form(HTTPX, "async map_unordered, wide limits"),
    Form(HTTPX, "map_unordered, wide limits"),
    Form(AIOHTTP, "async map_unordered, wide limits"),
    Form(PACKAGE, "async run, output"),
    Form(SDK, "run, statusSync"),
    Form(SDK, "runSync"),
)

# With the rate limits of the service. The one that may time out comes last.
LIMITED = (
    Form(HTTPX, "async map_unordered"),
    Form(HTTPX, "map_unordered"),
    Form(SDK, "run, statusSync"),
    Form(PACKAGE, "async run, output"),
)
LIMITED_WIDTH = 200
PER_SECOND = 100  # submissions that the service accepts


def measure(rounds: int, *, quick: bool) -> list[Table]:
    """Measure all forms in each round, each in its own process, and then a long run within the rate limits."""
    installed = [form for form in FORMS if form.program.installed]
    title = "Many jobs of 0.1 to 0.9 s, by jobs in flight"
    wide = tuple(f"{width:,}" for width in WIDTHS)
    fast = Table(f"{title}: jobs per second", installed[0].name, digits=0, more=wide)
    cheap = Table(f"{title}: CPU time per job in µs", installed[0].name, digits=0)
    large = Table(f"{title}: peak memory of the process in MB", installed[0].name)
    with serve() as server:
        for row in measure_forms(installed, rounds, partial(_at_widths, server, quick)):
            for table, each in zip((fast, cheap, large), row, strict=True):
                table.rows.append(each)
    fast.notes.append("official and JavaScript: a loop with a semaphore, written by hand")
    fast.notes.append("wide limits: ours usually keeps to the rate limits of the service; see the next tables")
    fast.notes += not_installed(*{form.program for form in FORMS})
    return [fast, cheap, large, _limited(1000 if quick else 10_000)]


def _at_widths(server: Serving, quick: bool, form: Form) -> list[dict[str, float]]:
    cells = [many_cell(width, seconds=1.0 if quick else 3.0) for width in WIDTHS]
    costs = form.ask(server, many_cell(WIDTHS[1], seconds=WARM_UP - RAMP), *cells, task="many")
    named = {f"{width:,}": cost for width, cost in zip(WIDTHS, costs, strict=True)}
    for cost in costs:
        assert cost["jobs"] == cost["submitted"], f"{form.name}: {cost}"
    return [
        {name: cost["steady"] / cells[0]["seconds"] for name, cost in named.items()},
        {name: 1e6 * cost["cpu"] / cost["jobs"] for name, cost in named.items()},
        # The peak never falls, so only that of the widest is known.
        {name: cost["resident"] / 1e6 for name, cost in list(named.items())[-1:]},
    ]


def _limited(jobs: int) -> Table:
    """Run jobs of one second on an endpoint with the rate limits of the service, with one client after another."""
    title = f"{jobs:,} jobs of 1 s, {LIMITED_WIDTH} in flight, with the rate limits of the service"
    table = Table(title, LIMITED[0].name, more=("seen",))
    for form in LIMITED:
        if form.program.installed:
            print(f"many: {form.name}, {jobs:,} jobs", file=sys.stderr)
            table.rows.append(_limited_row(form, jobs))
    table.notes += not_installed(*{form.program for form in LIMITED})
    table.notes.append("the server accepts 200 submissions at once and 1,000 in ten seconds, and twice as many polls")
    table.notes.append(
        f"of the limit: the time, as a multiple of that for {PER_SECOND} submissions per second; a client that submits the"
        " first 1,000 at once needs less, until it gets a 429"
    )
    return table


def _limited_row(form: Form, jobs: int) -> Row:
    least = jobs / PER_SECOND
    warm_up = many_cell(10, jobs=20, sent=0, takes=(0.1, 0.1))
    with serve() as server:
        try:
            given = many_cell(LIMITED_WIDTH, jobs=jobs, sent=0, endpoint="limited", takes=(1.0, 1.0))
            [cost] = form.ask(server, warm_up, given, task="many", timeout=60 + 5 * least)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            print(f"{form.name}: {type(error).__name__}", file=sys.stderr)
            return Row(form.name, {"seen": [0.0]}, whole=False)
        stats = server.stats()
    polls, submissions = stats["polls"], stats["submissions"]
    measured = {
        "seen": [float(cost["jobs"])],
        "seconds": [cost["seconds"]],
        "of the limit": [cost["seconds"] / least],
        "429s to run": [float(submissions["rejected"])],
        "429s to polls": [float(polls["rejected"])],
        "ms of CPU a job": [1000 * cost["cpu"] / jobs],
        "MB": [cost["resident"] / 1e6],
    }
    targets: tuple[Target, ...] = ()
    if form.program is HTTPX:
        targets = (
            Target("429s to run", 0),
            Target("429s to polls", 0),
            Target("of the limit", 1.1 if jobs >= 10_000 else 1.2),
        )
    return Row(form.name, measured, targets, whole=cost["jobs"] == jobs)
