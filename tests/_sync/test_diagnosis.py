# Generated from tests/_async/test_diagnosis.py by scripts/generate_sync.py. Do not edit.

"""`diagnose()`, with a local server or scripted responses in the states that it explains."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

from runpod import Runpod, ClientClosedError, ExecutionPolicy, InvalidRequestError, NotFoundError
from runpod._sync import diagnosis as diagnosis_module
from runpod.local import LocalEndpoint, LocalServer
from runpod.local.workers import process_pool
from tests._sync.local_server import TIMEOUT, echo
from tests._sync.misbehaving import LONG, SHORT
from tests.local.api import Api
from tests.servers import KEY, TEST_TIMEOUT, Connection, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import Endpoint, Diagnosis
    from tests.local.api import Gate
    from tests.servers import Wire

HEALTHY = {"jobs": {"inQueue": 0}, "workers": {"idle": 1}}
BUSY = {"jobs": {"inQueue": 2, "inProgress": 1}, "workers": {"running": 1, "unhealthy": 1}}
SETTINGS = {"id": "ep", "type": "QUEUE", "workers": {"min": 0, "max": 3}}
WORKERS = {
    "workers": [{"id": "new", "status": "UNHEALTHY", "isStale": False}, {"id": "old", "isStale": True}],
    "endpointVersion": 2,
}
RELEASES = {
    "releases": [{"id": "r2", "version": 2, "diff": [{"field": "env", "old": {}, "new": {"TOKEN": "a secret"}}]}],
    "rollout": {"inProgress": True, "workersOnLatest": 1, "workersTotal": 2},
    "endpointVersion": 2,
}


def fails(job: dict[str, Any]) -> None:
    raise ValueError("no horse")


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalServer]:
    endpoints = {
        "horse": echo,
        "fails": fails,
        "pauses": echo,
        "throttles": LocalEndpoint(echo, workers=2),
        "closed": LocalEndpoint(echo, workers=0),
        "balancer": LocalEndpoint(app=Starlette()),
        "cold": LocalEndpoint(echo, cold_start=timedelta(hours=1)),
        "waits": LocalEndpoint(echo, cold_start=timedelta(hours=1)),
    }
    with LocalServer(endpoints) as server:
        yield server


@pytest.fixture
def local(shared: LocalServer) -> Iterator[Runpod]:
    with connected(shared) as client:
        yield client


def connected(server: LocalServer, **options: Any) -> Runpod:
    options = {"api_key": server.api_key, "base_url": server.base_url, **options}
    return Runpod(management_url=server.management_url, timeout=TIMEOUT, **options)


def causes(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    return [(each.cause, each.certainty) for each in diagnosis.findings]


def test_nothing_is_wrong(local: Runpod) -> None:
    diagnosis = local.endpoint("horse").diagnose()
    assert (True, ()) == (diagnosis.ok, diagnosis.findings)
    assert "Endpoint 'horse': nothing is wrong: 1 worker is idle, no job waits." == str(diagnosis)
    expected = {"settings.workers.max": 1, "workers.total": 1, "releases.version": 1, "health.workers.idle": 1}
    assert expected.items() <= diagnosis.facts.items()


def test_a_wrong_endpoint_id(local: Runpod) -> None:
    diagnosis = local.endpoint("hoarse").diagnose(job_id="job-1")
    assert [("not_found", "certain")] == causes(diagnosis)
    assert diagnosis.facts["settings"].startswith(
        "could not be read: manage.serverless.get (GET /v2/serverless/hoarse)"
    )


def test_a_wrong_key(shared: LocalServer) -> None:
    before = len(shared.requests)
    with connected(shared, api_key=KEY) as client:
        diagnosis = client.endpoint("horse").diagnose()
    assert [("key_refused", "certain")] == causes(diagnosis)
    # Nor is it tried elsewhere.
    assert ["/v2/horse/health"] == [request.path for request in shared.requests[before:]]
    assert KEY not in str(diagnosis.to_dict())


def test_a_wrong_base_url(shared: LocalServer) -> None:
    with connected(shared, base_url=shared.management_url) as client:
        [found] = (client.endpoint("horse").diagnose()).findings
    assert "not_found" == found.cause
    assert "The management API knows it. Check base_url" in str(found)


@pytest.mark.fact("protocol-2 1: jobs of a paused endpoint")
def test_a_paused_endpoint(local: Runpod) -> None:
    endpoint = local.endpoint("pauses")
    endpoint.pause()
    job = endpoint.run(input={"n": 1})
    diagnosis = endpoint.diagnose(job_id=job.id)
    assert [("paused", "certain")] == causes(diagnosis)
    [sentence] = diagnosis.sentences
    assert "Release 2 lowered it from 1 on" in sentence
    assert "1 job waits. Raise the maximum with endpoint.resume(max=3). Jobs that wait are deleted" in sentence
    assert "IN_QUEUE" == diagnosis.facts["job.status"]
    endpoint.resume()
    assert {"n": 1} == job.result(timeout=TIMEOUT)
    assert (endpoint.diagnose(job_id=job.id)).ok


def test_an_endpoint_without_workers(local: Runpod) -> None:
    assert [("paused", "certain")] == causes(local.endpoint("closed").diagnose())


def test_throttled_workers(shared: LocalServer, local: Runpod) -> None:
    endpoint = local.endpoint("throttles")
    shared.throttle("throttles")
    job = endpoint.run(input={"n": 1})
    diagnosis = endpoint.diagnose()
    assert [("throttled", "certain")] == causes(diagnosis)
    assert "All 2 workers are throttled: no CPU is free for them." == diagnosis.findings[0].problem
    assert ["THROTTLED"] * 2 == [worker.status for worker in endpoint.workers()]
    shared.throttle("throttles", throttled=False)
    assert {"n": 1} == job.result(timeout=TIMEOUT)
    assert (endpoint.diagnose()).ok


def test_a_cold_start(local: Runpod) -> None:
    endpoint = local.endpoint("cold")
    endpoint.run(input={"n": 1})
    diagnosis = endpoint.diagnose()
    assert [("starting", "certain")] == causes(diagnosis)
    assert "1 worker is starting, for " in diagnosis.findings[0].problem
    assert diagnosis.facts["workers.starting_seconds"] < 600


def test_no_worker_starts(local: Runpod) -> None:
    endpoint = local.endpoint("waits")
    # The local server starts no worker for a job of low priority.
    endpoint.run(input={"n": 1}, policy=ExecutionPolicy(low_priority=True))
    diagnosis = endpoint.diagnose()
    assert [("no_worker", "possible")] == causes(diagnosis)
    assert "1 job waits, and no worker has been started yet." == diagnosis.findings[0].problem


def test_busy_idle_and_unhealthy_workers(gate: Gate) -> None:
    with LocalServer({"horse": gate}) as server, Api(server) as worker:
        with connected(server) as client:
            endpoint = client.endpoint("horse")
            endpoint.run(input={"n": 1})
            assert gate.entered.wait(TEST_TIMEOUT)
            job = endpoint.run(input={"n": 2})
            diagnosis = endpoint.diagnose()
            assert [("all_busy", "certain")] == causes(diagnosis)
            expected = "The only worker runs a job, and 1 job waits. The endpoint may have 1."
            assert expected == diagnosis.findings[0].problem
            # Another worker, which takes a job, and then no more.
            assert job.id == worker.get("/job-take/w2?job_in_progress=0")["id"]
            worker.post(f"/job-done/w2/{job.id}", {"output": 1})
            endpoint.run(input={"n": 3})
            assert [("idle_workers", "possible")] == causes(endpoint.diagnose())
            worker.get("/ping/w2?status=unhealthy&check=memory&reason=none")
            diagnosis = endpoint.diagnose()
            assert [("all_busy", "certain"), ("unhealthy", "likely")] == causes(diagnosis)
            assert "endpoint.logs(worker='w2')" in diagnosis.findings[1].advice


def test_a_worker_process_that_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "restart_delay", lambda _: 3600.0)
    command = [sys.executable, "-c", "raise SystemExit('no model')"]
    with LocalServer({"horse": LocalEndpoint(command=command)}) as server:
        with connected(server) as client:
            endpoint = client.endpoint("horse")
            for _ in range(10_000):  # until the process has ended
                diagnosis = endpoint.diagnose()
                if not diagnosis.ok:
                    break
            assert [("unhealthy", "certain")] == causes(diagnosis)
            [worker_id] = diagnosis.facts["workers.unhealthy_ids"]
            assert f"Read its log: endpoint.logs(worker={worker_id!r})." == diagnosis.findings[0].advice
            lines = [line.line for line in endpoint.logs(worker_id, tail=3, timeout=TIMEOUT)]
            assert [
                f"Worker {worker_id} started.",
                "no model",
                f"Worker {worker_id} exited with status 1.",
            ] == lines
            endpoint.pause()
            assert [] == list(endpoint.workers())
            with pytest.raises(NotFoundError):
                [line for line in endpoint.logs(worker_id)]


def test_jobs_that_do_not_wait(local: Runpod) -> None:
    endpoint = local.endpoint("fails")
    job = endpoint.run(input={"n": 1})
    job.wait(timeout=TIMEOUT)
    diagnosis = endpoint.diagnose(job_id=job.id)
    assert [("job_ended", "certain")] == causes(diagnosis)
    assert "no horse" not in str(diagnosis.to_dict())
    assert [("job_not_found", "certain")] == causes(endpoint.diagnose(job_id="job-1"))


def test_a_load_balancer_and_a_queue_are_not_the_same(local: Runpod) -> None:
    endpoint = local.endpoint("balancer")
    diagnosis = endpoint.diagnose()
    assert [("wrong_type", "certain")] == causes(diagnosis)
    assert "client.load_balancer('balancer').http" in diagnosis.findings[0].advice
    assert (endpoint.diagnose(used_as="LOAD_BALANCER")).ok
    diagnosis = local.endpoint("horse").diagnose(used_as="LOAD_BALANCER")
    assert [("wrong_type", "certain")] == causes(diagnosis)


def test_a_release_that_fails(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(BUSY, SETTINGS, WORKERS, RELEASES)
    diagnosis = endpoint.diagnose()
    assert ["unhealthy", "failed_release", "all_busy", "rollout"] == [each.cause for each in diagnosis.findings]
    assert "Release 2 does not run" in str(diagnosis)
    assert "a secret" not in f"{diagnosis}{diagnosis!r}{diagnosis.to_dict()}"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(403, json={"detail": "no scope"}), "failed with HTTP 403: no scope"),
        (httpx.Response(200, text="<html><title>Login</title></html>"), ""),
        (httpx.Response(429, headers={"retry-after": "3600"}), "failed with HTTP 429"),
        (503, "failed with HTTP 503"),
        (httpx.ConnectError("refused"), "could not be sent"),
    ],
    ids=["403", "HTML", "429", "503", "unreachable"],
)
def test_the_management_api_may_be_unusable(
    response: Any, reason: str, endpoint: Endpoint, wire: Wire
) -> None:
    wire.respond(HEALTHY)
    wire.always(response)
    diagnosis = endpoint.diagnose(timeout=60)
    assert diagnosis.ok
    assert diagnosis.facts["settings"].startswith("could not be read: manage.serverless.get (GET /v2/serverless/ep) ")
    assert reason in diagnosis.facts["settings"]
    assert {"/v2/ep/health", "/v2/serverless/ep"} == {request.url.path for request in wire.requests}


@pytest.mark.parametrize("response", [500, httpx.Response(200, json=[]), httpx.ConnectError("refused")])
def test_without_health_the_workers_tell(response: Any, endpoint: Endpoint, wire: Wire) -> None:
    endpoint = endpoint.with_options(retry=None)
    tries = 1 if isinstance(response, httpx.Response) else 4
    summary = {"workers": [], "summary": {"throttled": 1}}
    wire.respond(*[response] * tries, SETTINGS, summary, {"releases": []})
    diagnosis = endpoint.diagnose(job_id="job-1")
    assert ["throttled", "no_response"] == [each.cause for each in diagnosis.findings]


def test_a_management_api_that_hangs(shared: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis_module, "_MANAGEMENT_TIMEOUT", SHORT)
    with RawServer(Connection.hang) as server:
        with Runpod(shared.api_key, base_url=shared.base_url, management_url=server.base_url) as client:
            diagnosis = client.endpoint("horse").diagnose(timeout=LONG)
    assert diagnosis.ok
    assert "got no response within the timeout of 0." in diagnosis.facts["settings"]


def test_an_api_that_hangs_leaves_no_time_for_the_rest() -> None:
    with RawServer(Connection.hang) as server:
        with Runpod(KEY, base_url=server.base_url, management_url=server.base_url) as client:
            diagnosis = client.endpoint("horse").diagnose(timeout=SHORT)
        assert 1 == server.connections
    assert [("no_response", "certain")] == causes(diagnosis)
    assert "got no response within the timeout of 0.5 s" in diagnosis.findings[0].problem


def test_a_key_without_access_to_the_endpoint(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(403, 403)
    assert [("key_not_permitted", "certain")] == causes(endpoint.diagnose())


def test_errors_of_the_caller_are_raised(wire: Wire) -> None:
    client = Runpod(KEY)
    endpoint = client.endpoint("ep")
    with pytest.raises(InvalidRequestError, match="job_id is blank"):
        endpoint.diagnose(job_id=" ")
    with pytest.raises(InvalidRequestError, match="timeout must be positive"):
        endpoint.diagnose(timeout=0)
    client.close()
    with pytest.raises(ClientClosedError):
        endpoint.diagnose()
