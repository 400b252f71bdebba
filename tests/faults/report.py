"""The campaign as a page: `docs/campaign.md`."""

from __future__ import annotations

import platform
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.faults.campaign import OPERATIONS, SIDES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.campaign import Campaign, Result

    Verdict = tuple[str, str, str, str, str]
    Key = tuple[str, str, str]

_HEAD = (
    "| Fault | Call | Reached | Done | The caller got | `maybe_submitted` | `job_id` |\n|---|---|---|---|---|---|---|\n"
)

_PAGE = """\
# The campaign

Calls of the library against everything that can go wrong between them and the server: with the sync client, and with
the async client on asyncio and on trio, over the HTTP client that the library makes ("own") and over one that is passed
as `http_client=` ("caller's"). `python -m tests.faults` writes this page; a test holds the library to the table.

- **Reached**: how many requests of the call that must not be repeated arrived whole, not counting those that were
  refused with 429. Not more than one, unless the caller said `resubmit=True`.
- **Done**: how many of them the server processed.
- **The caller got**: a result, or an error with its `maybe_submitted` and whether it has the `job_id`. Of calls that
  can be repeated, only this is shown.

Where it depends on who is faster whether a request got out, `maybe_submitted` is "either": it is never False where
something was processed that the caller has no id of.

## What the server saw, and what the caller got

{table}
Two things are left out. A sync call over a client of the caller's has a limit for single steps only, so a server that
drips a header stretches it (see README, Timeouts). An async call over a client of the caller's whose deadline passes in
a TLS handshake leaves a socket to the garbage collector: httpcore's own network streams do so, and what ends at its
deadline over TLS is not tried with them.

## What remained

{calls} calls in {campaign.seconds:.0f} s, on {python}, one process for clients, proxy and server.

After the last call, {campaign.left[0]} threads, {campaign.left[1]} tasks and {campaign.left[2]} sockets were left. {campaign.left[3]} connections went to
the host that a redirect named.

{problems}

{waits} calls ended only with their deadline of {last.cell.deadline:g} s; the latest of them {last.late:.3f} s after it
({last.cell}).
"""


def verdict(result: Result) -> Verdict:
    """What the table says of a result, and a test holds it to."""
    operation, error = result.cell.operation, result.error
    counts = (str(result.reached), str(result.done)) if operation.step else ("", "")
    if error is None:
        return (*counts, "a result", "", "")
    maybe = str(getattr(error, "maybe_submitted", False))
    if result.cell.fault.racy and operation.step:
        maybe = "either"
    return (*counts, type(error).__name__, maybe, "yes" if getattr(error, "job_id", None) else "no")


def verdicts(results: Iterable[Result]) -> dict[Key, Verdict]:
    """Fault, operation and side, and what the table says of them."""
    return {result.cell.key: verdict(result) for result in results}


def _table(found: dict[Key, Verdict]) -> str:
    lines = []
    for fault in dict.fromkeys(fault for fault, _, _ in found):
        rows: dict[Verdict, list[str]] = defaultdict(list)
        for operation in OPERATIONS:
            sides: dict[Verdict, list[str]] = defaultdict(list)
            for side in SIDES:
                if what := found.get((fault, operation.name, side)):
                    sides[what].append(side)
            for what, some in sides.items():
                rows[what].append(operation.name if len(sides) == 1 else f"{operation.name} ({'; '.join(some)})")
        title = fault
        for what, who in rows.items():
            lines.append(f"| {' | '.join([title, ', '.join(who), *what])} |\n")
            title = ""
    return _HEAD + "".join(lines)


def parse(page: str) -> dict[Key, Verdict]:
    """What the first table of a page says. Where it names no side, it says it of every one."""
    said: dict[Key, Verdict] = {}
    fault = ""
    for line in page.partition(_HEAD)[2].partition("\n\n")[0].splitlines():
        if line.startswith("|"):
            first, who, reached, done, got, maybe, job = (column.strip() for column in line[1:-1].split("|"))
            fault = first or fault
            for name, some in re.findall(r"([\w ]+?)(?: \((.*?)\))?(?:, |$)", who):
                for side in some.split("; ") if some else SIDES:
                    said[fault, name, side] = reached, done, got, maybe, job
    return said


def page(campaign: Campaign) -> str:
    waits = [result for result in campaign.results if result.cell.timeout == result.cell.deadline]
    return _PAGE.format(
        table=_table(verdicts(campaign.results)),
        calls=len(campaign.results),
        campaign=campaign,
        python=f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}",
        problems="\n".join(f"- {problem}" for problem in campaign.problems()) or "No call broke a rule.",
        waits=len(waits),
        last=max(waits, key=lambda result: result.late),
    )
