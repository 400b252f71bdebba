from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.local.api import until

if TYPE_CHECKING:
    from tests.local.api import Gate
    from tests.local.conftest import Serve


def jobs(**counts: int) -> dict[str, int]:
    names = ("completed", "failed", "inProgress", "inQueue", "retried")
    return dict.fromkeys(names, 0) | counts


def workers(**counts: int) -> dict[str, int]:
    names = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")
    return dict.fromkeys(names, 0) | counts


@pytest.mark.fact("protocol 1.10: counts", "protocol 1.10: ready")
def test_health_counts_jobs_and_workers(serve: Serve, gate: Gate) -> None:
    def handler(job: dict[str, Any]) -> Any:
        return gate(job)["output"]

    api = serve(handler, workers=2)
    assert {"jobs": jobs(), "workers": workers(idle=2, ready=2)} == api.get("/health")
    first = api.run(output=1)
    gate.wait_entered()
    health = api.get("/health")
    assert {"jobs": jobs(inProgress=1), "workers": workers(idle=1, ready=1, running=1)} == health
    second = api.run(output={"error": "no"})
    third = api.run(output=3)
    fourth = api.run(output=4)
    until(lambda: api.get("/health")["jobs"]["inProgress"] == 2)
    health = api.get("/health")
    assert {"jobs": jobs(inProgress=2, inQueue=2), "workers": workers(running=2)} == health
    api.post(f"/cancel/{fourth}")
    assert jobs(inProgress=2, inQueue=1) == api.get("/health")["jobs"]
    gate.open()
    for job_id in (first, second, third):
        api.end(job_id)
    expected = {"jobs": jobs(completed=2, failed=1), "workers": workers(idle=2, ready=2)}
    assert expected == api.get("/health")
    api.post(f"/retry/{second}")
    api.end(second)
    assert jobs(completed=2, failed=1, retried=1) == api.get("/health")["jobs"]


def test_counts_are_always_consistent(serve: Serve) -> None:
    api = serve(lambda _: 1, workers=4)
    stop = threading.Event()
    seen: list[dict[str, dict[str, int]]] = []

    def watch() -> None:
        while not stop.is_set():
            seen.append(api.get("/health"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    ids = [api.run() for _ in range(100)]
    for job_id in ids:
        api.end(job_id)
    stop.set()
    watcher.join()
    totals = [sum(health["jobs"].values()) for health in seen]
    assert sorted(totals) == totals
    for health in seen:
        assert health["workers"]["idle"] + health["workers"]["running"] == 4
        assert health["jobs"]["inProgress"] == health["workers"]["running"]
    assert jobs(completed=100) == api.get("/health")["jobs"]


def test_job_boots_a_cold_worker(serve: Serve, gate: Gate) -> None:
    api = serve(gate, workers=2, cold_start=timedelta(hours=1))
    assert workers() == api.get("/health")["workers"]
    job_id = api.run()
    until(lambda: api.get("/health")["workers"]["initializing"] == 1)
    assert {"id": job_id, "status": "IN_QUEUE"} == api.status(job_id)
    api.run()
    until(lambda: api.get("/health")["workers"]["initializing"] == 2)
    api.run()
    assert {"jobs": jobs(inQueue=3), "workers": workers(initializing=2)} == api.get("/health")


def test_cold_start_is_part_of_the_delay_of_the_first_job(serve: Serve) -> None:
    api = serve(lambda _: 1, cold_start=timedelta(seconds=0.2))
    first = api.run_sync()
    assert first["delayTime"] >= 200
    assert workers(idle=1, ready=1) == api.get("/health")["workers"]
    assert first["workerId"] == api.run_sync()["workerId"]


def test_worker_is_cold_after_a_restart(serve: Serve) -> None:
    api = serve(lambda _: {"refresh_worker": True}, cold_start=timedelta(seconds=0.01))
    api.run_sync()
    assert workers() == api.get("/health")["workers"]
    assert "COMPLETED" == api.run_sync()["status"]
