from __future__ import annotations

import asyncio
import functools
import re
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.local.api import Gate
    from tests.local.conftest import Serve

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


async def echo_async(job: dict[str, Any]) -> Any:
    await asyncio.sleep(0)
    return job["input"]


class Echo:
    def __call__(self, job: dict[str, Any]) -> Any:
        return job["input"]


class EchoAsync:
    async def __call__(self, job: dict[str, Any]) -> Any:
        return job["input"]


@pytest.mark.fact("protocol 1.0: job IDs", "protocol 1.4: response of /run")
def test_run_returns_before_the_job_starts(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    body = api.post("/run", {"input": {"prompt": "a horse"}})
    assert {"id", "status"} == set(body)
    assert "IN_QUEUE" == body["status"]
    assert re.fullmatch(f"{UUID}-u1", body["id"])


@pytest.mark.fact("protocol 1.7: queued job", "protocol 1.7: running job", "protocol 1.7: completed job")
def test_fields_of_a_job_by_status(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    first = api.run(n=1)
    gate.wait_entered()
    second = api.run(n=2)
    assert {"id": second, "status": "IN_QUEUE"} == api.status(second)
    running = api.status(first)
    assert {"id", "status", "delayTime", "workerId"} == set(running)
    assert "IN_PROGRESS" == running["status"]
    gate.open()
    done = api.end(first)
    assert {"id", "status", "delayTime", "executionTime", "workerId", "output"} == set(done)
    assert ("COMPLETED", {"n": 1}) == (done["status"], done["output"])
    assert done == api.status(first)
    assert all(isinstance(done[name], int) for name in ("delayTime", "executionTime"))
    assert {"n": 2} == api.end(second)["output"]


@pytest.mark.fact("protocol 1.0: job IDs", "protocol 1.5: finished")
def test_runsync_returns_the_whole_job(serve: Serve) -> None:
    done = serve(echo).run_sync(prompt="a horse")
    assert re.fullmatch(f"sync-{UUID}-u1", done["id"])
    assert ("COMPLETED", {"prompt": "a horse"}) == (done["status"], done["output"])
    assert {"id", "status", "delayTime", "executionTime", "workerId", "output"} == set(done)


@pytest.mark.parametrize(
    "handler",
    [
        echo,
        echo_async,
        Echo(),
        EchoAsync(),
        functools.partial(echo),
        functools.partial(echo_async),
        lambda job: echo_async(job),  # noqa: PLW0108  # A plain function that returns a coroutine.
        Echo().__call__,
    ],
    ids=["function", "coroutine", "object", "async-object", "partial", "async-partial", "lambda", "method"],
)
def test_every_kind_of_function_is_a_handler(serve: Serve, handler: Callable[..., Any]) -> None:
    done = serve(handler).run_sync(n=7)
    assert ("COMPLETED", {"n": 7}) == (done["status"], done["output"])


def generate(job: dict[str, Any]) -> Iterator[Any]:
    yield job["input"]
    yield "second"


async def generate_async(job: dict[str, Any]) -> AsyncIterator[Any]:
    yield job["input"]
    await asyncio.sleep(0)
    yield "second"


@pytest.mark.fact("protocol 3: aggregate")
@pytest.mark.parametrize("handler", [generate, generate_async, functools.partial(generate)])
def test_output_of_a_generator_is_an_empty_list(serve: Serve, handler: Callable[..., Any]) -> None:
    done = serve(handler).run_sync(n=7)
    assert ("COMPLETED", []) == (done["status"], done["output"])


@pytest.mark.fact("protocol 3: aggregate")
@pytest.mark.parametrize("handler", [generate, generate_async])
def test_output_with_return_aggregate_stream(serve: Serve, handler: Callable[..., Any]) -> None:
    done = serve(handler, return_aggregate_stream=True).run_sync(n=7)
    assert ("COMPLETED", [{"n": 7}, "second"]) == (done["status"], done["output"])


@pytest.mark.parametrize(
    "output", [None, True, False, 0, 1.5, "text", [], [1, {"a": None}], {"a": 1}, 2**70, "\U0001f40e"]
)
def test_any_json_is_an_output(serve: Serve, output: Any) -> None:
    done = serve(lambda _: output).run_sync()
    assert "COMPLETED" == done["status"]
    assert output == done["output"]
    assert type(output) is type(done["output"])


@pytest.mark.fact("protocol 1.8: empty dict")
def test_empty_dict_is_no_output(serve: Serve) -> None:
    done = serve(lambda _: {}).run_sync()
    assert "COMPLETED" == done["status"]
    assert "output" not in done


def test_lone_surrogate_is_preserved(serve: Serve) -> None:
    api = serve(echo)
    response = api.http.post("/runsync", content=b'{"input": {"a": "\\ud83d"}}')
    assert {"a": "\ud83d"} == api.ok(response)["output"]


@pytest.mark.fact("protocol 1.0: unknown keys", "protocol 1.2: s3Config")
def test_fields_passed_to_a_handler(serve: Serve) -> None:
    seen: list[dict[str, Any]] = []
    api = serve(seen.append)
    body = {
        "input": {"prompt": "a horse"},
        "webhook": "https://example.com/hook",
        "s3Config": {"accessId": "a", "bucketName": "b"},
        "policy": {"executionTimeout": 3000, "ttl": 10_000, "lowPriority": True},
        "nonsense": [1, 2],
    }
    done = api.post("/runsync", body)
    assert "COMPLETED" == done["status"]
    expected = {name: body[name] for name in ("input", "webhook", "s3Config")}
    assert [{"id": done["id"], **expected}] == seen


def test_null_is_treated_as_absent(serve: Serve) -> None:
    seen: list[dict[str, Any]] = []
    done = serve(seen.append).post("/runsync", {"input": {"n": 1}, "webhook": None, "policy": None})
    assert [{"id": done["id"], "input": {"n": 1}}] == seen


@pytest.mark.fact("protocol 1.2: empty input")
def test_empty_input_is_not_passed_to_a_handler(serve: Serve) -> None:
    seen: list[dict[str, Any]] = []
    api = serve(seen.append)
    done = api.post("/runsync", {"input": {}})
    assert [] == seen
    expected = {"id", "status", "delayTime", "executionTime", "workerId", "retries", "error"}
    assert expected == set(done)
    assert "FAILED" == done["status"]
    assert "job timed out after 1 retries" == done["error"]
    assert 1 == done["retries"]
    assert "COMPLETED" == api.run_sync(n=1)["status"]


def test_worker_takes_one_job_at_a_time_in_order(serve: Serve, gate: Gate) -> None:
    order: list[int] = []

    def handler(job: dict[str, Any]) -> None:
        gate(job)
        order.append(job["input"]["n"])

    api = serve(handler)
    ids = [api.run(n=n) for n in range(5)]
    gate.wait_entered()
    assert ["IN_PROGRESS"] + ["IN_QUEUE"] * 4 == [api.status(id)["status"] for id in ids]
    gate.open()
    workers = {api.end(id)["workerId"] for id in ids}
    assert list(range(5)) == order
    assert 1 == len(workers)


def test_workers_run_concurrently(serve: Serve) -> None:
    barrier = threading.Barrier(3)
    api = serve(lambda _: barrier.wait(10) >= 0, workers=3)
    ids = [api.run() for _ in range(3)]
    done = [api.end(id) for id in ids]
    assert ["COMPLETED"] * 3 == [job["status"] for job in done]
    assert 3 == len({job["workerId"] for job in done})


def test_async_handlers_run_concurrently(serve: Serve) -> None:
    events: list[asyncio.Event] = []

    async def handler(_: dict[str, Any]) -> None:
        events.append(asyncio.Event())
        if len(events) == 2:
            for event in events:
                event.set()
        await events[-1].wait() if len(events) == 2 else await events[0].wait()

    api = serve(handler, workers=2)
    ids = [api.run() for _ in range(2)]
    assert ["COMPLETED"] * 2 == [api.end(id)["status"] for id in ids]


def test_sync_handler_always_runs_in_the_same_thread(serve: Serve) -> None:
    api = serve(lambda _: threading.get_ident())
    assert api.run_sync()["output"] == api.run_sync()["output"]


@pytest.mark.fact("protocol 1.8: refresh_worker")
def test_refresh_worker_replaces_the_worker(serve: Serve) -> None:
    api = serve(lambda job: {"n": 1, "refresh_worker": job["input"]["refresh"]})
    first = api.run_sync(refresh=True)
    second = api.run_sync(refresh=False)
    third = api.run_sync(refresh=False)
    assert {"n": 1} == first["output"] == second["output"]
    assert first["workerId"] != second["workerId"] == third["workerId"]


def test_handler_may_modify_its_input_and_output(serve: Serve) -> None:
    kept: dict[str, Any] = {"error": "bad seed"}

    def handler(job: dict[str, Any]) -> Any:
        job["input"].clear()
        return kept

    api = serve(handler)
    job_id = api.run(n=1)
    assert "bad seed" == api.end(job_id)["error"]
    kept["more"] = 1
    assert "output" not in api.status(job_id)
    assert "bad seed" == api.run_sync(n=1)["error"]


def test_server_jobs_lists_every_job(serve: Serve) -> None:
    api = serve(echo)
    done = [api.run_sync(n=n) for n in range(3)]
    assert {"horse": done} == api.server.jobs


@pytest.mark.fact("protocol 4: unknown job")
def test_unknown_job_id(serve: Serve) -> None:
    api = serve(echo)
    for path in ("status", "status-sync", "stream"):
        response = api.http.get(f"/{path}/{uuid.uuid4()}-u1")
        assert (404, {"error": "job not found"}) == (response.status_code, response.json())
    for path in ("cancel", "retry"):
        response = api.http.post(f"/{path}/{uuid.uuid4()}-u1")
        assert (404, {"error": "job not found"}) == (response.status_code, response.json())


@pytest.mark.fact("protocol 1.1: reads by POST")
def test_status_accepts_post(serve: Serve) -> None:
    api = serve(echo)
    job_id = api.run(n=1)
    done = api.post(f"/status-sync/{job_id}")
    assert "COMPLETED" == done["status"]
    assert done == api.post(f"/status/{job_id}") == api.get(f"/status/{job_id}?ttl=6000")
    assert {"status": "COMPLETED", "stream": []} == api.post(f"/stream/{job_id}")
