"""The tree of errors, and what each of them carries."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import runpod
from runpod import JobState, errors
from runpod._protocol.failures import failure
from runpod._protocol.operations import RUN, STATUS, Call
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, TooLate
from tests.unit.machines import ENDPOINT, ERROR_CLASSES, JOB, deadline

# Section 4 of the design, line by line.
TREE = {
    "RunpodError": "Exception",
    "ConfigurationError": "RunpodError, ValueError",
    "InvalidRequestError": "RunpodError, ValueError",
    "RunpodTimeoutError": "RunpodError, TimeoutError",
    "APIConnectionError": "RunpodError",
    "APIStatusError": "RunpodError",
    "BadRequestError": "APIStatusError",
    "AuthenticationError": "APIStatusError",
    "PermissionDeniedError": "APIStatusError",
    "NotFoundError": "APIStatusError",
    "ConflictError": "APIStatusError",
    "PayloadTooLargeError": "APIStatusError",
    "RateLimitError": "APIStatusError",
    "ServerError": "APIStatusError",
    "APIResponseError": "RunpodError",
    "JobError": "RunpodError",
    "JobFailedError": "JobError",
    "JobCancelledError": "JobError",
    "JobTimedOutError": "JobError",
    "JobOutputError": "JobError",
    "JobExpiredError": "JobError",
}

KEY = "rpa_PLANTEDKEY0123456789"
PLANTED_INPUT = "PLANTED-INPUT"
STATE: JobState[Any] = JobState.model_validate(
    {"id": JOB, "status": "FAILED", "error": "no horse", "output": [1, None], "delayTime": 5, "tomorrow": {"a": 1}}
)
CONTEXT: dict[str, Any] = {"endpoint_id": ENDPOINT, "job_id": JOB, "maybe_submitted": True}
ANSWER: dict[str, Any] = {"status_code": 499, "body": "whole body", "headers": {"cf-ray": "8a1", "server": "x"}}


def build(name: str) -> errors.RunpodError:
    cls = getattr(errors, name)
    extra: dict[str, Any] = {}
    if issubclass(cls, (errors.APIStatusError, errors.APIResponseError)):
        extra |= ANSWER
    if issubclass(cls, errors.RateLimitError):
        extra |= {"retry_after": 2.5}
    if issubclass(cls, (errors.JobError, errors.RunpodTimeoutError)):
        extra |= {"state": STATE}
    error: errors.RunpodError = cls("It failed. Do this next.", **CONTEXT, **extra)
    return error


every = pytest.mark.parametrize("name", TREE)


def test_the_tree_is_the_one_that_is_drawn() -> None:
    found = {name: ", ".join(base.__name__ for base in getattr(errors, name).__bases__) for name in errors.__all__}
    assert TREE == found
    assert sorted(errors.__all__) == errors.__all__
    for name in TREE:
        assert name in (errors.__doc__ or "")


@every
def test_each_is_importable_from_the_package_and_says_what_it_is(name: str) -> None:
    assert getattr(errors, name) is getattr(runpod, name)
    assert getattr(errors, name).__doc__


@every
def test_each_carries_its_context(name: str) -> None:
    error = build(name)
    assert CONTEXT == {attribute: getattr(error, attribute) for attribute in CONTEXT}
    assert "It failed. Do this next." == str(error) == error.message
    assert f"{name}('It failed. Do this next.')" == repr(error)


@every
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_each_survives_pickling_with_all_its_attributes(name: str, protocol: int) -> None:
    error = build(name)
    error.add_note("seen by a colleague") if hasattr(error, "add_note") else None
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(error) is type(again)
    assert vars(error) == vars(again)
    assert (str(error), repr(error), error.args) == (str(again), repr(again), again.args)
    if hasattr(error, "state"):
        assert error.state.model_extra == again.state.model_extra
        assert error.state.model_fields_set == again.state.model_fields_set


@every
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_each_can_be_copied(name: str, how: Any) -> None:
    error = build(name)
    again = how(error)
    assert type(error) is type(again)
    assert vars(error) == vars(again)


@every
def test_each_has_defaults_for_its_context(name: str) -> None:
    cls = getattr(errors, name)
    extra: dict[str, Any] = {}
    if issubclass(cls, (errors.APIStatusError, errors.APIResponseError)):
        extra["status_code"] = 400
    if issubclass(cls, errors.JobError):
        extra["state"] = None
    error = cls("x", **extra)
    assert (None, None, False) == (error.endpoint_id, error.job_id, error.maybe_submitted)
    if isinstance(error, (errors.APIStatusError, errors.APIResponseError)):
        assert ("", {}, None) == (error.body, error.headers, error.request_id)
    if isinstance(error, errors.RunpodTimeoutError):
        assert error.state is None


def test_a_job_error_has_the_id_of_its_state() -> None:
    error = errors.JobFailedError("x", state=STATE)
    assert JOB == error.job_id
    assert error.state is STATE


def test_the_headers_of_an_error_are_its_own() -> None:
    headers = {"cf-ray": "8a1"}
    error = errors.ServerError("x", status_code=500, headers=headers)
    headers["cf-ray"] = "other"
    assert ({"cf-ray": "8a1"}, "8a1") == (error.headers, error.request_id)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [("ConfigurationError", ValueError), ("InvalidRequestError", ValueError), ("RunpodTimeoutError", TimeoutError)],
)
def test_some_are_caught_by_the_names_python_has_for_them(name: str, builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match="Do this next"):
        raise build(name)


@pytest.mark.parametrize("call", [Call(RUN, ENDPOINT, body=PLANTED_INPUT.encode()), Call(STATUS, ENDPOINT, JOB)])
@pytest.mark.parametrize(
    "outcome",
    [
        NotSent("refused"),
        NoAnswer("reset", partial=b'{"id":"j"'),
        TooLate("late", sent=True),
        *[Answer(status, {"cf-ray": "8a1"}, b'{"error":"no"}') for status in ERROR_CLASSES],
    ],
    ids=lambda outcome: str(getattr(outcome, "status", type(outcome).__name__)),
)
def test_no_error_holds_the_input_anywhere(call: Call, outcome: Any) -> None:
    error = failure(call, outcome, deadline(5.0))
    raw = pickle.dumps(error)
    assert PLANTED_INPUT not in str(error) + repr(error) + repr(vars(error)) + repr(error.args) + repr(call)
    assert PLANTED_INPUT.encode() not in raw
    assert error.__cause__ is None
    assert error.__context__ is None
