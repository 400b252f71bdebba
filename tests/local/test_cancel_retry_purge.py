from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import Behavior, LocalServer
from tests.local.api import TIMEOUT, Api, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.local.api import Gate
    from tests.local.conftest import Serve


@pytest.mark.fact("protocol 1.9: cancel")
def test_cancel_in_the_queue(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    api.run(n=1)
    gate.wait_entered()
    job_id = api.run(n=2)
    poll = api.held("GET", f"/status-sync/{job_id}")
    assert {"id": job_id, "status": "CANCELLED"} == api.post(f"/cancel/{job_id}")
    assert {"id": job_id, "status": "CANCELLED"} == api.ok(poll.result(TIMEOUT))
    gate.open()
    assert {"id": job_id, "status": "CANCELLED"} == api.status(job_id)


@pytest.mark.fact("protocol 1.1: empty bodies")
@pytest.mark.parametrize("generator", [False, True])
def test_cancel_stops_an_async_handler(serve: Serve, generator: bool) -> None:
    entered, stopped = threading.Event(), threading.Event()

    async def handler(job: dict[str, Any]) -> Any:
        if job["input"]["n"] > 1:
            return "free again"
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def handler_generator(job: dict[str, Any]) -> AsyncIterator[Any]:
        yield await handler(job)

    api = serve(handler_generator if generator else handler)
    job_id = api.run(n=1)
    assert entered.wait(TIMEOUT)
    poll = api.held("GET", f"/status-sync/{job_id}")
    assert {"id": job_id, "status": "CANCELLED"} == api.post(f"/cancel/{job_id}", {})
    assert stopped.wait(TIMEOUT)
    body = api.ok(poll.result(TIMEOUT))
    assert {"id", "status", "delayTime", "executionTime", "workerId"} == set(body)
    assert "CANCELLED" == body["status"]
    assert "COMPLETED" == api.run_sync(n=2)["status"]


def test_cancel_ignores_the_result_of_a_sync_handler(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    job_id = api.run(n=1)
    gate.wait_entered()
    assert "CANCELLED" == api.post(f"/cancel/{job_id}")["status"]
    health = api.get("/health")
    # The worker still runs the handler of the cancelled job.
    assert (0, 1) == (health["jobs"]["inProgress"], health["workers"]["running"])
    following = api.run(n=2)
    assert "IN_QUEUE" == api.status(following)["status"]
    gate.open()
    assert {"n": 2} == api.end(following)["output"]
    assert "CANCELLED" == api.status(job_id)["status"]
    assert "output" not in api.status(job_id)


def test_cancel_stops_a_sync_generator_at_its_next_yield(serve: Serve, gate: Gate) -> None:
    closed = threading.Event()

    def handler(job: dict[str, Any]) -> Iterator[Any]:
        try:
            gate(job)
            yield 1
            raise AssertionError("never reached")
        finally:
            closed.set()

    api = serve(handler)
    job_id = api.run()
    gate.wait_entered()
    api.post(f"/cancel/{job_id}")
    gate.open()
    assert closed.wait(TIMEOUT)
    assert {"status": "CANCELLED", "stream": []} == api.stream(job_id)


def test_cancel_of_an_async_handler_that_ignores_cancellation(serve: Serve) -> None:
    entered, done = threading.Event(), asyncio.Event()
    waits = 0

    async def handler(job: dict[str, Any]) -> Any:
        nonlocal waits
        if "open" in job["input"]:
            done.set()
            return "opened"
        while not done.is_set():
            entered.set()
            try:
                await done.wait()
            except asyncio.CancelledError:
                waits += 1
        return "too late"

    api = serve(handler, workers=2)
    job_id = api.run(n=1)
    assert entered.wait(TIMEOUT)
    api.post(f"/cancel/{job_id}")
    until(lambda: waits == 1)
    assert 1 == api.get("/health")["workers"]["running"]
    assert "opened" == api.run_sync(open=True)["output"]
    until(lambda: api.get("/health")["workers"]["idle"] == 2)
    assert "CANCELLED" == api.status(job_id)["status"]


def test_cancel_before_a_returned_coroutine_starts(serve: Serve, gate: Gate) -> None:
    async def coroutine() -> int:
        return 1

    def handler(job: dict[str, Any]) -> Any:
        gate(job)
        return coroutine()

    api = serve(handler)
    job_id = api.run()
    gate.wait_entered()
    api.post(f"/cancel/{job_id}")
    gate.open()
    until(lambda: api.get("/health")["workers"]["idle"] == 1)
    assert "CANCELLED" == api.status(job_id)["status"]


@pytest.mark.fact("protocol 1.9: cancel after the end")
@pytest.mark.parametrize(("handler", "status"), [(lambda _: 1, "COMPLETED"), (lambda _: {"error": "no"}, "FAILED")])
def test_cancel_does_not_change_an_ended_job(serve: Serve, handler: Callable[..., Any], status: str) -> None:
    api = serve(handler)
    before = api.run_sync()
    assert {"id": before["id"], "status": status} == api.post(f"/cancel/{before['id']}")
    assert before == api.status(before["id"])


def test_cancel_twice(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    job_id = api.run()
    for _ in range(2):
        assert {"id": job_id, "status": "CANCELLED"} == api.post(f"/cancel/{job_id}")


@pytest.mark.fact("protocol 1.9: retry")
def test_retry_runs_the_same_job_again(serve: Serve, gate: Gate) -> None:
    attempts: list[dict[str, Any]] = []

    def handler(job: dict[str, Any]) -> Any:
        attempts.append(job)
        if len(attempts) == 1:
            return {"error": "not yet", "output_of": "the first"}
        return gate(job)

    api = serve(handler)
    failed = api.run_sync(prompt="a horse")
    assert "FAILED" == failed["status"]
    assert {"id": failed["id"], "status": "IN_QUEUE"} == api.post(f"/retry/{failed['id']}")
    gate.wait_entered()
    running = api.status(failed["id"])
    assert {"id", "status", "delayTime", "workerId"} == set(running)
    gate.open()
    done = api.end(failed["id"])
    assert ("COMPLETED", {"prompt": "a horse"}) == (done["status"], done["output"])
    assert attempts[0] == attempts[1] == {"id": failed["id"], "input": {"prompt": "a horse"}}
    assert 1 == api.get("/health")["jobs"]["retried"]


def test_retry_clears_the_stream_of_the_first_attempt(serve: Serve) -> None:
    attempts: list[int] = []

    def handler(_: dict[str, Any]) -> Iterator[Any]:
        attempts.append(1)
        yield len(attempts)
        if len(attempts) == 1:
            raise ValueError

    api = serve(handler)
    job_id = api.run_sync()["id"]
    api.post(f"/retry/{job_id}")
    api.end(job_id)
    assert {"status": "COMPLETED", "stream": [{"output": 2}]} == api.stream(job_id)


@pytest.mark.fact("protocol 1.9: retry of failed jobs only", "protocol 1.9: refused retry")
def test_retry_is_for_failed_jobs_only(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    running = api.run(n=1)
    gate.wait_entered()
    queued, cancelled = api.run(n=2), api.run(n=3)
    api.post(f"/cancel/{cancelled}")
    expected = {running: "IN_PROGRESS", queued: "IN_QUEUE", cancelled: "CANCELLED"}
    for job_id, status in expected.items():
        response = api.http.post(f"/retry/{job_id}")
        assert 400 == response.status_code
        error = f"job is {status}; only FAILED or TIMED_OUT jobs can be retried"
        assert {"error": error} == response.json()
        assert status == api.status(job_id)["status"]
    gate.open()
    api.end(running)
    assert 400 == api.http.post(f"/retry/{running}").status_code


@pytest.mark.fact("protocol 1.1: empty bodies", "protocol 1.9: purge-queue")
def test_purge_removes_only_waiting_jobs(serve: Serve, gate: Gate) -> None:
    api = serve(gate, behavior=Behavior(stream_hold="always"))
    running = api.run(n=1)
    gate.wait_entered()
    waiting = [api.run(n=n) for n in range(3)]
    polls = [
        api.held("GET", f"/status-sync/{waiting[0]}"),
        api.held("GET", f"/stream/{waiting[1]}"),
        api.held("POST", "/runsync", json={"input": {"n": 9}}),
    ]
    until(lambda: api.get("/health")["jobs"]["inQueue"] == 4)
    assert {"removed": 4, "status": "completed"} == api.post("/purge-queue")
    for poll in polls:
        response = poll.result(TIMEOUT)
        assert (404, {"error": "job not found"}) == (response.status_code, response.json())
    for job_id in waiting:
        assert 404 == api.http.get(f"/status/{job_id}").status_code
    assert {"removed": 0, "status": "completed"} == api.post("/purge-queue", {})
    gate.open()
    assert "COMPLETED" == api.end(running)["status"]
    assert 1 == api.get("/health")["jobs"]["completed"]
    assert [running] == [job["id"] for job in api.server.jobs["horse"]]


def test_purge_affects_only_one_endpoint(gate: Gate) -> None:
    with (
        LocalServer({"horse": gate, "mule": gate}) as server,
        Api(server) as horse,
        Api(server, "mule") as mule,
    ):
        for _ in range(2):
            horse.run()
            mule.run()
        until(lambda: mule.get("/health")["jobs"]["inProgress"] == 1)
        until(lambda: horse.get("/health")["jobs"]["inProgress"] == 1)
        assert 1 == horse.post("/purge-queue")["removed"]
        assert 1 == mule.get("/health")["jobs"]["inQueue"]
        gate.open()
