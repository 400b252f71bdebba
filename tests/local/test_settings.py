"""Settings of servers and endpoints, and the switches for undocumented behavior."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import Behavior, LocalEndpoint, LocalServer
from tests.local.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.api import Gate
    from tests.local.conftest import Serve


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def generate(_: dict[str, Any]) -> Iterator[int]:
    yield 1


def workers(api: Api) -> tuple[int, int]:
    counts = api.get("/health")["workers"]
    return counts["idle"], counts["running"]


def test_endpoints_with_different_settings() -> None:
    endpoints = {
        "plain": echo,
        "wide": LocalEndpoint(echo, workers=3),
        "cold": LocalEndpoint(echo, cold_start=timedelta(hours=1)),
        "whole": LocalEndpoint(generate, return_aggregate_stream=True),
    }
    with LocalServer(endpoints, workers=2) as server, ExitStack() as stack:
        apis = {name: stack.enter_context(Api(server, name)) for name in endpoints}
        found = {name: workers(api) for name, api in apis.items()}
        assert {"plain": (2, 0), "wide": (3, 0), "cold": (0, 0), "whole": (1, 0)} == found
        assert [1] == apis["whole"].run_sync()["output"]


def test_without_workers_jobs_stay_in_the_queue(serve: Serve) -> None:
    api = serve(echo, workers=0)
    job_id = api.run()
    assert {"id": job_id, "status": "IN_QUEUE"} == api.get(f"/status-sync/{job_id}?wait=1000")
    assert 1 == api.get("/health")["jobs"]["inQueue"]
    assert 1 == api.post("/purge-queue")["removed"]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"handler": 1}, TypeError),
        ({"workers": -1}, ValueError),
        ({"workers": True}, TypeError),
        ({"cold_start": timedelta(seconds=-0.1)}, ValueError),
        ({"cold_start": None}, TypeError),
    ],
)
def test_invalid_settings_of_an_endpoint(settings: dict[str, Any], error: type[Exception]) -> None:
    arguments: dict[str, Any] = {"handler": echo} | settings
    with pytest.raises(error):
        LocalEndpoint(**arguments)


@pytest.mark.parametrize(
    ("endpoints", "error", "message"),
    [
        ({"horse": 1}, TypeError, "must be callable, not int.*function itself"),
        ({"horse": None}, TypeError, "worker command, not None"),
        ({"": echo}, ValueError, "endpoint ID '' cannot"),
        ({"a/b": echo}, ValueError, "endpoint ID 'a/b' cannot.*no slash"),
        ({"..": echo}, ValueError, "endpoint ID '..' cannot"),
        ({1: echo}, TypeError, "Endpoint IDs must be str, not int"),
        ([("horse", echo)], TypeError, "not list"),
        (echo, TypeError, "not function"),
    ],
)
def test_invalid_endpoints_of_a_server(endpoints: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        LocalServer(endpoints)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"port": -1}, ValueError),
        ({"port": 65536}, ValueError),
        ({"port": "80"}, TypeError),
        ({"port": True}, TypeError),
        ({"workers": -1}, ValueError),
        ({"workers": 1.5}, TypeError),
        ({"cold_start": timedelta(seconds=-1)}, ValueError),
        ({"cold_start": 20}, TypeError),
        ({"cold_start": "1"}, TypeError),
        ({"api_key": ""}, ValueError),
        ({"api_key": "with space"}, ValueError),
        ({"api_key": "schlüssel"}, ValueError),
        ({"api_key": 1}, TypeError),
    ],
)
def test_invalid_settings_of_a_server(settings: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        LocalServer({"horse": echo}, **settings)


@pytest.mark.parametrize(
    ("settings", "error"),
    [({"not_found_for": timedelta(seconds=-1)}, ValueError), ({"stream_hold": "sometimes"}, ValueError)],
)
def test_invalid_behavior(settings: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Behavior(**settings)


@pytest.mark.fact("protocol 1.1: status-sync exists")
def test_without_status_sync(serve: Serve) -> None:
    api = serve(echo, behavior=Behavior(status_sync=False))
    done = api.run_sync()
    response = api.http.get(f"/status-sync/{done['id']}")
    assert (404, {"error": "not found"}) == (response.status_code, response.json())
    assert done == api.status(done["id"])


@pytest.mark.fact("protocol 1.1: reads by POST")
def test_without_post_reads(serve: Serve) -> None:
    api = serve(echo, behavior=Behavior(post_reads=False))
    job_id = api.run_sync()["id"]
    for operation in ("status", "status-sync", "stream"):
        response = api.http.post(f"/{operation}/{job_id}")
        assert (405, "GET") == (response.status_code, response.headers["allow"])
        assert 200 == api.http.get(f"/{operation}/{job_id}").status_code


@pytest.mark.fact("protocol 4: 404 after the submission")
def test_recently_submitted_job_is_not_found(serve: Serve, gate: Gate) -> None:
    api = serve(gate, behavior=Behavior(not_found_for=timedelta(hours=1)))
    job_id = api.run()
    gate.wait_entered()  # It runs nevertheless.
    for method, operation in (("GET", "status"), ("GET", "stream"), ("POST", "cancel"), ("POST", "retry")):
        response = api.http.request(method, f"/{operation}/{job_id}")
        assert (404, {"error": "job not found"}) == (response.status_code, response.json())


@pytest.mark.fact("protocol 3: hold in the queue")
@pytest.mark.parametrize(("hold", "queued", "started"), [("always", 1, 1), ("started", 0, 1), ("never", 0, 0)])
def test_when_a_stream_is_held(serve: Serve, gate: Gate, hold: Any, queued: int, started: int) -> None:
    api = serve(gate, behavior=Behavior(stream_hold=hold))
    first = api.run(n=1)
    gate.wait_entered()
    second = api.run(n=2)
    for job_id, held, status in ((first, started, "IN_PROGRESS"), (second, queued, "IN_QUEUE")):
        # If it is held for a minute, the client does not wait for the response.
        response = api.http.get(f"/stream/{job_id}?wait={1000 if held else 60_000}")
        assert {"status": status, "stream": []} == api.ok(response)
        assert not held or response.elapsed.total_seconds() > 0.9


@pytest.mark.fact("protocol 1.9: cancel after the end")
def test_late_cancel_can_be_refused(serve: Serve, gate: Gate) -> None:
    api = serve(gate, behavior=Behavior(refuse_late_cancel=True))
    running = api.run(n=1)
    gate.wait_entered()
    queued = api.run(n=2)
    for job_id in (queued, running):
        assert "CANCELLED" == api.post(f"/cancel/{job_id}")["status"]
        response = api.http.post(f"/cancel/{job_id}")
        error = "job is CANCELLED; only jobs that have not ended can be cancelled"
        assert (400, {"error": error}) == (response.status_code, response.json())
