"""Tests of pickling and copying clients, endpoints, jobs and errors."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from celery import Celery
from pydantic import BaseModel

import runpod
from runpod import (
    AsyncRunpod,
    ConfigurationError,
    Endpoint,
    EndpointLimits,
    File,
    JobFailedError,
    JobState,
    JobStatus,
    RateLimitError,
    RetryPolicy,
    Runpod,
    RunpodError,
    RunpodTimeoutError,
)
from runpod.local import LocalServer
from tests.servers import KEY, TEST_TIMEOUT

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator


class Horse(BaseModel):
    legs: int


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer({"ep": lambda job: job["input"]}, workers=4) as server:
        yield server


@pytest.fixture
def client(server: LocalServer) -> Iterator[Runpod]:
    options: dict[str, Any] = {
        "timeout": 17.0,
        "retry": RetryPolicy(max_retries=7),
        "limits": EndpointLimits(concurrent_polls=3, polls_per_second=5),
    }
    with Runpod(server.api_key, base_url=server.base_url, **options) as client:
        yield client


def test_a_job_is_pickled_without_the_api_key(
    server: LocalServer, client: Runpod, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = client.endpoint("ep", output_type=Horse)
    job = endpoint.run(input={"legs": 4})
    parcel = pickle.dumps([client, endpoint, job, job.wait(timeout=TEST_TIMEOUT)])
    assert server.api_key.encode() not in parcel

    with pytest.raises(ConfigurationError, match="No API key found"):
        pickle.loads(parcel)
    # The receiving process reads the API key from its own settings.
    monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
    client_there, endpoint_there, job_there, state = pickle.loads(parcel)
    assert Horse(legs=4) == job_there.result(timeout=TEST_TIMEOUT) == state.output
    assert Horse(legs=5) == endpoint_there.run_sync(input={"legs": 5}, timeout=TEST_TIMEOUT).output
    session = job_there._session
    assert (17.0, 7, 3) == (session.timeout, session.retry.max_retries, session.limits.concurrent_polls)
    # Unpickled objects share connections, which closing one of the clients does not close.
    client_there.close()
    (_, another, _, _) = pickle.loads(parcel)
    assert another._session.engine is session.engine
    assert another.run_sync(input={"legs": 6}, timeout=TEST_TIMEOUT).succeeded
    session.engine.close()


class Store:
    """What `uploads=` takes."""

    threshold = 7

    def acquire(self, file: File, stop: threading.Event) -> str:
        return f"{file.name} {stop.is_set()}"

    def release(self, file: File, *, used: bool) -> str | None:
        return f"{file.name} {used}"


def test_uploads_and_limits_are_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    with Runpod(KEY, uploads=Store(), limits=EndpointLimits(run_bytes=5)) as client:
        parcel = pickle.dumps(client.endpoint("ep"))
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    session = pickle.loads(parcel)._session
    assert (Store, 7, 5) == (type(session.uploads), session.uploads.threshold, session.limits.run_bytes)
    assert session.with_options(timeout=1, retry=None, limits=None).uploads is session.uploads
    session.engine.close()


def test_a_profile_that_was_passed_is_pickled_by_its_name(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path.home() / ".runpod" / "config.toml"
    path.parent.mkdir()
    path.write_text(f'[work]\napi_key = "{server.api_key}"\nbase_url = "{server.base_url}"\n')
    with Runpod(profile="work") as client:
        parcel = pickle.dumps(pickle.loads(pickle.dumps(client.endpoint("ep"))))
    assert server.api_key.encode() not in parcel
    monkeypatch.setenv("RUNPOD_API_KEY", "of-another-account")
    endpoint = pickle.loads(parcel)
    assert endpoint.run_sync(input={"n": 1}, timeout=TEST_TIMEOUT).succeeded
    endpoint._session.engine.close()
    path.unlink()
    with pytest.raises(ConfigurationError, match="there is no profile 'work'"):
        pickle.loads(parcel)


def test_a_profile_of_the_environment_is_not_pickled(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path.home() / ".runpod" / "config.toml"
    path.parent.mkdir()
    path.write_text(f'[work]\napi_key = "{server.api_key}"\n')
    monkeypatch.setenv("RUNPOD_PROFILE", "work")
    with Runpod(base_url=server.base_url) as client:
        parcel = pickle.dumps(client.endpoint("ep"))
    # Another machine has other settings.
    monkeypatch.delenv("RUNPOD_PROFILE")
    path.unlink()
    monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
    assert pickle.loads(parcel)._session.engine.config.profile is None


async def test_an_async_job_is_pickled(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
    async with AsyncRunpod(base_url=server.base_url) as client:
        job = pickle.loads(pickle.dumps(await client.endpoint("ep").run(input={"n": 1})))
        assert {"n": 1} == await job.result(timeout=TEST_TIMEOUT)
        await job._session.engine.aclose()


def test_a_client_with_a_callers_http_client_cannot_be_pickled() -> None:
    with httpx.Client() as http_client:
        client = Runpod(KEY, http_client=http_client)
        with pytest.raises(TypeError, match="custom http_client cannot be pickled"):
            pickle.dumps(client.endpoint("ep"))
        assert copy.deepcopy(client.endpoint("ep"))._session is client._session


@dataclasses.dataclass
class Task:
    endpoint: Endpoint[Any]


def test_copies_share_connections(client: Runpod) -> None:
    endpoint = client.endpoint("ep")
    for copied in (copy.deepcopy(endpoint), dataclasses.asdict(Task(endpoint))["endpoint"], copy.copy(endpoint)):
        assert copied._session is endpoint._session
        assert copied.run_sync(input={"n": 1}, timeout=TEST_TIMEOUT).succeeded
    job = endpoint.run(input={"n": 2})
    assert {"n": 2} == copy.deepcopy(job).result(timeout=TEST_TIMEOUT)


# --- errors in a task queue with JSON results -------------------------------------------------

STATE: JobState[Any] = JobState(id="job-1", status="FAILED", error="no horse", delayTime=1500)
ERRORS: dict[str, RunpodError] = {
    name: getattr(runpod, name)(
        f"{name}: what happened.", endpoint_id="ep", job_id="job-1", maybe_submitted=True, retryable=True
    )
    for name in runpod.__all__
    if name.endswith("Error") and name != "WorkerFailure"
}
ERRORS["with headers"] = RateLimitError("x", status_code=429, body="{}", headers={"cf-ray": "ray"}, retry_after=2.5)
ERRORS["with a state"] = RunpodTimeoutError("x", state=STATE)
ERRORS["of a job"] = JobFailedError("x", state=STATE)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised by celery itself
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_survives_celery(name: str) -> None:
    error = ERRORS[name]
    backend = Celery("app", backend="cache+memory://", broker="memory://").backend
    arrived = backend.exception_to_python(backend.prepare_exception(error, "json"))
    assert type(error) is type(arrived)
    assert vars(error) == vars(arrived)


def test_an_error_rebuilt_from_its_args_can_be_pickled() -> None:
    error = JobFailedError("failed", state=JobState(id="job-1", status=JobStatus.FAILED, error="boom"))
    rebuilt = JobFailedError(*json.loads(json.dumps(error.args)))
    assert error.state == pickle.loads(pickle.dumps(rebuilt)).state


def test_an_error_rebuilt_from_its_message_is_not_marked_safe_to_retry() -> None:
    for name in ("RunpodError", "APIConnectionError", "RunpodTimeoutError", "ServerError", "APIResponseError"):
        assert getattr(runpod, name)("lost").maybe_submitted is True
    for name in ("RateLimitError", "JobFailedError", "InvalidRequestError", "NotFoundError"):
        assert getattr(runpod, name)("a test of a user's").maybe_submitted is False
