"""Decoders turn any bytes into a model or a RunpodError."""

from __future__ import annotations

import pytest

from tests.faults.decoders import TARGETS
from tests.faults.fuzz import SEEDS

DIGITS = b"9" * 5000

# Regression inputs, found by fuzzing or by review.
FOUND = (
    b"a=" + b"[" * 5000,
    b"a=" + b"{a=" * 3000,
    b"a=" + DIGITS,
    b"a=1e999999",
    b"default=5",
    b"[default]\napi_key=5",
    b'[default]\napi_key="\\u007f"',
    b'{"id":"job-1","status":"FAILED","error":' + b"[" * 990 + b"]" * 990 + b"}",
    b'{"id":"job-1","status":"FAILED","output":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"id":"job-1","status":"COMPLETED","output":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    b'{"id":"job-1","status":"FAILED","error":' + DIGITS + b"}",
    b'{"id":' + DIGITS + b',"status":"X"}',
    b'{"id":"job-1","status":"X","delayTime":1e400,"retries":1e400}',
    b'{"id":"job-1","status":"X","retries":' + DIGITS + b"}",
    b'{"id":"job-1","status":"FAILED","error":"{\\"error_message\\": ' + DIGITS + b'}"}',
    b'{"id":"job-1","status":"\\ud800","error":"\\u001b[2J"}',
    b'{"jobs":{"inQueue":1e400}}',
    b'{"jobs":{"inQueue":' + DIGITS + b"}}",
    b'{"jobs":' + b"[" * 5000,
    b'{"removed":' + DIGITS + b"}",
    b'{"status":"X","stream":[' + DIGITS + b"]}",
    b'{"status":"X","stream":' + b"[" * 990 + b"]" * 990 + b"}",
    *(b"1e400", DIGITS, b"nan", b"-inf", b"Wed, 21 Oct 99999999999 07:28:00 GMT", b"|Wed, 21 Oct 0 0:0:0"),
    *(b'\x32{"error":' + b"[" * 5000, b'\x32{"error":' + b"[" * 950 + b"]" * 950 + b"}", b"\x32" + DIGITS),
)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_regression_inputs_and_fuzzer_seeds(name: str) -> None:
    for data in (*FOUND, *SEEDS):
        TARGETS[name](data)
