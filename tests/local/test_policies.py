"""Timeouts and retention of jobs, with an advanced clock."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import Behavior, LocalEndpoint, LocalServer, progress_update
from tests.local.api import TIMEOUT, Api, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.api import Gate
    from tests.local.conftest import Serve

MINUTE = 60.0
DAY = 24 * 60 * MINUTE

NOT_FOUND = (404, {"error": "job not found"})


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def submit(api: Api, operation: str = "run", /, **policy: Any) -> str:
    job_id: str = api.post(f"/{operation}", {"input": {"n": 1}, "policy": policy})["id"]
    return job_id


def status(api: Api, job_id: str) -> str:
    response = api.http.get(f"/status/{job_id}")
    if 404 == response.status_code:
        return "not found"
    text: str = api.ok(response)["status"]
    return text


class Stuck:
    """An async handler that never returns, and counts its attempts."""

    def __init__(self) -> None:
        self.attempts = 0
        self.cancelled = 0

    async def __call__(self, _: dict[str, Any]) -> None:
        self.attempts += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1


@pytest.mark.fact("protocol 3: retention of chunks", "protocol 5: result of /run", "protocol 5: result of /runsync")
@pytest.mark.parametrize(("operation", "minutes"), [("run", 30), ("runsync", 1)])
def test_retention_of_results(serve: Serve, operation: str, minutes: float) -> None:
    api = serve(echo)
    job_id = submit(api, operation)
    api.end(job_id)
    api.server.advance(minutes * MINUTE - 5)
    assert {"n": 1} == api.status(job_id)["output"]
    api.server.advance(5)
    for method, path in (("GET", "status"), ("GET", "status-sync"), ("GET", "stream"), ("POST", "cancel")):
        response = api.http.request(method, f"/{path}/{job_id}")
        assert NOT_FOUND == (response.status_code, response.json())
    assert {"horse": []} == api.server.jobs
    # Deleted jobs still count.
    assert 1 == api.get("/health")["jobs"]["completed"]


@pytest.mark.fact("protocol 1.9: retry after the expiry")
def test_expired_job_cannot_be_retried(serve: Serve) -> None:
    api = serve(lambda _: {"error": "no"})
    job_id = api.run_sync()["id"]
    api.server.advance(MINUTE)
    response = api.http.post(f"/retry/{job_id}")
    assert NOT_FOUND == (response.status_code, response.json())


@pytest.mark.fact("protocol 1.6: ttl query")
def test_retention_can_be_shortened(serve: Serve) -> None:
    api = serve(echo)
    first, second = (api.end(api.run())["id"] for _ in range(2))
    assert "COMPLETED" == api.get(f"/status/{first}?ttl=6000")["status"]
    # The parameter never extends the retention.
    assert "COMPLETED" == api.get(f"/status/{second}?ttl=999999999999999")["status"]
    api.server.advance(6)
    assert ("not found", "COMPLETED") == (status(api, first), status(api, second))
    api.server.advance(30 * MINUTE)
    assert "not found" == status(api, second)
    assert 400 == api.http.get(f"/status/{second}?ttl=soon").status_code


@pytest.mark.fact("protocol 1.2: ttl")
def test_ttl_deletes_a_queued_job(serve: Serve) -> None:
    api = serve(echo, workers=0)
    by_default, short, shortened = submit(api), submit(api, ttl=20_000), submit(api)
    poll = api.held("GET", f"/status-sync/{short}?wait=300000")
    api.get(f"/status/{shortened}?ttl=20000")
    api.server.advance(19)
    assert ["IN_QUEUE"] * 3 == [status(api, job_id) for job_id in (by_default, short, shortened)]
    api.server.advance(1)
    assert ["IN_QUEUE", "not found", "not found"] == [status(api, job_id) for job_id in (by_default, short, shortened)]
    response = poll.result(TIMEOUT)
    assert NOT_FOUND == (response.status_code, response.json())
    assert 1 == api.get("/health")["jobs"]["inQueue"]
    api.server.advance(DAY)
    assert "not found" == status(api, by_default)
    assert 0 == sum(api.get("/health")["jobs"].values())


@pytest.mark.fact("protocol 5: hard ttl")
def test_ttl_deletes_a_running_job(serve: Serve) -> None:
    stuck = Stuck()
    api = serve(stuck, execution_timeout=timedelta(days=1))
    job_id = submit(api, ttl=20_000)
    until(lambda: stuck.attempts == 1)
    api.server.advance(20)
    assert "not found" == status(api, job_id)
    until(lambda: stuck.cancelled == 1)
    until(lambda: api.get("/health")["workers"]["idle"] == 1)
    assert 0 == sum(api.get("/health")["jobs"].values())
    assert 1 == stuck.attempts


@pytest.mark.fact("protocol 1.7: retries", "protocol 1.8: given up", "protocol 2: TIMED_OUT")
@pytest.mark.parametrize(("timed_out", "ended"), [(False, "FAILED"), (True, "TIMED_OUT")])
def test_execution_timeout_kills_and_retries_once(serve: Serve, timed_out: bool, ended: str) -> None:
    stuck = Stuck()
    api = serve(stuck, behavior=Behavior(timed_out=timed_out))
    job_id = submit(api, executionTimeout=7000)
    until(lambda: stuck.attempts == 1)
    first = api.status(job_id)["workerId"]
    api.server.advance(7)
    until(lambda: stuck.attempts == 2)
    running = api.status(job_id)
    assert ("IN_PROGRESS", 1) == (running["status"], running["retries"])
    assert first != running["workerId"]
    api.server.advance(7)
    done = api.end(job_id)
    assert (ended, "job timed out after 1 retries") == (done["status"], done["error"])
    assert done["executionTime"] >= 7000
    until(lambda: stuck.cancelled == 2)
    until(lambda: api.get("/health")["workers"]["idle"] == 1)
    jobs = api.get("/health")["jobs"]
    assert {"completed": 0, "failed": 1, "inProgress": 0, "inQueue": 0, "retried": 1} == jobs
    assert {"id": job_id, "status": "IN_QUEUE"} == api.post(f"/retry/{job_id}")


@pytest.mark.fact("protocol 1.2: execution timeout")
def test_execution_timeout_of_a_sync_handler_replaces_its_worker(serve: Serve) -> None:
    opened, entered = threading.Event(), threading.Semaphore(0)

    def handler(job: dict[str, Any]) -> Any:
        if job["input"]["n"] > 1:
            return "free again"
        entered.release()
        assert opened.wait(TIMEOUT)
        progress_update(job, "from a killed attempt")
        return "too late"

    api = serve(handler)
    job_id = submit(api)
    for _ in range(2):
        assert entered.acquire(timeout=TIMEOUT)
        api.server.advance(10 * MINUTE)  # The default.
    assert "FAILED" == api.end(job_id)["status"]
    assert "free again" == api.run_sync(n=2)["output"]
    opened.set()
    until(lambda: 1 == sum(thread.name.startswith("runpod-worker") for thread in threading.enumerate()))
    assert "output" not in api.status(job_id)


def test_progress_of_a_killed_attempt_is_ignored(serve: Serve, gate: Gate) -> None:
    late, reported = threading.Event(), threading.Event()
    attempts: list[int] = []

    def handler(job: dict[str, Any]) -> Any:
        attempts.append(1)
        if len(attempts) > 1:
            return gate(job)
        assert late.wait(TIMEOUT)
        progress_update(job, "too late")
        reported.set()
        return None

    api = serve(handler, execution_timeout=timedelta(seconds=30))
    job_id = api.run()
    until(lambda: len(attempts) == 1)
    api.server.advance(30)
    gate.wait_entered()
    late.set()
    assert reported.wait(TIMEOUT)
    running = api.status(job_id)
    assert ("IN_PROGRESS", False) == (running["status"], "output" in running)
    gate.open()
    assert {"n": 1} == api.end(job_id)["output"]


def test_retry_of_a_killed_generator_clears_its_chunks(serve: Serve) -> None:
    opened = threading.Event()
    attempts: list[int] = []

    def handler(_: dict[str, Any]) -> Iterator[int]:
        attempts.append(1)
        yield len(attempts)
        if len(attempts) == 1:
            assert opened.wait(TIMEOUT)

    api = serve(handler)
    job_id = submit(api, executionTimeout=5000)
    api.started(job_id)
    until(lambda: len(attempts) == 1)
    api.server.advance(5)
    assert "COMPLETED" == api.end(job_id)["status"]
    assert {"status": "COMPLETED", "stream": [{"output": 2}]} == api.stream(job_id)
    opened.set()


@pytest.mark.fact("protocol 1.2: execution timeout of an endpoint")
def test_execution_timeout_of_an_endpoint() -> None:
    stuck = Stuck()
    with (
        LocalServer({"horse": LocalEndpoint(stuck, execution_timeout=timedelta(seconds=2))}) as server,
        Api(server) as api,
    ):
        longer, short = submit(api, executionTimeout=60_000), submit(api)
        until(lambda: stuck.attempts == 1)
        server.advance(59)
        assert "IN_PROGRESS" == status(api, longer)
        api.post(f"/cancel/{longer}")
        for attempts in (2, 3):
            until(lambda attempts=attempts: stuck.attempts == attempts)  # type: ignore[misc]
            server.advance(2)
        assert "FAILED" == status(api, short)


@pytest.mark.fact("protocol 2: TIMED_OUT")
def test_queued_job_can_end_as_timed_out(serve: Serve) -> None:
    api = serve(echo, workers=0, behavior=Behavior(timed_out=True))
    job_id = submit(api, ttl=10_000)
    poll = api.held("GET", f"/status-sync/{job_id}")
    api.server.advance(10)
    assert {"id": job_id, "status": "TIMED_OUT"} == api.ok(poll.result(TIMEOUT))
    assert 1 == api.get("/health")["jobs"]["failed"]
    assert "IN_QUEUE" == api.post(f"/retry/{job_id}")["status"]
    api.server.advance(9)
    assert "IN_QUEUE" == status(api, job_id)


@pytest.mark.fact("protocol 1.2: short policies")
def test_short_policies_are_raised_to_the_minimum(serve: Serve) -> None:
    stuck = Stuck()
    api = serve(stuck)
    job_id = submit(api, executionTimeout=1, ttl=0)
    until(lambda: stuck.attempts == 1)
    api.server.advance(4.5)
    assert 1 == stuck.attempts
    assert "retries" not in api.status(job_id)
    api.server.advance(0.5)
    until(lambda: stuck.attempts == 2)
    assert "IN_PROGRESS" == status(api, job_id)
    api.server.advance(5)
    assert "not found" == status(api, job_id)


@pytest.mark.fact("protocol 1.2: short policies")
def test_short_policies_can_be_refused(serve: Serve) -> None:
    api = serve(echo, behavior=Behavior(refuse_short_policies=True))
    for name, minimum in (("executionTimeout", 5000), ("ttl", 10_000)):
        response = api.http.post("/run", json={"input": {"n": 1}, "policy": {name: minimum - 1}})
        assert 400 == response.status_code
        assert {"error": f"bad request: body: policy.{name} must be at least {minimum}"} == response.json()
        assert api.post("/run", {"input": {"n": 1}, "policy": {name: minimum}})


@pytest.mark.fact("protocol 1.2: long policies")
def test_very_long_policies(serve: Serve) -> None:
    api = serve(echo)
    assert "COMPLETED" == api.end(submit(api, executionTimeout=10**400, ttl=10**400))["status"]


@pytest.mark.fact("protocol 1.2: low priority")
def test_low_priority_job_starts_no_worker(serve: Serve) -> None:
    api = serve(echo, workers=2, cold_start=timedelta(seconds=30))
    low_priority = submit(api, lowPriority=True)
    assert (1, 0) == counts(api)
    api.server.advance(30)
    assert (1, 0) == counts(api)
    urgent = submit(api)
    until(lambda: counts(api) == (2, 1))
    api.server.advance(30)
    # The worker that booted for the other job takes this one as well.
    assert ["COMPLETED"] * 2 == [api.end(job_id)["status"] for job_id in (low_priority, urgent)]
    assert 1 == api.get("/health")["workers"]["idle"]


def counts(api: Api) -> tuple[int, int]:
    health = api.get("/health")
    return health["jobs"]["inQueue"], health["workers"]["initializing"]


def test_cold_start_uses_the_clock_of_the_server(serve: Serve) -> None:
    api = serve(echo, cold_start=timedelta(seconds=600))
    job_id = api.run()
    until(lambda: counts(api)[1] == 1)
    api.server.advance(600)
    done = api.end(job_id)
    assert "COMPLETED" == done["status"]
    assert done["delayTime"] >= 600_000


@pytest.mark.fact("protocol 1.6: wait of status-sync")
def test_long_polls_use_the_clock_of_the_server(serve: Serve, gate: Gate) -> None:
    api = serve(gate, execution_timeout=timedelta(days=1))
    job_id = api.run()
    gate.wait_entered()
    poll = api.held("GET", f"/status-sync/{job_id}")
    job = api.server._endpoints["horse"].queue.get(job_id)
    until(lambda: bool(job.changed._listeners))
    api.server.advance(90)
    assert "IN_PROGRESS" == api.ok(poll.result(TIMEOUT))["status"]


@pytest.mark.parametrize(("seconds", "error"), [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError)])
def test_invalid_advance(serve: Serve, seconds: Any, error: type[Exception]) -> None:
    api = serve(echo)
    with pytest.raises(error):
        api.server.advance(seconds)


def test_advance_before_start_and_after_stop() -> None:
    server = LocalServer({"horse": echo})
    server.advance(5)
    with server, Api(server) as api:
        job_id = api.run_sync()["id"]
    server.advance(DAY)
    assert [job_id] == [job["id"] for job in server.jobs["horse"]]  # Still available after the stop.
