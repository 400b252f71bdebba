"""Typing tests of the async client. This file is type-checked with mypy and pyright, not executed."""

# Both checkers report an unneeded `type: ignore`, so code that must be rejected is tested, too.
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import httpx
from pydantic import BaseModel, Field
from typing_extensions import TypedDict, assert_type

from runpod import (
    CLIENT_DEFAULT,
    AsyncEndpoint,
    AsyncJob,
    AsyncJobMap,
    AsyncJobStream,
    AsyncJobUpdates,
    AsyncLoadBalancer,
    AsyncLoadBalancerSession,
    AsyncLogs,
    AsyncRunpod,
    Diagnosis,
    EndpointHealth,
    EndpointLimits,
    ExecutionPolicy,
    Finding,
    JobRequest,
    JobRequestDict,
    JobState,
    JobStatus,
    MapResult,
    PurgeResult,
    RetryPolicy,
    RunpodError,
    RunReport,
    S3Config,
    StreamChunk,
)
from runpod.models.management import EndpointWorkers, LogLine, ServerlessEndpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping


class Horse(BaseModel):
    image: str


class Prompt(BaseModel):
    prompt: str


@dataclass
class Foal:
    image: str


class Herd(TypedDict):
    images: list[str]


# Clients.


async def a_client_takes_its_options() -> None:
    AsyncRunpod()
    AsyncRunpod("key")
    AsyncRunpod(api_key="key", base_url="https://api.runpod.ai/v2", allow_insecure=True)
    AsyncRunpod(timeout=5)
    AsyncRunpod(timeout=2.5)
    AsyncRunpod(timeout=timedelta(minutes=1))
    AsyncRunpod(timeout=None)
    AsyncRunpod(
        retry=RetryPolicy(
            max_retries=0, initial_delay=timedelta(seconds=1), max_delay=timedelta(seconds=60), resubmit=True
        )
    )
    AsyncRunpod(http_client=httpx.AsyncClient())


async def a_client_rejects_invalid_options() -> None:
    AsyncRunpod(5)  # type: ignore[arg-type]
    AsyncRunpod("key", "https://api.runpod.ai/v2")  # type: ignore[call-arg]
    AsyncRunpod(timeout="5")  # type: ignore[arg-type]
    AsyncRunpod(retry=3)  # type: ignore[arg-type]
    AsyncRunpod(http_client=httpx.Client())  # type: ignore[arg-type]
    AsyncRunpod(baseUrl="https://api.runpod.ai/v2")  # type: ignore[call-arg]


async def a_client_is_a_context_manager() -> None:
    async with AsyncRunpod("key") as client:
        assert_type(client, AsyncRunpod)
    await client.aclose()
    with AsyncRunpod("key"):  # type: ignore[attr-defined]
        pass


async def a_client_with_other_options_is_a_client(client: AsyncRunpod) -> None:
    assert_type(client.with_options(timeout=300), AsyncRunpod)
    assert_type(client.with_options(timeout=timedelta(minutes=5), retry=RetryPolicy()), AsyncRunpod)
    assert_type(client.with_options(timeout=None), AsyncRunpod)
    assert_type(client.with_options(limits=EndpointLimits(concurrent_polls=10, polls_per_second=5)), AsyncRunpod)
    client.with_options(limits=10)  # type: ignore[arg-type]
    client.with_options(300)  # type: ignore[call-arg]
    client.with_options(retry=5)  # type: ignore[arg-type]
    assert_type(client.with_options(timeout=CLIENT_DEFAULT), AsyncRunpod)
    assert_type(MyClient("key").with_options(timeout=5), MyClient)


class MyClient(AsyncRunpod):
    """`with_options` keeps the subclass."""


# Endpoints.


