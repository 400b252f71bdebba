"""Calls per second at several concurrencies, CPU time per call, and the cost of large bodies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.programs import AIOHTTP, ALONE, HTTPX, PACKAGE, SDK, WARM_UP, Form, cell, measure_forms, not_installed
from benchmarks.server_process import serve
from benchmarks.tables import Table, Target

if TYPE_CHECKING:
    from benchmarks.server_process import Serving

MEDIUM, LARGE = 100_000, 10_000_000  # bytes
WIDTHS = (1, 32, 256, 1000)
THREADS = (1, 32)

ASYNC = (
    Form(SDK, "runSync"),
    Form(HTTPX, "async run_sync"),
    Form(HTTPX, "async run, refresh, wide limits", requests=2),
    Form(AIOHTTP, "async run_sync"),
    Form(AIOHTTP, "async run, refresh, wide limits", requests=2),
    Form(PACKAGE, "async run, status", requests=2),
    # Its pool scans all connections for each request: at 1,000 this takes longer than all other forms together.
    Form(ALONE, "async httpx", widest=256),
    Form(ALONE, "async aiohttp"),
    # The upper limit of this server and asyncio.
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


def measure(rounds: int, *, quick: bool) -> list[Table]:
    """Measure all forms in each round, each in its own process. Every second round is in reverse order."""
    tables: list[Table] = []
    with serve() as server:
        for title, forms, widths in (("Async", ASYNC, WIDTHS), ("Sync, threads", SYNC, THREADS)):
            installed = [form for form in forms if form.program.installed]
            wide = tuple(f"{width:,}" for width in widths)
            fast = Table(f"{title}: calls per second by concurrency", installed[0].name, digits=0, more=wide)
            cheap = Table(f"{title}: CPU time per call in µs", installed[0].name, digits=0)
            for row in measure_forms(installed, rounds, partial(_at_widths, server, widths, quick)):
                fast.rows.append(row[0])
                cheap.rows.append(row[1])
            fast.notes += not_installed(*{form.program for form in forms})
            tables += [fast, cheap]
        stats = server.stats()
        ceiling = stats["requests"] / stats["cpu"]
        note = f"the server can handle about {ceiling:,.0f} requests per second, at {1e6 / ceiling:.0f} µs each"
        tables[0].notes.append(note)
        tables += _bodies(min(rounds, 2), server, quick=quick)
    _set_targets(tables)
    return tables


def _at_widths(server: Serving, widths: tuple[int, ...], quick: bool, form: Form) -> list[dict[str, float]]:
    cells = [cell(width, 0.3 if quick else 1.0) for width in widths if width <= form.widest]
    costs = dict(zip((f"{each['width']:,}" for each in cells), form.ask(server, cell(1, WARM_UP), *cells), strict=True))
    fast = {width: form.requests * cost["jobs"] / cost["seconds"] for width, cost in costs.items()}
    cheap = {width: 1e6 * cost["cpu"] / cost["jobs"] / form.requests for width, cost in costs.items()}
    return [fast, cheap]


def _bodies(rounds: int, server: Serving, *, quick: bool) -> list[Table]:
    installed = [form for form in BODIES if form.program.installed]
    reference = installed[0].name
    slow = Table("Large bodies: ms per job, sequentially", reference)
    used = Table("Large bodies: CPU time per job in ms", reference)
    peak = Table("Large bodies: peak memory as a multiple of the body", reference)
    seconds = 0.2 if quick else 0.3
    parts = {
        "100 KB in": cell(1, seconds, sent=MEDIUM),
        "100 KB out": cell(1, seconds, endpoint=f"records-{MEDIUM}"),
        "10 MB in": cell(1, seconds, sent=LARGE),
        "10 MB out": cell(1, seconds, endpoint=f"records-{LARGE}"),
        "10 MB text out": cell(1, seconds, endpoint=f"text-{LARGE}"),
    }

    def run(form: Form) -> list[dict[str, float]]:
        tables: list[dict[str, float]] = [{}, {}, {}]
        for column, each in parts.items():
            # A separate process for each, since the peak memory of a process never falls.
            [cost] = form.ask(server, cell(1, WARM_UP / 3), each)
            tables[0][column] = 1e3 * cost["seconds"] / cost["jobs"]
            tables[1][column] = 1e3 * cost["cpu"] / cost["jobs"]
            if column.startswith("10 MB"):
                tables[2][column] = cost["peak"] / LARGE
        return tables

    for row in measure_forms(installed, rounds, run):
        for table, each in zip((slow, used, peak), row, strict=True):
            table.rows.append(each)
    slow.notes.append("in: the input is one string; out: the output is a list of small objects, or one string")
    slow.notes.append(f"{reference} decodes the same bytes from memory")
    return [slow, used, peak]


def _set_targets(tables: list[Table]) -> None:
    """Set the targets of this library, relative to the other clients in the same run."""
    fast, cheap, fast_sync, _, _, used, peak = tables
    for table, at_least in ((fast, True), (cheap, False)):
        for row in table.rows:
            if row.name == "ours: async run_sync" and SDK.installed:
                row.targets = tuple(Target(each, 1.0, of_ratio=True, at_least=at_least) for each in table.columns)
                if table is fast:
                    row.targets += (Target("1,000", 0.8, of_ratio=True, at_least=True, of=(row.name, "32")),)
    for row in fast_sync.rows:
        if row.name == "ours: run_sync" and PACKAGE.installed:
            row.targets = tuple(Target(width, 1.5, of_ratio=True, at_least=True) for width in fast_sync.columns)
    for row in used.rows:
        if row.name.startswith("ours"):
            row.targets = (Target("10 MB out", 1.3, of_ratio=True),)
    for row in peak.rows:
        if row.name.startswith("ours"):
            row.targets = (Target("10 MB text out", 3.0),)
