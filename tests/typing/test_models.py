"""Typing tests of models and errors. This file is type-checked with mypy and pyright, not executed."""

# Both checkers report an unneeded `type: ignore`, so code that must be rejected is tested, too.
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from typing_extensions import assert_type

from runpod import (
    APIStatusError,
    ExecutionPolicy,
    ExecutionPolicyDict,
    JobError,
    JobRequest,
    JobRequestDict,
    JobState,
    JobStatus,
    RateLimitError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
    S3Config,
    S3ConfigDict,
    WorkerFailure,
)
from runpod.models.requests import DataclassInstance


class Horse(BaseModel):
    image: str


def a_typed_request_has_known_keys() -> None:
    good: JobRequestDict = {"input": {"prompt": "a horse"}}
    assert_type(good["input"], Mapping[str, Any] | BaseModel | DataclassInstance)
    _1: JobRequestDict = {"input": {}, "polcy": {}}  # type: ignore[typeddict-unknown-key]
    _2: JobRequestDict = {"policy": {}}  # type: ignore[typeddict-item]
    _3: JobRequestDict = {"input": [1, 2]}  # type: ignore[typeddict-item]
    _4: JobRequestDict = {"input": {}, "policy": {"ttl": "1 h"}}  # type: ignore[typeddict-item]
    _5: ExecutionPolicyDict = {"execution_timeout": 1}  # type: ignore[typeddict-unknown-key]
    _6: S3ConfigDict = {"accessId": "id"}  # type: ignore[typeddict-item]


def a_model_rejects_invalid_fields() -> None:
    JobRequest()  # type: ignore[call-arg]
    JobRequest(input="a horse")  # type: ignore[arg-type]
    JobRequest(input={}, s3Config=None)  # type: ignore[call-arg]
    ExecutionPolicy(60_000)  # type: ignore[arg-type, call-arg]
    ExecutionPolicy(ttl=60_000)  # type: ignore[arg-type]
    ExecutionPolicy(execution_timeout="60 s")  # type: ignore[arg-type]
    ExecutionPolicy(executionTimeout=60_000)  # type: ignore[call-arg]
    S3Config(access_id="id")  # type: ignore[call-arg]
    RetryPolicy(max_retries="3")  # type: ignore[arg-type]
    RetryPolicy(3)  # type: ignore[call-arg]


def the_attributes_of_a_state(state: JobState[Horse]) -> None:
    assert_type(state.id, str)
    assert_type(state.status, JobStatus)
    assert_type(state.output, Horse | None)
    assert_type(state.result(), Horse)
    assert_type(state.error, Any)
    assert_type(state.error_message, str | None)
    assert_type(state.delay_time, timedelta | None)
    assert_type(state.execution_time, timedelta | None)
    assert_type(state.worker_id, str | None)
    assert_type(state.retries, int | None)
    assert_type(state.started, bool)
    assert_type(state.completed, bool)
    assert_type(state.succeeded, bool)
    assert_type(state.has_output, bool)
    assert_type(state.progress, Any)
    assert_type(state.worker_error, WorkerFailure | None)
    assert_type(state.raise_for_status(), JobState[Horse])
    assert_type(state.raise_for_status().output, Horse | None)


def a_status_is_a_str(status: JobStatus) -> None:
    text: str = status
    assert_type(status == "COMPLETED", bool)
    assert_type(text == JobStatus.TIMED_OUT, bool)
    assert_type(status.terminal, bool)
    assert_type(JobStatus.IN_QUEUE, JobStatus)
    JobStatus.DONE  # type: ignore[attr-defined]  # noqa: B018


def the_attributes_of_a_worker_error(error: WorkerFailure) -> None:
    assert_type(error.type, str | None)
    assert_type(error.message, str)
    assert_type(error.traceback, str | None)


def a_state_can_be_made_for_a_test() -> None:
    assert_type(JobState(id="id", status=JobStatus.COMPLETED, output=Horse(image="…")), JobState[Horse])
    assert_type(JobState[Any](id="id", status=JobStatus("IN_QUEUE")), JobState[Any])
    JobState(id="id")  # type: ignore[call-arg]
    JobState[Horse](id="id", status=JobStatus.COMPLETED, output=5)  # type: ignore[arg-type]


def the_attributes_of_errors() -> None:
    try:
        pass
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except APIStatusError as error:
        assert_type(error.status_code, int)
        assert_type(error.body, str)
        assert_type(error.headers, dict[str, str])
        assert_type(error.request_id, str | None)
    except RunpodTimeoutError as error:
        assert_type(error.state, JobState[Any] | None)
    except JobError as error:
        assert_type(error.state, JobState[Any] | None)
    except RunpodError as error:
        assert_type(error.message, str)
        assert_type(error.endpoint_id, str | None)
        assert_type(error.job_id, str | None)
        assert_type(error.maybe_submitted, bool)
