"""A summary of many jobs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["DurationSummary", "RunReport"]


@dataclass(frozen=True)
class DurationSummary:
    """A summary of durations in seconds. Each value is None if no duration is known.

    Attributes:
        sum: All durations together.
        median: The median: the middle duration, or the mean of the two in the middle.
        p95: The 95th percentile by nearest rank: the smallest duration such that 95 % of all are not longer.
    """

    sum: float | None = None
    median: float | None = None
    p95: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """A summary of the jobs of one run. `print(report)` shows it as a table.

    Every result is counted as exactly one of `completed`, `failed`, `cancelled`, `timed_out`,
    `in_doubt` and `expired`.

    Attributes:
        submitted: Inputs that were submitted.
        completed: Jobs that ended COMPLETED, with an output that matches `output_type`.
        failed: Jobs that ended FAILED, outputs that do not match `output_type`, and inputs that
            were not submitted or not waited for because of an error.
        cancelled: Jobs that ended CANCELLED.
        timed_out: Jobs that ended TIMED_OUT or exceeded `job_timeout`.
        in_doubt: Inputs that may have been submitted: the outcome of the request is unknown. Each
            of these results has `maybe_submitted` set.
        expired: Jobs whose result expired before it was received.
        retries: How often the platform reassigned a job to another worker.
        queued_seconds: How long the jobs waited for a worker.
        running_seconds: How long the jobs ran.
        cost: The sum of the `cost` of each output; for jobs without one, the running time at
            `price_per_second`. None if no cost is known.
        wall_seconds: How long the run took.
        jobs_per_second: The results of this run per second.
    """

    submitted: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    timed_out: int = 0
    in_doubt: int = 0
    expired: int = 0
    retries: int = 0
    queued_seconds: DurationSummary = field(default_factory=DurationSummary)
    running_seconds: DurationSummary = field(default_factory=DurationSummary)
    cost: float | None = None
    wall_seconds: float = 0.0
    jobs_per_second: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON-compatible nested dictionaries."""
        return asdict(self)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("Submitted", f"{self.submitted:,}"), ("Completed", f"{self.completed:,}")]
        rows += [
            (name.replace("_", " ").capitalize(), f"{number:,}")
            for name in ("failed", "cancelled", "timed_out", "in_doubt", "expired", "retries")
            if (number := getattr(self, name))
        ]
        rows.append(("Elapsed", _duration(self.wall_seconds)))
        rows.append(("Jobs per second", f"{self.jobs_per_second:,.1f}"))
        if self.cost is not None:
            rows.append(("Cost", f"{self.cost:,.2f}" if self.cost >= 100 else f"{self.cost:.4g}"))
        durations = [
            (label, _duration(found.sum), _duration(found.median), _duration(found.p95))
            for label, found in (("Queued", self.queued_seconds), ("Running", self.running_seconds))
            if found.sum is not None
        ]
        text = _table(rows)
        return f"{text}\n\n{_table([('', 'Total', 'Median', 'p95'), *durations])}" if durations else text


def _table(rows: list[tuple[str, ...]]) -> str:
    """Aligns the first column to the left, and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _duration(seconds: float | None) -> str:
    """A duration for people, such as `850 ms`, `12.3 s`, `4 min 5 s` or `2 h 13 min`."""
    if seconds is None:
        return ""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60:,} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24:,} d {hours % 24} h"
