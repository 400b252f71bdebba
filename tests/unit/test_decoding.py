"""From the bytes of a good answer to models, or to an error that loses nothing."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ForwardRef

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from runpod import (
    APIResponseError,
    EndpointHealth,
    InvalidRequestError,
    JobOutputError,
    JobState,
    PurgeResult,
    RunpodError,
)
from runpod._protocol.decoding import OutputReader, read, read_job, read_stream
from runpod._protocol.operations import HEALTH, PURGE_QUEUE, RETRY, RUN, RUN_SYNC, STATUS, STREAM, Call, Operation
from runpod._protocol.outcomes import Answer
from tests.unit.machines import ENDPOINT, JOB, job, plain_json, reply

STATUS_CALL = Call(STATUS, ENDPOINT, JOB)
STREAM_CALL = Call(STREAM, ENDPOINT, JOB)
RUN_CALL = Call(RUN, ENDPOINT, body=b'{"input":{"prompt":"PLANTED-INPUT"}}')


def state(answer: Answer | None = None, /, **fields: Any) -> JobState[Any]:
    return read_job(answer or reply({"id": JOB, "status": "COMPLETED", **fields}), STATUS_CALL)


BAD_JOBS: dict[str, Any] = {
    "HTML": "<html><title>Welcome</title></html>",
    "empty": b"",
    "blank": b" \n",
    "truncated": '{"id": "job-1", "status": "COMPLETED", "output": {"a',
    "a list": "[]",
    "a list of states": '[{"id": "job-1", "status": "COMPLETED"}]',
    "text": '"COMPLETED"',
    "null": "null",
    "a number": "5",
    "no id": '{"status": "COMPLETED"}',
    "id null": '{"id": null, "status": "COMPLETED"}',
    "id empty": '{"id": "", "status": "COMPLETED"}',
    "id a list": '{"id": ["job-1"], "status": "COMPLETED"}',
    "no status": '{"id": "job-1"}',
    "status null": '{"id": "job-1", "status": null}',
    "status empty": '{"id": "job-1", "status": ""}',
    "status a number": '{"id": "job-1", "status": 5}',
    "not UTF-8": b'{"id": "job-1", "status": "\xff"}',
    "two values": '{"id": "job-1", "status": "COMPLETED"}{}',
    "an error": '{"error": "not today"}',
}


@pytest.mark.parametrize("body", BAD_JOBS.values(), ids=BAD_JOBS)
@pytest.mark.parametrize("call", [STATUS_CALL, RUN_CALL], ids=["status", "run"])
def test_an_answer_the_protocol_does_not_allow_is_an_error_that_keeps_it_whole(body: Any, call: Call) -> None:
    answer = Answer(200, {"cf-ray": "8a1"}, body if isinstance(body, bytes) else body.encode())
    with pytest.raises(APIResponseError) as info:
        read_job(answer, call)
    error = info.value
    assert answer.body.decode("utf-8", "replace") == error.body
    assert (200, "8a1", ENDPOINT) == (error.status_code, error.request_id, error.endpoint_id)
    assert (call is RUN_CALL) == error.maybe_submitted
    assert "base_url" in str(error)
    assert "PLANTED" not in str(error) + repr(vars(error))
    assert vars(error) == vars(pickle.loads(pickle.dumps(error)))


@pytest.mark.parametrize(
    ("body", "words"),
    [("<html>", "HTML"), ("", "empty"), ('{"id"', "JSON"), ('{"id":"j"}', "status"), ('{"id":""}', "id: String")],
)
def test_the_error_says_what_is_wrong_with_the_answer(body: str, words: str) -> None:
    with pytest.raises(APIResponseError, match=words):
        read_job(reply(body), RUN_CALL)


@pytest.mark.parametrize(
    "body", ['{"id": "sync-1"}', '{"id": "sync-1", "status": ""}', '{"id":"sync-1","status":"COMPLETED","output":{"a']
)
@pytest.mark.parametrize("operation", [RUN, RUN_SYNC], ids=["run", "run_sync"])
def test_the_id_of_a_submitted_job_is_not_lost_with_its_answer(operation: Operation, body: str) -> None:
    with pytest.raises(APIResponseError, match="sync-1") as info:
        read_job(reply(body), Call(operation, ENDPOINT))
    assert "sync-1" == info.value.job_id
    assert info.value.maybe_submitted


@pytest.mark.parametrize("call", [Call(RETRY, ENDPOINT, JOB), Call(PURGE_QUEUE, ENDPOINT)], ids=["retry", "purge"])
def test_an_unusable_answer_to_what_submits_no_job_does_not_speak_of_a_new_one(call: Call) -> None:
    with pytest.raises(APIResponseError, match="It may have been carried out") as info:
        read(PurgeResult, reply("[]"), call)
    assert info.value.maybe_submitted
    assert "job may have been submitted" not in str(info.value)


@pytest.mark.parametrize("call", [STATUS_CALL, Call(RETRY, ENDPOINT, JOB)], ids=["status", "retry"])
def test_an_answer_about_another_job_is_not_taken_for_this_one(call: Call) -> None:
    with pytest.raises(APIResponseError, match="another job") as info:
        read_job(job("COMPLETED", id="somebody-elses"), call)
    assert JOB == info.value.job_id


def test_fields_of_tomorrow_are_kept() -> None:
    found = state(tomorrow={"a": [1]}, webhook="https://x.example", started="yes", model_config=1)
    assert {"tomorrow": {"a": [1]}, "webhook": "https://x.example", "started": "yes", "model_config": 1} == (
        found.model_extra
    )
    assert found.started is True


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 2**64 + 1, 10**30, 12345678901234567890123])
def test_big_numbers_are_exact(number: int) -> None:
    assert number == state(output={"seed": [number]}).output["seed"][0]


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (31618, timedelta(milliseconds=31618)),
        ("31618", timedelta(milliseconds=31618)),
        (" 5 ", timedelta(milliseconds=5)),
        (1.5, timedelta(milliseconds=1.5)),
        (0, timedelta(0)),
        (-5, timedelta(milliseconds=-5)),
        (None, None),
        ("soon", None),
        (True, None),
        ([], None),
        (10**30, None),
        (10**400, None),
        ("1e999", None),
    ],
)
@pytest.mark.parametrize(("key", "name"), [("delayTime", "delay_time"), ("executionTime", "execution_time")])
def test_a_time_is_milliseconds_and_nonsense_does_not_cost_the_result(
    wire: Any, expected: Any, key: str, name: str
) -> None:
    found = state(output="the result", **{key: wire})
    assert expected == getattr(found, name)
    assert "the result" == found.output


@pytest.mark.parametrize(("wire", "expected"), [(1, 1), ("2", 2), (None, None), ("many", None), ({}, None), (3.0, 3)])
def test_a_count_may_come_as_text(wire: Any, expected: int | None) -> None:
    assert expected == state(retries=wire).retries


def test_numbers_that_are_no_json_do_not_cost_the_result() -> None:
    body = '{"id":"job-1","status":"COMPLETED","delayTime":NaN,"executionTime":1e999,"retries":-Infinity,"output":1}'
    found = read_job(reply(body), STATUS_CALL)
    assert (None, None, None, 1) == (found.delay_time, found.execution_time, found.retries, found.output)


def test_names_that_came_as_numbers_are_text() -> None:
    found = read_job(reply({"id": 17, "status": "IN_QUEUE", "workerId": 5}), RUN_CALL)
    assert ("17", "5") == (found.id, found.worker_id)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_text_that_is_not_quite_unicode_does_not_cost_the_result(text: str) -> None:
    assert {"a": [text], text: 1} == state(output={"a": [text], text: 1}).output
    assert text == state(error=text).error
    assert "COMPLETED" == state(workerId=text).status


def test_a_deep_output_does_not_cost_the_result() -> None:
    body = '{"id":"job-1","status":"COMPLETED","output":' + "[" * 300 + "]" * 300 + "}"
    assert read_job(reply(body), STATUS_CALL).has_output


def test_a_byte_order_mark_does_not_cost_the_result() -> None:
    assert "COMPLETED" == read_job(reply(b"\xef\xbb\xbf" + job("COMPLETED").body), STATUS_CALL).status


# --- streams, health, purges ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "outputs"),
    [
        ({"status": "IN_PROGRESS", "stream": [{"output": 1}, {"output": None}]}, "IN_PROGRESS", [1, None]),
        ({"status": "completed", "stream": []}, "COMPLETED", []),
        ({"status": "SOMETHING_NEW", "stream": ["bare"]}, "SOMETHING_NEW", ["bare"]),
        ({"status": "IN_QUEUE"}, "IN_QUEUE", []),
        ({"status": "IN_QUEUE", "stream": None}, "IN_QUEUE", []),
        ({"stream": [{"output": 1}]}, None, [1]),
        ({"status": "", "stream": [{"output": 1}]}, None, [1]),
        ({"status": 5, "stream": [{"output": 1}]}, None, [1]),
        ([{"output": 1}, {"output": [2]}], None, [1, [2]]),
        ([], None, []),
    ],
)
def test_a_stream_is_an_envelope_or_a_list(body: Any, status: str | None, outputs: list[Any]) -> None:
    found, chunks = read_stream(reply(body), STREAM_CALL)
    assert status == found
    assert outputs == [chunk.output for chunk in chunks]


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        b"",
        "5",
        "null",
        "{}",
        '{"id":"x"}',
        '{"status":"X","stream":{}}',
        '{"status":"X","stream":"a"}',
        '[{"outp',
    ],
)
def test_a_stream_of_another_kind_is_an_error(body: Any) -> None:
    with pytest.raises(APIResponseError) as info:
        read_stream(reply(body), STREAM_CALL)
    assert (JOB, False) == (info.value.job_id, info.value.maybe_submitted)


def test_a_chunk_that_is_not_quite_unicode_is_not_lost() -> None:
    body = '{"status":"IN_PROGRESS","stream":[{"output":"\\ud800"},{"output":1,"\\ud800":2},{"output":3}]}'
    assert ["\ud800", 1, 3] == [chunk.output for chunk in read_stream(reply(body), STREAM_CALL)[1]]


def test_health_fills_in_what_the_server_leaves_out_and_keeps_what_is_new() -> None:
    body = {"jobs": {"inQueue": "3", "completed": None, "lost": 7}, "workers": {"idle": 2}, "ready": True}
    found = read(EndpointHealth, reply(body), Call(HEALTH, ENDPOINT))
    assert (3, 0, 0, {"lost": 7}) == (
        found.jobs.in_queue,
        found.jobs.completed,
        found.jobs.failed,
        found.jobs.model_extra,
    )
    assert (2, 0) == (found.workers.idle, found.workers.unhealthy)
    assert {"ready": True} == found.model_extra


@pytest.mark.parametrize(
    ("body", "removed", "status"),
    [
        ({"removed": 2, "status": "completed"}, 2, "completed"),
        ({"removed": "2"}, 2, None),
        ({"removed": None}, None, None),
    ],
)
def test_a_purge_says_what_the_server_said(body: Any, removed: int | None, status: str | None) -> None:
    found = read(PurgeResult, reply(body), Call(PURGE_QUEUE, ENDPOINT))
    assert (removed, status) == (found.removed, found.status)


# --- output_type ------------------------------------------------------------------------------


class Horse(BaseModel):
    name: str
    size: int = 0


class StrictDay(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date


@dataclass
class Point:
    x: int


class Row(TypedDict):
    x: int


@pytest.mark.parametrize(
    ("output_type", "wire", "expected"),
    [
        (Horse, {"name": "Bucephalus", "size": 7}, Horse(name="Bucephalus", size=7)),
        (list[Horse], [{"name": "a"}], [Horse(name="a")]),
        (int, "5", 5),
        (int, 2**70, 2**70),
        (StrictDay, {"day": "2026-01-02"}, StrictDay(day=date(2026, 1, 2))),
        (Point, {"x": 1}, Point(1)),
        (Row, {"x": 1}, {"x": 1}),
        (dict[str, int] | None, None, None),
        (type(None), None, None),
        (Any, {"a": 1}, {"a": 1}),
        (str, "\ud800", "\ud800"),
    ],
)
def test_an_output_is_what_output_type_says(output_type: Any, wire: Any, expected: Any) -> None:
    found = OutputReader(output_type)(state(output=wire, tomorrow=1), ENDPOINT)
    assert expected == found.output
    assert type(expected) is type(found.output)
    assert {"tomorrow": 1} == found.model_extra
    assert found.has_output


@pytest.mark.parametrize(
    ("output_type", "wire"), [(Horse, {"size": 5}), (int, "five"), (StrictDay, {"day": 5}), (list[int], None), (str, 5)]
)
def test_an_output_that_does_not_fit_is_an_error_that_carries_it_raw(output_type: Any, wire: Any) -> None:
    raw = state(output=wire)
    with pytest.raises(JobOutputError) as info:
        OutputReader(output_type)(raw, ENDPOINT)
    assert raw == info.value.state
    assert (JOB, ENDPOINT) == (info.value.job_id, info.value.endpoint_id)
    assert "output_type" in str(info.value)
    assert vars(info.value) == vars(pickle.loads(pickle.dumps(info.value)))


def test_a_misfit_is_named_by_its_place_and_not_by_its_value() -> None:
    with pytest.raises(JobOutputError, match="size") as info:
        OutputReader(Horse)(state(output={"name": "x", "size": "PLANTED"}), ENDPOINT)
    assert "PLANTED" not in str(info.value)


def test_no_output_is_told_apart_from_null() -> None:
    optional: Any = dict[str, int] | None
    assert (None, False) == ((absent := OutputReader(optional)(state(), ENDPOINT)).output, absent.has_output)
    assert (None, True) == ((null := OutputReader(optional)(state(output=None), ENDPOINT)).output, null.has_output)
    with pytest.raises(JobOutputError, match="without output") as info:
        OutputReader(Horse)(state(), ENDPOINT)
    assert "raw output" not in str(info.value)


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "FAILED", "CANCELLED", "TIMED_OUT", "NEW"])
def test_only_the_output_of_a_completed_job_is_read(status: str) -> None:
    found = state(status=status, output="half")
    assert found is OutputReader(Horse)(found, ENDPOINT)


def test_without_an_output_type_the_output_is_as_it_came() -> None:
    reader: OutputReader[Any] = OutputReader(None)
    assert {"a": 1} == reader(state(output={"a": 1}), ENDPOINT).output


class NotForPydantic:
    pass


@pytest.mark.parametrize(
    "bad",
    [NotForPydantic, list[NotForPydantic], 5, [int], "NoSuchType", list[ForwardRef("NoSuchType")]],  # type: ignore[misc]
    ids=str,
)
def test_an_output_type_that_pydantic_cannot_handle_is_refused_before_anything_is_sent(bad: Any) -> None:
    with pytest.raises(InvalidRequestError, match="output_type") as info:
        OutputReader(bad)
    assert info.value.__context__ is None


# --- anything ---------------------------------------------------------------------------------


def outcome_of(reader: Any) -> object:
    try:
        return reader()
    except RunpodError as error:
        return error


NAMES = "id status output error delayTime delay_time workerId retries stream jobs workers removed"
fields = st.sampled_from(NAMES.split())
bodies = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: json.dumps(text).encode()),
    plain_json.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(fields | st.text(max_size=5), plain_json | st.floats()).map(
        lambda value: json.dumps(value).encode()
    ),
    st.dictionaries(fields, st.text(st.characters())).map(lambda value: json.dumps({"id": JOB, **value}).encode()),
    st.lists(st.dictionaries(st.text(st.characters(), max_size=3), plain_json)).map(
        lambda value: json.dumps({"status": "X", "stream": value}).encode()
    ),
    st.integers(0, 60).map(lambda cut: job("COMPLETED", output=[1]).body[:cut]),
)


@given(body=bodies, call=st.sampled_from([STATUS_CALL, RUN_CALL, STREAM_CALL, Call(HEALTH, ENDPOINT)]))
def test_any_bytes_become_a_model_or_our_error(body: bytes, call: Call) -> None:
    answer = Answer(200, {}, body)
    readers: list[Any] = [lambda: read_job(answer, call), lambda: read_stream(answer, call)]
    readers += [lambda model=model: read(model, answer, call) for model in (EndpointHealth, PurgeResult)]
    for reader in readers:
        found = outcome_of(reader)
        assert repr(found)
        if isinstance(found, Exception):
            assert APIResponseError is type(found)
            assert str(found).isprintable()
            assert body.decode("utf-8", "replace") == found.body  # type: ignore[attr-defined]
