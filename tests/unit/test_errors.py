"""Tests of the exception hierarchy, its attributes, and copies of exceptions."""

from __future__ import annotations

import copy
import json
import pickle
import re
from typing import Any

import pytest
from pydantic import field_validator

from runpod import JobRequest, JobState, errors
from runpod._links import DOCUMENTATION
from tests.unit.simulation import ENDPOINT, JOB

STATE: JobState[Any] = JobState.model_validate(
    {"id": JOB, "status": "FAILED", "error": "no horse", "output": [1, None], "delayTime": 5.5, "tomorrow": {"a": 1}}
)
MESSAGE = "It failed. Do this next."
# Each attribute with its default and another possible value.
ALONE: dict[str, Any] = {"endpoint_id": None, "job_id": None, "retryable": False, "state": None, "retry_after": None}
ALONE |= {"body": "", "headers": {}, "request_id": None}
FULL: dict[str, Any] = {"endpoint_id": ENDPOINT, "job_id": "job-2", "retryable": True, "state": STATE}
FULL |= {"retry_after": 2.5, "body": "whole body", "headers": {"cf-ray": "8a1", "server": "x"}, "status_code": 499}
# A copy that lost its attributes must have maybe_submitted=True, unless the class can only have False.
OPEN = {"RunpodError", "RunpodTimeoutError", "APIConnectionError", "APIStatusError", "ServerError", "APIResponseError"}
OPEN |= {"ClientClosedError"}


def kebab_case(name: str) -> str:
    """Not as the library does it: by words."""
    return "-".join(re.findall(r"API|[A-Z][a-z]+", name)).lower()


every = pytest.mark.parametrize("cls", [getattr(errors, name) for name in errors.__all__], ids=errors.__all__)


