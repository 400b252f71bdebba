"""Counts the results of many jobs, and summarizes them in a report."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any, Final, Literal

from runpod._text import readable
from runpod.errors import (
    InvalidRequestError,
    JobCancelledError,
    JobExpiredError,
    JobTimedOutError,
    RunpodError,
    RunpodTimeoutError,
)
from runpod.models._costs import cost_of, valid_amount
from runpod.models.reports import DurationSummary, RunReport

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from runpod.models.jobs import JobState
    from runpod.models.results import MapResult

Outcome = Literal["completed", "failed", "cancelled", "timed_out", "in_doubt", "expired"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("completed", "failed", "cancelled", "timed_out", "in_doubt", "expired")


def outcome_of(result: MapResult[Any]) -> Outcome:
    """What a result is counted as. `in_doubt` are exactly the results with `maybe_submitted`."""
    if result.error is not None:
        return _outcome_of_error(result.error)
    if result.succeeded:
        return "completed"
    # A state that was not checked with `raise_for_status`.
    status = str(result.state.status) if result.state is not None else ""
    return {"CANCELLED": "cancelled", "TIMED_OUT": "timed_out"}.get(status, "failed")  # type: ignore[return-value]


def _outcome_of_error(error: RunpodError) -> Outcome:
    if error.maybe_submitted:
        return "in_doubt"
    if isinstance(error, JobExpiredError):
        return "expired"
    if isinstance(error, JobCancelledError):
        return "cancelled"
    # A timeout before there was a job is a failed submission.
    if isinstance(error, JobTimedOutError) or (isinstance(error, RunpodTimeoutError) and error.job_id is not None):
        return "timed_out"
    return "failed"


def _price(value: object) -> float:
    price = None if isinstance(value, str) else valid_amount(value)
    if price is None:
        msg = f"price_per_second must be a number of at least 0, got {readable(repr(value), 40)}."
        raise InvalidRequestError(msg)
    return price


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


class Tally:
    """Counts results, each as exactly one outcome. Not thread-safe.

    It keeps two numbers per job (16 bytes), for exact medians and percentiles.

    Args:
        now: When the run started, in seconds on any clock.
        price_per_second: The cost of one second of running time, for jobs whose output has no `cost`.

    Raises:
        InvalidRequestError: `price_per_second` is not a number, or is negative.
    """

    def __init__(self, now: float, price_per_second: float | None = None) -> None:
        self._start = self._last = now
        self._price = None if price_per_second is None else _price(price_per_second)
        self._submitted = self._retries = self._results = 0
        self._counts: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
        self._queued, self._running = _Durations(), _Durations()
        self._cost: float | None = None

    def restart(self, now: float) -> None:
        """Takes that the run starts only now."""
        self._start = self._last = now

    def submitted(self, number: int = 1) -> None:
        """Counts submitted inputs."""
        self._submitted += number

    def add(self, result: MapResult[Any], now: float) -> None:
        """Counts a result that arrived at this time."""
        state: JobState[Any] | None = result.state or getattr(result.error, "state", None)
        if state is None:
            self.count(outcome_of(result), None, None, 0, None, now)
            return
        started = state.started  # a job in the queue has no final delay
        self.count(
            outcome_of(result),
            _seconds(state.delay_time) if started else None,
            _seconds(state.execution_time) if started else None,
            state.retries or 0,
            # The output of a running job is its progress.
            cost_of(state.output) if state.completed else None,
            now,
        )

    def count(
        self,
        outcome: Outcome,
        queued: float | None,
        running: float | None,
        retries: int,
        cost: float | None,
        now: float | None = None,
    ) -> None:
        """Counts the outcome of a job. Invalid values, such as negative durations, count as unknown.

        Args:
            outcome: How the job ended.
            queued: How long it waited for a worker, in seconds.
            running: How long it ran, in seconds.
            retries: How often it was reassigned to another worker.
            cost: The cost in its output.
            now: When the result arrived; None if that was before this run.
        """
        self._counts[outcome] += 1
        self._retries += max(0, retries)
        self._queued.add(queued)
        seconds = self._running.add(running)
        cost = valid_amount(cost)
        if cost is None and self._price is not None and seconds is not None:
            cost = self._price * seconds
        if cost is not None:
            self._cost = (self._cost or 0.0) + cost
        if now is not None:
            self._results += 1
            self._last = max(self._last, now)

    def report(self, now: float | None = None) -> RunReport:
        """Returns the report at this time; by default at the time of the last result, as for a run that has ended."""
        wall = max(0.0, (self._last if now is None else now) - self._start)
        return RunReport(
            submitted=self._submitted,
            **self._counts,
            retries=self._retries,
            queued_seconds=self._queued.summary(),
            running_seconds=self._running.summary(),
            cost=self._cost,
            wall_seconds=wall,
            jobs_per_second=self._results / wall if wall else 0.0,
        )


class _Durations:
    """Durations in seconds, summarized on demand."""

    def __init__(self) -> None:
        self._values = array("d")
        self._summary = DurationSummary()
        self._summarized = 0

    def add(self, seconds: float | None) -> float | None:
        """Adds a duration, and returns it if it is valid."""
        valid = valid_amount(seconds)
        if valid is not None:
            self._values.append(valid)
        return valid

    def summary(self) -> DurationSummary:
        if self._summarized != len(self._values):
            self._summary, self._summarized = summarize(self._values), len(self._values)
        return self._summary


def summarize(values: Iterable[float]) -> DurationSummary:
    """The sum, the median (of an even number: the mean of the two in the middle), and the 95th percentile.

    The percentile is the nearest-rank one: the smallest value such that 95 % of all values are not greater.
    """
    ordered = sorted(values)
    if not ordered:
        return DurationSummary()
    count = len(ordered)
    median = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    return DurationSummary(sum=math.fsum(ordered), median=median, p95=ordered[-(-95 * count // 100) - 1])
