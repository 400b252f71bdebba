"""Tests of responses in unusual formats."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod._protocol.decoding import parse_job
from runpod._protocol.failures import failure, retry_after
from runpod._protocol.operations import STATUS, Call
from tests.unit.simulation import ENDPOINT, JOB, deadline, job, plain_json, reply


@given(plain_json | st.sampled_from([0.1, 1e308, "ü🐎\u2028", [], {}, False]))
def test_an_output_is_returned_unchanged(output: Any) -> None:
    found = parse_job(job("COMPLETED", output=output), Call(STATUS, ENDPOINT, JOB))
    assert repr(output) == repr(found.output)
    assert found.has_output


def test_a_numeric_job_id() -> None:
    assert "4711" == parse_job(reply({"id": 4711, "status": "COMPLETED"}), Call(STATUS, ENDPOINT, "4711")).id


def test_a_message_names_the_length_of_the_omitted_body() -> None:
    message = str(failure(Call(STATUS, ENDPOINT, JOB), reply("x" * 5_000_000, 503), deadline()))
    assert "x… (5000000 characters)." in message
    assert len(message) < 1000


def test_retry_after_dates_use_the_clock_of_the_server_or_ours() -> None:
    # A zone of -0000 means UTC with an unknown local zone.
    headers = {"retry_after": "Wed, 21 Oct 2026 07:28:30 -0000", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert 30.0 == retry_after(reply("", 429, **headers))
    tomorrow = format_datetime(datetime.now(timezone.utc) + timedelta(days=1), usegmt=True)
    for date in ({}, {"date": "soon"}):
        assert pytest.approx(86_400, rel=0.01) == retry_after(reply("", 429, retry_after=tomorrow, **date))
