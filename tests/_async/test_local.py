"""Clients against the local server, over real HTTP."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import AsyncRunpod, BadRequestError, EndpointLimits, JobCancelledError, JobFailedError, RunpodTimeoutError
from runpod.local import progress_update
from tests._async.calls import collect
from tests._async.local_server import TIMEOUT, echo
from tests.clocks import async_together
from tests.servers import TEST_TIMEOUT, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests._async.local_server import Serve
    from tests.local.api import Gate


def count(job: dict[str, Any]) -> Iterator[int]:
    yield from range(job["input"]["to"])


@pytest.mark.fact("protocol 1.7: worker ID")
async def test_run_wait_and_result(serve: Serve) -> None:
    endpoint = serve(echo)
    job = await endpoint.run(input={"prompt": "a horse"})
    assert "IN_QUEUE" == job.status
    state = await job.wait(timeout=TIMEOUT)
    assert ("COMPLETED", {"prompt": "a horse"}) == (state.status, state.output)
    assert {"prompt": "a horse"} == await job.result()
    assert None not in {state.worker_id, state.delay_time, state.execution_time}
    assert ["POST run", "GET status-sync"] == serve.sent()


async def test_many_waits_share_few_permits(serve: Serve) -> None:
    endpoint = serve(echo, workers=5).with_options(limits=EndpointLimits(concurrent_polls=2, polls_per_second=100))

    async def one(index: int) -> Any:
        return await (await endpoint.run(input={"n": index})).result(timeout=TIMEOUT)

    assert [{"n": index} for index in range(30)] == await async_together(one, 30)


@pytest.mark.fact("protocol 1.5: finished")
async def test_run_sync(serve: Serve) -> None:
    state = await serve(echo).run_sync({"input": {"prompt": "a horse"}}, timeout=TIMEOUT)
    assert (True, {"prompt": "a horse"}) == (state.succeeded, state.output)
    assert state.id.startswith("sync-")
    assert ["POST runsync"] == serve.sent()


async def test_run_sync_of_a_job_that_outlasts_the_first_request(serve: Serve) -> None:
    over = threading.Event()

    def slow(job: dict[str, Any]) -> str:
        over.wait(1.2)
        return "done"

    state = await serve(slow).run_sync(input={"n": 1}, timeout=TIMEOUT)
    assert "done" == state.output
    assert ["POST runsync", "GET status-sync"] == serve.sent()


async def test_status_and_status_sync(serve: Serve, gate: Gate) -> None:
    endpoint = serve(gate)
    job = await endpoint.run(input={"n": 1})
    assert gate.entered.wait(TEST_TIMEOUT)
    assert "IN_PROGRESS" == (await endpoint.status(job.id)).status
    assert "IN_PROGRESS" == (await job.refresh()).status == job.status
    assert "IN_PROGRESS" == (await endpoint.status_sync(job.id, timeout=1.5)).status
    gate.opened.set()
    assert {"n": 1} == (await endpoint.status_sync(job.id, timeout=TIMEOUT)).output


async def test_a_job_handle_from_a_stored_id(serve: Serve) -> None:
    endpoint = serve(echo)
    job_id = (await endpoint.run(input={"n": 1})).id
    async with AsyncRunpod(serve.server.api_key, base_url=serve.server.base_url) as other:
        assert {"n": 1} == await other.endpoint("horse").job(job_id).result(timeout=TIMEOUT)


async def test_a_timeout_does_not_affect_the_job(serve: Serve, gate: Gate) -> None:
    endpoint = serve(gate)
    job = await endpoint.run(input={"n": 1})
    with pytest.raises(RunpodTimeoutError) as caught:
        await job.wait(timeout=0.3)
    assert job.id == caught.value.job_id
    with pytest.raises(RunpodTimeoutError) as caught:
        await endpoint.run_sync(input={"n": 2}, timeout=3)
    gate.opened.set()
    assert {"n": 1} == await job.result(timeout=TIMEOUT)
    assert {"n": 2} == await endpoint.job(caught.value.job_id).result(timeout=TIMEOUT)


@pytest.mark.parametrize("aggregate", [False, True])
async def test_stream(aggregate: bool, serve: Serve) -> None:
    endpoint = serve(count, return_aggregate_stream=aggregate)
    job = await endpoint.run(input={"to": 7})
    assert list(range(7)) == [chunk.output for chunk in await collect(job.stream(timeout=TIMEOUT))]
    output = await job.result(timeout=TIMEOUT)
    assert list(range(7)) == output if aggregate else not output


async def test_stream_while_the_handler_yields(serve: Serve) -> None:
    more = threading.Semaphore(0)

    def yields(job: dict[str, Any]) -> Iterator[int]:
        for number in range(3):
            assert more.acquire(timeout=TEST_TIMEOUT)
            yield number

    job = await serve(yields).run(input={"n": 1})
    stream = job.stream(timeout=TIMEOUT)
    for expected in range(3):
        more.release()
        assert expected == (await anext(stream)).output
    assert [] == await collect(stream)


@pytest.mark.fact("protocol 3: chunks before a failure")
async def test_stream_of_a_failing_generator(serve: Serve) -> None:
    def yields(job: dict[str, Any]) -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("no third horse")

    job = await serve(yields).run(input={"n": 1})
    given: list[Any] = []
    with pytest.raises(JobFailedError, match="no third horse") as caught:
        async for chunk in job.stream(timeout=TIMEOUT):
            given.append(chunk.output)  # noqa: PERF401 - what came before the error counts
    assert [1, 2] == given
    assert "ValueError" == caught.value.state.worker_error.type
    assert "Traceback" in caught.value.state.worker_error.traceback


async def test_an_interrupted_stream_can_be_resumed(serve: Serve) -> None:
    more = threading.Semaphore(1)

    def yields(job: dict[str, Any]) -> Iterator[int]:
        for number in range(4):
            assert more.acquire(timeout=TEST_TIMEOUT)
            yield number

    job = await serve(yields).run(input={"n": 1})
    async for chunk in job.stream(timeout=TIMEOUT):
        assert 0 == chunk.output
        break
    more.release(3)
    assert [1, 2, 3] == [chunk.output for chunk in await collect(job.stream(timeout=TIMEOUT))]


@pytest.mark.fact("protocol 1.7: progress")
async def test_watch_with_progress(serve: Serve) -> None:
    seen = threading.Semaphore(0)

    def paints(job: dict[str, Any]) -> str:
        for percent in (25, 50):
            progress_update(job, f"{percent} %")
            assert seen.acquire(timeout=TEST_TIMEOUT)
        return "a horse"

    job = await serve(paints).run(input={"n": 1})
    updates: list[tuple[str, Any]] = []
    async for state in job.watch(timeout=TIMEOUT):
        updates.append((str(state.status), state.output))
        if state.progress:
            seen.release()
    assert ("IN_QUEUE", None) == updates[0]
    assert [("IN_PROGRESS", "25 %"), ("IN_PROGRESS", "50 %"), ("COMPLETED", "a horse")] == updates[-3:]


@pytest.mark.fact("protocol 1.9: cancel")
async def test_cancel(serve: Serve, gate: Gate) -> None:
    endpoint = serve(gate)
    running = await endpoint.run(input={"n": 1})
    queued = await endpoint.run(input={"n": 2})
    assert gate.entered.wait(TEST_TIMEOUT)
    for job in (queued, running):
        assert "CANCELLED" == (await job.cancel()).status == job.status
        with pytest.raises(JobCancelledError, match="was cancelled"):
            await endpoint.job(job.id).result(timeout=TIMEOUT)


@pytest.mark.fact("protocol 1.9: retry", "protocol 1.9: refused retry")
async def test_retry(serve: Serve) -> None:
    attempts: list[str] = []

    def succeeds_eventually(job: dict[str, Any]) -> int:
        attempts.append(job["id"])
        if len(attempts) == 1:
            raise ValueError("not yet")
        return len(attempts)

    job = await serve(succeeds_eventually).run(input={"n": 1})
    assert "FAILED" == (await job.wait(timeout=TIMEOUT)).status
    assert "IN_QUEUE" == (await job.retry()).status
    assert 2 == await job.result(timeout=TIMEOUT)
    assert [job.id] * 2 == attempts
    with pytest.raises(BadRequestError) as caught:
        await job.retry()
    assert (job.id, False) == (caught.value.job_id, caught.value.maybe_submitted)


@pytest.mark.fact("protocol 1.9: purge-queue")
async def test_purge_and_health(serve: Serve, gate: Gate) -> None:
    endpoint = serve(gate, workers=2)
    for number in range(5):
        await endpoint.run(input={"n": number})
    assert gate.entered.wait(TEST_TIMEOUT)
    health = await endpoint.health()
    assert 5 == health.jobs.in_queue + health.jobs.in_progress
    assert 2 == health.workers.idle + health.workers.running + health.workers.initializing + health.workers.ready
    result = await endpoint.purge_queue()
    assert "completed" == result.status
    assert 3 <= result.removed <= 4
    assert 0 == (await endpoint.health()).jobs.in_queue


async def test_an_output_of_20_mb(serve: Serve) -> None:
    size = 20 * 1024 * 1024 - 1000
    state = await serve(lambda job: "x" * job["input"]["size"]).run_sync(input={"size": size}, timeout=TIMEOUT)
    assert size == len(state.output)


@pytest.mark.fact("protocol 1.0: large integers")
async def test_outputs_round_trip(serve: Serve) -> None:
    given = {"n": 2**70, "f": 0.1, "text": "größer 🐎\u2028\x00", "none": None, "list": [[], {}, False, ""]}
    assert given == (await serve(echo).run_sync(input=given, timeout=TIMEOUT)).output


async def test_an_empty_input(serve: Serve) -> None:
    endpoint = serve(echo)
    with pytest.warns(UserWarning, match="empty"):
        job = await endpoint.run(input={})
    await job.cancel()


async def test_a_complete_request(serve: Serve) -> None:
    request = {
        "input": {"n": 1},
        "webhook": "https://example.test/hook",
        "policy": {"executionTimeout": 5000, "lowPriority": True},
        "s3Config": {
            "accessId": "id",
            "accessSecret": "secret",
            "bucketName": "bucket",
            "endpointUrl": "https://s3.example.test",
        },
    }
    state = await serve(lambda job: job).run_sync(request, timeout=TIMEOUT)
    assert {**request, "id": state.id} == {**state.output, "policy": request["policy"]}


async def test_many_calls_at_once_over_one_client(serve: Serve) -> None:
    endpoint = serve(echo, workers=4)

    async def one(index: int) -> Any:
        if index % 2:
            return (await endpoint.run_sync(input={"n": index}, timeout=TIMEOUT)).output
        return await (await endpoint.run(input={"n": index})).result(timeout=TIMEOUT)

    assert [{"n": index} for index in range(50)] == await async_together(one, 50)
    assert 50 == sum(line.startswith("POST") for line in serve.sent())


async def test_two_streams_share_the_chunks_of_a_job(serve: Serve) -> None:
    job = await serve(count).run(input={"to": 50})

    async def one(index: int) -> list[int]:
        return [chunk.output for chunk in await collect(job.stream(timeout=TIMEOUT))]

    first, second = await async_together(one, 2)
    assert list(range(50)) == sorted(first + second)


async def test_many_waiters_for_one_job(serve: Serve, gate: Gate) -> None:
    job = await serve(gate).run(input={"n": 1})

    async def one(index: int) -> Any:
        if index == 0:
            gate.opened.set()
        return await job.result(timeout=TIMEOUT)

    assert [{"n": 1}] * 10 == await async_together(one, 10)


async def test_a_callers_http_client(serve: Serve) -> None:
    serve(echo)
    async with httpx.AsyncClient() as http_client:
        client = AsyncRunpod(serve.server.api_key, base_url=serve.server.base_url, http_client=http_client)
        state = await client.endpoint("horse").run_sync(input={"n": 1}, timeout=TIMEOUT)
    assert {"n": 1} == state.output


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
async def test_local_addresses_bypass_the_proxy(
    variable: str, host: str, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    serve(echo)
    base_url = serve.server.base_url.replace("127.0.0.1", host)
    async with AsyncRunpod(serve.server.api_key, base_url=base_url) as client:
        assert {"n": 1} == (await client.endpoint("horse").run_sync(input={"n": 1}, timeout=TIMEOUT)).output
