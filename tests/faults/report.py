"""Render the campaign as `docs/explanation/campaign.md`."""

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

_HEAD = "| Fault | Call | Reached | Done | Outcome | `maybe_submitted` | `job_id` |\n|---|---|---|---|---|---|---|\n"

_PAGE = """\
# The fault campaign

Fault injection tests: every operation is called while the network or the server fails in a specific way. Each is run
with the sync client, and with the async client on asyncio and trio, using the library's own HTTP client ("own") or, in
sync code and on asyncio, one passed as `http_client=` ("caller's"). `python -m tests.faults` generates this page, and a
test checks the table.

- **Reached**: for calls that must not be repeated, how many complete requests the server received, not counting those
  rejected with 429. At most one, unless `resubmit=True` is set.
- **Done**: how many of them the server processed.
- **Outcome**: a result, or an error with its `maybe_submitted` and whether it has a `job_id`. For calls that can be
  repeated, only the outcome is shown.

`maybe_submitted` is "either" where timing decides whether the request was sent. It is never False if a request was
processed and the caller has no job ID.

## Outcomes

{table}
Two combinations with a caller's HTTP client are excluded. Sync calls have a timeout per network operation only, so a
server that sends a header byte by byte delays them (see [timeouts](timeouts.md)). Async calls over TLS that can
only end at their deadline are not tried: if it passes during the handshake, httpcore's network streams leave the socket
to the garbage collector.

## Leaks and deadlines

{calls} calls in {campaign.seconds:.0f} s, on {python}, with clients, proxy and server in one process.

After the last call, {campaign.left[0]} threads, {campaign.left[1]} tasks and {campaign.left[2]} sockets were left. {campaign.left[3]} connections were made to
the target of a redirect.

{problems}

{waits} calls ended at their deadline of {last.cell.deadline:g} s, the latest {last.late:.3f} s after it ({last.cell}).
"""


def verdict(result: Result) -> Verdict:
    """The cells of the table for a result, which a test checks."""
    operation, error = result.cell.operation, result.error
    counts = (str(result.reached), str(result.done)) if operation.step else ("", "")
    if error is None:
        return (*counts, "a result", "", "")
    maybe = str(getattr(error, "maybe_submitted", False))
    if result.cell.fault.racy and operation.step:
        maybe = "either"
    return (*counts, type(error).__name__, maybe, "yes" if getattr(error, "job_id", None) else "no")


def verdicts(results: Iterable[Result]) -> dict[Key, Verdict]:
    """The verdict for each fault, operation and side."""
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
    """Parse the table of a page. Rows without sides apply to all of them."""
    parsed: dict[Key, Verdict] = {}
    fault = ""
    for line in page.partition(_HEAD)[2].partition("\n\n")[0].splitlines():
        if line.startswith("|"):
            first, who, reached, done, got, maybe, job = (column.strip() for column in line[1:-1].split("|"))
            fault = first or fault
            for name, some in re.findall(r"([\w ]+?)(?: \((.*?)\))?(?:, |$)", who):
                for side in some.split("; ") if some else SIDES:
                    parsed[fault, name, side] = reached, done, got, maybe, job
    return parsed


def page(campaign: Campaign) -> str:
    waits = [result for result in campaign.results if result.cell.timeout == result.cell.deadline]
    return _PAGE.format(
        table=_table(verdicts(campaign.results)),
        calls=len(campaign.results),
        campaign=campaign,
        python=f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}",
        problems="\n".join(f"- {problem}" for problem in campaign.problems()) or "No call violated these rules.",
        waits=len(waits),
        last=max(waits, key=lambda result: result.late),
    )
