"""From what a caller passed to the bytes of a submission."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict, UserDict, deque
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from runpod import ExecutionPolicy, InvalidRequestError, JobRequest, S3Config
from runpod._protocol.encoding import encode, is_empty_input, job_request

PLANTED = "PLANTED-INPUT"
KEYWORDS: dict[str, Any] = {"input": None, "policy": None, "webhook": None, "s3_config": None}
S3 = {"accessId": "id", "accessSecret": "hush", "bucketName": "b", "endpointUrl": "https://s3.example"}


def request(positional: Any = None, **keywords: Any) -> JobRequest:
    return job_request(positional, **{**KEYWORDS, **keywords})


def wire(positional: Any = None, **keywords: Any) -> Any:
    return json.loads(encode(request(positional, **keywords)))


def refused(positional: Any = None, **keywords: Any) -> str:
    with pytest.raises(InvalidRequestError) as info:
        encode(request(positional, **keywords))
    assert PLANTED not in str(info.value) + repr(info.value)
    # The errors below can quote the input.
    assert info.value.__cause__ is None
    assert info.value.__context__ is None
    assert not info.value.maybe_submitted
    return str(info.value)


class Prompt(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    text: str = "a horse"
    num_steps: int = Field(default=20, alias="numSteps")
    at: datetime | None = None


class Weight(BaseModel):
    value: float


class Unwritable(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    thing: object = PLANTED


class Colour(str, enum.Enum):
    BAY = "bay"


# --- both forms -------------------------------------------------------------------------------


def test_both_forms_put_the_same_on_the_wire() -> None:
    expected = {
        "input": {"prompt": "a horse"},
        "policy": {"executionTimeout": 3000, "lowPriority": True, "ttl": 60000},
        "webhook": "https://hooks.example/x?token=1",
        "s3Config": S3,
    }
    policy = ExecutionPolicy(execution_timeout=timedelta(seconds=3), low_priority=True, ttl=timedelta(minutes=1))
    s3 = S3Config(access_id="id", access_secret="hush", bucket_name="b", endpoint_url="https://s3.example")
    hook = "https://hooks.example/x?token=1"
    prompt = {"prompt": "a horse"}
    assert expected == wire(expected)
    assert expected == wire(MappingProxyType(expected))
    assert expected == wire(JobRequest(input=prompt, policy=policy, webhook=hook, s3_config=s3))
    assert expected == wire({"input": prompt, "policy": policy, "webhook": hook, "s3Config": s3})
    assert expected == wire(input=prompt, policy=policy, webhook=hook, s3_config=s3)
    assert expected == wire(input=prompt, policy=expected["policy"], webhook=hook, s3_config=S3)


def test_what_is_not_given_is_not_sent() -> None:
    assert {"input": {"n": 1}} == wire({"input": {"n": 1}, "policy": None, "webhook": None, "s3Config": None})
    assert {"input": {"n": 1}, "policy": {}} == wire(input={"n": 1}, policy=ExecutionPolicy())
    assert {"input": {"n": 1}, "policy": {"ttl": 5}} == wire(input={"n": 1}, policy={"ttl": 5})


def test_the_body_is_compact_utf_8() -> None:
    assert '{"input":{"prompt":"馬 é \\u0000"}}'.encode() == encode(request(input={"prompt": "馬 é \x00"}))


def test_fields_without_documentation_are_passed_on() -> None:
    body = {"input": {"n": 1}, "webhookV2": "anything", "s3Config": {**S3, "objectPath": "p"}}
    assert body == wire(body)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3000, 3000),
        (3000.4, 3000),
        (timedelta(seconds=3), 3000),
        (timedelta(milliseconds=1.6), 2),
        (timedelta(days=8), 691_200_000),
        (1, 1),
    ],
)
@pytest.mark.parametrize("name", ["executionTimeout", "execution_timeout", "ttl"])
def test_a_duration_is_a_timedelta_or_milliseconds(given: Any, expected: int, name: str) -> None:
    key = "ttl" if name == "ttl" else "executionTimeout"
    assert {"input": {"n": 1}, "policy": {key: expected}} == wire({"input": {"n": 1}, "policy": {name: given}})


@pytest.mark.parametrize(
    "bad", [0, -1, 0.0, -0.5, 0.3, timedelta(0), timedelta(-1), math.nan, math.inf, "5000", True, [1]]
)
@pytest.mark.parametrize("name", ["executionTimeout", "ttl"])
def test_a_bad_duration_is_refused_by_name(bad: Any, name: str) -> None:
    message = refused({"input": {"n": 1}, "policy": {name: bad}})
    assert name in message
    assert "milliseconds" in message


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"input": {}, "policy": {"lowPriority": "yes"}}, "lowPriority"),
        ({"input": {}, "policy": {"lowPriority": 1}}, "lowPriority"),
        ({"input": {}, "policy": 5}, "policy"),
        ({"input": {}, "policy": [1]}, "policy"),
        ({"input": {}, "policy": {5: 1}}, "policy"),
        ({"input": {}, "s3Config": {**S3, None: 1}}, "s3"),
        ({"input": {}, "policy": {"execution_timout": 5}}, "execution_timeout"),
        ({"input": {}, "s3Config": {k: v for k, v in S3.items() if k != "bucketName"}}, "bucket_name is missing"),
        ({"input": {}, "s3Config": {**S3, "bucketName": 5}}, "bucketName"),
        ({"input": {}, "s3Config": {**S3, "accessSecret": ""}}, "accessSecret"),
        ({"input": {}, "s3Config": "s3://"}, "s3"),
        ({"input": {}, "webhook": 5}, "webhook"),
        ({"input": {}, "webhook": "hooks.example/x"}, "webhook must be a whole URL"),
        ({"input": {}, "webhook": "ftp://hooks.example"}, "webhook"),
        ({"input": {}, "webhook": "https://"}, "webhook"),
        ({"input": {}, "webhook": "https://hooks.example/a b"}, "webhook"),
        ({"input": {}, "webhook": ""}, "webhook"),
    ],
)
def test_a_bad_field_is_refused_by_name(request_: Any, expected: str) -> None:
    assert expected in refused(request_)


def test_a_secret_is_not_in_a_message_about_its_neighbour() -> None:
    s3 = {**S3, "accessSecret": PLANTED, "accessId": PLANTED, "bucketName": 5, "nonsense": PLANTED}
    message = refused({"input": {"prompt": PLANTED}, "s3Config": s3, "webhook": f"no url {PLANTED}"})
    assert "bucketName" in message


# --- the envelope -----------------------------------------------------------------------------


@pytest.mark.parametrize("positional", [{}, {"prompt": PLANTED}, {"policy": {"ttl": 5}}, {"inputs": {}}, {5: 1}])
def test_a_mapping_without_input_is_refused_with_the_keyword_form(positional: Any) -> None:
    message = refused(positional)
    assert "'input'" in message
    assert "run(input={" in message


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("polcy", "policy"),
        ("webHook", "webhook"),
        ("s3_config", "s3Config"),
        ("Webhook_v2", "webhookV2"),
        ("inptu", "input"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(key: str, nearest: str) -> None:
    message = refused({"input": {"n": 1}, key: {}})
    assert repr(key) in message
    assert f"did you mean {nearest!r}?" in message


@pytest.mark.parametrize("key", ["timeout", "id", "", 5, None, ("a",)])
def test_an_unknown_key_without_a_neighbour_is_named_with_the_known_ones(key: Any) -> None:
    message = refused({"input": {"n": 1}, key: 5})
    assert repr(key) in message
    assert "input, policy, webhook, webhookV2, s3Config" in message


@pytest.mark.parametrize(
    "keywords",
    [{"input": {"n": 1}}, {"policy": ExecutionPolicy()}, {"webhook": "https://x.example"}, {"s3_config": S3}],
)
@pytest.mark.parametrize("positional", [{"input": {"n": 1}}, JobRequest(input={"n": 1}), {}])
def test_both_forms_at_once_are_refused(positional: Any, keywords: Any) -> None:
    message = refused(positional, **keywords)
    assert "one form" in message
    assert next(iter(keywords)) in message


@pytest.mark.parametrize("keywords", [{}, {"policy": ExecutionPolicy()}, {"webhook": "https://x.example"}])
def test_neither_form_is_refused(keywords: Any) -> None:
    assert "run(input={" in refused(**keywords)


@pytest.mark.parametrize("positional", ["text", 5, [{"input": {}}], b"{}", {1}, Prompt(), ExecutionPolicy()])
def test_a_positional_request_of_another_kind_is_refused(positional: Any) -> None:
    message = refused(positional)
    assert type(positional).__name__ in message
    assert "run(input={" in message


# --- the input --------------------------------------------------------------------------------

cycle: dict[str, Any] = {"a": [PLANTED]}
cycle["a"].append(cycle)
deep: dict[str, Any] = {}
for _ in range(99):
    deep = {"d": deep}
deep_list: list[Any] = []
for _ in range(99):
    deep_list = [deep_list]

BAD_INPUTS: dict[str, tuple[Any, str, str]] = {
    "a list": ([1, 2], "input", "list"),
    "a string": (PLANTED, "input", "str"),
    "a number": (5, "input", "int"),
    "bytes": (b"x", "input", "bytes"),
    "a tuple": ((("a", 1),), "input", "tuple"),
    "NaN": ({"a": {"b": [1.0, math.nan]}}, "input.a.b[1]", "nan"),
    "infinity": ({"a": -math.inf}, "input.a", "-inf"),
    "inner bytes": ({"image": {"data": b"x"}}, "input.image.data", "base64"),
    "a bytearray": ({"a": bytearray(b"x")}, "input.a", "bytearray"),
    "a memoryview": ({"a": memoryview(b"x")}, "input.a", "memoryview"),
    "a set": ({"tags": {PLANTED}}, "input.tags", "list"),
    "a frozenset": ({"tags": frozenset()}, "input.tags", "frozenset"),
    "a cycle": (cycle, "input.a[1]", "contains itself"),
    "a key that is no text": ({"a": [{1: PLANTED}]}, "input.a[0]", "int"),
    "a key None": ({None: 1}, "input", "NoneType"),
    "100 levels": (deep, "input.d.d", "nested deeper"),
    "100 levels of lists": ({"a": deep_list}, "input.a[0]", "nested deeper"),
    "a date": ({"at": datetime.now(timezone.utc)}, "input.at", "datetime"),
    "an object": ({"a": [object()]}, "input.a[0]", "object"),
    "a complex number": ({"a": 5j}, "input.a", "complex"),
    "a generator": ({"a": (n for n in "ab")}, "input.a", "generator"),
    "an odd key": ({"a b": {"c.d": math.nan}}, "input['a b']['c.d']", "nan"),
    "a lone surrogate": ({"a": "\ud800"}, "surrogate", "UTF-8"),
    "a lone surrogate in a key": ({"\udfff": 1}, "surrogate", "UTF-8"),
    "a bad model": (Weight(value=math.nan), "input.value", "nan"),
    "a bad model inside": ({"a": [Weight(value=math.nan)]}, "input.a[0]", "JSON"),
    "a model that cannot be written": (Unwritable(thing=object()), "input", "Unwritable"),
    "a model inside that cannot be written": ({"a": Unwritable(thing=object())}, "input", "Unwritable"),
}


@pytest.mark.parametrize(("bad", "where", "what"), BAD_INPUTS.values(), ids=BAD_INPUTS)
@pytest.mark.parametrize("form", ["keyword", "mapping", "model"])
def test_an_input_that_cannot_be_sent_is_refused_with_the_place_of_the_trouble(
    bad: Any, where: str, what: str, form: str
) -> None:
    if form == "keyword":
        message = refused(input=bad)
    else:
        message = refused({"input": bad} if form == "mapping" else JobRequest(input=bad))
    assert where in message
    assert what in message
    assert len(message) < 400


@pytest.mark.parametrize("positional", [{"input": None}, JobRequest(input=None)])  # type: ignore[arg-type]
def test_an_input_of_none_is_refused(positional: Any) -> None:
    assert "input must be a mapping" in refused(positional)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"a": None, "b": True, "c": 1.5, "d": [1, [2]], "e": {"f": "g"}}, None),
        ({"n": 2**63, "m": -(2**80), "f": 1e308}, None),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=1), {"a": 1}),
        (MappingProxyType({"a": MappingProxyType({"b": (1, 2)})}), {"a": {"b": [1, 2]}}),
        ({"a": deque([1, 2]), "b": range(3)}, {"a": [1, 2], "b": [0, 1, 2]}),
        ({"colour": Colour.BAY}, {"colour": "bay"}),
        (Prompt(), {"text": "a horse", "numSteps": 20, "at": None}),
        (
            {"prompts": [Prompt(numSteps=5, at=datetime(2026, 1, 2, tzinfo=timezone.utc))]},
            {"prompts": [{"text": "a horse", "numSteps": 5, "at": "2026-01-02T00:00:00Z"}]},
        ),
        ({"same": [shared := {"a": 1}, shared]}, {"same": [{"a": 1}, {"a": 1}]}),
    ],
)
def test_an_input_is_any_mapping_or_model_that_json_can_hold(given: Any, expected: Any) -> None:
    assert {"input": given if expected is None else expected} == wire(input=given)


@pytest.mark.parametrize(("given", "expected"), [({}, True), (UserDict(), True), ({"a": 1}, False), (Prompt(), False)])
def test_an_empty_input_is_known(given: Any, expected: bool) -> None:
    assert expected == is_empty_input(request(input=given))


def test_encoding_changes_nothing_of_the_callers() -> None:
    given = {"input": {"a": [1, {"b": 2}]}, "policy": {"ttl": 5}}
    before = json.dumps(given)
    assert json.loads(before) == wire(given)
    assert before == json.dumps(given)


json_objects = st.dictionaries(
    st.text(st.characters(codec="utf-8")),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    ),
)


@given(json_objects)
def test_whatever_json_can_hold_arrives_as_it_was(given: dict[str, Any]) -> None:
    assert {"input": given} == wire(input=given)


odd = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers(), st.datetimes()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(st.text(max_size=3) | st.integers() | st.none() | st.binary(), inner, max_size=3),
        st.builds(lambda value: Unwritable(thing=value), inner),
    ),
)


def encoded_or_refused(**arguments: Any) -> object:
    try:
        return json.loads(encode(request(**arguments)))
    except InvalidRequestError as error:
        return str(error)


@given(positional=odd | st.dictionaries(st.sampled_from(["input", "policy", "webhook", "x"]), odd), given=odd)
def test_anything_at_all_is_encoded_or_refused(positional: Any, given: Any) -> None:
    for arguments in ({"positional": positional}, {"input": given}, {"input": {"a": 1}, "policy": given}):
        assert encoded_or_refused(**arguments)
