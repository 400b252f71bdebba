"""Tests of the request and return value of each operation."""

from __future__ import annotations

import json
import platform
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

import runpod
from runpod import ExecutionPolicy, JobRequest, RetryPolicy, S3Config, errors
from tests._async.calls import CANCELLED, DONE, FAILED, INPUT, JOB, OPERATIONS, PATH, QUEUED, RUNNING, STREAMED, collect
from tests.servers import KEY

if TYPE_CHECKING:
    from runpod import AsyncEndpoint, AsyncRunpod
    from tests._async.calls import Operation
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

S3 = {"accessId": "id", "accessSecret": "secret", "bucketName": "b", "endpointUrl": "https://s3.example.test"}
WHOLE = {
    "input": INPUT,
    "policy": {"executionTimeout": 300_000, "lowPriority": True},
    "webhook": "https://example.test/hook",
    "s3Config": S3,
}


class Output(BaseModel):
    n: int


@pytest.mark.fact("protocol 1.0: bearer key", "protocol 1.0: JSON")
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_requests(operation: Operation, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.respond(operation.good)
    await operation(endpoint)
    assert [operation.sent] == wire.sent
    (request,) = wire.requests
    assert ("https", "api.example.test") == (request.url.scheme, request.url.host)
    assert f"Bearer {KEY}" == request.headers["Authorization"]
    assert "application/json" == request.headers["Accept"]
    assert operation.body == request.content
    assert ("application/json" if operation.body else None) == request.headers.get("Content-Type")
    for part in ("runpod-sdk/", runpod.__version__, platform.python_version(), sys.platform):
        assert part in request.headers["User-Agent"]
    assert [] == clock.pauses


@pytest.mark.fact("protocol 1.2: webhook")
@pytest.mark.parametrize("name", ["run", "run_sync"])
async def test_both_forms_of_a_request(name: str, endpoint: AsyncEndpoint, wire: Wire) -> None:
    submit = getattr(endpoint, name)
    policy = ExecutionPolicy(execution_timeout=timedelta(minutes=5), low_priority=True)
    rest: dict[str, Any] = {"webhook": "https://example.test/hook", "s3_config": S3Config(**S3)}
    wire.respond(DONE, DONE, DONE, DONE)
    await submit(WHOLE)
    await submit(JobRequest(input=INPUT, policy=policy, **rest))
    await submit(input=INPUT, policy=policy, **rest)
    await submit(input=Output(n=1))
    assert [WHOLE] * 3 + [{"input": {"n": 1}}] == [json.loads(request.content) for request in wire.requests]


@pytest.mark.fact("protocol 1.2: empty input")
@pytest.mark.parametrize("name", ["run", "run_sync"])
async def test_an_empty_input_is_sent_with_a_warning(name: str, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(DONE)
    with pytest.warns(UserWarning, match=r"empty.*FAILED") as caught:
        await getattr(endpoint, name)(input={})
    assert b'{"input":{}}' == wire.requests[0].content
    assert __file__ == caught[0].filename


@pytest.mark.fact("protocol 1.4: response of /run", "protocol 2: unknown status", "protocol 3: metrics")
async def test_return_values(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.respond(QUEUED, {**DONE, "retries": 1, "gpu": "A40"}, {"id": JOB, "status": "PAUSED"}, CANCELLED, QUEUED)
    job = await endpoint.run({"input": INPUT})
    assert (JOB, "IN_QUEUE", "ep") == (job.id, job.status, job.endpoint_id)
    state = await endpoint.status(JOB)
    assert (JOB, "COMPLETED", {"n": 1}) == (state.id, state.status, state.output)
    assert ("w", 1, timedelta(milliseconds=20)) == (state.worker_id, state.retries, state.delay_time)
    assert {"gpu": "A40"} == state.model_extra
    state = await endpoint.status(JOB)
    assert ("PAUSED", False) == (state.status, state.completed)
    assert "CANCELLED" == (await endpoint.cancel(JOB)).status
    assert "IN_QUEUE" == (await endpoint.retry(JOB)).status

    wire.respond({"status": "COMPLETED", "stream": [{"output": 1}, {"output": 2, "metrics": {"tokens": 3}}]}, STREAMED)
    one, two = await collect(endpoint.stream(JOB))
    assert (1, 2, {"tokens": 3}) == (one.output, two.output, two.metrics)

    wire.respond({"jobs": {"inQueue": 2}, "workers": {"sleeping": 4}}, {"removed": 3, "status": "completed"})
    health = await endpoint.health()
    assert (2, 0, {"sleeping": 4}) == (health.jobs.in_queue, health.workers.idle, health.workers.model_extra)
    result = await endpoint.purge_queue()
    assert (3, "completed") == (result.removed, result.status)


@pytest.mark.fact("protocol 3: hold of a stream")
async def test_job_handle(endpoint: AsyncEndpoint, wire: Wire) -> None:
    job = endpoint.job(JOB)
    assert ("UNKNOWN", JOB, False, False) == (job.status, job.state.id, job.state.started, job.state.completed)
    assert [] == wire.sent
    wire.respond(RUNNING, CANCELLED, QUEUED, STREAMED)
    assert "IN_PROGRESS" == (await job.refresh()).status == job.status
    assert "CANCELLED" == (await job.cancel()).status == job.status
    assert "IN_QUEUE" == (await job.retry()).status == job.status
    assert [] == await collect(job.stream())
    assert [
        f"GET {PATH}/ep/status/{JOB}",
        f"POST {PATH}/ep/cancel/{JOB}",
        f"POST {PATH}/ep/retry/{JOB}",
        f"GET {PATH}/ep/stream/{JOB}?wait=10000",
    ] == wire.sent


# --- cancel after the job has ended -----------------------------------------------------------

BARE = {"id": JOB, "status": "COMPLETED"}


@pytest.mark.fact("protocol 1.9: cancel after the end")
async def test_cancel_after_completion_fetches_the_output(client: AsyncRunpod, wire: Wire) -> None:
    endpoint = client.endpoint("ep", output_type=Output)
    wire.respond(BARE, DONE)
    assert Output(n=1) == (await endpoint.cancel(JOB)).result()
    assert [f"POST {PATH}/ep/cancel/{JOB}", f"GET {PATH}/ep/status/{JOB}"] == wire.sent
    job = endpoint.job(JOB)
    wire.respond(BARE, 401)
    with pytest.raises(errors.AuthenticationError):
        await job.cancel()
    assert "COMPLETED" == job.status
    wire.respond(DONE)
    assert Output(n=1) == await job.result() == job.state.output
    # The known output is kept, and no more requests are needed.
    wire.respond(BARE, DONE)
    assert "COMPLETED" == (await job.cancel()).status
    assert Output(n=1) == await job.result() == job.state.output
    assert [Output(n=1)] == [state.output for state in await collect(job.watch())]
    wire.respond(BARE, {**DONE, "output": {"n": "many"}})
    with pytest.raises(errors.JobOutputError, match="output_type"):
        await job.cancel()


@pytest.mark.parametrize("name", ["cancel", "retry"])
async def test_an_executed_operation_is_not_retryable_if_the_rest_is_not_received(
    name: str, client: AsyncRunpod, wire: Wire
) -> None:
    job = client.with_options(retry=RetryPolicy(max_retries=0)).endpoint("ep").job(JOB)
    wire.respond(BARE, 503)
    with pytest.raises(errors.ServerError) as caught:
        await (job.cancel() if name == "cancel" else job.retry())
    assert (name == "cancel", "COMPLETED") == (caught.value.retryable, job.status)
    wire.respond(DONE)
    assert {"n": 1} == await job.result()


async def test_cancel_after_failure_fetches_the_error(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond({"id": JOB, "status": "FAILED"}, FAILED)
    with pytest.raises(errors.JobFailedError, match="would not fit"):
        (await endpoint.job(JOB).cancel()).result()


# --- output_type ------------------------------------------------------------------------------


async def test_output_type_is_applied(client: AsyncRunpod, wire: Wire) -> None:
    endpoint = client.endpoint("ep", output_type=Output)
    wire.respond(DONE, DONE, DONE, {**RUNNING, "output": "50 %"}, DONE, DONE)
    assert Output(n=1) == (await endpoint.run_sync(input=INPUT)).output
    assert Output(n=1) == (await endpoint.status(JOB)).output
    assert Output(n=1) == (await endpoint.status_sync(JOB)).output
    assert "50 %" == (await endpoint.status(JOB)).progress
    job = await endpoint.run(input=INPUT)
    assert Output(n=1) == await job.result() == job.state.output
    assert Output(n=1) == (await endpoint.with_options(timeout=9).job(JOB).refresh()).output


async def test_output_that_does_not_match_output_type_is_an_error(client: AsyncRunpod, wire: Wire) -> None:
    endpoint = client.endpoint("ep", output_type=Output)
    job = endpoint.job(JOB)
    wire.respond(DONE)
    await job.refresh()
    wire.always({**DONE, "output": {"n": "many"}})
    calls = [lambda: endpoint.status(JOB), lambda: endpoint.status_sync(JOB), lambda: endpoint.run_sync(input=INPUT)]
    for call in [*calls, job.refresh, job.wait, job.result, lambda: collect(job.watch())]:
        with pytest.raises(errors.JobOutputError, match="output_type") as caught:
            await call()
        assert (JOB, {"n": "many"}) == (caught.value.job_id, caught.value.state.output)
    assert {"n": "many"} == job.state.output
    lengths = set()
    for _ in range(3):
        with pytest.raises(errors.JobOutputError) as caught:
            await job.result()
        lengths.add(len(caught.traceback))
    assert 1 == len(lengths), "each error has a traceback of its own"
    # Of the handle's methods, only `refresh` sends a request: the job is known to have ended.
    assert 5 == len(wire.requests)
