"""Tests of the public models: states, statuses, policies and their repr."""

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
    EndpointLimits,
    ExecutionPolicy,
    JobRequest,
    JobState,
    JobStatus,
    RetryPolicy,
    S3Config,
    errors,
    models,
)
from runpod.models.jobs import job_failure
from tests.unit.simulation import ENDPOINT, JOB, TERMINAL, open_statuses, plain_json

SECRET = "PLANTED-SECRET"
S3: dict[str, Any] = {"access_id": f"AKIA{SECRET}", "access_secret": SECRET, "bucket_name": "b", "endpoint_url": "s3"}
copies = st.sampled_from([copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])


def state(status: str = "COMPLETED", **fields: Any) -> JobState[Any]:
    return JobState.model_validate({"id": JOB, "status": status, **fields})


@pytest.mark.fact("protocol 2: upper or lower case")
def test_a_status_is_a_str() -> None:
    assert "COMPLETED" == JobStatus.COMPLETED == JobStatus("completed") == state("Completed").status
    assert ("COMPLETED", '"COMPLETED"') == (f"{JobStatus.COMPLETED}", json.dumps(JobStatus.COMPLETED))
    assert 1 == {"COMPLETED": 1}[JobStatus.COMPLETED]
    assert "JobStatus('COMPLETED')" == repr(JobStatus.COMPLETED)


@pytest.mark.fact("protocol 2: statuses")
@pytest.mark.parametrize(
    ("started", "completed", "succeeded", "statuses"),
    [
        (False, False, False, ["UNKNOWN", "IN_QUEUE"]),
        (True, False, False, ["IN_PROGRESS"]),
        (True, True, True, ["COMPLETED"]),
        (True, True, False, ["FAILED", "CANCELLED", "TIMED_OUT"]),
    ],
)
def test_started_completed_and_succeeded(started: bool, completed: bool, succeeded: bool, statuses: list[str]) -> None:
    for status in statuses:
        found = state(status, output={"step": 3})
        assert status == getattr(JobStatus, status) == found.status
        assert (started, completed, succeeded) == (found.started, found.completed, found.succeeded)
        assert (completed, None if completed else {"step": 3}) == (found.status.terminal, found.progress)


@pytest.mark.fact("protocol 2: RUNNING", "protocol 2: unknown status")
@given(text=open_statuses.filter(lambda text: text.upper() not in {"IN_QUEUE", "IN_PROGRESS"}), again=copies)
def test_an_unknown_status_is_kept_and_not_final(text: str, again: Any) -> None:
    for status in (JobStatus(text), state(text).status, again(JobStatus(text))):
        assert (text, JobStatus, False) == (status, type(status), status.terminal)


@pytest.mark.fact("protocol 1.7: optional fields", "protocol 1.7: missing output")
def test_absent_fields_are_none_but_not_set() -> None:
    found = state("IN_QUEUE")
    names = ("output", "progress", "error", "delay_time", "execution_time", "worker_id", "retries")
    assert {None} == {getattr(found, name) for name in (*names, "worker_error", "error_message")}
    assert (False, True) == (found.has_output, state(output=None).has_output)


def test_times_are_timedeltas_and_dumped_as_milliseconds() -> None:
    wire = {"id": JOB, "status": "COMPLETED", "delayTime": 31618.5, "executionTime": 0, "workerId": "w", "retries": 1}
    found = JobState.model_validate(wire)
    assert (timedelta(seconds=31.6185), timedelta(0)) == (found.delay_time, found.execution_time)
    assert wire == json.loads(found.model_dump_json(by_alias=True, exclude_unset=True))
    assert timedelta(1) == JobState(id=JOB, status=JobStatus.FAILED, delay_time=timedelta(1)).delay_time


numbers = st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9) | st.none() | st.text(max_size=3)
times = st.dictionaries(st.sampled_from(["delayTime", "executionTime"]), numbers)
others = st.dictionaries(st.sampled_from(["output", "error", "workerId", "retries", "tomorrow"]), plain_json)
states = st.builds(
    lambda status, times, others: state(status, **times, **others), st.sampled_from([*TERMINAL, "X"]), times, others
)


@given(found=states, how=copies)
def test_a_state_survives_copying_and_json(found: JobState[Any], how: Any) -> None:
    again = how(found)
    assert found == again == JobState.model_validate_json(found.model_dump_json(by_alias=True, exclude_unset=True))
    assert (found.model_extra, found.has_output) == (again.model_extra, again.has_output)
    assert JobStatus is type(again.status)


