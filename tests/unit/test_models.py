"""What people hold in their hands: states, statuses, policies, and what they show of themselves."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from runpod import (
    ConfigurationError,
    EndpointHealth,
    ExecutionPolicy,
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    JobRequest,
    JobState,
    JobStatus,
    JobTimedOutError,
    PurgeResult,
    RetryPolicy,
    RunpodError,
    S3Config,
    StreamChunk,
    WorkerError,
)
from runpod.models.jobs import job_failure
from tests.unit.machines import ENDPOINT, JOB, TERMINAL, plain_json

SECRET = "PLANTED-SECRET"
S3: dict[str, Any] = {
    "access_id": "AKIAPLANTED",
    "access_secret": SECRET,
    "bucket_name": "bucket",
    "endpoint_url": "https://s3.example",
}


def state(status: str = "COMPLETED", **fields: Any) -> JobState[Any]:
    return JobState.model_validate({"id": JOB, "status": status, **fields})


# --- statuses ---------------------------------------------------------------------------------


def test_a_status_is_text() -> None:
    assert "COMPLETED" == JobStatus.COMPLETED == JobStatus("COMPLETED")
    assert "COMPLETED" == str(JobStatus.COMPLETED) == f"{JobStatus.COMPLETED}"
    assert {"COMPLETED": 1}[JobStatus.COMPLETED] == 1
    assert '"COMPLETED"' == json.dumps(JobStatus.COMPLETED)
    assert "JobStatus('COMPLETED')" == repr(JobStatus.COMPLETED)


@pytest.mark.parametrize(
    ("text", "terminal"),
    [
        *[(text, True) for text in TERMINAL],
        ("IN_QUEUE", False),
        ("IN_PROGRESS", False),
        ("RUNNING", False),
        ("新", False),
    ],
)
def test_only_four_statuses_are_an_end(text: str, terminal: bool) -> None:
    assert terminal == JobStatus(text).terminal
    assert terminal == state(text).completed
    assert text == state(text).status


@given(st.text(min_size=1).filter(lambda text: text.upper() not in {*TERMINAL, "IN_QUEUE", "IN_PROGRESS"}))
def test_an_unknown_status_is_kept_as_it_is_and_is_no_end(text: str) -> None:
    assert text == JobStatus(text) == JobState(id=JOB, status=JobStatus(text)).status
    assert not JobStatus(text).terminal


def test_a_known_status_in_other_letters_is_that_status() -> None:
    assert JobStatus.COMPLETED == JobStatus("completed") == state("Completed").status


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize("text", ["COMPLETED", "SOMETHING_NEW"])
def test_a_status_survives_copying(how: Any, text: str) -> None:
    again = how(JobStatus(text))
    assert text == again
    assert JobStatus is type(again)


# --- states -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "started", "completed", "succeeded"),
    [
        ("IN_QUEUE", False, False, False),
        ("IN_PROGRESS", True, False, False),
        ("COMPLETED", True, True, True),
        ("FAILED", True, True, False),
        ("CANCELLED", True, True, False),
        ("TIMED_OUT", True, True, False),
    ],
)
def test_a_state_says_how_far_the_job_is(status: str, started: bool, completed: bool, succeeded: bool) -> None:
    found = state(status)
    assert (started, completed, succeeded) == (found.started, found.completed, found.succeeded)


def test_progress_is_the_output_of_a_job_that_is_still_running() -> None:
    assert {"step": 3} == state("IN_PROGRESS", output={"step": 3}).progress
    assert 1 == state("SOMETHING_NEW", output=1).progress
    assert state("IN_PROGRESS").progress is None
    assert [None] * 4 == [state(status, output=1).progress for status in TERMINAL]


def test_no_output_and_null_can_be_told_apart() -> None:
    assert (None, False) == (state().output, state().has_output)
    assert (None, True) == (state(output=None).output, state(output=None).has_output)


def test_an_absent_field_is_none() -> None:
    found = state("IN_QUEUE")
    names = ("output", "error", "delay_time", "execution_time", "worker_id", "retries", "worker_error", "error_message")
    assert [None] * len(names) == [getattr(found, name) for name in names]


def test_times_are_timedeltas_and_go_back_as_milliseconds() -> None:
    found = state(delayTime=31618, executionTime=0, workerId="w", retries=1)
    assert timedelta(seconds=31.618) == found.delay_time
    assert timedelta(0) == found.execution_time
    dumped = json.loads(found.model_dump_json(by_alias=True, exclude_unset=True))
    assert {
        "id": JOB,
        "status": "COMPLETED",
        "delayTime": 31618,
        "executionTime": 0,
        "workerId": "w",
        "retries": 1,
    } == dumped


some_milliseconds = st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9) | st.none() | st.text(max_size=3)
states = st.builds(
    lambda status, times, fields: state(status, **times, **fields),
    st.sampled_from([*TERMINAL, "IN_QUEUE", "NEW"]),
    st.dictionaries(st.sampled_from(["delayTime", "executionTime"]), some_milliseconds),
    st.dictionaries(st.sampled_from(["output", "error", "workerId", "retries", "tomorrow"]), plain_json),
)


@given(found=states, how=st.sampled_from([copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]))
def test_a_state_survives_copying_whole(found: JobState[Any], how: Any) -> None:
    again = how(found)
    assert found == again
    assert (found.model_extra, found.has_output) == (again.model_extra, again.has_output)
    assert JobStatus is type(again.status)


@given(states)
def test_a_state_survives_a_trip_through_json(found: JobState[Any]) -> None:
    assert found == JobState.model_validate_json(found.model_dump_json(by_alias=True, exclude_unset=True))


def test_a_state_shows_one_useful_line_and_not_what_is_in_it() -> None:
    found = state("FAILED", output={"image": SECRET * 1000}, error=SECRET, input=SECRET, workerId="w", delayTime=5)
    for text in (repr(found), str(found)):
        assert SECRET not in text
        assert "\n" not in text
        assert len(text) < 300
        assert JOB in text
        assert "FAILED" in text
    assert SECRET not in repr(StreamChunk(output=SECRET))


def test_what_is_no_state_is_not_repeated() -> None:
    with pytest.raises(ValidationError, match=r"^((?!PLANTED)[\s\S])*$"):
        state(status=[SECRET])


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (state(), "status"),
        (state(), "output"),
        (StreamChunk(output=1), "output"),
        (EndpointHealth(), "jobs"),
        (PurgeResult(), "removed"),
        (RetryPolicy(), "resubmit"),
        (ExecutionPolicy(), "ttl"),
        (S3Config(**S3), "bucket_name"),
        (JobRequest(input={}), "input"),
        (WorkerError(message="x"), "message"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_models_are_frozen(model: Any, name: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, name, None)


# --- errors of workers ------------------------------------------------------------------------

REPORT = {
    "error_type": "<class 'ValueError'>",
    "error_message": "no horse",
    "error_traceback": "Traceback (most recent call last):\n  File …\nValueError: no horse\n",
    "hostname": "abc-123",
    "worker_id": "w-1",
    "runpod_version": "1.12.0",
}


def test_a_report_in_json_text_is_taken_apart() -> None:
    found = state("FAILED", error=json.dumps(REPORT)).worker_error
    assert found is not None
    assert ("ValueError", "no horse", REPORT["error_traceback"]) == (found.type, found.message, found.traceback)
    assert ("abc-123", "w-1", "1.12.0") == (found.hostname, found.worker_id, found.runpod_version)
    assert "\n" not in repr(found)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("<class 'ValueError'>", "ValueError"),
        ("<class 'app.errors.NoHorse'>", "NoHorse"),
        ("Odd", "Odd"),
        (None, None),
        (5, "5"),
    ],
)
def test_the_type_of_an_error_is_its_name(wire: Any, expected: str | None) -> None:
    found = state("FAILED", error=json.dumps({**REPORT, "error_type": wire})).worker_error
    assert found is not None
    assert expected == found.type


def test_a_report_of_a_generator_is_taken_apart() -> None:
    text = "handler: no horse, and\nno cart \ntraceback: Traceback (most recent call last):\n  File …\nmy.app.NoHorse: no horse"
    found = state("FAILED", error=text).worker_error
    assert found is not None
    assert ("NoHorse", "no horse, and\nno cart") == (found.type, found.message)
    assert (found.traceback or "").startswith("Traceback")


@pytest.mark.parametrize(
    "error",
    [
        "job timed out after 1 retries",
        "",
        "{not json",
        '{"detail": "no message"}',
        "[1]",
        "[" * 100_000,
        '{"a":' * 100_000,
        "handler: no traceback",
        ["a", 1],
        5,
        {"detail": 1},
    ],
    ids=lambda value: repr(value)[:20],
)
def test_plain_text_and_odd_errors_are_kept_and_are_no_report(error: Any) -> None:
    found = state("FAILED", error=error)
    assert error == found.error
    assert found.worker_error is None
    assert isinstance(found.error_message, str)


def test_a_report_that_came_as_an_object_is_taken_apart_too() -> None:
    found = state("FAILED", error=REPORT)
    assert REPORT == found.error
    assert found.worker_error is not None
    assert "ValueError: no horse" == found.error_message


@given(
    st.one_of(st.text(), plain_json, st.dictionaries(st.sampled_from([*REPORT, "type", "message", "self"]), plain_json))
)
def test_no_error_of_a_worker_breaks_the_reading_of_it(error: Any) -> None:
    for said in (error, json.dumps(error)):
        found = state("FAILED", error=said)
        failure = job_failure(found, ENDPOINT)
        assert isinstance(failure, JobFailedError)
        assert str(failure).isprintable()
        assert repr(found.worker_error)


# --- how a job failed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [("FAILED", JobFailedError), ("CANCELLED", JobCancelledError), ("TIMED_OUT", JobTimedOutError)],
)
def test_a_bad_end_is_raised_with_the_state(status: str, expected: type[RunpodError]) -> None:
    found = state(status, error="no horse")
    with pytest.raises(expected, match="no horse") as info:
        found.raise_for_status()
    assert found is info.value.state  # type: ignore[attr-defined]
    assert JOB == info.value.job_id
    assert JOB in str(info.value)


@pytest.mark.parametrize("status", ["COMPLETED", "IN_QUEUE", "IN_PROGRESS", "SOMETHING_NEW"])
def test_anything_else_is_no_failure(status: str) -> None:
    found = state(status, error="said all the same")
    assert found is found.raise_for_status()
    assert job_failure(found, ENDPOINT) is None


def test_a_failure_names_job_endpoint_and_reason_without_the_traceback() -> None:
    failure = job_failure(state("FAILED", error=json.dumps(REPORT)), ENDPOINT)
    assert failure is not None
    for words in (JOB, ENDPOINT, "ValueError: no horse"):
        assert words in str(failure)
    assert "most recent call last" not in str(failure)
    assert "worker_error.traceback" in str(failure)
    assert (ENDPOINT, JOB, False) == (failure.endpoint_id, failure.job_id, failure.maybe_submitted)


def test_an_output_beside_the_error_is_kept() -> None:
    found = state("FAILED", error="bad seed", output={"detail": 1})
    assert ("bad seed", {"detail": 1}) == (found.error, found.output)


@pytest.mark.parametrize("error", ["x" * 100_000, "\x1b[2J\x07red", "a\nb\rc", "\ud800\u202e"])
def test_a_message_is_short_and_safe_whatever_the_worker_said(error: str) -> None:
    failure = job_failure(state("FAILED", error=error))
    assert str(failure).isprintable()
    assert len(str(failure)) < 1000
    assert str(failure).endswith((".", "!", "?"))


def test_a_failure_without_a_reason_says_so() -> None:
    assert "no reason" in str(job_failure(state("FAILED")))


# --- what callers give ------------------------------------------------------------------------


def test_secrets_are_hidden_and_still_sent() -> None:
    s3 = S3Config(**S3)
    request = JobRequest(input={"prompt": SECRET}, s3_config=s3, webhook=f"https://x.example/{SECRET}")
    for text in (repr(s3), str(s3), repr(request), str(request), repr(s3.model_dump())):
        assert SECRET not in text
    assert "AKIAPLANTED" not in repr(s3) + repr(request)
    assert SECRET == s3.model_dump(mode="json", by_alias=True)["accessSecret"]
    assert s3 == S3Config(**{**S3, "access_secret": SecretStr(SECRET)})


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (S3Config, {**S3, "bucket_name": 5}),
        (S3Config, {**S3, "nonsense": SECRET}),
        (S3Config, {"access_secret": SECRET}),
        (ExecutionPolicy, {"ttl": SECRET}),
        (ExecutionPolicy, {"low_priority": SECRET}),
        (JobRequest, {"input": SECRET, "policy": SECRET}),
        (JobRequest, {"input": {}, "webhook": [SECRET]}),
        (JobRequest, {"policy": None}),
    ],
)
def test_a_bad_value_is_refused_in_our_words_and_not_repeated(model: Any, values: Any) -> None:
    with pytest.raises(InvalidRequestError, match=model.__name__) as info:
        model(**values)
    assert SECRET not in str(info.value)
    assert "pydantic.dev" not in str(info.value)
    assert info.value.__cause__ is info.value.__context__ is None


@pytest.mark.parametrize(
    "values",
    [
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
        {"initial_delay": -1.0},
        {"max_delay": float("nan")},
        {"max_delay": float("inf")},
        {"initial_delay": "1"},
        {"resubmit": 1},
        {"max_retry": 3},
    ],
    ids=str,
)
def test_a_bad_retry_policy_is_a_matter_of_configuration(values: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        RetryPolicy(**values)


def test_a_policy_reads_milliseconds_and_timedeltas_alike() -> None:
    assert ExecutionPolicy(execution_timeout=timedelta(seconds=3)) == ExecutionPolicy(execution_timeout=3000)
    assert timedelta(seconds=3) == ExecutionPolicy.model_validate({"executionTimeout": 3000}).execution_timeout
