"""Tests of `parse` and of what a receiver remembers."""

from __future__ import annotations

import json
import pickle
import threading
from datetime import timedelta
from typing import Any

import pytest

import runpod
from runpod import InvalidRequestError, JobFailedError, JobState
from runpod._protocol.deliveries import RecentDeliveries
from runpod.webhooks import DeliveredState, Delivery, parse

# As captured from the service.
FIELDS = {
    "delayTime": 824,
    "executionTime": 3391,
    "id": "c80ffee4-f315-4e25-a146-0f3d98cf024b-u1",
    "input": {"prompt": "a photo of a horse"},
    "output": {"message": "ok"},
    "status": "COMPLETED",
    "webhook": "https://example.com/hooks/ep/secret",
}
BODY = json.dumps(FIELDS)


@pytest.mark.fact("protocol 6: body")
@pytest.mark.parametrize(
    "body", [BODY, BODY.encode(), bytearray(BODY.encode()), b"\xef\xbb\xbf" + BODY.encode(), FIELDS]
)
def test_a_body_is_the_state_of_a_job_with_its_input(body: Any) -> None:
    state = parse(body)
    assert isinstance(state, JobState)
    assert (FIELDS["id"], "COMPLETED", {"message": "ok"}) == (state.id, state.status, state.output)
    assert (timedelta(milliseconds=824), FIELDS["webhook"]) == (state.delay_time, state.webhook)
    assert {"prompt": "a photo of a horse"} == state.input


def test_unknown_fields_statuses_and_missing_fields_are_fine() -> None:
    state = parse({"id": 7, "status": "EVAPORATED", "newField": 1})
    assert ("7", "EVAPORATED", None, None) == (state.id, state.status, state.input, state.output)
    assert {"newField": 1} == state.model_extra


def test_lone_surrogates_and_deep_nesting_in_an_output_lose_nothing() -> None:
    deep = b"[" * 300 + b"]" * 300
    state = parse(b'{"id": "x", "status": "COMPLETED", "output": ["\\ud800", ' + deep + b"]}")
    assert "\ud800" == state.output[0]
    assert "\ud800" == parse('{"id": "x", "status": "COMPLETED", "output": "\ud800"}').output


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "it is empty"),
        (" \n", "it is empty"),
        (b"<html>", "it is not valid JSON"),
        (BODY.encode()[:-1], "it is not valid JSON, truncated"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\xff", "it is not valid JSON"),
        (b"9" * 5000, "it is not valid JSON"),
        (b"[]", "it is not the state of a job"),
        (b"null", "it is not the state of a job"),
        ({}, "id is missing; status is missing"),
        ({"id": "x"}, "status is missing"),
        ({"id": " ", "status": "COMPLETED"}, "id is blank"),
        ({"id": ["x"], "status": "COMPLETED"}, "id: Input should be a valid string"),
        ({"id": "x", "status": None}, "status: Input should be a valid string"),
        ({"id": "x", "status": "\ud800"}, "status: Input should be a valid string"),
        ({"id": "\ud800", "status": "COMPLETED"}, "id: Input should be a valid string"),
        ({"id": "x" * 201, "status": "COMPLETED"}, "its id has 201 characters"),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "backslashreplace").decode(),
)
def test_an_unusable_body_is_one_error(body: Any, problem: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"^The body of a webhook cannot be used: .*\. Answer 400\. See "
    ) as caught:
        parse(body)
    assert problem in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_size_is_limited() -> None:
    assert 1 == len(parse(BODY, max_bytes=len(BODY)).output)
    with pytest.raises(InvalidRequestError, match="more than max_bytes allows"):
        parse(BODY, max_bytes=len(BODY) - 1)
    # It is the size in bytes.
    with pytest.raises(InvalidRequestError, match="more than max_bytes allows"):
        parse(BODY.replace("horse", "🐎"), max_bytes=len(BODY) - 2)


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="body must be bytes, str or a mapping, not int"):
        parse(1)  # type: ignore[arg-type]


def test_neither_input_nor_address_is_shown_or_in_an_error() -> None:
    state = parse(FIELDS | {"status": "FAILED", "error": "no hay"})
    with pytest.raises(JobFailedError) as caught:
        state.raise_for_status()
    shown = [
        repr(state),
        str(state),
        state.pretty(),
        str(caught.value),
        repr(caught.value.args),
        state.model_dump_json(),
    ]
    assert "no hay" in shown[4]
    assert [] == [text for text in shown if "a photo" in text or "secret" in text]


def test_the_public_names_belong_to_one_module() -> None:
    assert {"runpod.webhooks"} == {item.__module__ for item in (DeliveredState, Delivery, parse)}
    state = parse(BODY)
    delivery = Delivery(state, duplicate=False, endpoint_id="ep", input=state.input, key="k")
    assert delivery == pickle.loads(pickle.dumps(delivery))
    assert runpod.webhooks.parse is parse
    assert set(runpod.webhooks.__all__) <= set(dir(runpod.webhooks))
    with pytest.raises(AttributeError, match=r"module 'runpod.webhooks' has no attribute 'Receiver'"):
        _ = runpod.webhooks.Receiver  # type: ignore[attr-defined]


def test_the_latest_deliveries_are_remembered() -> None:
    recent = RecentDeliveries(limit=2)
    assert [True, True, False, True] == [recent.add(key) for key in "abac"]
    # `a` was the oldest.
    assert [False, False, True] == [recent.add(key) for key in "bca"]
    recent.discard("a")
    recent.discard("never seen")
    assert recent.add("a")


def test_of_several_deliveries_at_once_one_is_new() -> None:
    recent = RecentDeliveries()
    start = threading.Barrier(8)
    found: list[bool] = []

    def add() -> None:
        start.wait()
        found.extend(recent.add(str(number)) for number in range(500))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (500, 4000) == (sum(found), len(found))