def test_the_repr_of_a_state_is_one_short_line() -> None:
    found = state("FAILED", output="x" * 10_000, error={"a": [1]}, input=SECRET, workerId="w", delayTime=5, retries=0)
    shown = repr(found)
    assert shown.startswith("JobState(id='job-1', status='FAILED', output='xxx")
    assert shown.endswith("xxx', error={'a': [1]}, delay_time='0:00:00.005000', worker_id='w', retries=0)")
    assert len(shown) < 300
    assert SECRET not in shown
    assert "id='job-1' status='IN_PROGRESS' output={'percent': 5}" == str(state("IN_PROGRESS", output={"percent": 5}))
    deep: dict[str, object] = {
        "image": "A" * 9_000_000,
        "list": list(range(1000)),
        "deep": [[[[[5]]]]],
        "steers": "\x1b[2J",
    }
    assert len(repr(state(output=deep))) < 400
    assert repr(state(output=deep)).isprintable()
    assert "StreamChunk(output=5)" == repr(models.StreamChunk(output=5))
    assert "StreamChunk(output=None, metrics={'n': 1})" == repr(models.StreamChunk(metrics={"n": 1}))
    with pytest.raises(ValidationError, match=r"^((?!PLANTED)[\s\S])*$"):
        state(status=[SECRET])


@pytest.mark.fact("protocol 5: our share")
def test_models_are_frozen_and_have_defaults() -> None:
    given = [RetryPolicy(), EndpointLimits(), ExecutionPolicy(), S3Config(**S3), JobRequest(input={})]
    seen = [state(), models.StreamChunk(output=1), models.EndpointHealth(), models.PurgeResult()]
    assert (3, timedelta(seconds=0.5), timedelta(seconds=8), False) == tuple(RetryPolicy().model_dump().values())
    assert (350, 190, 95, 180, 10 * 2**20, 20 * 2**20) == tuple(EndpointLimits().model_dump().values())
    for model in (*given, *seen, models.WorkerFailure(message="x")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, next(iter(type(model).model_fields)), None)


REPORT = {
    "error_type": "<class 'ValueError'>",
    "error_message": "no horse",
    "error_traceback": "Traceback (most recent call last):\n  File …\nValueError: no horse\n",
    "hostname": "abc-123",
    "worker_id": "w-1",
    "runpod_version": "1.12.0",
}


@pytest.mark.fact("protocol 1.8: exception of a handler")
def test_worker_error_of_a_json_report() -> None:
    for error in (REPORT, json.dumps(REPORT)):
        found: Any = state("FAILED", error=error).worker_error
        assert ("ValueError", "no horse", REPORT["error_traceback"]) == (found.type, found.message, found.traceback)
        assert ("abc-123", "w-1", "1.12.0") == (found.hostname, found.worker_id, found.runpod_version)
        assert "WorkerFailure(type='ValueError', message='no horse')" == repr(found)


@pytest.mark.parametrize(
    ("wire", "expected"), [("<class 'app.errors.NoHorse'>", "NoHorse"), ("Odd", "Odd"), (None, None), (5, "5")]
)
def test_worker_error_type(wire: Any, expected: str | None) -> None:
    found: Any = state("FAILED", error=json.dumps({**REPORT, "error_type": wire}))
    assert expected == found.worker_error.type
    assert (f"{expected}: no horse" if expected else "no horse") == found.error_message


@pytest.mark.fact("protocol 1.8: exception of a generator")
@pytest.mark.parametrize(
    ("last", "expected"), [("my.app.NoHorse: no", "NoHorse"), ("SystemExit", "SystemExit"), ("?", None)]
)
def test_worker_error_of_a_generator(last: str, expected: str | None) -> None:
    text = f"handler: no horse, and\nno cart \ntraceback: Traceback (most recent call last):\n  File …\n{last}\n"
    found: Any = state("FAILED", error=text).worker_error
    assert (expected, "no horse, and\nno cart") == (found.type, found.message)
    assert found.traceback.startswith("Traceback")


ODD = [
    "timed out after 1 retries",
    "",
    "{not json",
    '{"detail": "x"}',
    "[1]",
    '{"a":' * 100_000,
    "handler: no traceback",
]


@pytest.mark.fact("protocol 1.8: any error")
@pytest.mark.parametrize(("error", "message"), [*[(error, error) for error in ODD], (["é", 1], '["é", 1]'), (5, "5")])
def test_other_errors_have_no_worker_error(error: Any, message: str) -> None:
    found = state("FAILED", error=error)
    assert (error, None, message) == (found.error, found.worker_error, found.error_message)


@pytest.mark.fact("protocol 1.8: any error")
@given(st.text() | plain_json | st.dictionaries(st.sampled_from([*REPORT, "type", "message", "self"]), plain_json))
def test_any_worker_error_is_accepted(error: Any) -> None:
    for said in (error, json.dumps(error)):
        found = state("FAILED", error=said)
        failure = job_failure(found, ENDPOINT)
        assert isinstance(failure, errors.JobFailedError)
        assert str(failure).isprintable()
        assert repr(found.worker_error)


