"""Tests of decoding successful responses into models or errors."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Any, ForwardRef

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr, create_model, field_validator
from typing_extensions import TypedDict

from runpod import APIResponseError, EndpointHealth, InvalidRequestError, JobOutputError, JobState, PurgeResult
from runpod._protocol.decoding import OutputReader, is_status_only, parse, parse_job, parse_stream
from runpod._protocol.management import new_call
from runpod._protocol.operations import HEALTH, PURGE_QUEUE, RETRY, RUN, RUN_SYNC, STATUS, STREAM, Call
from runpod._protocol.outcomes import Response
from runpod.models.management.pods import Pod
from tests.unit.simulation import ENDPOINT, JOB, job, plain_json, reply

STATUS_CALL = Call(STATUS, ENDPOINT, JOB)
STREAM_CALL = Call(STREAM, ENDPOINT, JOB)
RUN_CALL = Call(RUN, ENDPOINT, body=b'{"input":{"prompt":"PLANTED-INPUT"}}')


def state(**fields: Any) -> JobState[Any]:
    return parse_job(reply({"id": JOB, "status": "COMPLETED", **fields}), STATUS_CALL)


@pytest.mark.fact("protocol 2: empty status")
@pytest.mark.parametrize(
    ("words", "bodies"),
    [
        ("it is HTML", ["<html><title>Welcome</title></html>"]),
        ("it is empty", [b" \n"]),
        ("it is not valid JSON, or truncated", ['{"id": "x", "output": {"a', '{"id": "x", "status": "X"}{}', b'{"a": "\xff"}', "[" * 100_000]),
        ("Input should be a valid dictionary", ["null", '[{"status": "COMPLETED"}]']),
        ("id is missing", ['{"status": "COMPLETED"}']),
        ("id is blank", ['{"id": "", "status": "COMPLETED"}', '{"id": " ", "status": "IN_QUEUE"}']),
        ("id: Input should be a valid string", ['{"id": "\\ud800", "status": "X"}', '{"id": true, "status": "COMPLETED"}', '{"id": null, "status": "X"}']),
        ("status: String should have", ['{"id": "job-1", "status": ""}']),
        ("status: Input should be", ['{"id": "job-1", "status": 5}']),
        # An error of a gateway, unless it has an ID.
        ("it is an error: 'down\\\\x07'", ['{"error": "down\\u0007"}', '{"message": "down\\u0007", "status": "X"}']),
        ("status is missing", ['{"id": "job-1"}', '{"id": "job-1", "error": "x"}']),
    ],
)  # fmt: skip
def test_an_invalid_response_is_an_error_with_the_body(words: str, bodies: list[Any]) -> None:
    for body, call in product(bodies, (STATUS_CALL, RUN_CALL)):
        response = Response(200, {"cf-ray": "8a1"}, body if isinstance(body, bytes) else body.encode())
        with pytest.raises(APIResponseError) as info:
            parse_job(response, call)
        error = info.value
        assert (200, "8a1", response.text) == (error.status_code, error.request_id, error.body)
        assert (call is RUN_CALL, call is STATUS_CALL) == (error.maybe_submitted, error.retryable)
        assert f"got HTTP 200 with an unusable body: {words}" in str(error).replace("Invalid JobState: ", "", 1)
        assert "Check that base_url is the address" in str(error)
        assert "PLANTED" not in str(error) + repr(vars(error))


def test_an_invalid_response_that_quotes_the_request() -> None:
    env = 'PLANTED "text" ü'
    call = new_call("manage.pods.create", "POST", ["pods"], fields={"env": {"TOKEN": env}})
    quoted = (call.body or b"").decode()
    for fields in ({"error": f"Bearer KEY {quoted}"}, {"error": env}, {"env": {"TOKEN": env}, "key": "KEY"}):
        response = Response(200, {}, json.dumps(fields).encode(), secret=SecretStr("KEY"))
        with pytest.raises(APIResponseError, match="unusable body") as info:
            parse(Pod, response, call)
        shown = str(info.value) + repr(vars(info.value))
        assert "[hidden]" in info.value.body
        assert not [secret for secret in ("PLANTED", "KEY") if secret in shown]


def test_an_invalid_response_with_secrets_of_its_own() -> None:
    call = new_call("manage.pods.get", "GET", ["pods", "abc"])
    with pytest.raises(APIResponseError, match="id is missing") as info:
        parse(Pod, Response(200, {}, b'{"name": "a", "env": {"TOKEN": "PLANTED"}}'), call)
    assert '{"name": "a", "env": {"TOKEN": "[hidden]"}}' == info.value.body
    # Nested as deeply as JSON may be, they are only kept out of the message.
    with pytest.raises(APIResponseError, match="id is missing") as info:
        parse(Pod, Response(200, {}, f'{{"env": {"[" * 900}"PLANTED"{"]" * 900}}}'.encode()), call)
    assert "PLANTED" not in str(info.value)


@pytest.mark.fact("protocol 1.4: response without an ID")
@pytest.mark.parametrize(
    ("call", "body", "words"),
    [
        (RUN_CALL, '{"id": "sync-1"}', "A job may have been submitted with the ID 'sync-1'; submitting again may run it twice."),
        (Call(RUN_SYNC, ENDPOINT), '{"id":"sync-1","status":"COMPLETED","output":{"a', "submitted with the ID 'sync-1';"),
        (RUN_CALL, "[]", "A job may have been submitted; submitting again may run it twice."),
        (Call(RETRY, ENDPOINT, JOB), '{"id": "sync-1"}', "The request may have been executed, and sending it again may execute"),
        (Call(PURGE_QUEUE, ENDPOINT), "[]", "The request may have been executed"),
    ],
)  # fmt: skip
def test_an_invalid_response_to_a_submission_sets_maybe_submitted(call: Call, body: str, words: str) -> None:
    with pytest.raises(APIResponseError) as info:
        parse_job(reply(body), call)
    assert (words in str(info.value), True) == (True, info.value.maybe_submitted)
    assert (call.job_id or ("sync-1" if "sync-1" in words else None)) == info.value.job_id


def test_a_response_for_another_job_is_an_error() -> None:
    with pytest.raises(APIResponseError, match="it is about another job, 'other-job'") as info:
        parse_job(job("COMPLETED", id="other-job"), STATUS_CALL)
    assert JOB == info.value.job_id
    with pytest.raises(APIResponseError, match="unusable body: it is too large"):
        parse_job(Response(200, {}, job("COMPLETED").body, problem="it is too large."), STATUS_CALL)


@pytest.mark.fact("protocol 1.7: optional fields")
def test_unknown_fields_and_unusual_strings_are_kept() -> None:
    unknown = {"tomorrow": {"a": [1]}, "webhook": "https://x.example", "started": "yes", "model_config": 1}
    found = state(**unknown)
    assert (unknown, True) == (found.model_extra, found.started)
    found = state(workerId="\ud800", error="\ud800")
    assert ("\ud800", "\ud800") == (found.worker_id, found.error)


@pytest.mark.fact("protocol 1.7: milliseconds")
@pytest.mark.parametrize(
    ("wire", "milliseconds", "count"),
    [
        *[(31618, 31618, 31618), (" 5 ", 5, 5), (1.5, 1.5, 1), (0, 0, 0), (-5, -5, -5), (10**30, None, 10**30)],
        *[(nonsense, None, None) for nonsense in (None, "soon", True, [], "1e999")],
    ],
)
def test_times_are_milliseconds_and_invalid_ones_ignored(wire: Any, milliseconds: Any, count: Any) -> None:
    found = state(output="the result", delayTime=wire, executionTime=wire, retries=wire)
    expected = None if milliseconds is None else timedelta(milliseconds=milliseconds)
    assert (expected, expected, count) == (found.delay_time, found.execution_time, found.retries)
    assert "the result" == found.output


@pytest.mark.fact("protocol 1.0: large integers")
@pytest.mark.parametrize(
    ("output", "expected"),
    [
        *[(str(number), number) for number in (2**64 + 1, 12345678901234567890123)],
        ('{"\\ud800": ["a\\udfffb"]}', {"\ud800": ["a\udfffb"]}),
        ("[" * 300 + "]" * 300, json.loads("[" * 300 + "]" * 300)),
        ("1e999", float("inf")),
    ],
)
def test_json_that_only_python_can_parse(output: str, expected: Any) -> None:
    for mark in ("", "\ufeff"):
        body = f'{mark}{{"id":17,"status":"X","delayTime":NaN,"retries":-Infinity,"workerId":5,"output":{output}}}'
        found = parse_job(reply(body), RUN_CALL)
        assert json.loads(output) == expected == found.output
        assert ("17", "5", None, None) == (found.id, found.worker_id, found.delay_time, found.retries)


def test_a_response_with_only_a_final_status() -> None:
    bare = [{"status": "COMPLETED"}, {"status": "FAILED"}]
    detailed = [{"status": "CANCELLED"}, {"status": "X"}, {"status": "FAILED", "error": "x"}, {"output": None}]
    assert [True] * 2 + [False] * 4 == [is_status_only(state(**fields)) for fields in bare + detailed]


@pytest.mark.fact("protocol 3: envelope", "protocol 3: bare list", "protocol 3: metrics")
@pytest.mark.parametrize(
    ("body", "status", "outputs"),
    [
        ({"status": "IN_PROGRESS", "stream": [{"output": 1}, {"output": None}, {}]}, "IN_PROGRESS", [1, None, None]),
        ({"status": "completed", "stream": []}, "COMPLETED", []),
        ({"status": "SOMETHING_NEW", "stream": ["bare"]}, "SOMETHING_NEW", ["bare"]),
        ({"status": "IN_QUEUE"}, "IN_QUEUE", []),
        ({"status": "IN_QUEUE", "stream": None, "error": "x"}, "IN_QUEUE", []),
        ({"stream": [{"output": 1}]}, None, [1]),
        ({"status": "", "stream": [{"output": 1}]}, None, [1]),
        ({"status": 5, "stream": None}, None, []),
        ([{"output": [2]}, 3], None, [[2], 3]),
        ('{"stream":[{"output":"\\ud800"},{"output":1,"metrics":2,"\\ud800":3}]}', None, ["\ud800", 1]),
        ({"stream": [None, {"output": 1, "metrics": 2, "new": 3}]}, None, [None, 1]),
    ],
)
def test_stream_responses(body: Any, status: str | None, outputs: list[Any]) -> None:
    found, chunks = parse_stream(reply(body), STREAM_CALL)
    assert (status, outputs) == (found, [chunk.output for chunk in chunks])
    assert "metrics" not in str(body) or chunks[1].metrics == 2
    assert "new" not in str(body) or {"new": 3} == chunks[1].model_extra


@pytest.mark.parametrize(
    ("words", "bodies"),
    [
        ("it is HTML", ["<html>"]),
        ("its stream is not a list", ["5", '{"status":"X","stream":{}}', '{"status":"X","stream":"a"}']),
        ("it has neither a status nor a stream", ["{}", '{"id":"x","error":"down"}']),
        ("it is an error: 'down'", ['{"error":"down"}']),
    ],
)
def test_invalid_stream_responses(words: str, bodies: list[str]) -> None:
    for body in bodies:
        with pytest.raises(APIResponseError, match=words) as info:
            parse_stream(reply(body), STREAM_CALL)
        assert (JOB, False) == (info.value.job_id, info.value.maybe_submitted)


@pytest.mark.fact("protocol 1.10: missing counts")
def test_health_and_purge_defaults_and_unknown_fields() -> None:
    body = {"jobs": {"inQueue": "3", "completed": None, "lost": 7}, "workers": {"idle": 2}, "ready": True}
    found = parse(EndpointHealth, reply(body), Call(HEALTH, ENDPOINT))
    assert (3, 0, 0) == (found.jobs.in_queue, found.jobs.completed, found.jobs.failed)
    assert (2, 0) == (found.workers.idle, found.workers.unhealthy)
    assert ({"lost": 7}, {"ready": True}) == (found.jobs.model_extra, found.model_extra)
    for body, removed, status in (({"removed": "2", "status": "done"}, 2, "done"), ({"removed": None}, None, None)):
        purged = parse(PurgeResult, reply(body), Call(PURGE_QUEUE, ENDPOINT))
        assert (removed, status) == (purged.removed, purged.status)
    # No field is required, but an error object is still rejected.
    for model, call in ((EndpointHealth, Call(HEALTH, ENDPOINT)), (PurgeResult, Call(PURGE_QUEUE, ENDPOINT))):
        with pytest.raises(APIResponseError, match="it is an error: 'down'"):
            parse(model, reply({"error": "down"}), call)
        assert "done" == parse(model, reply({"message": "done"}), call).model_extra["message"]


class Horse(BaseModel):
    name: str
    size: int = 0

    @field_validator("name")
    @classmethod
    def raise_error(cls, name: str) -> str:
        if name == "raise":
            raise RuntimeError(name)
        return name


StrictDay: Any = create_model("StrictDay", __config__=ConfigDict(strict=True), day=(date, ...))
Row = TypedDict("Row", {"x": int})  # noqa: UP013


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("output_type", "wire", "expected"),
    [
        (Horse, {"name": "Bucephalus", "size": 7}, Horse(name="Bucephalus", size=7)),
        (list[Horse], [{"name": "a"}], [Horse(name="a")]),
        (int, "5", 5),
        (StrictDay, {"day": "2026-01-02"}, StrictDay(day=date(2026, 1, 2))),
        (Point, {"x": 1}, Point(1)),
        (Row, {"x": 1}, {"x": 1}),
        (dict[str, int] | None, None, None),
        (Any, {"a": 1}, {"a": 1}),
        (None, {"a": 1}, {"a": 1}),
        (str, "\ud800", "\ud800"),
    ],
)
def test_output_type(output_type: Any, wire: Any, expected: Any) -> None:
    reader: Any = OutputReader(output_type)
    for each in (reader, pickle.loads(pickle.dumps(reader))):
        found = each(state(output=wire, tomorrow=1), ENDPOINT)
        assert (expected, type(expected)) == (found.output, type(found.output))
        assert ({"tomorrow": 1}, True) == (found.model_extra, found.has_output)


@pytest.mark.parametrize(
    ("output_type", "fields", "words"),
    [
        (Horse, {"output": {"name": "x", "size": "PLANTED"}}, "does not match output_type: size: Input"),
        (Horse, {"output": {"name": "raise"}}, "its validator raised RuntimeError. The raw output is in error.state.output."),
        (StrictDay, {"output": {"day": 5}}, "output_type: day: "),
        (list[int], {"output": None}, "output_type: Input should be a valid "),
        (Horse, {}, "completed without output, which does not match output_type"),
    ],
)  # fmt: skip
def test_an_invalid_output_is_an_error_with_the_raw_output(output_type: Any, fields: Any, words: str) -> None:
    raw = state(**fields)
    with pytest.raises(JobOutputError) as info:
        OutputReader(output_type)(raw, ENDPOINT)
    error = info.value
    assert (raw, JOB, ENDPOINT) == (error.state, error.job_id, error.endpoint_id)
    assert words in str(error)
    assert "PLANTED" not in str(error)
    assert ("error.state.output" in str(error)) == bool(fields)


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "FAILED", "CANCELLED", "TIMED_OUT", "NEW"])
def test_output_type_applies_only_to_completed_jobs(status: str) -> None:
    found, absent, optional = state(status=status, output="half"), state(), dict[str, int] | None
    assert found is OutputReader(Horse)(found, ENDPOINT)
    assert absent is OutputReader[Any](optional)(absent, ENDPOINT)  # type: ignore[arg-type]


class NotForPydantic:
    pass


UNUSABLE: dict[str, Any] = {"NotForPydantic": NotForPydantic, "list[tests": list[NotForPydantic], "5": 5}
UNUSABLE |= {"[<class 'int'>]": [int], "'NoSuchType'": "NoSuchType", "list[ForwardRef(": list[ForwardRef("NoSuchType")]}  # type: ignore[misc]


@pytest.mark.parametrize(("name", "bad"), UNUSABLE.items())
def test_an_unsupported_output_type_is_rejected(name: str, bad: Any) -> None:
    with pytest.raises(InvalidRequestError) as info:
        OutputReader(bad)
    assert f"output_type: pydantic cannot validate {name}" in str(info.value)
    assert info.value.__cause__ is None


fields = st.sampled_from(["id", "status", "output", "error", "delayTime", "workerId", "retries", "stream", "jobs"])
bodies = st.one_of(
    st.binary(max_size=200),
    st.one_of(
        plain_json,
        st.dictionaries(fields | st.text(max_size=5), plain_json | st.floats()),
        st.dictionaries(fields, st.text(st.characters())).map(lambda value: {"id": JOB, **value}),
        st.lists(st.dictionaries(st.text(st.characters(), max_size=3), plain_json)).map(lambda each: {"stream": each}),
    ).map(lambda value: json.dumps(value).encode()),
    st.integers(0, 60).map(lambda cut: job("COMPLETED", output=[1]).body[:cut]),
)


@given(body=bodies, call=st.sampled_from([STATUS_CALL, RUN_CALL]))
def test_any_bytes_become_a_model_or_a_runpod_error(body: bytes, call: Call) -> None:
    response = Response(200, {}, body)
    readers = [lambda model=model: parse(model, response, call) for model in (EndpointHealth, PurgeResult)]
    for reader in (lambda: parse_job(response, call), lambda: parse_stream(response, call), *readers):
        try:
            found: Any = reader()
        except APIResponseError as error:
            found = error
        assert repr(found)
        assert not isinstance(found, Exception) or (str(found).isprintable() and response.text == found.body)
