"""The report of a bulk run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod._protocol.tally import Tally

if TYPE_CHECKING:
    from runpod._bulk.run_file import RunFile
    from runpod._protocol.tally import Outcome
    from runpod.models.reports import RunReport

_OUTCOMES: dict[str, Outcome] = {
    "COMPLETED": "completed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "TIMED_OUT": "timed_out",
    "DOUBTFUL": "in_doubt",
    "EXPIRED": "expired",
}


def report_of(file: RunFile) -> RunReport:
    """Summarizes the rows of a file."""
    tally = Tally(0.0)
    wall_seconds = file.wall_seconds
    for row in file.statistics():
        if row.has_job:
            tally.submitted()
        if outcome := _OUTCOMES.get(row.status):
            queued = None if row.queued_ms is None else row.queued_ms / 1000
            running = None if row.running_ms is None else row.running_ms / 1000
            tally.count(outcome, queued, running, row.retries or 0, row.cost, wall_seconds)
    return tally.report(wall_seconds)
