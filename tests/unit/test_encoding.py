"""Tests of encoding submissions."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict, UserDict, deque
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretBytes, SecretStr, create_model, field_serializer

from runpod import ExecutionPolicy, InvalidRequestError, JobRequest, S3Config
from runpod._protocol.encoding import submission

PLANTED = "PLANTED-INPUT"
KEYWORDS: dict[str, Any] = {"input": None, "policy": None, "webhook": None, "s3_config": None}
S3 = {"accessId": "id", "accessSecret": "hush", "bucketName": "b", "endpointUrl": "https://s3.example"}


def sent(positional: Any = None, **keywords: Any) -> bytes:
    return submission(positional, **{**KEYWORDS, **keywords}).content()


def wire(positional: Any = None, **keywords: Any) -> Any:
    return json.loads(sent(positional, **keywords))


def refused(positional: Any = None, **keywords: Any) -> str:
    with pytest.raises(InvalidRequestError) as info:
        submission(positional, **{**KEYWORDS, **keywords})
    assert PLANTED not in str(info.value) + repr(info.value)
    # The cause could quote the input.
    assert info.value.__cause__ is None
    assert not info.value.maybe_submitted
    assert len(str(info.value)) < 400
    return info.value.message


def test_both_call_forms_send_the_same_body() -> None:
    prompt, hook = {"prompt": "a horse"}, "https://hooks.example/x?token=1"
    policy = ExecutionPolicy(execution_timeout=timedelta(seconds=3), low_priority=True, ttl=timedelta(minutes=1))
    s3 = S3Config(access_id="id", access_secret="hush", bucket_name="b", endpoint_url="https://s3.example")
    wired = {"executionTimeout": 3000, "lowPriority": True, "ttl": 60000}
    expected = {"input": prompt, "policy": wired, "webhook": hook, "s3Config": S3}
    for request in (expected, MappingProxyType(expected), {**expected, "policy": policy, "s3Config": s3}):
        assert expected == wire(request)
    assert expected == wire(JobRequest(input=prompt, policy=policy, webhook=hook, s3_config=s3))
    assert expected == wire(input=prompt, policy=policy, webhook=hook, s3_config=s3)
    assert expected == wire(input=prompt, policy=wired, webhook=hook, s3_config=S3)


@pytest.mark.fact("protocol 1.2: webhookV2", "protocol 1.2: objectPath")
def test_only_given_fields_are_sent() -> None:
    policy = {"executionTimeout": None, "ttl": 60_000, "lowPriority": None}
    assert {"ttl": 60_000} == wire({"input": {"n": 1}, "policy": policy})["policy"]
    request = JobRequest(input={"n": 1}, policy=ExecutionPolicy(ttl=timedelta(minutes=1)))
    assert request == JobRequest.model_validate_json(request.model_dump_json(by_alias=True))
    assert {"input": {"n": 1}} == wire({"input": {"n": 1}, "policy": None, "webhook": None, "s3Config": None})
    assert {"input": {"n": 1}, "policy": {}} == wire(input={"n": 1}, policy=ExecutionPolicy())
    body = {"input": {"n": 1}, "webhookV2": "anything", "s3Config": {**S3, "objectPath": "p"}, "policy": {"ttl": 5}}
    assert body == wire(body)
    for hook in (None, "https://hooks.example"):
        assert b'{"input":{"prompt":"\xe9\xa6\xac \\u0000"}' in sent(input={"prompt": "馬 \x00"}, webhook=hook)


@pytest.mark.fact("protocol 1.2: execution timeout", "protocol 1.2: long policies")
def test_durations_are_timedelta_or_milliseconds_in_wire_format() -> None:
    for span, expected in ((3000.4, 3000), (timedelta(milliseconds=1.6), 2), (timedelta(days=8), 691_200_000), (1, 1)):
        for name in ("executionTimeout", "ttl"):
            assert {name: expected} == wire({"input": {"n": 1}, "policy": {name: span}})["policy"]
    span = timedelta(seconds=3)
    assert {"executionTimeout": 3000} == wire(input={"n": 1}, policy={"execution_timeout": span})["policy"]


@pytest.mark.parametrize("bad", [0, -1, 0.3, timedelta(-1), math.nan, math.inf, 10**400, "5000", True, [1]])
def test_an_invalid_duration_is_reported_with_its_field(bad: Any) -> None:
    for name in ("executionTimeout", "ttl"):
        message = refused({"input": {"n": 1}, "policy": {name: bad}})
        assert name in message
        assert "positive" in message or "at least 1 ms" in message
    # the unit is missing
    assert "must be a timedelta, such as timedelta(seconds=60), not int" in refused(
        input={"n": 1}, policy={"execution_timeout": 60}
    )


@pytest.mark.fact("protocol 1.0: unknown keys", "protocol 1.2: webhook")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        *[({"policy": {"lowPriority": 1}}, "lowPriority"), ({"policy": [1]}, "policy"), ({"s3Config": "s3://"}, "s3")],
        *[({name: {5: 1}}, f"{where} has a key that is not") for name, where in (("policy", "policy"), ("s3Config", "s3_config"))],
        ({"policy": {"execution_timout": 5}}, "did you mean 'execution_timeout'?"),
        ({"s3Config": {k: v for k, v in S3.items() if k != "bucketName"}}, "bucket_name is missing"),
        ({"s3Config": {**S3, "bucketName": 5, "accessSecret": PLANTED, "nonsense": PLANTED}}, "bucketName"),
        *[({"s3Config": {**S3, "accessSecret": ""}}, "accessSecret"), ({"webhook": 5}, "webhook")],
        *[({"webhook": hook}, "webhook must be an absolute URL") for hook in ("", "hooks.example/x", "ftp://hooks.example")],
        *[({"webhook": f"https://{rest}"}, "webhook must be") for rest in ("", "[::1", f"a/{PLANTED} b", "a/\x00")],
        ({"webhookV2": "\ud800"}, "webhookV2 contains a lone surrogate"),
        # Unknown keys are rejected.
        ({"polcy": {}}, "an unknown key 'polcy' (did you mean 'policy'?)"),
        ({"s3_config": {}}, "an unknown key 's3_config' (did you mean 's3Config'?)"),
        *[({key: {}}, f"{key!r}. Allowed keys are input, policy, webhook, webhookV2, s3Config") for key in ("id", 5, None)],
    ],
)  # fmt: skip
def test_an_invalid_field_is_reported_by_name(fields: Any, expected: str) -> None:
    assert expected in refused({"input": {"prompt": PLANTED}, **fields})


@pytest.mark.fact("protocol 1.2: input is an object")
def test_a_missing_input_suggests_the_keyword_form() -> None:
    for positional in ({}, {"prompt": PLANTED}, {"policy": {"ttl": 5}}, {5: 1}):
        message = refused(positional)
        assert "The request has no 'input' key" in message
        assert "run(input={" in message
        assert ("prompt" in positional) == ("(it has 'prompt')" in message)
    for positional in ("text", 5, [{"input": {}}], b"{}", ExecutionPolicy()):
        assert f"a mapping or a JobRequest, not {type(positional).__name__}. To pass the input alone, use" in refused(
            positional
        )
    assert "input must be a mapping, a dataclass or a pydantic model, not None" in refused({"input": None})
    assert "input is missing." in refused()


@pytest.mark.parametrize(
    ("name", "value"),
    [("input", {}), ("policy", ExecutionPolicy()), ("webhook", "https://x.example"), ("s3_config", S3)],
)
def test_mixing_both_call_forms_is_rejected(name: str, value: Any) -> None:
    for positional in ({"input": {"n": 1}}, JobRequest(input={"n": 1}), {}):
        message = refused(positional, **{name: value})
        assert (
            f"Pass either a positional request or keywords, not both: got a positional request and {name}=." == message
        )
    assert name == "input" or "input is missing." in refused(**{name: value})


class Prompt(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    text: str = "a horse"
    num_steps: int = Field(default=20, alias="numSteps")
    at: datetime | None = None


class BrokenMapping(UserDict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("changed meanwhile")


class Color(str, enum.Enum):
    BAY = "bay"


Anything: Any = create_model("Anything", value=(Any, ...))
Speed: Any = create_model("Speed", b=(float, ...))
Opaque: Any = create_model("Opaque", __config__=ConfigDict(arbitrary_types_allowed=True), thing=(object, PLANTED))


class Login(BaseModel):
    name: str = "me"
    password: SecretStr = SecretStr(PLANTED)


class Broken(BaseModel):
    thing: str

    @field_serializer("thing")
    def fail(self, thing: str) -> str:
        raise ValueError(thing)


class Revealed(Login):
    @field_serializer("password", when_used="json")
    def reveal(self, password: SecretStr) -> str:
        return password.get_secret_value()


class Variants(BaseModel):
    once: Iterable[int] | None = None
    weights: dict[str, float | None] = {"a": None}
    prompts: list[Prompt] = [Prompt(at=None)]
    masked: str = "**********"


ALL_SET = Prompt(text="x", num_steps=1, at=datetime(2026, 1, 2, tzinfo=timezone.utc))
AS_SENT = {"text": "x", "numSteps": 1, "at": "2026-01-02T00:00:00Z"}
BARE = {"text": "a horse", "numSteps": 20}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": None, "b": True, "c": 1.5, "d": [1, [2]], "e": {"f": "g"}, "m": -(2**80), "f": 1e308}, None),
        *[(each, {"a": 1}) for each in (OrderedDict(a=1), UserDict(a=1))],
        (MappingProxyType({"a": MappingProxyType({"b": (1, 2)})}), {"a": {"b": [1, 2]}}),
        ({"a": deque([1, 2]), "b": range(3), "colour": Color.BAY}, {"a": [1, 2], "b": [0, 1, 2], "colour": "bay"}),
        ({"same": [shared := {"a": 1}, shared]}, {"same": [{"a": 1}, {"a": 1}]}),
        # An unset None is left out, so that the worker's own default applies. Other defaults are sent.
        *[(Prompt(), BARE), (Prompt(at=None), {**BARE, "at": None}), (ALL_SET, AS_SENT)],
        ({"a": [Prompt(), {"b": Prompt(at=None)}]}, {"a": [BARE, {"b": {**BARE, "at": None}}]}),
        (Anything(value=[Prompt(), {"a": (Prompt(), 1)}]), {"value": [BARE, {"a": [BARE, 1]}]}),
        (Anything(value=RootModel[list[Prompt]]([Prompt(), ALL_SET])), {"value": [BARE, AS_SENT]}),
        (RootModel[dict[str, Prompt]]({"a": Prompt()}), {"a": BARE}),
        (Revealed(), {"name": "me", "password": PLANTED}),
        # Only fields are left out, not entries of a dict, and only if unset. A text of asterisks need not be a secret.
        (Variants(), {"weights": {"a": None}, "prompts": [{**BARE, "at": None}], "masked": "*" * 10}),
    ],
)  # fmt: skip
def test_an_input_is_a_mapping_or_model(given: Any, expected: Any) -> None:
    assert {"input": given if expected is None else expected} == wire(input=given) == wire({"input": given})


def test_an_iterator_in_a_model_is_read_once() -> None:
    # pydantic validates it lazily.
    for make in (lambda: Variants(once=iter([1, 2])), lambda: {"variants": [Variants(once=iter([1, 2]))]}):
        assert b'"once":[1,2]' in sent(input=make())


cycle: dict[str, Any] = {"a": [PLANTED]}
cycle["a"].append(cycle)


def nested(levels: int, empty: Any) -> Any:
    value = empty
    for _ in range(levels):
        value = [value] if isinstance(empty, list) else {"d": value}
    return value


HINTS: list[tuple[Any, str]] = [
    (bytearray(b"x"), "; wrap it as runpod.File(…), or decode it to a str."),
    (memoryview(b"x"), "; wrap it"),
    (b"x", "; wrap it"),
]
HINTS += [
    ({PLANTED}, "; convert it to a list."),
    (frozenset(), "; convert it to a list."),
    (SecretStr("x"), "; pass its get_secret_value()."),
]
HINTS += [(1j, "."), (object(), "."), ((n for n in "ab"), ".")]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        *[(bad, f"a pydantic model, not {type(bad).__name__}: ") for bad in ([1], PLANTED, 5, b"x", (("a", 1),))],
        (RootModel[list[int]]([1]), "a pydantic model, not list: "),
        *[({"a": {"b": [1.0, math.nan]}}, "input.a.b[1] is nan, which"), ({"a": -math.inf}, "input.a is -inf, which")],
        ({"a b": {"c.d": math.nan}}, "input['a b']['c.d'] is nan"),
        *[({"a": [each]}, f"input.a[0] has type {type(each).__name__}, which is not JSON-serializable{hint}") for each, hint in HINTS],
        (cycle, "is nested deeper than 64 levels"),
        *[(deep, "is nested deeper than 64 levels") for deep in (nested(64, {}), {"a": nested(64, [])})],
        *[({"a": [{1: PLANTED}]}, "input.a[0] has a key of type int"), ({None: 1}, "input has a key of type NoneType")],
        *[({"a": "\ud800"}, "input.a contains a lone surrogate"), ({"\udfff": 1}, "input has a key with a lone surrogate")],
        (BrokenMapping(a=1), "The request cannot be serialized to JSON: changed meanwhile."),
        # Models.
        *[(Speed(b=math.nan), "input.b is nan"), ({"a": [Speed(b=-math.inf)]}, "input.a[0].b is -inf")],
        (Broken(thing=PLANTED), "input has type Broken, which pydantic cannot serialize to JSON (PydanticSerializationError); call"),
        ({"a": Broken(thing=PLANTED)}, "input.a has type Broken, which pydantic cannot serialize"),
        (Opaque(thing=object()), "input.thing has type object, which is not JSON-serializable."),
        ({"a": [Opaque(thing=[{"x y": object()}])]}, "input.a[0].thing[0]['x y'] has type object"),
        # Secrets, which would be sent as asterisks.
        (Login(), "input.password is a secret, which would be sent as **********. Pass its get_secret_value() as a str."),
        *[({"a": [Login()]}, "input.a[0].password is"), (Anything(value={"b c": [0, Login()]}), "input.value['b c'][1].password is")],
        (RootModel[dict[str, SecretStr]]({"a": SecretStr(PLANTED)}), "input.a is a secret"),
        (Anything(value=SecretBytes(PLANTED.encode())), "input.value is a secret"),
    ],
)  # fmt: skip
def test_an_unserializable_input_is_reported_with_its_path(bad: Any, expected: str) -> None:
    for arguments in ({"input": bad}, {"positional": {"input": bad}}, {"positional": JobRequest(input=bad)}):
        assert expected in refused(**arguments)


def test_nesting_is_limited_and_the_input_is_not_modified() -> None:
    given = {"a": nested(62, []), "b": nested(62, {}), "c": [1, {"b": 2}]}
    before = json.dumps(given)
    assert {"input": json.loads(before)} == wire(input=given)
    assert before == json.dumps(given)


@pytest.mark.parametrize(("given", "expected"), [({}, True), (UserDict(), True), ({"a": 1}, False), (Prompt(), False)])
def test_an_empty_input_is_sent_with_a_warning(given: Any, expected: bool) -> None:
    with pytest.warns(UserWarning, match="input is empty: the platform drops it") if expected else nullcontext():
        wire(input=given)


text = st.text(st.characters(codec="utf-8"), max_size=10)
numbers = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(numbers | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=8)


@settings(max_examples=50)
@given(st.dictionaries(text, json_values, min_size=1, max_size=4))
def test_json_values_round_trip(given: dict[str, Any]) -> None:
    assert {"input": given} == wire(input=given)


odd = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers(), st.datetimes()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(st.text(max_size=3) | st.integers() | st.none() | st.binary(), inner, max_size=3),
        st.builds(lambda value: Opaque(thing=value), inner),
    ),
)


@pytest.mark.filterwarnings("ignore:input is empty")
@settings(max_examples=60)
@given(positional=odd | st.dictionaries(st.sampled_from(["input", "policy", "webhook", "x"]), odd), given=odd)
def test_any_argument_is_encoded_or_rejected(positional: Any, given: Any) -> None:
    for arguments in ({"positional": positional}, {"input": given}, {"input": {"a": 1}, "policy": given}):
        try:
            assert sent(**arguments)
        except InvalidRequestError as error:
            assert str(error)  # noqa: PT017
