from __future__ import annotations

import time
from concurrent.futures import wait
from typing import TYPE_CHECKING

import pytest

from tests.local.api import TIMEOUT, in_thread, until

if TYPE_CHECKING:
    from tests.local.api import Gate
    from tests.local.conftest import Serve

WAIT_TEXT = "wait is invalid; must be between 1000 and 300000"


@pytest.mark.parametrize("query", ["", "?wait=300000", "?wait="])
def test_runsync_is_held_until_the_job_ends(serve: Serve, gate: Gate, query: str) -> None:
    api = serve(gate)
    response = api.held("POST", f"/runsync{query}", json={"input": {"n": 1}})
    gate.wait_entered()
    assert not response.done()
    gate.open()
    done = api.ok(response.result(TIMEOUT))
    assert ("COMPLETED", {"n": 1}) == (done["status"], done["output"])


@pytest.mark.fact("protocol 1.5: unfinished")
def test_runsync_returns_id_and_status_on_timeout(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    # Concurrently, because the minimum wait is one second.
    running = api.held("POST", "/runsync?wait=1000", json={"input": {"n": 1}})
    gate.wait_entered()
    queued = api.held("POST", "/runsync?wait=1000", json={"input": {"n": 2}})
    polled = api.held("GET", f"/status-sync/{api.server.jobs['horse'][0]['id']}?wait=1000")
    bodies = [api.ok(response.result(TIMEOUT)) for response in (running, queued)]
    assert [{"id", "status"}] * 2 == [set(body) for body in bodies]
    assert ["IN_PROGRESS", "IN_QUEUE"] == [body["status"] for body in bodies]
    assert all(body["id"].startswith("sync-") for body in bodies)
    body = api.ok(polled.result(TIMEOUT))
    assert {"id", "status", "delayTime", "workerId"} == set(body)
    gate.open()
    assert {"n": 2} == api.end(bodies[1]["id"])["output"]


def test_many_polls_of_one_job(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    job_id = api.run(n=1)
    responses = [api.held("GET", f"/status-sync/{job_id}") for _ in range(10)]
    assert not any(response.done() for response in responses)
    gate.open()
    wait(responses, TIMEOUT)
    assert 1 == len({response.result().text for response in responses})


def test_poll_of_an_ended_job_returns_at_once(serve: Serve) -> None:
    api = serve(lambda _: 1)
    assert api.end(api.run_sync()["id"])["output"] == 1


@pytest.mark.fact("protocol 1.5: wait out of range", "protocol 1.6: wait of status-sync")
@pytest.mark.parametrize("wait", ["0", "999", "300001", "-1000", "abc", "1e4", "2000.5", "9" * 5000])
@pytest.mark.parametrize("operation", ["runsync", "status-sync", "stream"])
def test_wait_out_of_range(serve: Serve, wait: str, operation: str) -> None:
    api = serve(lambda _: 1)
    if operation == "runsync":
        response = api.http.post("/runsync", params={"wait": wait}, json={"input": {"n": 1}})
        assert [] == api.server.jobs["horse"]
    else:
        response = api.http.get(f"/{operation}/{api.run()}", params={"wait": wait})
    assert (400, {"error": WAIT_TEXT}) == (response.status_code, response.json())


def test_disconnect_removes_the_listener(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    job_id = api.run()
    job = api.server._endpoints["horse"].queue.get(job_id)
    with api.unread(f"/status-sync/{job_id}"):
        until(lambda: bool(job.changed._listeners))
    until(lambda: not job.changed._listeners)
    gate.open()
    assert "COMPLETED" == api.end(job_id)["status"]


def test_worker_is_idle_when_the_poll_returns(serve: Serve) -> None:
    api = serve(lambda _: 1)
    for _ in range(20):
        api.run_sync()
        health = api.get("/health")
        assert (1, 0) == (health["workers"]["idle"], health["workers"]["running"])


@pytest.mark.fact("protocol 1.6: status-sync is held")
def test_poll_returns_only_at_the_end(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    first = api.run(n=1)
    gate.wait_entered()
    second = api.run(n=2)
    # The job is queued when the poll starts; only its end completes the poll.
    response = in_thread(lambda: api.end(second))
    until(lambda: len(api.server.requests) == 3)
    gate.open()
    assert "COMPLETED" == response.result(TIMEOUT)["status"]
    assert "COMPLETED" == api.status(first)["status"]


@pytest.mark.fact("protocol 1.7: milliseconds")
def test_durations_are_milliseconds(serve: Serve) -> None:
    api = serve(lambda _: time.sleep(0.05))
    assert 50 <= api.run_sync()["executionTime"] < TIMEOUT * 1000
