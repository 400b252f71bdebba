"""Tests of counting results, of their report, and of the result of one input."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import re
import statistics
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from runpod import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    DurationSummary,
    InvalidRequestError,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    JobOutputError,
    JobState,
    JobTimedOutError,
    MapResult,
    RateLimitError,
    RunpodError,
    RunpodTimeoutError,
    RunReport,
    ServerError,
)
from runpod._protocol.tally import OUTCOMES, Tally, cost_of, outcome_of, summarize


def state(status: str = "COMPLETED", **fields: Any) -> JobState[Any]:
    return JobState.model_validate({"id": "job-1", "status": status, **fields})


def result(found: JobState[Any] | None = None, error: RunpodError | None = None) -> MapResult[Any]:
    return MapResult(0, {"n": 1}, "job-1" if found is not None else None, found, error)


def report_of(*results: MapResult[Any], price: float | None = None) -> RunReport:
    tally = Tally(0.0, price)
    for each in results:
        tally.add(each, 1.0)
    return tally.report(1.0)


OUTCOMES_OF_ERRORS: list[tuple[str, RunpodError]] = [
    ("failed", JobFailedError("x", state=state("FAILED"))),
    ("failed", JobOutputError("x", state=state())),
    ("failed", InvalidRequestError("x")),
    ("failed", BadRequestError("x")),
    ("failed", RateLimitError("x")),
    ("failed", AuthenticationError("x", job_id="job-1")),
    ("failed", RunpodTimeoutError("x", maybe_submitted=False)),
    ("failed", APIConnectionError("x", job_id="job-1", maybe_submitted=False)),
    ("cancelled", JobCancelledError("x", state=state("CANCELLED"))),
    ("timed_out", JobTimedOutError("x", state=state("TIMED_OUT"))),
    ("timed_out", RunpodTimeoutError("x", job_id="job-1", maybe_submitted=False)),
    ("in_doubt", APIConnectionError("x")),
    ("in_doubt", ServerError("x")),
    ("in_doubt", RunpodTimeoutError("x")),
    ("in_doubt", RunpodTimeoutError("x", job_id="job-1")),
    ("expired", JobExpiredError("x", job_id="job-1")),
]


@pytest.mark.parametrize(("expected", "error"), OUTCOMES_OF_ERRORS)
def test_the_outcome_of_an_error(expected: str, error: RunpodError) -> None:
    assert expected == outcome_of(result(None, error))


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        ("completed", "COMPLETED"),
        ("failed", "FAILED"),
        ("cancelled", "CANCELLED"),
        ("timed_out", "TIMED_OUT"),
        ("failed", "IN_QUEUE"),
        ("failed", "A_NEW_ONE"),
    ],
)
def test_the_outcome_of_a_state_without_an_error(expected: str, status: str) -> None:
    assert expected == outcome_of(result(state(status)))


def test_a_result_without_state_and_error_is_failed() -> None:
    assert "failed" == outcome_of(result())


@given(st.lists(st.sampled_from([(None, "completed"), *((error, name) for name, error in OUTCOMES_OF_ERRORS)])))
def test_every_result_is_counted_once(cases: list[tuple[RunpodError | None, str]]) -> None:
    report = report_of(*(result(state() if error is None else None, error) for error, _ in cases))
    counts = {name: getattr(report, name) for name in OUTCOMES}
    expected = [name for _, name in cases]
    assert {name: expected.count(name) for name in OUTCOMES} == counts


def test_submissions_are_counted_apart_from_results() -> None:
    tally = Tally(0.0)
    tally.submitted()
    tally.submitted(4)
    tally.add(result(state()), 1.0)
    assert (5, 1) == (tally.report().submitted, tally.report().completed)


# --- durations --------------------------------------------------------------------------------


def test_durations_are_those_of_the_state_or_of_the_error() -> None:
    failed = state("FAILED", delayTime=3000, executionTime=500, retries=2)
    report = report_of(
        result(state(delayTime=1000, executionTime=250, retries=1)),
        result(failed, JobFailedError("x", state=failed)),
        result(None, JobFailedError("x", state=failed)),
        result(state(delayTime=None, executionTime=-1, retries=-1)),
    )
    assert DurationSummary(sum=7.0, median=3.0, p95=3.0) == report.queued_seconds
    assert DurationSummary(sum=1.25, median=0.5, p95=0.5) == report.running_seconds
    assert 5 == report.retries


def test_a_job_in_the_queue_has_no_final_delay() -> None:
    error = RunpodTimeoutError("x", job_id="job-1", maybe_submitted=False)
    report = report_of(
        result(state("IN_QUEUE", delayTime=1000), error), result(state("IN_PROGRESS", delayTime=2000), error)
    )
    assert DurationSummary(sum=2.0, median=2.0, p95=2.0) == report.queued_seconds
    assert DurationSummary() == report.running_seconds


DURATIONS = st.floats(0, 1e9)


@given(st.lists(DURATIONS, min_size=1))
@example([float(n) for n in range(1, 21)])
@example([float(n) for n in range(1, 101)])
def test_the_median_and_the_95th_percentile_are_exact(values: list[float]) -> None:
    found = summarize(values)
    assert found.median == statistics.median(values)
    assert found.sum == math.fsum(values)
    not_greater = [value for value in values if 100 * sum(each <= value for each in values) >= 95 * len(values)]
    assert min(not_greater) == found.p95


def test_known_percentiles() -> None:
    assert DurationSummary(sum=210.0, median=10.5, p95=19.0) == summarize(range(1, 21))
    assert DurationSummary() == summarize([])


@given(st.lists(DURATIONS, min_size=1), st.lists(DURATIONS, min_size=1))
def test_a_report_is_a_snapshot(first: list[float], second: list[float]) -> None:
    tally = Tally(0.0)
    for each in first:
        tally.count("completed", each, None, 0, None)
    before = tally.report()
    for each in second:
        tally.count("completed", each, None, 0, None)
    assert summarize(first) == before.queued_seconds
    assert summarize(first + second) == tally.report().queued_seconds
    assert (len(first), len(first + second)) == (before.completed, tally.report().completed)


@given(
    *(st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=3)) for _ in range(3)),
    st.integers(-5, 5),
    st.one_of(st.none(), st.floats(0, 10)),
)
def test_any_values_make_a_report_that_is_json(queued: Any, running: Any, cost: Any, retries: int, price: Any) -> None:
    tally = Tally(0.0, price)
    for _ in range(3):
        tally.count("completed", queued, running, retries, cost, 2.0)
    found = json.loads(json.dumps(tally.report().to_dict(), allow_nan=False))
    assert 3 == found["completed"]
    assert 0 <= found["retries"] == 3 * max(0, retries)
    assert str(tally.report())


def test_a_tally_takes_16_bytes_per_job() -> None:
    tally, count = Tally(0.0, 0.5), 20_000
    for _ in range(count):
        tally.count("completed", 1.0, 2.0, 0, None)
    durations = [tally._queued._values, tally._running._values]
    assert 16 * count <= sum(map(sys.getsizeof, durations)) <= 1.15 * 16 * count


# --- cost -------------------------------------------------------------------------------------


class Image(BaseModel):
    url: str
    cost: float | None = None


@dataclass
class Priced:
    cost: Decimal


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        (0.02, {"image_url": "https://example.com", "cost": 0.02}),
        (0.02, {"cost": "0.02"}),
        (3.0, {"cost": 3}),
        (0.0, {"cost": 0}),
        (0.25, Image(url="x", cost=0.25)),
        (0.25, Priced(Decimal("0.25"))),
        # A text model returns a list of them.
        (0.75, [{"choices": [], "cost": 0.25}, {"cost": 0.5}, {"choices": []}]),
        (0.25, [Image(url="x", cost=0.25), "text", None]),
        *[(None, {"cost": value}) for value in (None, True, "free", math.nan, math.inf, -1, 10**400, {"usd": 1}, "")],
        *[(None, output) for output in (None, "text", 1.5, [], [1, 2], {"price": 1}, Image(url="x"), [[{"cost": 1}]])],
        (None, Priced(Decimal("NaN"))),
    ],
)
def test_the_cost_of_an_output(expected: float | None, output: Any) -> None:
    assert expected == cost_of(output)


def test_the_cost_is_that_of_the_outputs_or_of_the_running_time() -> None:
    priced = result(state(output={"cost": 0.25}, executionTime=4000))
    plain = result(state(output={"image": "x"}, executionTime=4000))
    unknown = result(state(output={"image": "x"}))
    failed = result(state("FAILED", executionTime=2000), JobFailedError("x"))
    assert 0.25 == report_of(priced, plain, unknown).cost
    assert 0.25 + 8.0 + 4.0 == report_of(priced, plain, unknown, failed, price=2.0).cost
    assert report_of(plain, unknown, failed).cost is None
    assert report_of(unknown, price=2.0).cost is None
    assert report_of(price=2.0).cost is None


@pytest.mark.parametrize("price", [-1, math.nan, math.inf, "0.5", True, [0.5]])
def test_a_price_is_a_number(price: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Tally(0.0, price)
    assert f"price_per_second must be a number of at least 0, got {price!r}." == caught.value.message


def test_the_progress_of_a_running_job_is_no_cost() -> None:
    error = RunpodTimeoutError("x", job_id="job-1", maybe_submitted=False)
    assert report_of(result(state("IN_PROGRESS", output={"cost": 1.0}), error)).cost is None


def test_an_output_that_does_not_match_its_type_has_a_cost() -> None:
    raw = state(output={"cost": 1.0})
    assert 1.0 == report_of(result(None, JobOutputError("x", state=raw))).cost


# --- time -------------------------------------------------------------------------------------


def test_the_rate_counts_the_results_of_this_run() -> None:
    tally = Tally(100.0)
    assert (0.0, 0.0) == (tally.report(100.0).wall_seconds, tally.report(100.0).jobs_per_second)
    tally.count("completed", None, None, 0, None)  # before this run
    tally.count("completed", None, None, 0, None, 101.0)
    tally.add(result(state()), 104.0)
    running, ended = tally.report(105.0), tally.report()
    assert (5.0, 2 / 5) == (running.wall_seconds, running.jobs_per_second)
    assert (4.0, 2 / 4) == (ended.wall_seconds, ended.jobs_per_second)
    assert 3 == ended.completed


# --- the report as text -----------------------------------------------------------------------

REPORT = RunReport(
    submitted=1200,
    completed=1189,
    failed=7,
    timed_out=2,
    in_doubt=1,
    expired=1,
    retries=3,
    queued_seconds=DurationSummary(sum=3720.4, median=1.25, p95=4.0),
    running_seconds=DurationSummary(sum=11_400.0, median=12.0, p95=61.0),
    cost=1.234567,
    wall_seconds=125.2,
    jobs_per_second=9.58,
)

TABLE = """\
Submitted            1,200
Completed            1,189
Failed                   7
Timed out                2
In doubt                 1
Expired                  1
Retries                  3
Elapsed          2 min 5 s
Jobs per second        9.6
Cost                 1.235

              Total  Median        p95
