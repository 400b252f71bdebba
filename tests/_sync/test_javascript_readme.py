# Generated from tests/_async/test_javascript_readme.py by scripts/generate_sync.py. Do not edit.

"""The examples of the JavaScript SDK's README, in Python."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from runpod import Runpod, RunpodTimeoutError
from runpod.local import LocalServer
from tests.servers import TEST_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import Endpoint

PROMPT = "a photo of a horse the size of a Boeing 787"
SEVEN = "7 photos of a horse the size of a Boeing 787"


class Stable:
    """Handlers of the examples. `slow` blocks until `gate` is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    @staticmethod
    def horse(job: dict[str, Any]) -> dict[str, str]:
        return {"photo_of": job["input"]["prompt"]}

    @staticmethod
    def horses(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for number in range(int(job["input"]["prompt"].split()[0])):
            yield {"photo": number}

    def slow(self, job: dict[str, Any]) -> dict[str, str]:
        self.gate.wait(TEST_TIMEOUT)
        return self.horse(job)


@pytest.fixture
def stable() -> Iterator[Stable]:
    stable = Stable()
    yield stable
    stable.gate.set()


@pytest.fixture
def server(stable: Stable, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    handlers = {"horse": stable.horse, "horses": stable.horses, "slow": stable.slow}
    with LocalServer(handlers) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        yield server


@pytest.fixture
def runpod(server: LocalServer) -> Iterator[Runpod]:
    with Runpod() as runpod:
        yield runpod


@pytest.fixture
def endpoint(runpod: Runpod) -> Endpoint:
    return runpod.endpoint("horse")


def test_example_usage(server: LocalServer) -> None:
    with Runpod() as runpod:
        endpoint = runpod.endpoint("horse")
        result = endpoint.run_sync({"input": {"prompt": PROMPT}})
    assert result.completed
    assert result.succeeded
    assert {"photo_of": PROMPT} == result.output


def test_the_key_as_an_argument(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY")
    with Runpod(server.api_key) as runpod:
        result = runpod.endpoint("horse").run_sync({"input": {"prompt": PROMPT}})
    assert {"photo_of": PROMPT} == result.output


def test_run_returns_an_id(endpoint: Endpoint, server: LocalServer) -> None:
    job = endpoint.run({"input": {"prompt": PROMPT}})
    assert [job.id] == [known["id"] for known in server.jobs["horse"]]
    assert "IN_QUEUE" == job.status


def test_the_status_of_a_completed_request_has_its_output(endpoint: Endpoint) -> None:
    job = endpoint.run({"input": {"prompt": PROMPT}})
    job.wait(timeout=TEST_TIMEOUT)
    status = endpoint.status(job.id)
    assert ("COMPLETED", {"photo_of": PROMPT}) == (status.status, status.output)
    assert status.started
    assert status.completed
    assert status.succeeded


def test_run_sync_polls_until_the_request_ends(runpod: Runpod, stable: Stable) -> None:
    opener = threading.Timer(1.1, stable.gate.set)  # longer than the `wait` of the first request
    opener.start()
    result = runpod.endpoint("slow").run_sync({"input": {"prompt": PROMPT}})
    opener.join()
    assert {"photo_of": PROMPT} == result.output


def test_status_sync_waits_for_an_id(runpod: Runpod, stable: Stable) -> None:
    endpoint = runpod.endpoint("slow")
    job = endpoint.run({"input": {"prompt": PROMPT}})
    stable.gate.set()
    result = endpoint.status_sync(job.id)
    assert {"photo_of": PROMPT} == result.output


def test_cancel_by_id(runpod: Runpod) -> None:
    endpoint = runpod.endpoint("slow")
    job = endpoint.run({"input": {"prompt": PROMPT}})
    assert "CANCELLED" == (endpoint.cancel(job.id)).status
    assert "CANCELLED" == (endpoint.status(job.id)).status


def test_health(endpoint: Endpoint) -> None:
    endpoint.run_sync({"input": {"prompt": PROMPT}})
    health = endpoint.health()
    assert 1 == health.jobs.completed
    assert 0 == health.jobs.in_queue


def test_purge_queue(runpod: Runpod) -> None:
    endpoint = runpod.endpoint("slow")
    for _ in range(3):
        endpoint.run({"input": {"prompt": PROMPT}})
    assert (endpoint.purge_queue()).removed >= 2


def test_a_stream_of_seven(runpod: Runpod) -> None:
    endpoint = runpod.endpoint("horses")
    job = endpoint.run({"input": {"prompt": SEVEN}})
    photos: list[Any] = []
    for result in endpoint.stream(job.id):
        photos.append(result.output)  # noqa: PERF401 - as in the example
    assert [{"photo": number} for number in range(7)] == photos


def test_a_timeout_for_run_sync(runpod: Runpod, stable: Stable) -> None:
    # 5000 ms in JavaScript is 5 s here.
    stable.gate.set()
    result = runpod.endpoint("slow").run_sync({"input": {"prompt": PROMPT}}, timeout=5)
    assert result.succeeded


def test_a_timeout_raises_instead_of_returning_a_result(runpod: Runpod, stable: Stable) -> None:
    endpoint = runpod.endpoint("slow")
    start = time.monotonic()
    with pytest.raises(RunpodTimeoutError) as caught:
        endpoint.run_sync({"input": {"prompt": PROMPT}}, timeout=3)
    assert time.monotonic() - start < 3 + TEST_TIMEOUT / 2
    # Only the local call ended. The request is still running.
    stable.gate.set()
    assert {"photo_of": PROMPT} == endpoint.job(caught.value.job_id).result(timeout=TEST_TIMEOUT)


def test_the_timeout_of_run_limits_the_submission(runpod: Runpod, server: LocalServer) -> None:
    job = runpod.endpoint("slow").run({"input": {"prompt": PROMPT}}, timeout=3)
    assert "IN_QUEUE" == job.status
    (request,) = server.requests
    assert {"input": {"prompt": PROMPT}} == json.loads(request.body)
    assert {} == dict(request.query)


def test_a_policy_limits_the_job(endpoint: Endpoint, server: LocalServer) -> None:
    # Milliseconds in the wire format, as in JavaScript.
    job = endpoint.run({"input": {"prompt": PROMPT}, "policy": {"executionTimeout": 3000}})
    assert {"photo_of": PROMPT} == job.result(timeout=TEST_TIMEOUT)
    body = json.loads(server.requests[0].body)
    assert {"input": {"prompt": PROMPT}, "policy": {"executionTimeout": 3000}} == body