async def the_output_type_is_the_type_of_the_endpoint(client: AsyncRunpod) -> None:
    assert_type(client.endpoint("id"), AsyncEndpoint[Any])
    assert_type(client.endpoint("id", output_type=Horse), AsyncEndpoint[Horse])
    assert_type(client.endpoint("id", output_type=Foal), AsyncEndpoint[Foal])
    assert_type(client.endpoint("id", output_type=Herd), AsyncEndpoint[Herd])
    assert_type(client.endpoint("id", output_type=str), AsyncEndpoint[str])
    assert_type(client.endpoint("id", output_type=list[Horse]), AsyncEndpoint[list[Horse]])
    assert_type(client.endpoint("id", output_type=dict[str, int]), AsyncEndpoint[dict[str, int]])
    assert_type(client.endpoint("id", output_type=Horse | None), AsyncEndpoint[Any])
    assert_type(client.endpoint("id", output_type=Annotated[list[Horse], Field(min_length=1)]), AsyncEndpoint[Any])
    _: AsyncEndpoint[Horse | None] = client.endpoint("id", output_type=Horse | None)
    assert_type(client.endpoint("id").id, str)


async def an_endpoint_rejects_invalid_arguments(client: AsyncRunpod) -> None:
    client.endpoint()  # type: ignore[call-overload]
    client.endpoint(5)  # type: ignore[call-overload]
    client.endpoint(None)  # type: ignore[call-overload]
    client.endpoint("id", Horse)  # type: ignore[call-overload]


async def an_endpoint_keeps_its_output_type_with_other_options(horses: AsyncEndpoint[Horse]) -> None:
    assert_type(horses.with_options(timeout=5), AsyncEndpoint[Horse])
    assert_type(horses.with_options(limits=EndpointLimits()), AsyncEndpoint[Horse])
    assert_type(horses.with_options(retry=RetryPolicy(resubmit=True)), AsyncEndpoint[Horse])
    assert_type(horses.job("id"), AsyncJob[Horse])


async def output_types_are_not_interchangeable(horses: AsyncEndpoint[Horse]) -> None:
    _: AsyncEndpoint[Foal] = horses  # type: ignore[assignment]


# Submitting: the request as a whole.


async def a_request_can_be_a_literal(horses: AsyncEndpoint[Horse]) -> None:
    assert_type(await horses.run({"input": {"prompt": "a horse"}}), AsyncJob[Horse])
    assert_type(await horses.run({"input": {}}, timeout=3), AsyncJob[Horse])
    await horses.run({"input": {"prompt": "a horse"}, "policy": {"executionTimeout": 3000}})
    await horses.run({"input": Prompt(prompt="a horse"), "policy": ExecutionPolicy(ttl=timedelta(seconds=10))})
    await horses.run(
        {
            "input": {"prompt": "a horse", "nested": [1, 2.5, None, {"deep": True}]},
            "policy": {"executionTimeout": 60_000, "lowPriority": True, "ttl": 3_600_000},
            "webhook": "https://example.com/hook",
            "webhookV2": "https://example.com/hook",
            "s3Config": {
                "accessId": "id",
                "accessSecret": "secret",
                "bucketName": "bucket",
                "endpointUrl": "https://s3.example.com",
                "objectPath": "horses/",
            },
        }
    )


async def a_request_can_be_a_variable(
    horses: AsyncEndpoint[Horse],
    typed: JobRequestDict,
    plain: dict[str, Any],
    mapping: Mapping[str, Any],
    texts: dict[str, dict[str, str]],
    model: JobRequest,
) -> None:
    assert_type(await horses.run(typed), AsyncJob[Horse])
    assert_type(await horses.run(plain), AsyncJob[Horse])
    assert_type(await horses.run(mapping), AsyncJob[Horse])
    assert_type(await horses.run(texts), AsyncJob[Horse])
    assert_type(await horses.run(model), AsyncJob[Horse])
    assert_type(await horses.run_sync(typed), JobState[Horse])
    assert_type(await horses.run_sync(plain), JobState[Horse])
    assert_type(await horses.run_sync(mapping), JobState[Horse])
    assert_type(await horses.run_sync(texts), JobState[Horse])
    assert_type(await horses.run_sync(model), JobState[Horse])


