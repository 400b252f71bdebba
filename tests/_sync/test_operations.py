# Generated from tests/_async/test_operations.py by scripts/generate_sync.py. Do not edit.

from __future__ import annotations

import gzip
import json
import platform
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

import runpod
from runpod import (
    EndpointHealth,
    ExecutionPolicy,
    JobFailedError,
    JobOutputError,
    JobRequest,
    JobState,
    PurgeResult,
    S3Config,
    StreamChunk,
)
from tests._sync.calls import (
    BODY,
    CANCELLED,
    DONE,
    FAILED,
    INPUT,
    JOB,
    OPERATIONS,
    PATH,
    QUEUED,
    RUNNING,
    Operation,
    collect,
    name_of,
)
from tests.servers import BASE_URL, KEY, Held

if TYPE_CHECKING:
    from runpod import Endpoint, Runpod
    from tests.clocks import VirtualClock
    from tests.servers import Wire


class Prompt(BaseModel):
    prompt: str
    seed: int = 1


S3 = {
    "accessId": "id",
    "accessSecret": "secret",
    "bucketName": "bucket",
    "endpointUrl": "https://s3.example.test",
    "objectPath": "horses",
}
WHOLE = {
    "input": {"prompt": "a horse"},
    "policy": {"executionTimeout": 300_000, "ttl": 600_000, "lowPriority": True},
    "webhook": "https://example.test/hook",
    "s3Config": S3,
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_what_goes_over_the_wire(
    operation: Operation, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(operation.good)
    operation(endpoint)

    assert [operation.sent] == wire.sent
    (request,) = wire.requests
    assert "https" == request.url.scheme
    assert "api.example.test" == request.url.host
    assert f"Bearer {KEY}" == request.headers["Authorization"]
    assert "application/json" == request.headers["Accept"]
    assert operation.body == request.content
    expected = "application/json" if operation.body else None
    assert expected == request.headers.get("Content-Type")


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_the_user_agent_names_package_version_python_and_platform(
    operation: Operation, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(operation.good)
    operation(endpoint)

    said = wire.requests[0].headers["User-Agent"]
    for part in ("runpod-sdk/", runpod.__version__, platform.python_version(), sys.platform):
        assert part in said
    assert "httpx" not in said


def test_run_gives_a_job(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED)
    job = endpoint.run({"input": INPUT})
    assert (JOB, "IN_QUEUE") == (job.id, job.status)
    assert endpoint is job.endpoint
    assert isinstance(job.state, JobState)
    assert JOB == job.state.id


def test_run_sync_asks_on_until_the_job_ends(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(Held(1, RUNNING), Held(5, DONE))
    state = endpoint.run_sync({"input": INPUT}, timeout=20)

    assert {"n": 1} == state.output
    assert [
        f"POST {PATH}/ep/runsync?wait=1000",
        f"GET {PATH}/ep/status-sync/{JOB}?wait=18750",
    ] == wire.sent


def test_status_gives_a_state(endpoint: Endpoint, wire: Wire) -> None:
    wire.say({**DONE, "retries": 1, "gpu": "A40"})
    state = endpoint.status(JOB)

    assert (JOB, "COMPLETED", {"n": 1}) == (state.id, state.status, state.output)
    assert (timedelta(milliseconds=20), timedelta(milliseconds=30)) == (state.delay_time, state.execution_time)
    assert ("w", 1) == (state.worker_id, state.retries)
    assert (True, True, True) == (state.started, state.completed, state.succeeded)
    assert {"gpu": "A40"} == state.model_extra


def test_status_sync_gives_the_state_at_the_end_of_the_wait(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(Held(19.75, RUNNING))
    state = endpoint.status_sync(JOB, timeout=20)
    assert "IN_PROGRESS" == state.status
    assert [f"GET {PATH}/ep/status-sync/{JOB}?wait=19750"] == wire.sent


def test_stream_gives_chunks(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(
        {"status": "COMPLETED", "stream": [{"output": 1}, {"output": {"n": 2}, "metrics": {"tokens": 3}}]},
        {"status": "COMPLETED", "stream": []},
    )
    one, two = collect(endpoint.stream(JOB))
    assert isinstance(one, StreamChunk)
    assert (1, {"n": 2}, {"tokens": 3}) == (one.output, two.output, two.metrics)


def test_cancel_and_retry_give_states(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(CANCELLED, QUEUED)
    state = endpoint.cancel(JOB)
    assert (JOB, "CANCELLED", True) == (state.id, state.status, state.completed)
    state = endpoint.retry(JOB)
    assert (JOB, "IN_QUEUE", False) == (state.id, state.status, state.completed)


class Output(BaseModel):
    n: int


BARE = {"id": JOB, "status": "COMPLETED"}


def test_a_cancel_that_came_too_late_loses_nothing(client: Runpod, wire: Wire) -> None:
    endpoint = client.endpoint("ep", output_type=Output)
    wire.say(BARE)
    assert "COMPLETED" == (endpoint.cancel(JOB)).status
    job = endpoint.job(JOB)
    wire.say(BARE, DONE)
    assert "COMPLETED" == (job.cancel()).status == job.status
    assert Output(n=1) == job.result()
    # What is known stays known.
    wire.say(BARE)
    assert "COMPLETED" == (job.cancel()).status
    assert Output(n=1) == job.result() == job.state.output
    wire.say(BARE, DONE)
    job = endpoint.job(JOB)
    job.cancel()
    assert [Output(n=1)] == [state.output for state in collect(job.watch())]


def test_a_cancel_that_came_too_late_does_not_hide_why_a_job_failed(endpoint: Endpoint, wire: Wire) -> None:
    job = endpoint.job(JOB)
    wire.say({"id": JOB, "status": "FAILED"}, FAILED)
    assert "FAILED" == (job.cancel()).status
    with pytest.raises(JobFailedError, match="would not fit"):
        job.result()


def test_an_output_that_does_not_fit_never_passes_for_one_that_does(client: Runpod, wire: Wire) -> None:
    job = client.endpoint("ep", output_type=Output).job(JOB)
    wire.say({**DONE, "output": {"n": "many"}})
    for call in (job.result, job.result, job.wait):
        with pytest.raises(JobOutputError):
            call()
        assert {"n": "many"} == job.state.output
    with pytest.raises(JobOutputError):
        collect(job.watch())


def test_the_handle_of_a_job_asks_the_same(endpoint: Endpoint, wire: Wire) -> None:
    job = endpoint.job(JOB)
    assert [] == wire.sent
    wire.say(RUNNING, CANCELLED, QUEUED, {"status": "COMPLETED", "stream": []})
    assert "IN_PROGRESS" == (job.refresh()).status == job.status
    assert "CANCELLED" == (job.cancel()).status == job.status
    assert "IN_QUEUE" == (job.retry()).status == job.status
    assert [] == collect(job.stream())
    assert [
        f"GET {PATH}/ep/status/{JOB}",
        f"POST {PATH}/ep/cancel/{JOB}",
        f"POST {PATH}/ep/retry/{JOB}",
        f"GET {PATH}/ep/stream/{JOB}?wait=10000",
    ] == wire.sent


def test_health_counts(endpoint: Endpoint, wire: Wire) -> None:
    wire.say({"jobs": {"inQueue": 2, "completed": 7}, "workers": {"idle": 1, "sleeping": 4}, "region": "EU"})
    health = endpoint.health()
    assert isinstance(health, EndpointHealth)
    assert (2, 7, 0) == (health.jobs.in_queue, health.jobs.completed, health.jobs.failed)
    assert (1, 0) == (health.workers.idle, health.workers.unhealthy)
    assert {"sleeping": 4} == health.workers.model_extra
    assert {"region": "EU"} == health.model_extra


def test_purge_queue_counts(endpoint: Endpoint, wire: Wire) -> None:
    wire.say({"removed": 3, "status": "completed"})
    result = endpoint.purge_queue()
    assert isinstance(result, PurgeResult)
    assert (3, "completed") == (result.removed, result.status)


@pytest.mark.parametrize("name", ["run", "run_sync"])
@pytest.mark.parametrize(
    ("args", "keywords", "expected"),
    [
        (({"input": INPUT},), {}, {"input": INPUT}),
        ((), {"input": INPUT}, {"input": INPUT}),
        (({"input": Prompt(prompt="a")},), {}, {"input": {"prompt": "a", "seed": 1}}),
        ((), {"input": Prompt(prompt="a")}, {"input": {"prompt": "a", "seed": 1}}),
        ((WHOLE,), {}, WHOLE),
        (({**WHOLE, "webhookV2": "x"},), {}, {**WHOLE, "webhookV2": "x"}),
        ((), {"s3_config" if key == "s3Config" else key: value for key, value in WHOLE.items()}, WHOLE),
        (
            (),
            {
                "input": {"prompt": "a horse"},
                "policy": ExecutionPolicy(
                    execution_timeout=timedelta(minutes=5), ttl=timedelta(minutes=10), low_priority=True
                ),
                "webhook": "https://example.test/hook",
                "s3_config": S3Config(
                    access_id="id",
                    access_secret="secret",
                    bucket_name="bucket",
                    endpoint_url="https://s3.example.test",
                    object_path="horses",
                ),
            },
            WHOLE,
        ),
        ((JobRequest(input=INPUT, webhook_v2="x"),), {}, {"input": INPUT, "webhookV2": "x"}),
        ((JobRequest(input=Prompt(prompt="a")),), {}, {"input": {"prompt": "a", "seed": 1}}),
        # The JavaScript README has it, although the service documents a minimum of 5000.
        (
            ({"input": INPUT, "policy": {"executionTimeout": 3000}},),
            {},
            {"input": INPUT, "policy": {"executionTimeout": 3000}},
        ),
        ((), {"input": INPUT, "policy": {"ttl": timedelta(seconds=1.5)}}, {"input": INPUT, "policy": {"ttl": 1500}}),
        (({"input": INPUT, "policy": None, "webhook": None},), {}, {"input": INPUT}),
        (
            ({"input": {"a": (1, [2.5, None, True]), "ü": "🐎"}},),
            {},
            {"input": {"a": [1, [2.5, None, True]], "ü": "🐎"}},
        ),
        (({"input": {"n": 2**70}},), {}, {"input": {"n": 2**70}}),
    ],
)
def test_both_forms_of_a_request(
    name: str, args: tuple[Any, ...], keywords: dict[str, Any], expected: Any, endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(DONE)
    getattr(endpoint, name)(*args, **keywords)
    assert expected == json.loads(wire.requests[0].content)


@pytest.mark.parametrize("name", ["run", "run_sync"])
def test_text_goes_as_utf8(name: str, endpoint: Endpoint, wire: Wire) -> None:
    wire.say(DONE)
    getattr(endpoint, name)(input={"prompt": "ein größeres 🐎"})
    assert "größeres 🐎".encode() in wire.requests[0].content


@pytest.mark.parametrize("args", [({"input": {}},), ()], ids=["positional", "keyword"])
@pytest.mark.parametrize("name", ["run", "run_sync"])
def test_an_empty_input_is_sent_with_a_warning(
    name: str, args: tuple[Any, ...], endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(DONE)
    keywords = {} if args else {"input": {}}
    with pytest.warns(UserWarning, match=r"empty.*FAILED") as caught:
        getattr(endpoint, name)(*args, **keywords)
    assert b'{"input":{}}' == wire.requests[0].content
    assert __file__ == caught[0].filename


ODD_IDS = {
    "a/b": "a%2Fb",
    "../health": "..%2Fhealth",
    ".": "%2E",
    "..": "%2E%2E",
    "a?b=c": "a%3Fb%3Dc",
    "a#b": "a%23b",
    "100%": "100%25",
    "a%2Fb": "a%252Fb",
    "two words": "two%20words",
    "größe-🐎": "gr%C3%B6%C3%9Fe-%F0%9F%90%8E",
    "a\nb": "a%0Ab",
    "a\\b": "a%5Cb",
    "a&b;c=d+e": "a%26b%3Bc%3Dd%2Be",
    "//host/x": "%2F%2Fhost%2Fx",
}


@pytest.mark.parametrize(("odd", "encoded"), ODD_IDS.items(), ids=ODD_IDS.values())
def test_an_endpoint_id_is_one_segment_of_the_path(
    odd: str, encoded: str, client: Runpod, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(*(operation.good for operation in OPERATIONS))
    for operation in OPERATIONS:
        operation(client.endpoint(odd))
    assert [operation.sent.replace("/ep/", f"/{encoded}/") for operation in OPERATIONS] == wire.sent


@pytest.mark.parametrize(("odd", "encoded"), ODD_IDS.items(), ids=ODD_IDS.values())
def test_a_job_id_is_one_segment_of_the_path(
    odd: str, encoded: str, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    done = {"id": odd, "status": "COMPLETED"}
    wire.say(done, done, {"status": "COMPLETED"}, done, done)
    for call in (endpoint.status, endpoint.status_sync):
        assert odd == (call(odd)).id
    collect(endpoint.stream(odd))
    for call in (endpoint.cancel, endpoint.retry):
        assert odd == (call(odd)).id
    assert [
        f"GET {PATH}/ep/status/{encoded}",
        f"GET {PATH}/ep/status-sync/{encoded}?wait=89750",
        f"GET {PATH}/ep/stream/{encoded}?wait=10000",
        f"POST {PATH}/ep/cancel/{encoded}",
        f"POST {PATH}/ep/retry/{encoded}",
    ] == wire.sent


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_a_compressed_answer_is_read(operation: Operation, endpoint: Endpoint, wire: Wire) -> None:
    body = gzip.compress(json.dumps(operation.good).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    wire.say(lambda: httpx.Response(200, headers=headers, stream=httpx.ByteStream(body)))
    operation(endpoint)
    assert "gzip" in wire.requests[0].headers["Accept-Encoding"]


def test_a_compressed_refusal_is_read(endpoint: Endpoint, wire: Wire) -> None:
    body = gzip.compress(b'{"error":"no such horse"}')
    wire.say(lambda: httpx.Response(404, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(body)))
    with pytest.raises(runpod.NotFoundError, match="no such horse") as caught:
        endpoint.status(JOB)
    assert '{"error":"no such horse"}' == caught.value.body


@pytest.mark.parametrize("base_url", [BASE_URL + "/", BASE_URL + "//", BASE_URL])
def test_a_slash_at_the_end_of_the_base_url_makes_no_difference(base_url: str, wire: Wire) -> None:
    wire.say(QUEUED)
    with runpod.Runpod(KEY, base_url=base_url) as client:
        client.endpoint("ep").run({"input": INPUT})
    assert [f"POST {PATH}/ep/run"] == wire.sent
    assert BODY == wire.requests[0].content