Queued    1 h 2 min   1.2 s      4.0 s
Running  3 h 10 min  12.0 s  1 min 1 s"""


def test_a_report_is_printed_as_a_table() -> None:
    assert TABLE == str(REPORT)
    assert 1 == len(repr(REPORT).splitlines())


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_table_has_a_row_for_every_outcome(outcome: str) -> None:
    name = outcome.replace("_", " ").capitalize()
    rows = str(RunReport(**{outcome: 1234})).splitlines()  # type: ignore[arg-type]
    assert 1 == sum(bool(re.fullmatch(rf"{name} +1,234", row)) for row in rows)


def test_what_is_not_known_is_left_out() -> None:
    text = str(RunReport(submitted=2, completed=2, wall_seconds=0.25, jobs_per_second=8.0))
    expected = [
        "Submitted             2",
        "Completed             2",
        "Elapsed          250 ms",
        "Jobs per second     8.0",
    ]
    assert expected == text.splitlines()


@pytest.mark.parametrize(
    ("expected", "seconds"),
    [
        *[("0 ms", 0.0), ("850 ms", 0.85), ("1.0 s", 0.9996), ("1.0 s", 1.0), ("59.9 s", 59.9), ("1 min 0 s", 59.96)],
        *[("1 min 0 s", 60.0), ("59 min 59 s", 3599.0), ("1 h 0 min", 3599.6), ("1 h 2 min", 3720.0)],
        *[("47 h 59 min", 48 * 3600 - 60.0), ("2 d 0 h", 48 * 3600.0), ("1,000 d 0 h", 86_400_000.0)],
    ],
)
def test_a_duration_is_readable(expected: str, seconds: float) -> None:
    assert expected == str(RunReport(wall_seconds=seconds)).splitlines()[2].removeprefix("Elapsed").strip()


@pytest.mark.parametrize(("expected", "cost"), [("0", 0.0), ("0.0001234", 0.00012341), ("1,234.50", 1234.5)])
def test_a_cost_is_readable(expected: str, cost: float) -> None:
    assert ["Cost", expected] == str(RunReport(cost=cost)).splitlines()[-1].split()


def test_a_dictionary_has_every_field() -> None:
    def fields_of(found: Any) -> dict[str, Any]:
        fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
        return {name: fields_of(value) if dataclasses.is_dataclass(value) else value for name, value in fields.items()}

    assert fields_of(REPORT) == REPORT.to_dict()
    assert fields_of(RunReport()) == RunReport().to_dict()
    assert {"sum", "median", "p95"} == REPORT.to_dict()["running_seconds"].keys()


def test_a_report_is_json_and_can_be_pickled() -> None:
    found = json.loads(json.dumps(REPORT.to_dict()))
    assert {"sum": 3720.4, "median": 1.25, "p95": 4.0} == found["queued_seconds"]
    assert (1200, 1.234567) == (found["submitted"], found["cost"])
    assert REPORT == pickle.loads(pickle.dumps(REPORT))
    with pytest.raises(dataclasses.FrozenInstanceError):
        REPORT.failed = 0  # type: ignore[misc]


# --- the result of one input ------------------------------------------------------------------


def test_a_result_that_succeeded_has_its_output() -> None:
    done = MapResult(3, {"n": 1}, "job-1", state(output={"n": 2}))
    assert (True, {"n": 2}, False) == (done.succeeded, done.output, done.maybe_submitted)
    assert "MapResult(index=3, job_id='job-1', status='COMPLETED', output={'n': 2})" == repr(done)


def test_a_result_with_an_error_has_no_output() -> None:
    raw = state(output={"n": 2})
    wrong = MapResult(3, {"n": 1}, "job-1", raw, JobOutputError("The output does not fit.", state=raw))
    assert (False, None, False) == (wrong.succeeded, wrong.output, wrong.maybe_submitted)
    expected = (
        "MapResult(index=3, job_id='job-1', status='COMPLETED', error=JobOutputError('The output does not fit.'))"
    )
    assert expected == repr(wrong)
    doubtful = MapResult(0, {}, error=ServerError("no response"))
    assert (False, None, True) == (doubtful.succeeded, doubtful.output, doubtful.maybe_submitted)
    assert "MapResult(index=0, error=ServerError('no response'))" == repr(doubtful)


def test_a_result_is_shown_without_its_input_and_in_one_short_line() -> None:
    large = MapResult(
        0,
        {"secret": "swordfish"},
        "j" * 10_000,
        state(output="x" * 1_000_000, id="j" * 10_000),
        JobFailedError("y" * 1_000_000 + "\x1b[31m\n"),
    )
    shown = repr(large) + repr(dataclasses.replace(large, error=None))
    assert len(shown) < 1000
    assert "swordfish" not in shown
    assert shown.isprintable()


def test_a_result_can_be_pickled_and_parametrized() -> None:
    failed = state("FAILED", error="no horse")
    before = MapResult[Image](1, {"n": 1}, "job-1", failed, JobFailedError("x", state=failed))
    after: MapResult[Image] = pickle.loads(pickle.dumps(before))
    assert (1, {"n": 1}, "job-1", failed) == (after.index, after.input, after.job_id, after.state)
    assert isinstance(after.error, JobFailedError)
    assert failed == after.error.state
    assert before == dataclasses.replace(before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.index = 2  # type: ignore[misc]
