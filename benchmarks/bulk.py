"""Bulk runs: what the file costs, and large files."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.environments import BENCH, OURS
from benchmarks.programs import PROGRAMS, SMALL, Form, Program, measure_forms
from benchmarks.server_process import serve
from benchmarks.tables import Row, Table, Target

if TYPE_CHECKING:
    from benchmarks.server_process import Serving

PROGRAM = Program("ours", (OURS, "-E", "-s", PROGRAMS / "bulk.py"))

# The first is the reference.
SPEED = tuple(Form(PROGRAM, form) for form in ("async map_unordered", "async bulk", "map_unordered", "bulk"))
LARGE = (Form(PROGRAM, "async bulk"), Form(PROGRAM, "bulk"))

IN_FLIGHT = 200
TAKES = 0.1  # seconds
STOP_AFTER = 1000
KILOBYTE = 1000
TIMEOUT = 900


def measure(rounds: int, *, quick: bool) -> list[Table]:
    """Run rows with and without a file, and then files with very many rows."""
    fast = Table(
        f"Bulk: rows of {SMALL} bytes, jobs of {1000 * TAKES:g} ms, {IN_FLIGHT} in flight, wide limits",
        SPEED[0].name,
        more=("rows per second",),
    )
    with serve() as server:
        fast.rows += [row for (row,) in measure_forms(list(SPEED), rounds, partial(_speed, server, quick))]
    for row in fast.rows:
        if row.name.endswith(" bulk"):
            row.targets = (Target("rows per second", 200, at_least=True),)
    return [fast, _large(100_000 if quick else 1_000_000)]


def _speed(server: Serving, quick: bool, form: Form) -> list[dict[str, float]]:
    rows = 1000 if quick else 4000
    cost = _ask(server, form, "speed", rows=rows, bytes=SMALL)
    assert cost["jobs"] == rows, f"{form.name}: {cost}"
    return [
        {
            "rows per second": rows / cost["seconds"],
            "ms of CPU a row": 1000 * cost["cpu"] / rows,
            "MB": cost["resident"] / 1e6,
        }
    ]


def _large(rows: int) -> Table:
    """Add rows, end the process in the middle of the run, and resume it."""
    title = f"Bulk: a file of {rows:,} rows of 1 KB, in seconds, and peak memory of the processes"
    table = Table(title, LARGE[0].name, digits=2)
    for form in LARGE:
        print(f"bulk: {form.name}, {rows:,} rows", file=sys.stderr)
        with serve() as server, TemporaryDirectory(dir=BENCH) as folder:
            path = Path(folder) / "run.sqlite"
            first = _ask(server, form, "add", rows=rows, bytes=KILOBYTE, path=str(path))
            again = _ask(server, form, "resume", rows=rows, bytes=KILOBYTE, path=str(path))
        measured = {
            "add": first["add"],
            "first result": first["first"],
            "MB": first["resident"] / 1e6,
            "open again": again["open"],
            "add again": again["add"],
            "first result again": again["first"],
            "MB again": again["resident"] / 1e6,
        }
        targets = (Target("MB", 200), Target("MB again", 200))
        table.rows.append(Row(form.name, {name: [value] for name, value in measured.items()}, targets))
    table.notes.append(f"the first process exits without cleaning up after {STOP_AFTER:,} results; the second resumes")
    return table


def _ask(server: Serving, form: Form, task: str, **given: Any) -> dict[str, Any]:
    given = {"takes": TAKES, "in_flight": IN_FLIGHT, "stop_after": STOP_AFTER, **given}
    with TemporaryDirectory(dir=BENCH) as folder:
        given.setdefault("path", str(Path(folder) / "run.sqlite"))
        done: dict[str, Any] = PROGRAM.ask(task, form.form, given, base_url=server.base_url, timeout=TIMEOUT)
    return done
