"""How many calls a second, at which width; what a call costs; and what large bodies cost."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.programs import AIOHTTP, ALONE, HTTPX, PACKAGE, SDK, Program, left_out
from benchmarks.serving import serve
from benchmarks.tables import Row, Table, Target

if TYPE_CHECKING:
    from benchmarks.serving import Serving

SMALL, MEDIUM, LARGE = 200, 100_000, 10_000_000  # bytes
WIDTHS = (1, 32, 256, 1000)
THREADS = (1, 32)

# Longer than any cell takes, in seconds.
TIMEOUT = 120


@dataclass(frozen=True)
class Form:
    """One way to call, and how many requests a job takes in it."""

    program: Program
    form: str
    requests: int = 1
    widest: int = 1000

    @property
    def name(self) -> str:
        """What its row is called."""
        if self.program is ALONE:
            return f"{self.form.removeprefix('async ')} alone"
        return f"{self.program.name}: {self.form}"


ASYNC = (
    Form(PACKAGE, "async run, status", requests=2),
    Form(HTTPX, "async run_sync"),
    Form(HTTPX, "async run, refresh", requests=2),
    Form(AIOHTTP, "async run_sync"),
    Form(AIOHTTP, "async run, refresh", requests=2),
    Form(SDK, "runSync"),
    # Its pool looks at every connection for every request: at 1,000 that takes longer than all the others together.
    Form(ALONE, "async httpx", widest=256),
    Form(ALONE, "async aiohttp"),
    # How near the others come to what this server and asyncio can do.
    Form(ALONE, "async sockets"),
)
SYNC = (
    Form(PACKAGE, "run_sync"),
    Form(HTTPX, "run_sync"),
    Form(ALONE, "requests"),
    Form(ALONE, "httpx"),
    Form(ALONE, "http.client"),
)
BODIES = (
    Form(ALONE, "json"),
    Form(HTTPX, "run_sync"),
    Form(HTTPX, "async run_sync"),
    Form(AIOHTTP, "async run_sync"),
    Form(PACKAGE, "run_sync"),
    Form(PACKAGE, "async run, status", requests=2),
    Form(SDK, "runSync"),
    Form(ALONE, "http.client"),
    Form(ALONE, "async aiohttp"),
)


def cell(width: int, seconds: float, *, sent: int = SMALL, output: str = f"records-{SMALL}") -> dict[str, Any]:
    return {"width": width, "seconds": seconds, "sent": sent, "endpoint": output}


def measure(rounds: int, *, quick: bool) -> list[Table]:
    """All forms in turn, one process for each and round; every second round backwards."""
    tables: list[Table] = []
    with serve() as server:
        for title, forms, widths in (("Async", ASYNC, WIDTHS), ("Sync, threads", SYNC, THREADS)):
            there = [form for form in forms if form.program.there]
            fast = Table(f"{title}: calls a second with so many in flight", there[0].name, digits=0)
            cheap = Table(f"{title}: microseconds of the processor for a call", there[0].name, digits=0)
            for row in _in_turn(there, rounds, lambda form, widths=widths: _at_widths(form, server, widths, quick)):
                fast.rows.append(row[0])
                cheap.rows.append(row[1])
            fast.notes += left_out(*{form.program for form in forms})
            tables += [fast, cheap]
        stats = server.stats()
        ceiling = stats["requests"] / stats["cpu"]
        note = f"the server can answer about {ceiling:,.0f} requests a second: it took {1e6 / ceiling:.0f} µs for each"
        tables[0].notes.append(note)
        tables += _bodies(min(rounds, 2), server, quick=quick)
    _set_targets(tables)
    return tables


def _in_turn(forms: list[Form], rounds: int, run: Any) -> list[tuple[Row, ...]]:
    """The rows of each form: what all rounds gave, by column."""
    measured: dict[str, list[dict[str, list[float]]]] = {}
    for turn in range(rounds):
        for form in forms if turn % 2 == 0 else reversed(forms):
            print(f"calls: round {turn + 1} of {rounds}, {form.name}", file=sys.stderr)
            tables: list[dict[str, float]] = run(form)
            kept = measured.setdefault(form.name, [{} for _ in tables])
            for values, columns in zip(kept, tables, strict=True):
                for column, value in columns.items():
                    values.setdefault(column, []).append(value)
    return [tuple(Row(form.name, values) for values in measured[form.name]) for form in forms]


def _at_widths(form: Form, server: Serving, widths: tuple[int, ...], quick: bool) -> list[dict[str, float]]:
    used = [width for width in widths if width <= form.widest]
    cells = [cell(width, 0.3 if quick else 0.5) for width in used]
    costs = _ask(form, server, cells)
    fast = {f"{width:,}": cost["calls"] / cost["seconds"] for width, cost in zip(used, costs, strict=True)}
    cheap = {f"{width:,}": 1e6 * cost["cpu"] / cost["calls"] for width, cost in zip(used, costs, strict=True)}
    return [fast, cheap]


def _bodies(rounds: int, server: Serving, *, quick: bool) -> list[Table]:
    there = [form for form in BODIES if form.program.there]
    reference = there[0].name
    slow = Table("Large bodies: milliseconds for a job, one after another", reference)
    used = Table("Large bodies: milliseconds of the processor for a job", reference)
    peak = Table("Large bodies: memory at the peak, in times the body", reference)
    seconds = 0.2 if quick else 0.3
    parts = {
        "100 KB in": cell(1, seconds, sent=MEDIUM),
        "100 KB out": cell(1, seconds, output=f"records-{MEDIUM}"),
        "10 MB in": cell(1, seconds, sent=LARGE),
        "10 MB out": cell(1, seconds, output=f"records-{LARGE}"),
        "10 MB text out": cell(1, seconds, output=f"text-{LARGE}"),
    }

    def run(form: Form) -> list[dict[str, float]]:
        tables: list[dict[str, float]] = [{}, {}, {}]
        for column, each in parts.items():
            # A process for each, since the peak of a process never falls; the first cell loads what there is to load.
            *_, cost = _ask(form, server, [cell(1, 0.05), each])
            jobs = cost["calls"] / form.requests
            tables[0][column] = 1e3 * cost["seconds"] / jobs
            tables[1][column] = 1e3 * cost["cpu"] / jobs
            if column.startswith("10 MB"):
                tables[2][column] = cost["peak"] / LARGE
        return tables

    for row in _in_turn(there, rounds, run):
        for table, each in zip((slow, used, peak), row, strict=True):
            table.rows.append(each)
    slow.notes.append("in: the input of the job, one text; out: its output, small objects, or one text")
    slow.notes.append(f"{reference} reads the same bytes from memory")
    return [slow, used, peak]


def _ask(form: Form, server: Serving, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    costs: list[dict[str, Any]] = form.program.ask(
        "calls", form.form, {"cells": cells}, base_url=server.base_url, timeout=TIMEOUT
    )
    return costs


def _set_targets(tables: list[Table]) -> None:
    """What this library wants to reach, beside others in the same run."""
    fast, _, fast_sync, _, _, used, peak = tables
    for row in fast.rows:
        if row.name == "ours: async run_sync":
            row.targets = (
                Target("1,000", 0.8, of_ratio=True, at_least=True, of=(row.name, "32")),
                Target("256", 1.0, of_ratio=True, at_least=True, of=("JavaScript: runSync", "256")),
            )
        if row.name == "ours, aiohttp: async run_sync":
            row.targets = (Target("256", 1.3, of_ratio=True, at_least=True),)
    for row in fast_sync.rows:
        if row.name == "ours: run_sync":
            row.targets = (Target("1", 2.0, of_ratio=True, at_least=True),)
    for row in used.rows:
        if row.name.startswith("ours"):
            row.targets = (Target("10 MB out", 1.3, of_ratio=True),)
    for row in peak.rows:
        if row.name.startswith("ours"):
            row.targets = (Target("10 MB text out", 3.0),)