# Submitting: by keyword.


async def an_input_can_be_a_mapping_or_a_model(
    horses: AsyncEndpoint[Horse], plain: dict[str, Any], mapping: Mapping[str, object], herd: Herd
) -> None:
    assert_type(await horses.run(input={"prompt": "a horse"}), AsyncJob[Horse])
    assert_type(await horses.run(input=Prompt(prompt="a horse")), AsyncJob[Horse])
    assert_type(await horses.run(input=plain), AsyncJob[Horse])
    assert_type(await horses.run(input=mapping), AsyncJob[Horse])
    assert_type(await horses.run(input=herd), AsyncJob[Horse])
    assert_type(await horses.run_sync(input={"prompt": "a horse"}), JobState[Horse])
    assert_type(await horses.run_sync(input=Prompt(prompt="a horse")), JobState[Horse])


async def the_rest_of_a_request_goes_beside_the_input(horses: AsyncEndpoint[Horse]) -> None:
    s3 = S3Config(access_id="id", access_secret="s", bucket_name="b", endpoint_url="https://s3.example.com")
    job = await horses.run(
        input={},
        policy=ExecutionPolicy(execution_timeout=timedelta(minutes=5), ttl=timedelta(hours=1), low_priority=True),
        webhook="https://example.com/hook",
        s3_config=s3,
        timeout=timedelta(seconds=3),
    )
    assert_type(job, AsyncJob[Horse])
    state = await horses.run_sync(
        input={},
        policy={"executionTimeout": 3000},
        webhook=None,
        s3_config={"accessId": "i", "accessSecret": "s", "bucketName": "b", "endpointUrl": "https://s3.example.com"},
        timeout=None,
    )
    assert_type(state, JobState[Horse])
    request = JobRequest(input={}, policy={"ttl": 10_000}, webhook="https://example.com", webhook_v2="", s3_config=s3)
    assert_type(await horses.run_sync(request, timeout=60), JobState[Horse])


async def a_submission_rejects_invalid_inputs(horses: AsyncEndpoint[Horse]) -> None:
    await horses.run()  # type: ignore[call-overload]
    await horses.run("a horse")  # type: ignore[call-overload]
    await horses.run([1, 2])  # type: ignore[call-overload]
    await horses.run(None)  # type: ignore[call-overload]
    await horses.run({1: 2})  # type: ignore[dict-item]
    await horses.run(input="a horse")  # type: ignore[call-overload]
    await horses.run(input=[1, 2])  # type: ignore[call-overload]
    await horses.run(input=None)  # type: ignore[call-overload]
    await horses.run(prompt="a horse")  # type: ignore[call-overload]
    await horses.run(request={"input": {}})  # type: ignore[call-overload]
    await horses.run(input={}, policy=60)  # type: ignore[call-overload]
    await horses.run(input={}, policy={"executionTimeout": "60"})  # type: ignore[call-overload]
    await horses.run(input={}, policy={"execution_timeout": 60})  # type: ignore[call-overload]
    await horses.run(input={}, webhook=5)  # type: ignore[call-overload]
    await horses.run(input={}, s3_config="bucket")  # type: ignore[call-overload]
    await horses.run(input={}, timeout="3")  # type: ignore[call-overload]
    await horses.run_sync()  # type: ignore[call-overload]
    await horses.run_sync("a horse")  # type: ignore[call-overload]
    await horses.run_sync(input="a horse")  # type: ignore[call-overload]
    await horses.run_sync(input={}, timeout="3")  # type: ignore[call-overload]
    # Both forms at once.
    await horses.run({"input": {}}, input={})  # type: ignore[call-overload]
    await horses.run_sync({"input": {}}, policy={})  # type: ignore[call-overload]
    # As in the JavaScript SDK: milliseconds as the second argument.
    await horses.run({"input": {}}, 3000)  # type: ignore[call-overload]
    await horses.run_sync({"input": {}}, 5000)  # type: ignore[call-overload]


