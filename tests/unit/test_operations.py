"""Tests of routes, IDs in paths, timeouts and recently submitted jobs."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod import ConfigurationError, InvalidRequestError
from runpod._protocol import operations
from runpod._protocol.deadlines import Deadline, parse_timeout
from runpod._protocol.operations import STATUS, STATUS_SYNC, Call, Operation, check_id
from runpod._protocol.submissions import GRACE, RecentSubmissions

E, J, NOW = "horse-endpoint", "job-1", 1000.0


@pytest.mark.fact("protocol 1.0: base URL", "protocol 1.1: routes")
@pytest.mark.parametrize(
    ("operation", "job_id", "expected", "repeatable"),
    [
        (operations.RUN, None, f"POST /{E}/run", False),
        (operations.RUN_SYNC, None, f"POST /{E}/runsync", False),
        (operations.STATUS, J, f"GET /{E}/status/{J}", True),
        (operations.STATUS_SYNC, J, f"GET /{E}/status-sync/{J}", True),
        (operations.STREAM, J, f"GET /{E}/stream/{J}", True),
        (operations.CANCEL, J, f"POST /{E}/cancel/{J}", True),
        (operations.RETRY, J, f"POST /{E}/retry/{J}", False),
        (operations.PURGE_QUEUE, None, f"POST /{E}/purge-queue", False),
        (operations.HEALTH, None, f"GET /{E}/health", True),
    ],
)
def test_each_operation_has_its_route(
    operation: Operation, job_id: str | None, expected: str, repeatable: bool
) -> None:
    call = Call(operation, E, job_id, body=b"PLANTED")
    assert (expected, repeatable) == (f"{operation.method} {call.target}", operation.repeatable)
    assert f"{operation.name}{' of job ' + repr(J) if job_id else ''} on endpoint {E!r}" == str(call)
    assert "PLANTED" not in repr(call)


@pytest.mark.fact("protocol 1.5: wait in milliseconds")
def test_the_wait_parameter_is_within_the_limits_of_the_server() -> None:
    for hold, expected in ((2.5, 2500), (1.2345678, 1235), (0.2, 1000), (1000.0, 300000)):
        assert f"/{E}/status-sync/{J}?wait={expected}" == Call(STATUS_SYNC, E, J, hold=hold).target
    assert f"/{E}/status/a.b" == Call(STATUS, E, "a.b").target


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip())
odd_ids = st.sampled_from([".", "..", "...", "%2e%2e", "a%2Fb", "../../purge-queue", "a/../b", "a?wait=1", "a#b", " a ", "a\nb", "a\\b"])  # fmt: skip


@pytest.mark.fact("protocol 1.0: opaque IDs")
@given(endpoint=ids, job=ids | odd_ids)
def test_an_id_is_one_path_segment(endpoint: str, job: str) -> None:
    assert (endpoint, job) == (check_id(endpoint, "endpoint_id"), check_id(job, "job_id"))
    target = Call(operations.CANCEL, endpoint, job).target
    assert target.isascii()
    assert ["", endpoint, "cancel", job] == [unquote(step) for step in target.split("/")]
    assert ("", "") == (urlsplit(target).query, urlsplit(target).fragment)
    # httpx sends it unchanged: dots are not resolved, nothing is decoded.
    assert b"/v2" + target.encode() == httpx.URL("https://api.runpod.ai/v2" + target).raw_path


@pytest.mark.fact("protocol-2 5: address in the console")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://console.runpod.io/serverless/user/endpoint/abc123", "abc123"),
        ("https://console.runpod.io/serverless/user/endpoint/abc-123/?tab=logs#top", "abc-123"),
        # Anything else is an ID, which is opaque.
        *[(same, same) for same in ("abc123", "https://console.runpod.io/serverless/user/endpoint/", "https://x/y")],
        *[(same, same) for same in ("http://console.runpod.io/serverless/user/endpoint/a", "console.runpod.io/a")],
        ("https://console.runpod.io.example/serverless/user/endpoint/a",) * 2,
        ("https://console.runpod.io/serverless/user/endpoint/a/b",) * 2,
    ],
)
def test_an_endpoint_can_be_named_by_its_address_in_the_console(given: str, expected: str) -> None:
    assert expected == check_id(given, "endpoint_id")
    assert given == check_id(given, "job_id")


@pytest.mark.fact("protocol 4: blank ID")
@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        *[(bad, "job_id is blank") for bad in ("", " \t\n\u3000")],
        *[(bad, f"Job IDs must be str, not {type(bad).__name__}") for bad in (None, 5, b"id", ["id"])],
        ("a\ud800", "job_id contains a lone surrogate"),
    ],
)
def test_an_invalid_id_is_reported_by_name(bad: Any, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{problem}") as info:
        check_id(bad, "job_id")
    assert info.value.__cause__ is None


def test_a_timeout_is_seconds_or_a_timedelta_or_none() -> None:
    assert [1.0, 0.001, 300.0, 0.001] == [
        parse_timeout(each) for each in (1, 0.001, timedelta(minutes=5), timedelta(0, 0, 1000))
    ]
    assert [None] * 3 == [parse_timeout(each) for each in (None, math.inf, 10**400)]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        *[(bad, "positive, got 0.") for bad in (0, timedelta(0))],
        *[(bad, "positive, got -1.") for bad in (-1, timedelta(seconds=-1))],
        *[(-0.0, "positive, got -0."), (-(10**400), "positive, got -inf."), (math.nan, "positive, got nan.")],
        *[
            (bad, f"seconds, a timedelta, or None for no limit, not {type(bad).__name__}.")
            for bad in ("5", True, Decimal(5), [5], 5j)
        ],
    ],
)
def test_an_invalid_timeout_is_reported_with_its_unit(bad: Any, problem: str) -> None:
    for error_class in (InvalidRequestError, ConfigurationError):
        with pytest.raises(error_class) as info:
            parse_timeout(bad, error_class=error_class)
        assert f"timeout must be {problem}" == info.value.message


@given(timeout=st.floats(0.001, 1e9), gone=st.floats(0, 2e9))
def test_deadline(timeout: float, gone: float) -> None:
    deadline, never = Deadline.after(timeout, NOW), Deadline.after(None, NOW)
    assert (True, timeout) == (deadline.limited, deadline.span)
    assert max(0.0, timeout - gone) == pytest.approx(deadline.remaining(NOW + gone), abs=1e-5)
    assert (0.0 == deadline.remaining(NOW + gone)) == deadline.passed(NOW + gone)
    assert deadline.passed(deadline.at)
    assert (False, None, math.inf, False) == (never.limited, never.span, never.remaining(gone), never.passed(gone))


def test_recently_submitted_jobs() -> None:
    submissions = RecentSubmissions()
    submissions.add("e", "j", NOW)
    assert NOW == submissions.submitted_at("e", "j", NOW) == submissions.submitted_at("e", "j", NOW + GRACE - 0.01)
    assert submissions.submitted_at("e", None, NOW) is None
    # Submitting it again renews the entry.
    submissions.add("e", "j", NOW + 5.0)
    assert NOW + 5.0 == submissions.submitted_at("e", "j", NOW + GRACE + 1.0)
    assert submissions.submitted_at("e", "j", NOW + 5.0 + GRACE) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.floats(0, GRACE)), max_size=60))
def test_only_old_jobs_are_forgotten(noted: list[tuple[str, str, float]]) -> None:
    submissions, now, last = RecentSubmissions(), NOW, dict[tuple[str, str], float]()
    for endpoint, job, gap in noted:
        now += gap
        submissions.add(endpoint, job, now)
        last[endpoint, job] = now
        assert {name: moment for name, moment in last.items() if now - moment < GRACE} == submissions._moments
    assert all(submissions.submitted_at(*name, now + 2 * GRACE) is None for name in last)
    assert ({}, 0) == (submissions._moments, len(submissions._in_order))