@pytest.mark.parametrize(
    ("status", "error", "expected", "message"),
    [
        ("FAILED", "no horse", errors.JobFailedError, "Job 'job-1' failed: no horse."),
        ("FAILED", "no horse!", errors.JobFailedError, "Job 'job-1' failed: no horse!"),
        ("FAILED", None, errors.JobFailedError, "Job 'job-1' failed. The worker reported no reason; check its log."),
        ("FAILED", "a\n\x1b[2J\x07\ud800", errors.JobFailedError, "Job 'job-1' failed: a \\x1b[2J\\x07\\ud800."),
        ("FAILED", "x" * 501, errors.JobFailedError, f"Job 'job-1' failed: {'x' * 500}… (501 characters)."),
        (
            "FAILED",
            REPORT,
            errors.JobFailedError,
            "Job 'job-1' failed: ValueError: no horse. The worker's traceback is",
        ),
        ("CANCELLED", None, errors.JobCancelledError, "Job 'job-1' was cancelled."),
        ("TIMED_OUT", "x", errors.JobTimedOutError, "Job 'job-1' timed out on the platform (TIMED_OUT): x."),
        *[(status, "said all the same", None, "") for status in ("COMPLETED", "IN_QUEUE", "SOMETHING_NEW")],
    ],
)
def test_raise_for_status(status: str, error: Any, expected: Any, message: str) -> None:
    found = state(status, output={"seed": 1}, **({} if error is None else {"error": error}))
    if expected is None:
        assert (found, None) == (found.raise_for_status(), job_failure(found, ENDPOINT))
        return
    with pytest.raises(expected) as info:
        found.raise_for_status()
    assert str(info.value).startswith(message)
    assert error == REPORT or message == info.value.message
    assert (found, JOB, False) == (info.value.state, info.value.job_id, info.value.maybe_submitted)
    failure = job_failure(found, ENDPOINT)
    assert failure is not None
    assert (ENDPOINT, True) == (failure.endpoint_id, f"'job-1' on endpoint {ENDPOINT!r} " in str(failure))


def test_secrets_are_hidden_but_sent() -> None:
    s3 = S3Config(**S3)
    request = JobRequest(input={"prompt": SECRET}, s3_config=s3, webhook=f"https://x.example/{SECRET}")
    assert SECRET not in repr(s3) + str(s3) + repr(request) + str(request)
    assert SECRET not in repr(s3.model_dump(exclude={"access_id"}))
    assert SECRET == s3.model_dump(mode="json", by_alias=True)["accessSecret"]
    assert s3 == S3Config(**{**S3, "access_secret": SecretStr(SECRET)})
    assert ExecutionPolicy(ttl=timedelta(seconds=3)) == ExecutionPolicy.model_validate({"ttl": timedelta(seconds=3)})


@pytest.mark.parametrize(
    ("model", "values", "words"),
    [
        (S3Config, {**S3, "bucket_name": 5}, "Invalid S3Config: bucket_name: Input should be a valid string."),
        (S3Config, {**S3, "nonsense": SECRET}, "Invalid S3Config: there is no field 'nonsense'."),
        (S3Config, {"access_secret": SECRET}, "access_id is missing; bucket_name is missing; endpoint_url is missing."),
        (ExecutionPolicy, {"ttl": SECRET}, "ttl must be a timedelta, such as timedelta(seconds=60), not str."),
        (JobRequest, {"input": SECRET, "policy": SECRET}, "Invalid JobRequest: policy: Input should be"),
        (
            JobRequest,
            {"input": {}, "policy": {"ttl": 0}},
            "policy: ttl must be a positive number of milliseconds, got 0.",
        ),
        (JobRequest, {"policy": None}, "input is missing."),
        *[(RetryPolicy, {"max_retries": bad}, "Invalid RetryPolicy: max_retries: ") for bad in (-1, 1.5, True)],
        *[(RetryPolicy, {"max_delay": bad}, "max_delay must ") for bad in (8, 0.5, "1", timedelta(-1))],
        (
            RetryPolicy,
            {"initial_delay": 1},
            "initial_delay must be a timedelta, such as timedelta(seconds=1), not int.",
        ),
        (RetryPolicy, {"resubmit": 1}, "resubmit: "),
        *[(EndpointLimits, {"concurrent_polls": bad}, "concurrent_polls: ") for bad in (0, True, 0.5)],
        (EndpointLimits, {"polls_per_second": 0}, "polls_per_second: "),
        (RetryPolicy, {"max_retry": 3}, "there is no field 'max_retry' (did you mean 'max_retries'?)."),
    ],
)
def test_an_invalid_value_is_reported_without_repeating_it(model: Any, values: Any, words: str) -> None:
    expected = errors.ConfigurationError if model in {RetryPolicy, EndpointLimits} else errors.InvalidRequestError
    with pytest.raises(expected) as info:
        model(**values)
    assert words in str(info.value)
    assert SECRET not in str(info.value)
    assert info.value.__cause__ is None


def test_result_of_a_state() -> None:
    assert {"n": 1} == state(output={"n": 1}).result()
    assert state().result() is None
    for status, error in (
        ("FAILED", errors.JobFailedError),
        ("CANCELLED", errors.JobCancelledError),
        ("TIMED_OUT", errors.JobTimedOutError),
    ):
        with pytest.raises(error):
            state(status, output=5).result()
    with pytest.raises(errors.JobError, match=r"^Job 'job-1' has no result yet: its status is IN_PROGRESS\. See "):
        state("IN_PROGRESS", output=5).result()
