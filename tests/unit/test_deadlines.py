"""Spans that callers give, and the moments they end at."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod import ConfigurationError, InvalidRequestError
from runpod._protocol.deadlines import Deadline, parse_timeout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1, 1.0),
        (0.001, 0.001),
        (90.0, 90.0),
        (timedelta(minutes=5), 300.0),
        (timedelta(milliseconds=1), 0.001),
        (None, None),
        (math.inf, None),
        (10**400, None),
        (timedelta.max, timedelta.max.total_seconds()),
    ],
)
def test_a_timeout_is_seconds_or_a_timedelta_or_none(given: Any, expected: float | None) -> None:
    assert expected == parse_timeout(given)


BAD: list[Any] = [
    0,
    0.0,
    -0.0,
    -1,
    -0.5,
    -math.inf,
    -(10**400),
    math.nan,
    timedelta(0),
    timedelta(seconds=-1),
    "5",
    b"5",
    True,
    False,
    Decimal(5),
    [5],
    {},
    object(),
    5j,
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:20])
def test_anything_else_is_refused_and_the_units_are_named(bad: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"timeout must be seconds .* timedelta, or None"):
        parse_timeout(bad)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:20])
def test_for_a_client_it_is_a_matter_of_its_configuration(bad: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        parse_timeout(bad, error_class=ConfigurationError)


def test_without_a_timeout_a_deadline_never_passes() -> None:
    never = Deadline.after(None, 1000.0)
    assert (False, math.inf, None) == (never.limited, never.at, never.span)
    assert math.inf == never.remaining(1e300)
    assert not never.passed(1e300)


@given(timeout=st.floats(0.001, 1e9), now=st.floats(0, 1e9), gone=st.floats(0, 2e9))
def test_a_deadline_passes_when_its_span_is_over(timeout: float, now: float, gone: float) -> None:
    deadline = Deadline.after(timeout, now)
    assert (True, timeout) == (deadline.limited, deadline.span)
    assert deadline.remaining(now + gone) == pytest.approx(max(0.0, timeout - gone), abs=1e-5)
    assert (0.0 == deadline.remaining(now + gone)) == deadline.passed(now + gone)


def test_a_deadline_has_passed_at_its_moment() -> None:
    deadline = Deadline.after(5.0, 1000.0)
    assert not deadline.passed(1004.999)
    assert deadline.passed(1005.0)