async def a_missing_await_is_an_error(horses: AsyncEndpoint[Horse]) -> None:
    horses.run(input={}).id  # type: ignore[attr-defined]  # noqa: B018


# Other operations of an endpoint.


async def an_endpoint_returns_states(horses: AsyncEndpoint[Horse]) -> None:
    assert_type(await horses.run_sync({"input": {}}), JobState[Horse])
    assert_type((await horses.run_sync({"input": {}})).output, Horse | None)
    assert_type((await horses.run_sync({"input": {}})).result(), Horse)
    assert_type(await horses.status("id"), JobState[Horse])
    assert_type(await horses.status("id", timeout=None), JobState[Horse])
    assert_type(await horses.status_sync("id"), JobState[Horse])
    assert_type(await horses.status_sync("id", timeout=timedelta(minutes=1)), JobState[Horse])
    assert_type(await horses.cancel("id"), JobState[Horse])
    assert_type(await horses.retry("id"), JobState[Horse])


async def an_endpoint_without_output_type_returns_any(endpoint: AsyncEndpoint[Any]) -> None:
    assert_type(await endpoint.run({"input": {}}), AsyncJob[Any])
    assert_type((await endpoint.run_sync({"input": {}})).output, Any | None)
    assert_type((await endpoint.run_sync({"input": {}})).result(), Any)
    assert_type(await (await endpoint.run({"input": {}})).result(), Any)


async def an_unparametrized_class_has_no_output_type(endpoint: AsyncEndpoint, job: AsyncJob, state: JobState) -> None:
    assert_type(endpoint, AsyncEndpoint[Any])
    assert_type(job, AsyncJob[Any])
    assert_type(state, JobState[Any])


async def an_endpoint_returns_its_health(horses: AsyncEndpoint[Horse]) -> None:
    health = await horses.health(timeout=3)
    assert_type(health, EndpointHealth)
    assert_type(health.jobs.in_queue, int)
    assert_type(health.jobs.in_progress, int)
    assert_type(health.workers.ready, int)
    assert_type(health.workers.unhealthy, int)


async def an_endpoint_is_diagnosed(horses: AsyncEndpoint[Horse]) -> None:
    diagnosis = await horses.diagnose(job_id="JOB_ID", used_as="QUEUE", timeout=3)
    assert_type(diagnosis, Diagnosis)
    assert_type(diagnosis.ok, bool)
    assert_type(diagnosis.sentences, list[str])
    assert_type(diagnosis.findings, tuple[Finding, ...])
    assert_type(diagnosis.findings[0].certainty, Literal["certain", "likely", "possible"])
    await horses.diagnose(used_as="BATCH")  # type: ignore[arg-type]
    purged = await horses.purge_queue(timeout=3)
    assert_type(purged, PurgeResult)
    assert_type(purged.removed, int | None)
    assert_type(purged.status, str | None)


async def a_job_id_is_a_str(horses: AsyncEndpoint[Horse]) -> None:
    await horses.status()  # type: ignore[call-arg]
    await horses.status(5)  # type: ignore[arg-type]
    await horses.status_sync(None)  # type: ignore[arg-type]
    await horses.cancel(await horses.run({"input": {}}))  # type: ignore[arg-type]
    await horses.retry(b"id")  # type: ignore[arg-type]
    horses.stream(5)  # type: ignore[call-overload]
    horses.job(5)  # type: ignore[arg-type]
    await horses.status("id", 3000)  # type: ignore[call-arg]
    await horses.health(3000)  # type: ignore[call-arg]


