"""What cannot be sent is refused before anything is, in words that say where and what to do."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ForwardRef

import pytest
from pydantic import BaseModel

from runpod import (
    AsyncRunpod,
    ConfigurationError,
    ExecutionPolicy,
    InvalidRequestError,
    JobRequest,
    RetryPolicy,
    S3Config,
    WaitLimits,
)
from tests._async.calls import DONE, INPUT, JOB, OPERATIONS, Operation, collect, name_of
from tests.servers import BASE_URL, KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import AsyncEndpoint
    from tests.servers import Wire


class Holder(BaseModel):
    value: Any = None


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {"a": {}}
    value["a"]["b"] = [value]
    return value


def nested(levels: int, *, as_list: bool = False) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = [value] if as_list else {"deeper": value}
    return {"deep": value}


@pytest.fixture(params=["run", "run_sync"])
def submit(request: pytest.FixtureRequest, endpoint: AsyncEndpoint) -> Callable[..., Any]:
    """Each of the two ways to submit a job."""
    return getattr(endpoint, request.param)


# Inputs that JSON cannot hold, with what the error says; the first part is where the trouble is.
BAD_INPUTS: list[Any] = [
    pytest.param([1, 2], r"input .* not list.*Wrap it", id="list"),
    pytest.param((), r"input .* not tuple", id="tuple"),
    pytest.param("a horse", r"input .* not str.*Wrap it", id="text"),
    pytest.param("", r"input .* not str", id="empty-text"),
    pytest.param(7, r"input .* not int", id="number"),
    pytest.param(False, r"input .* not bool", id="false"),
    pytest.param(b"{}", r"input .* not bytes", id="bytes"),
    pytest.param({"a"}, r"input .* not set", id="set"),
    pytest.param(Holder, r"input .* not ", id="class-of-model"),
    pytest.param({"a": float("nan")}, r"input\.a .*nan", id="nan"),
    pytest.param({"a": [1, float("inf")]}, r"input\.a\[1\] .*inf", id="infinity"),
    pytest.param({"a": {"b": [{"c": b"x"}]}}, r"input\.a\.b\[0\]\.c .*bytes.*base64", id="bytes-inside"),
    pytest.param({"a": bytearray(b"x")}, r"input\.a .*bytearray.*base64", id="bytearray"),
    pytest.param({"a": {1, 2}}, r"input\.a .*set.*list", id="set-inside"),
    pytest.param({"a": frozenset()}, r"input\.a .*frozenset.*list", id="frozenset"),
    pytest.param(cycle(), r"input\.a\.b\[0\] contains itself", id="cycle"),
    pytest.param({"a": {1: 2}}, r"input\.a .*key of type int", id="key-inside"),
    pytest.param({1: 2}, r"input .*key of type int", id="key"),
    pytest.param({None: 2}, r"input .*key of type NoneType", id="key-none"),
    pytest.param({"two words": {"a-b": object()}}, r"input\['two words'\]\['a-b'\] .*object", id="odd-key"),
    pytest.param(nested(100), r"input\.deep.* nested deeper", id="nested"),
    pytest.param(nested(100, as_list=True), r"input\.deep.* nested deeper", id="nested-list"),
    pytest.param(nested(100_000), r"input\.deep.* nested deeper", id="nested-very"),
    pytest.param({"a": object()}, r"input\.a .*object", id="object"),
    pytest.param({"a": Path("x")}, r"input\.a .*Path", id="path"),
    pytest.param({"a": datetime.now(timezone.utc)}, r"input\.a .*datetime", id="datetime"),
    pytest.param({"a": 1j}, r"input\.a .*complex", id="complex"),
    pytest.param({"a": (item for item in "abc")}, r"input\.a .*generator", id="generator"),
    pytest.param({"a": "\ud800"}, r"surrogate", id="surrogate"),
    pytest.param({"\ud800": 1}, r"surrogate", id="surrogate-key"),
    pytest.param({"a": Holder}, r"input\.a ", id="class-inside"),
    pytest.param(Holder(value=object()), r"Holder", id="model"),
    pytest.param({"a": [Holder(value=object())]}, r"Holder", id="model-inside"),
]


def refused(caught: pytest.ExceptionInfo[InvalidRequestError | ConfigurationError], wire: Wire) -> None:
    """Nothing was sent, and the error can be shown to a person."""
    assert [] == wire.requests
    error = caught.value
    assert error.maybe_submitted is False
    assert isinstance(error, ValueError)
    assert str(error).endswith((".", "?"))
    assert len(str(error)) < 600


@pytest.mark.parametrize("form", ["positional", "keyword", "model"])
@pytest.mark.parametrize(("bad", "says"), BAD_INPUTS)
async def test_an_input_that_json_cannot_hold(
    bad: Any, says: str, form: str, submit: Callable[..., Any], wire: Wire
) -> None:
    with pytest.raises(InvalidRequestError, match=says) as caught:
        if form == "positional":
            await submit({"input": bad})
        elif form == "keyword":
            await submit(input=bad)
        else:
            await submit(JobRequest(input=bad))
    refused(caught, wire)


@pytest.mark.parametrize(
    ("args", "keywords", "says"),
    [
        pytest.param((), {}, r"input=", id="nothing"),
        pytest.param((None,), {}, r"input=", id="none"),
        pytest.param((), {"input": None}, r"input", id="input-none"),
        pytest.param(({"input": None},), {}, r"input .*None", id="positional-none"),
        pytest.param(({"prompt": "a horse"},), {}, r"'input'.*'prompt'.*run\(input=", id="bare-input"),
        pytest.param(({},), {}, r"'input'.*run\(input=", id="empty"),
        pytest.param(({"policy": {}},), {}, r"'input'.*run\(input=", id="policy-alone"),
        pytest.param(([INPUT],), {}, r"mapping or a JobRequest, not list.*run\(input=", id="list"),
        pytest.param(("a horse",), {}, r"mapping or a JobRequest, not str", id="text"),
        pytest.param((b"{}",), {}, r"mapping or a JobRequest, not bytes", id="bytes"),
        pytest.param((Holder(),), {}, r"mapping or a JobRequest, not Holder", id="model"),
        pytest.param(({"input": INPUT},), {"input": INPUT}, r"one form.*input=", id="both"),
        pytest.param(({"input": INPUT},), {"input": {}}, r"one form.*input=", id="both-empty"),
        pytest.param(({"input": INPUT},), {"webhook": "https://x.test"}, r"one form.*webhook=", id="both-webhook"),
        pytest.param((JobRequest(input=INPUT),), {"policy": {"ttl": 1}}, r"one form.*policy=", id="both-model"),
        pytest.param(({"input": INPUT, "polcy": {}},), {}, r"'polcy'.*did you mean 'policy'", id="unknown"),
        pytest.param(({"input": INPUT, "s3_config": {}},), {}, r"'s3_config'.*did you mean 's3Config'", id="snake"),
        pytest.param(({"input": INPUT, "WEBHOOK": "x"},), {}, r"'WEBHOOK'.*did you mean 'webhook'", id="upper"),
        pytest.param(({"input": INPUT, "timeout": 5},), {}, r"'timeout'.*Known are input, policy", id="timeout"),
        pytest.param(({"input": INPUT, 3: 5},), {}, r"unknown key 3", id="number-as-key"),
        pytest.param(({"input": INPUT, "policy": "fast"},), {}, r"policy", id="policy-text"),
        pytest.param(
            ({"input": INPUT, "policy": {"executionTimeout": "5 s"}},), {}, r"executionTimeout", id="duration"
        ),
        pytest.param(({"input": INPUT, "policy": {"executionTimeout": 0}},), {}, r"longer than zero", id="zero"),
        pytest.param(({"input": INPUT, "policy": {"ttl": -1}},), {}, r"ttl.*longer than zero", id="negative"),
        pytest.param(({"input": INPUT, "policy": {"ttl": True}},), {}, r"ttl", id="duration-true"),
        pytest.param(({"input": INPUT, "policy": {"ttl": float("nan")}},), {}, r"ttl", id="duration-nan"),
        pytest.param(({"input": INPUT, "policy": {"ttl": 1e300}},), {}, r"ttl", id="duration-huge"),
        pytest.param(
            ({"input": INPUT, "policy": {"ttl": timedelta(0)}},), {}, r"ttl.*longer than zero", id="timedelta-zero"
        ),
        pytest.param(({"input": INPUT, "policy": {"lowPriority": "yes"}},), {}, r"lowPriority", id="priority"),
        pytest.param(
            ({"input": INPUT, "policy": {"executionTimout": 5}},),
            {},
            r"executionTimout.*did you mean .execution_?[tT]imeout",
            id="policy-unknown",
        ),
        pytest.param(({"input": INPUT, "webhook": 7},), {}, r"webhook", id="webhook-number"),
        pytest.param(({"input": INPUT, "webhook": "example.test/hook"},), {}, r"webhook.*https://", id="webhook-host"),
        pytest.param(({"input": INPUT, "webhook": "ftp://x.test"},), {}, r"webhook.*https://", id="webhook-ftp"),
        pytest.param(({"input": INPUT, "webhook": ""},), {}, r"webhook.*https://", id="webhook-empty"),
        pytest.param(({"input": INPUT, "webhook": "https://x.test/a b"},), {}, r"webhook", id="webhook-space"),
        pytest.param(({"input": INPUT, "s3Config": {}},), {}, r"access_?[iI]d is missing", id="s3-empty"),
        pytest.param(({"input": INPUT, "s3Config": {"accessId": 7}},), {}, r"accessId", id="s3-number"),
        pytest.param((), {"input": INPUT, "policy": {"executionTimeout": 0}}, r"longer than zero", id="by-keyword"),
        pytest.param((), {"input": INPUT, "policy": 5}, r"policy", id="policy-by-keyword"),
        pytest.param((), {"input": INPUT, "s3_config": "s3://"}, r"s3_?[cC]onfig", id="s3-by-keyword"),
    ],
)
async def test_a_request_that_cannot_be_sent(
    args: tuple[Any, ...], keywords: dict[str, Any], says: str, submit: Callable[..., Any], wire: Wire
) -> None:
    with pytest.raises(InvalidRequestError, match=says) as caught:
        await submit(*args, **keywords)
    refused(caught, wire)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ExecutionPolicy(execution_timeout=0), id="zero"),
        pytest.param(lambda: ExecutionPolicy(ttl=timedelta(seconds=-1)), id="negative"),
        pytest.param(lambda: ExecutionPolicy(ttl="soon"), id="text"),
        pytest.param(lambda: ExecutionPolicy(low_priority="yes"), id="priority"),
        pytest.param(lambda: ExecutionPolicy(executiontimeout=5), id="unknown"),
        pytest.param(lambda: S3Config(access_id="a"), id="s3-missing"),
        pytest.param(lambda: JobRequest(inputs={}), id="request"),
    ],
)
def test_a_model_that_cannot_be_made(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidRequestError):
        make()


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(OrderedDict(INPUT), id="ordered"),
        pytest.param(UserDict(INPUT), id="userdict"),
        pytest.param(MappingProxyType(INPUT), id="proxy"),
        pytest.param({"same": [x := {"a": 1}, x]}, id="twice-is-no-cycle"),
        pytest.param(nested(40), id="nested-40"),
        pytest.param(nested(40, as_list=True), id="nested-list-40"),
        pytest.param({"model": [Holder(value=1)]}, id="model-inside"),
        pytest.param({"": 1}, id="empty-key"),
        # A model says itself what it is in JSON; pydantic makes null of NaN.
        pytest.param(Holder(value=float("nan")), id="model-nan"),
    ],
)
async def test_what_looks_odd_but_can_be_sent(good: Any, submit: Callable[..., Any], wire: Wire) -> None:
    wire.say(DONE)
    await submit(input=good)
    assert 1 == len(wire.requests)


BAD_TIMEOUTS: list[Any] = [0, 0.0, -1, float("nan"), float("-inf"), "5", b"5", True, [5], timedelta(0), timedelta(-1)]


@pytest.mark.parametrize("timeout", BAD_TIMEOUTS, ids=repr)
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_a_timeout_that_is_none(operation: Operation, timeout: Any, endpoint: AsyncEndpoint, wire: Wire) -> None:
    with pytest.raises(InvalidRequestError, match="timeout must be seconds") as caught:
        await operation(endpoint, timeout=timeout)
    refused(caught, wire)


@pytest.mark.parametrize("timeout", BAD_TIMEOUTS, ids=repr)
async def test_a_timeout_that_is_none_for_a_job(timeout: Any, endpoint: AsyncEndpoint, wire: Wire) -> None:
    job = endpoint.job(JOB)
    for call in (job.refresh, job.wait, job.result, job.cancel, job.retry):
        with pytest.raises(InvalidRequestError, match="timeout must be seconds"):
            await call(timeout=timeout)
    for iterate in (job.watch, job.stream):
        with pytest.raises(InvalidRequestError, match="timeout must be seconds"):
            await collect(iterate(timeout=timeout))
    assert [] == wire.requests


@pytest.mark.parametrize("timeout", BAD_TIMEOUTS, ids=repr)
async def test_a_timeout_that_is_none_for_a_client(timeout: Any, client: AsyncRunpod) -> None:
    with pytest.raises(ConfigurationError, match="timeout must be seconds"):
        AsyncRunpod(KEY, timeout=timeout)
    for made in (client, client.endpoint("ep")):
        with pytest.raises(InvalidRequestError, match="timeout must be seconds"):
            made.with_options(timeout=timeout)


BAD_IDS: list[Any] = ["", " ", "\n\t", None, 7, b"ep", ["ep"], "\ud800"]


@pytest.mark.parametrize("bad", BAD_IDS, ids=ascii)
async def test_a_bad_id(bad: Any, client: AsyncRunpod, endpoint: AsyncEndpoint, wire: Wire) -> None:
    with pytest.raises(InvalidRequestError, match="endpoint_id") as caught:
        client.endpoint(bad)
    refused(caught, wire)
    with pytest.raises(InvalidRequestError, match="job_id"):
        endpoint.job(bad)
    for call in (endpoint.status, endpoint.status_sync, endpoint.cancel, endpoint.retry):
        with pytest.raises(InvalidRequestError, match="job_id") as caught:
            await call(bad)
        refused(caught, wire)
    with pytest.raises(InvalidRequestError, match="job_id") as caught:
        await collect(endpoint.stream(bad))
    refused(caught, wire)


async def test_an_id_that_is_too_long_for_a_url(client: AsyncRunpod, endpoint: AsyncEndpoint, wire: Wire) -> None:
    for call in (endpoint.job("x" * 70_000).refresh, client.endpoint("x" * 70_000).health):
        with pytest.raises(InvalidRequestError, match=r"too long.*ids") as caught:
            await call()
        refused(caught, wire)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (None, r"RUNPOD_API_KEY.*config\.toml"),
        ("", "blank"),
        (" \t", "blank"),
        ("rpa_x\n", "line break"),
        ("rpa_x\r\nX-Evil: 1", "line break"),
        ("rpa x", "space"),
        ("rpä", "character"),
        (b"rpa_x", "must be a str, not bytes"),
        (7, "must be a str, not int"),
    ],
)
def test_a_bad_api_key(key: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        AsyncRunpod(key)
    assert "api_key" in str(caught.value)
    assert "rpa" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  \n"])
def test_a_blank_key_in_the_environment_is_none(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", key)
    with pytest.raises(ConfigurationError, match="There is no API key"):
        AsyncRunpod()


def test_a_key_with_a_line_break_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_x\nrpa_y")
    with pytest.raises(ConfigurationError, match="RUNPOD_API_KEY holds a line break"):
        AsyncRunpod()


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("api.runpod.ai/v2", "https://"),
        ("//api.runpod.ai/v2", "https://"),
        ("ftp://api.runpod.ai", "https://"),
        ("", "https://"),
        (" https://api.runpod.ai/v2", "space"),
        ("https://", "host"),
        ("https:///v2", "host"),
        ("https://api.runpod.ai/v2?x=1", "query"),
        ("https://api.runpod.ai/v2?", "query"),
        ("https://api.runpod.ai/v2#x", "fragment"),
        ("https://me:secret@api.runpod.ai/v2", "user name or password"),
        ("https://api.runpod.ai:99999/v2", "URL"),
        ("https://[::1/v2", "URL"),
        ("https://\uff41pi.runpod.ai/v2", "cannot be used"),
        ("https://xn--.com/v2", "cannot be used"),
        (f"https://api.runpod.ai/{'x' * 70_000}", "too long"),
        ("http://api.runpod.ai/v2", "allow_insecure"),
        ("http://127.0.0.1.example.test/v2", "allow_insecure"),
        ("http://10.0.0.1/v2", "allow_insecure"),
        (b"https://api.runpod.ai/v2", "must be a str, not bytes"),
        (7, "must be a str, not int"),
    ],
)
def test_a_bad_base_url(base_url: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        AsyncRunpod(KEY, base_url=base_url)
    assert "base_url" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url", ["http://localhost:8000/v2", "http://127.0.0.1", "http://[::1]:8/v2", "http://127.9.9.9/", BASE_URL]
)
async def test_a_good_base_url(base_url: str) -> None:
    await AsyncRunpod(KEY, base_url=base_url).aclose()
    await AsyncRunpod(KEY, base_url="http://10.0.0.1/v2", allow_insecure=True).aclose()


@pytest.mark.parametrize(
    ("output_type", "named"),
    [
        (object(), "<object object"),
        (7, "7"),
        (pytest, "<module 'pytest'"),
        (type("Plain", (), {}), "Plain"),
        ("NoSuchName", "'NoSuchName'"),
        (list[ForwardRef("NoSuchName")], r"list\[ForwardRef"),
    ],
    ids=range(6),
)
async def test_an_output_type_that_pydantic_cannot_validate(output_type: Any, named: str, client: AsyncRunpod) -> None:
    with pytest.raises(InvalidRequestError, match=f"output_type: pydantic cannot validate {named}"):
        client.endpoint("ep", output_type=output_type)


@pytest.mark.parametrize("retry", [3, "never", {"max_retries": 3}, RetryPolicy], ids=range(4))
async def test_a_retry_that_is_no_policy(retry: Any, client: AsyncRunpod) -> None:
    with pytest.raises(ConfigurationError, match="retry must be a RetryPolicy"):
        AsyncRunpod(KEY, retry=retry)
    for made in (client, client.endpoint("ep")):
        with pytest.raises(ConfigurationError, match="retry must be a RetryPolicy"):
            made.with_options(retry=retry)


@pytest.mark.parametrize("limits", [3, None, {"concurrent": 3}, WaitLimits], ids=range(4))
async def test_wait_limits_that_are_none(limits: Any, client: AsyncRunpod) -> None:
    for made in (client, client.endpoint("ep")):
        with pytest.raises(ConfigurationError, match="wait_limits must be a WaitLimits"):
            made.with_options(wait_limits=limits)


@pytest.mark.parametrize(
    "values",
    [
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"initial_delay": -1},
        {"initial_delay": float("nan")},
        {"max_delay": float("inf")},
        {"resubmit": "yes"},
        {"retries": 3},
    ],
    ids=repr,
)
def test_a_policy_that_is_none(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        RetryPolicy(**values)