def test_exception_hierarchy() -> None:
    drawn: dict[str, list[str]] = {}
    above: list[str] = ["Exception"]
    drawing = re.compile(r"^    ([ │├└─]*)(\w+Error)(?: \((\w+)\))?", re.MULTILINE)
    for indent, name, builtin in drawing.findall(errors.__doc__ or ""):
        above[len(indent) // 4 + 1 :] = [name]
        drawn[name] = [above[-2], builtin] if builtin else [above[-2]]
    public = {name for name in vars(errors) if name.endswith("Error") and not name.startswith("_")}
    for name in public:
        cls = getattr(errors, name)
        parents = [base.__name__ for base in cls.__mro__[1:] if base.__name__ in {*public, "Exception"}]
        assert drawn.pop(name) == [parents[0], *(base.__name__ for base in cls.__bases__[1:])]
    assert {} == drawn
    assert sorted(public) == errors.__all__


@every
def test_each_error_needs_only_a_message(cls: type[errors.RunpodError]) -> None:
    for error in (cls(MESSAGE), cls(MESSAGE, None), cls(MESSAGE, "junk")):  # type: ignore[arg-type]
        assert (MESSAGE, f"{cls.__name__}({MESSAGE!r})") == (error.message, repr(error))
        assert (cls.__name__ in OPEN) == error.maybe_submitted
        reported = {name: value for name, value in vars(error).items() if name in ALONE}
        assert {name: value for name, value in ALONE.items() if name in reported} == reported
    assert "" == cls().message


def page(cls: type[errors.RunpodError]) -> str:
    """The address of the page about a class."""
    return f"{DOCUMENTATION}errors/{kebab_case(cls.__name__)}/"


@every
def test_the_text_of_an_error_ends_with_its_page(cls: type[errors.RunpodError]) -> None:
    assert f"{MESSAGE} See {page(cls)}" == str(cls(MESSAGE))
    # Such as the last words of a worker.
    assert f"No horse. See {page(cls)}" == str(cls("No horse"))
    assert f"Which horse? See {page(cls)}" == str(cls("Which horse?"))
    assert f"See {page(cls)}" == str(cls())

    class Theirs(cls):  # type: ignore[misc, valid-type]
        """A class of a program that uses the library."""

    class NotFoundError(Theirs):
        """One that has the name of another page."""

    assert f"{MESSAGE} See {page(cls)}" == str(Theirs(MESSAGE)) == str(NotFoundError(MESSAGE))
    # Copies show it once.
    for error in (cls(MESSAGE), pickle.loads(pickle.dumps(cls(MESSAGE)))):
        assert MESSAGE == error.message == error.args[0] == cls(*error.args).message
        assert f"{MESSAGE} See {page(cls)}" == str(error) == str(copy.copy(error)) == f"{error}"


def test_names_of_pages() -> None:
    assert "api-status-error" == kebab_case("APIStatusError")
    assert "job-timed-out-error" == kebab_case("JobTimedOutError")
    assert "no-text-error" == kebab_case("NoTextError")


def test_a_nested_error_shows_no_address() -> None:
    class Herd(JobRequest):
        @field_validator("webhook", mode="after")
        @classmethod
        def _check(cls, value: str) -> str:
            raise errors.InvalidRequestError(MESSAGE)

    with pytest.raises(errors.InvalidRequestError) as info:
        Herd(input={"prompt": "a horse"}, webhook="https://example.com")
    assert f"Invalid Herd: webhook {MESSAGE}" == info.value.message


def is_copy(error: Any, again: Any) -> bool:
    if isinstance(state := getattr(error, "state", None), JobState):
        assert (state.model_extra, state.model_fields_set) == (again.state.model_extra, again.state.model_fields_set)
    return type(error) is type(again) and vars(error) == vars(again) and error.args == again.args


@every
@pytest.mark.parametrize("maybe_submitted", [True, False])
def test_copies_keep_all_attributes(cls: Any, maybe_submitted: bool) -> None:
    values = {name: value for name, value in FULL.items() if hasattr(cls("x"), name)}
    error = cls(MESSAGE, maybe_submitted=maybe_submitted, **values)
    assert {"message": MESSAGE, "maybe_submitted": maybe_submitted, **values}.items() <= vars(error).items()
    # Task queues with JSON results make copies like the second.
    assert is_copy(error, cls(*error.args))
    assert is_copy(error, cls(*json.loads(json.dumps(error.args))))
    if hasattr(error, "add_note"):
        error.add_note("seen by a colleague")
    assert is_copy(error, pickle.loads(pickle.dumps(error, 0)))
    assert is_copy(error, pickle.loads(pickle.dumps(error)))
    assert is_copy(error, copy.copy(error))
    assert is_copy(error, copy.deepcopy(error))


STATUSES = {"BadRequest": 400, "Authentication": 401, "PermissionDenied": 403, "NotFound": 404, "Conflict": 409}
STATUSES |= {"PayloadTooLarge": 413, "RateLimit": 429, "Server": 500, "APIResponse": 200, "APIStatus": 0}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_default_status_codes(name: str, status: int) -> None:
    cls = getattr(errors, f"{name}Error")
    assert status == cls("x").status_code
    error = cls("x", status_code=418, headers=(headers := {"cf-ray": "8a1"}))
    headers["cf-ray"] = "other"
    assert (418, {"cf-ray": "8a1"}, "8a1") == (error.status_code, error.headers, error.request_id)


def test_job_errors_take_the_id_of_the_state_unless_given() -> None:
    assert JOB == errors.JobFailedError("x", state=STATE).job_id
    assert JOB == errors.JobFailedError("x", {"state": {"id": JOB, "status": "FAILED"}}).job_id
    assert 2.0 == errors.RateLimitError("x", {"retry_after": 3.0}, retry_after=2.0).retry_after


def test_unserializable_parts_of_a_state_are_left_out_of_args() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    changes: list[dict[str, Any]] = [
        {"output": object()},
        {"error": deep},
        {"output": deep, "error": deep},
        {"tomorrow": deep},
    ]
    for change in changes:
        error = errors.JobOutputError("x", state=STATE.model_copy(update=change))
        state = errors.JobOutputError(*json.loads(json.dumps(error.args))).state
        kept = "error" not in change and "tomorrow" not in change
        assert (JOB, "FAILED", "no horse" if kept else None) == (state.id, state.status, state.error)
        assert not state.has_output
