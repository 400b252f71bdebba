from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import progress_update
from tests.local.api import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.local.api import Gate
    from tests.local.conftest import Serve


@pytest.mark.fact("protocol 1.7: progress")
def test_progress_is_the_output_of_a_running_job(serve: Serve, gate: Gate) -> None:
    def handler(job: dict[str, Any]) -> Any:
        progress_update(job, {"step": 1})
        progress_update(job, {"step": 2})
        return gate(job)

    api = serve(handler)
    job_id = api.run(n=1)
    gate.wait_entered()
    running = api.status(job_id)
    assert ("IN_PROGRESS", {"step": 2}) == (running["status"], running["output"])
    assert {"id", "status", "delayTime", "workerId", "output"} == set(running)
    gate.open()
    assert {"n": 1} == api.end(job_id)["output"]


@pytest.mark.parametrize("value", [None, 0, "", [], {}, "50 %", {"error": "not one"}])
def test_progress_can_be_any_json(serve: Serve, gate: Gate, value: Any) -> None:
    def handler(job: dict[str, Any]) -> Any:
        progress_update(job, value)
        return gate(job)

    api = serve(handler)
    job_id = api.run()
    gate.wait_entered()
    assert value == api.status(job_id)["output"]


def test_progress_from_async_handlers(serve: Serve) -> None:
    seen: list[Any] = []

    async def handler(job: dict[str, Any]) -> AsyncIterator[Any]:
        progress_update(job, "async")
        seen.append(api.server.jobs["horse"][-1]["output"])
        yield 1

    api = serve(handler)
    assert [] == api.run_sync()["output"]
    assert ["async"] == seen


def test_progress_from_a_thread_of_the_handler(serve: Serve, gate: Gate) -> None:
    def handler(job: dict[str, Any]) -> Any:
        thread = threading.Thread(target=progress_update, args=(job, "from a thread"))
        thread.start()
        thread.join()
        return gate(job)

    api = serve(handler)
    job_id = api.run()
    gate.wait_entered()
    assert "from a thread" == api.status(job_id)["output"]


def test_progress_from_many_threads(serve: Serve) -> None:
    def handler(job: dict[str, Any]) -> Any:
        threads = [threading.Thread(target=lambda: [progress_update(job, n) for n in range(50)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return api.server.jobs["horse"][0]["output"]

    api = serve(handler)
    assert 49 == api.run_sync()["output"]


def test_progress_is_removed_when_the_job_fails(serve: Serve, gate: Gate) -> None:
    def handler(job: dict[str, Any]) -> Any:
        progress_update(job, "half way")
        gate(job)
        return {"error": "stumbled"}

    api = serve(handler)
    failed = api.run()
    gate.wait_entered()
    gate.open()
    assert "output" not in api.end(failed)
    again = api.post(f"/retry/{failed}")
    assert "output" not in again


def test_progress_is_removed_from_a_cancelled_job(serve: Serve, gate: Gate) -> None:
    def handler(job: dict[str, Any]) -> Any:
        progress_update(job, "half way")
        gate(job)
        progress_update(job, "too late")

    api = serve(handler)
    job_id = api.run()
    gate.wait_entered()
    api.post(f"/cancel/{job_id}")
    assert "output" not in api.status(job_id)
    gate.open()
    until(lambda: api.get("/health")["workers"]["idle"] == 1)
    assert "output" not in api.status(job_id)


def test_progress_after_the_end_is_ignored(serve: Serve) -> None:
    kept: list[dict[str, Any]] = []
    api = serve(kept.append)
    done = api.run_sync()
    progress_update(kept[0], "too late")
    assert done == api.status(done["id"])


def test_progress_that_is_not_json_is_dropped(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def handler(job: dict[str, Any]) -> Any:
        progress_update(job, "good")
        progress_update(job, {1, 2})
        return api.server.jobs["horse"][0]["output"]

    api = serve(handler)
    assert "good" == api.run_sync()["output"]
    assert "not valid JSON" in caplog.text


@pytest.mark.parametrize("job", [None, "id", {}, {"id": 1}, {"input": {}}])
def test_progress_needs_a_job(job: Any) -> None:
    update: Callable[..., None] = progress_update
    with pytest.raises(TypeError, match="Pass the handler's argument itself"):
        update(job, 1)
