"""The campaign as a page: `docs/campaign.md`."""

from __future__ import annotations

import platform
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.faults.campaign import OPERATIONS
from tests.faults.faults import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.campaign import Campaign, Result

BOUND = 0.25  # seconds that a call may end after its deadline

_HEAD = """# The campaign

Every call of the library against every fault that a network or a server can have, in the sync half and in the async
half on asyncio and on trio. `python -m tests.faults` writes this page; a test holds the library to the first table.

Each line of the first table is a fault, and what it does to some calls:

- **Reached**: how many requests of the call that must not be repeated arrived whole, not counting those that were
  refused with 429. Not more than one, unless the caller said `resubmit=True`.
- **Done**: how many of them the server carried out.
- **The caller got**: an answer, or an error with its `maybe_submitted` and whether it has the `job_id`. Of calls that
  can be repeated, only this is shown.

Where it depends on who is faster whether a request got out, `maybe_submitted` is "either": it is never False where
something was carried out that the caller has no id of.
"""

Verdict = tuple[str, str, str, str, str]


def verdict(result: Result) -> Verdict:
    """What the table says of a result, and a test holds it to."""
    operation = result.cell.operation
    counts = (str(result.reached), str(result.done)) if operation.steps else ("", "")
    if result.error is None:
        return (*counts, "an answer", "", "")
    maybe = str(result.maybe)
    if result.cell.fault.racy and operation.steps:
        maybe = "either"
    return (*counts, result.got, maybe, "yes" if result.job_id else "no")


def verdicts(results: Iterable[Result]) -> str:
    """The first table."""
    found: dict[str, dict[str, dict[str, Verdict]]] = defaultdict(lambda: defaultdict(dict))
    for result in results:
        where = f"{result.cell.engine.name}, {result.cell.side}"
        found[result.cell.fault.name][result.cell.operation.name][where] = verdict(result)
    lines = [
        "| Fault | Call | Reached | Done | The caller got | `maybe_submitted` | `job_id` |",
        "|---|---|---|---|---|---|---|",
    ]
    names = [operation.name for operation in OPERATIONS]
    for fault, calls in found.items():
        rows: dict[Verdict, list[str]] = defaultdict(list)
        for name in names:
            sides: dict[Verdict, list[str]] = defaultdict(list)
            for where, what in calls.get(name, {}).items():
                sides[what].append(where)
            for what, wheres in sides.items():
                rows[what].append(name if len(sides) == 1 else f"{name} ({'; '.join(sorted(wheres))})")
        title = fault
        for what, who in rows.items():
            lines.append(f"| {title} | {', '.join(who)} | {' | '.join(what)} |".replace("|  |", "| |"))
            title = ""
    return "\n".join(lines) + "\n"


def rows_by_fault(text: str) -> dict[str, list[str]]:
    """The first table of a page, taken apart: the rows of each fault."""
    rows: dict[str, list[str]] = defaultdict(list)
    title = ""
    for line in text.partition("| Fault | Call |")[2].partition("\n\n")[0].splitlines()[2:]:
        first, _, rest = line.removeprefix("|").partition("|")
        title = first.strip() or title
        rows[title].append(rest)
    return rows


def _timings(results: list[Result]) -> str:
    wheres = sorted({f"{r.cell.engine.name}, {r.cell.side}" for r in results})
    worst: dict[str, dict[str, float]] = defaultdict(dict)
    for result in results:
        if result.cell.timeout != DEADLINE:
            continue
        where = f"{result.cell.engine.name}, {result.cell.side}"
        old = worst[result.cell.fault.name].get(where, -DEADLINE)
        worst[result.cell.fault.name][where] = max(old, result.late)
    lines = [f"| Fault | {' | '.join(wheres)} |", "|---|" + "---:|" * len(wheres)]
    for fault, times in worst.items():
        cells = [f"{1000 * times[where]:+.0f}" if where in times else "" for where in wheres]
        lines.append(f"| {fault} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(campaign: Campaign) -> str:
    results = campaign.results
    late = sorted((r for r in results if r.late > BOUND), key=lambda r: -r.late)
    problems = [f"- {result.cell}: {problem}" for result in results for problem in result.problems()]
    calls = (
        f"{len(results)} calls in {campaign.seconds:.0f} s, on {platform.python_implementation()} "
        f"{platform.python_version()}, {platform.system()}, one process for clients, proxy and server."
    )
    remains = (
        f"After the last call, {len(campaign.threads)} threads, {campaign.tasks} tasks and {campaign.sockets} sockets "
        f"were left, and {sum(not result.quiet for result in results)} connections that were not closed with their "
        f"client. {campaign.trapped} connections went to the host that a redirect named."
    )
    broken = "\n".join(problems) if problems else "No call broke a rule."
    times = (
        f"Calls that do not end by themselves had a deadline of {1000 * DEADLINE:.0f} ms. Shown is by how many milliseconds the slowest call of "
        f"each fault ended after it (+) or before it (-). {len(late)} of them took more than {1000 * BOUND:.0f} ms longer"
        + ("." if not late else ": " + "; ".join(f"{r.cell} {1000 * r.late:+.0f}" for r in late[:10]) + ".")
    )
    if campaign.measured_again:
        times += (
            " Measured again by themselves, since they were late with many calls under way at once: "
            f"{campaign.measured_again}."
        )
    return "\n".join(
        [
            _HEAD,
            "## What the server saw, and what the caller got\n",
            verdicts(results),
            "## What remained\n",
            calls,
            "",
            remains,
            "",
            broken,
            "",
            "## How late\n",
            times,
            "",
            "One case is not in the table: a sync call over an `http_client=` of the caller's has no limit but that of",
            "single steps, so it can end one read timeout after its deadline (what was left of the deadline, at most",
            "30 s, in a long poll 120 s), and later where a server drips a header (see README, Timeouts).",
            "",
            _timings(results),
        ]
    )
