"""Whatever bytes come from outside, only a model or an error of ours comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.decoders import TARGETS
from tests.faults.fuzz import SEEDS

DIGITS = b"9" * 5000

# What was found, by fuzzers or by thought; each broke a decoder, or looked as if it could.
FOUND: dict[str, list[bytes]] = {
    "config": [
        b"a=" + b"[" * 5000,
        b"a=" + b"{a=" * 3000,
        b"a=" + DIGITS,
        b"a=1e999999",
        b"default=5",
        b"[default]\napi_key=5",
        b'[default]\napi_key="\\u007f"',
    ],
    "status": [
        b'{"id":"job-1","status":"FAILED","error":' + b"[" * 990 + b"]" * 990 + b"}",
        b'{"id":"job-1","status":"FAILED","output":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"id":"job-1","status":"COMPLETED","output":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        b'{"id":"job-1","status":"FAILED","error":' + DIGITS + b"}",
        b'{"id":' + DIGITS + b',"status":"X"}',
        b'{"id":"job-1","status":"X","delayTime":1e400,"retries":1e400}',
        b'{"id":"job-1","status":"X","retries":' + DIGITS + b"}",
        b'{"id":"job-1","status":"FAILED","error":"{\\"error_message\\": ' + DIGITS + b'}"}',
        b'{"id":"job-1","status":"\\ud800","error":"\\u001b[2J"}',
    ],
    "health": [b'{"jobs":{"inQueue":1e400}}', b'{"jobs":{"inQueue":' + DIGITS + b"}}", b'{"jobs":' + b"[" * 5000],
    "stream": [
        b'{"status":"X","stream":[' + DIGITS + b"]}",
        b'{"status":"X","stream":' + b"[" * 990 + b"]" * 990 + b"}",
    ],
    "pause": [b"1e400", DIGITS, b"nan", b"-inf", b"Wed, 21 Oct 99999999999 07:28:00 GMT", b"|Wed, 21 Oct 0 0:0:0"],
    "refusal": [b'\x32{"error":' + b"[" * 5000, b'\x32{"error":' + b"[" * 950 + b"]" * 950 + b"}", b"\x32" + DIGITS],
    "purge": [b'{"removed":' + DIGITS + b"}"],
}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param(name, data, id=f"{name}-{number}")
        for name, found in FOUND.items()
        for number, data in enumerate(found)
    ],
)
def test_what_was_found(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_what_the_fuzzer_begins_with(name: str, seed: bytes) -> None:
    TARGETS[name](seed)


WORDS = "id status output error delayTime retries stream jobs workers inQueue removed error_message default api_key"
names = st.sampled_from(WORDS.split())
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["job-1", "COMPLETED"])
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=10)


def spoilt(value: Any, cut: int, change: bytes) -> bytes:
    body = json.dumps(value).encode()
    cut %= len(body) + 1
    return body[:cut] + change + body[cut:]


inputs = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.builds(spoilt, st.dictionaries(names, values), st.integers(0, 500), st.binary(max_size=3)),
    st.dictionaries(names, values).map(lambda value: json.dumps({"id": "job-1", "status": "FAILED", **value}).encode()),
)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=50)
@given(data=inputs)
def test_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name](data)