async def a_stream_yields_chunks(horses: AsyncEndpoint[Horse], job: AsyncJob[Horse]) -> None:
    assert_type(horses.stream("id"), AsyncJobStream[Any])
    _chunks: AsyncIterator[StreamChunk[Any]] = horses.stream("id")
    assert_type(horses.stream("id", chunk_type=Horse), AsyncJobStream[Horse])
    assert_type(job.stream(chunk_type=Horse, timeout=5), AsyncJobStream[Horse])
    async for typed in job.stream(chunk_type=Horse):
        assert_type(typed, StreamChunk[Horse])
        assert_type(typed.output, Horse)
    async with job.stream() as stream:
        assert_type(stream, AsyncJobStream[Any])
    assert_type(job.stream(timeout=60), AsyncJobStream[Any])
    async for chunk in horses.stream("id", timeout=timedelta(minutes=1)):
        assert_type(chunk, StreamChunk[Any])
        assert_type(chunk.output, Any)
        assert_type(chunk.metrics, Any)
    await horses.stream("id")  # type: ignore[misc]
    for _ in horses.stream("id"):  # type: ignore[attr-defined]
        pass


# Many jobs.


async def map_yields_outputs(horses: AsyncEndpoint[Horse], endpoint: AsyncEndpoint[Any]) -> None:
    assert_type(horses.map([{"n": 1}]), AsyncJobMap[Horse])
    async for horse in horses.map([{"n": 1}], return_exceptions=False, in_flight=10):
        assert_type(horse, Horse)
    async for given in horses.map([{"n": 1}], return_exceptions=True):
        assert_type(given, Horse | RunpodError)
    assert_type(endpoint.map([{"n": 1}]), AsyncJobMap[Any])
    assert_type(horses.map([{"n": 1}]).report, RunReport)
    async with horses.map([{"n": 1}]) as outputs:
        assert_type(outputs, AsyncJobMap[Horse])
        assert_type(await anext(outputs), Horse)
    assert_type(await outputs.aclose(), None)
    _outputs: AsyncIterator[Horse] = horses.map([{"n": 1}])


async def map_unordered_yields_results(horses: AsyncEndpoint[Horse]) -> None:
    assert_type(horses.map_unordered([{"n": 1}]), AsyncJobMap[MapResult[Horse]])
    async for result in horses.map_unordered([{"n": 1}], timeout=timedelta(hours=1), job_timeout=60):
        assert_type(result, MapResult[Horse])
        assert_type(result.output, Horse | None)
        assert_type(result.error, RunpodError | None)
        assert_type(result.job_id, str | None)
        assert_type(result.index, int)


async def map_takes_iterables(
    horses: AsyncEndpoint[Horse], rows: Iterator[dict[str, int]], herds: list[Herd], later: AsyncIterator[Prompt]
) -> None:
    horses.map(rows)
    horses.map(herds)
    horses.map([Prompt(prompt="a horse"), Prompt(prompt="a foal")])
    horses.map([JobRequest(input={}, policy={"ttl": 10_000})])
    horses.map_unordered({"prompt": str(n)} for n in range(10))
    horses.map_unordered(({"prompt": "a horse"},), policy={"executionTimeout": 3000}, on_exit="keep")
    horses.map(later)
    horses.map_unordered(later)


async def progress_takes_results(horses: AsyncEndpoint[Horse]) -> None:
    def see(result: MapResult[Horse]) -> None: ...

    def see_foal(result: MapResult[Foal]) -> None: ...

    horses.map([], progress=see)
    horses.map_unordered([], progress=see)
    horses.map([], progress=True)
    horses.map([], progress=see_foal)  # type: ignore[arg-type]
    horses.map_unordered([], progress="bar")  # type: ignore[arg-type]


async def map_rejects_invalid_arguments(horses: AsyncEndpoint[Horse]) -> None:
    horses.map()  # type: ignore[call-overload]
    horses.map(None)  # type: ignore[call-overload]
    horses.map({"prompt": "a horse"})  # type: ignore[dict-item]
    horses.map(["a horse"])  # type: ignore[list-item]
    horses.map([{"n": 1}], 10)  # type: ignore[call-overload]
    horses.map([{"n": 1}], in_flight="10")  # type: ignore[call-overload]
    horses.map([{"n": 1}], on_exit="stop")  # type: ignore[call-overload]
    horses.map_unordered([{"n": 1}], return_exceptions=True)  # type: ignore[call-arg]
    horses.map_unordered([{"n": 1}], timeout="5")  # type: ignore[arg-type]


