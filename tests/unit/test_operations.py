"""How each operation meets HTTP, and how ids get into a path."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod import InvalidRequestError
from runpod._protocol import operations
from runpod._protocol.operations import Call, Operation, check_id

E, J = "horse-endpoint", "job-1"

# Section 1.1 of the protocol, and whether doing it twice is fine.
ROWS = [
    (operations.RUN, None, "POST", f"/{E}/run", False),
    (operations.RUN_SYNC, None, "POST", f"/{E}/runsync", False),
    (operations.STATUS, J, "GET", f"/{E}/status/{J}", True),
    (operations.STATUS_SYNC, J, "GET", f"/{E}/status-sync/{J}", True),
    (operations.STREAM, J, "GET", f"/{E}/stream/{J}", True),
    (operations.CANCEL, J, "POST", f"/{E}/cancel/{J}", True),
    (operations.RETRY, J, "POST", f"/{E}/retry/{J}", False),
    (operations.PURGE_QUEUE, None, "POST", f"/{E}/purge-queue", False),
    (operations.HEALTH, None, "GET", f"/{E}/health", True),
]


@pytest.mark.parametrize(("operation", "job_id", "method", "target", "repeatable"), ROWS, ids=lambda v: str(v)[:30])
def test_each_operation_has_its_place(
    operation: Operation, job_id: str | None, method: str, target: str, repeatable: bool
) -> None:
    assert method == operation.method
    assert target == Call(operation, E, job_id).target
    assert repeatable == operation.repeatable


@pytest.mark.parametrize(
    ("hold", "expected"),
    [(1.0, 1000), (90.0, 90000), (2.5, 2500), (1.2345678, 1235), (0.2, 1000), (0.0, 1000), (1000.0, 300000)],
)
def test_a_hold_is_milliseconds_that_the_server_accepts(hold: float, expected: int) -> None:
    assert f"/{E}/status-sync/{J}?wait={expected}" == Call(operations.STATUS_SYNC, E, J, hold=hold).target


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "%2E%2E%2E"),
        ("../../purge-queue", "..%2F..%2Fpurge-queue"),
        ("a?wait=1", "a%3Fwait%3D1"),
        ("a#b", "a%23b"),
        ("a%2Fb", "a%252Fb"),
        ("a b", "a%20b"),
        (" a ", "%20a%20"),
        ("a\nb", "a%0Ab"),
        ("a\\b", "a%5Cb"),
        ("héhé", "h%C3%A9h%C3%A9"),
        ("馬", "%E9%A6%AC"),
        ("a;b=c&d+e", "a%3Bb%3Dc%26d%2Be"),
        ("sync-0a1b-u1", "sync-0a1b-u1"),
    ],
)
def test_an_id_is_one_step_of_the_path_whatever_is_in_it(identifier: str, expected: str) -> None:
    assert f"/{E}/status/{expected}" == Call(operations.STATUS, E, identifier).target
    assert f"/{expected}/health" == Call(operations.HEALTH, identifier).target


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip())


@given(endpoint=ids, job=ids | st.sampled_from([".", "..", "%2e%2e", "../..", "a/../b"]))
def test_no_id_is_another_path(endpoint: str, job: str) -> None:
    target = Call(operations.CANCEL, endpoint, job).target
    assert target.isascii()
    assert ["", endpoint, "cancel", job] == [unquote(step) for step in target.split("/")]
    assert ("", "") == (urlsplit(target).query, urlsplit(target).fragment)
    # The HTTP library sends it as it is: dots are not resolved, nothing is decoded.
    assert b"/v2" + target.encode() == httpx.URL("https://api.runpod.ai/v2" + target).raw_path


@pytest.mark.parametrize("bad", ["", " ", "\t\n", "\u3000"], ids=repr)
@pytest.mark.parametrize("what", ["endpoint_id", "job_id"])
def test_an_empty_id_is_refused_by_name(bad: str, what: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{what} is empty"):
        check_id(bad, what)


@pytest.mark.parametrize("bad", [None, 5, b"id", ["id"], True, {}], ids=repr)
def test_an_id_that_is_no_text_is_refused_with_its_kind(bad: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"job_id must be a str, not {type(bad).__name__}"):
        check_id(bad, "job_id")


def test_an_id_that_utf_8_cannot_carry_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="surrogate"):
        check_id("a\ud800", "job_id")


@given(ids)
def test_any_other_id_is_taken_as_it_is(identifier: str) -> None:
    assert identifier == check_id(identifier, "job_id")


def test_a_call_is_told_without_what_it_carries() -> None:
    call = Call(operations.RUN, E, body=b"PLANTED")
    assert "run on endpoint 'horse-endpoint'" == str(call)
    assert "status of job 'job-1' on endpoint 'horse-endpoint'" == str(Call(operations.STATUS, E, J))
    assert "PLANTED" not in repr(call)