# Jobs.


async def a_job_returns_its_output_type(job: AsyncJob[Horse]) -> None:
    assert_type(job.id, str)
    assert_type(job.endpoint_id, str)
    assert_type(job.state, JobState[Horse])
    assert_type(job.status, JobStatus)
    assert_type(await job.refresh(), JobState[Horse])
    assert_type(await job.refresh(timeout=3), JobState[Horse])
    assert_type(await job.wait(), JobState[Horse])
    assert_type(await job.wait(timeout=timedelta(minutes=1)), JobState[Horse])
    assert_type(await job.result(), Horse)
    assert_type(await job.result(timeout=60), Horse)
    assert_type(await job.cancel(), JobState[Horse])
    assert_type(await job.retry(timeout=None), JobState[Horse])


async def watch_yields_states(job: AsyncJob[Horse]) -> None:
    assert_type(job.watch(), AsyncJobUpdates[Horse])
    _updates: AsyncIterator[JobState[Horse]] = job.watch()
    async for state in job.watch(timeout=60):
        assert_type(state, JobState[Horse])


async def a_job_rejects_invalid_arguments(job: AsyncJob[Horse]) -> None:
    await job.wait(60)  # type: ignore[call-arg]
    await job.wait(timeout="60")  # type: ignore[arg-type]
    await job.result(timeout="60")  # type: ignore[arg-type]
    job.state = await job.wait()  # type: ignore[misc]
    await job.watch()  # type: ignore[misc]
    _: Foal = await job.result()  # type: ignore[assignment]


async def a_load_balancer_hands_out_an_http_client(client: AsyncRunpod) -> None:
    balancer = client.load_balancer("ep")
    assert_type(balancer, AsyncLoadBalancer)
    assert_type(balancer.http, httpx.AsyncClient)
    assert_type((balancer.id, balancer.url), tuple[str, str])
    assert_type(await balancer.http.post("/", json={}), httpx.Response)
    assert_type(await balancer.health(timeout=3), EndpointHealth)
    assert_type(await balancer.wait_ready(2, timeout=timedelta(minutes=5)), EndpointHealth)
    assert_type(balancer.websocket_url("/ws"), str)
    assert_type(balancer.websocket_headers(), dict[str, str])
    async with balancer.session(strict=True, resume=True, worker_id=None) as session:
        assert_type(session, AsyncLoadBalancerSession)
        assert_type(session.http, httpx.AsyncClient)
        assert_type(session.worker_id, str | None)
        session.release()
    session.worker_id = "w1"  # type: ignore[misc]
    balancer.session(worker_id=1)  # type: ignore[arg-type]
    await balancer.wait_ready(timeout="60")  # type: ignore[arg-type]


async def workers_are_scaled_and_read(horses: AsyncEndpoint[Horse]) -> None:
    assert_type(await horses.scale(max=5), ServerlessEndpoint)
    assert_type(await horses.scale(1, 5, idle_timeout=timedelta(minutes=1), timeout=5), ServerlessEndpoint)
    assert_type(await horses.pause(timeout=None), ServerlessEndpoint)
    assert_type(await horses.resume(3), ServerlessEndpoint)
    assert_type(await horses.wait_ready(2, timeout=60), EndpointHealth)
    assert_type(await horses.workers(), EndpointWorkers)
    await horses.scale(max="5")  # type: ignore[arg-type]
    assert_type(horses.logs(), AsyncLogs)
    assert_type(horses.logs("w1", follow=True, source="system", since=timedelta(hours=1)), AsyncLogs)
    horses.logs(source="both")  # type: ignore[arg-type]
    async for line in horses.logs(tail=5):
        assert_type(line, LogLine)
        assert_type(line.line, str)
        assert_type(line.timestamp, datetime | None)
        assert_type(line.worker_id, str | None)
    async with horses.logs() as lines:
        assert_type(lines, AsyncLogs)
