"""Typing tests of the sync client. This file is type-checked with mypy and pyright, not executed."""

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
    Diagnosis,
    Endpoint,
    EndpointHealth,
    EndpointLimits,
    ExecutionPolicy,
    Finding,
    Job,
    JobMap,
    JobRequest,
    JobRequestDict,
    JobState,
    JobStatus,
    JobStream,
    JobUpdates,
    LoadBalancer,
    LoadBalancerSession,
    Logs,
    MapResult,
    PurgeResult,
    RetryPolicy,
    Runpod,
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


def a_client_takes_its_options() -> None:
    Runpod()
    Runpod("key")
    Runpod(api_key="key", base_url="https://api.runpod.ai/v2", allow_insecure=True)
    Runpod(timeout=5)
    Runpod(timeout=2.5)
    Runpod(timeout=timedelta(minutes=1))
    Runpod(timeout=None)
    Runpod(
        retry=RetryPolicy(
            max_retries=0, initial_delay=timedelta(seconds=1), max_delay=timedelta(seconds=60), resubmit=True
        )
    )
    Runpod(http_client=httpx.Client())


def a_client_rejects_invalid_options() -> None:
    Runpod(5)  # type: ignore[arg-type]
    Runpod("key", "https://api.runpod.ai/v2")  # type: ignore[call-arg]
    Runpod(timeout="5")  # type: ignore[arg-type]
    Runpod(retry=3)  # type: ignore[arg-type]
    Runpod(http_client=httpx.AsyncClient())  # type: ignore[arg-type]
    Runpod(baseUrl="https://api.runpod.ai/v2")  # type: ignore[call-arg]


async def a_client_is_a_context_manager() -> None:
    with Runpod("key") as client:
        assert_type(client, Runpod)
    client.close()
    async with Runpod("key"):  # type: ignore[attr-defined]
        pass


def a_client_with_other_options_is_a_client(client: Runpod) -> None:
    assert_type(client.with_options(timeout=300), Runpod)
    assert_type(client.with_options(timeout=timedelta(minutes=5), retry=RetryPolicy()), Runpod)
    assert_type(client.with_options(timeout=None), Runpod)
    assert_type(client.with_options(limits=EndpointLimits(concurrent_polls=10, polls_per_second=5)), Runpod)
    client.with_options(limits=10)  # type: ignore[arg-type]
    client.with_options(300)  # type: ignore[call-arg]
    client.with_options(retry=5)  # type: ignore[arg-type]
    assert_type(client.with_options(timeout=CLIENT_DEFAULT), Runpod)
    assert_type(MyClient("key").with_options(timeout=5), MyClient)


class MyClient(Runpod):
    """`with_options` keeps the subclass."""


# Endpoints.


def the_output_type_is_the_type_of_the_endpoint(client: Runpod) -> None:
    assert_type(client.endpoint("id"), Endpoint[Any])
    assert_type(client.endpoint("id", output_type=Horse), Endpoint[Horse])
    assert_type(client.endpoint("id", output_type=Foal), Endpoint[Foal])
    assert_type(client.endpoint("id", output_type=Herd), Endpoint[Herd])
    assert_type(client.endpoint("id", output_type=str), Endpoint[str])
    assert_type(client.endpoint("id", output_type=list[Horse]), Endpoint[list[Horse]])
    assert_type(client.endpoint("id", output_type=dict[str, int]), Endpoint[dict[str, int]])
    assert_type(client.endpoint("id", output_type=Horse | None), Endpoint[Any])
    assert_type(client.endpoint("id", output_type=Annotated[list[Horse], Field(min_length=1)]), Endpoint[Any])
    _: Endpoint[Horse | None] = client.endpoint("id", output_type=Horse | None)
    assert_type(client.endpoint("id").id, str)


def an_endpoint_rejects_invalid_arguments(client: Runpod) -> None:
    client.endpoint()  # type: ignore[call-overload]
    client.endpoint(5)  # type: ignore[call-overload]
    client.endpoint(None)  # type: ignore[call-overload]
    client.endpoint("id", Horse)  # type: ignore[call-overload]


def an_endpoint_keeps_its_output_type_with_other_options(horses: Endpoint[Horse]) -> None:
    assert_type(horses.with_options(timeout=5), Endpoint[Horse])
    assert_type(horses.with_options(limits=EndpointLimits()), Endpoint[Horse])
    assert_type(horses.with_options(retry=RetryPolicy(resubmit=True)), Endpoint[Horse])
    assert_type(horses.job("id"), Job[Horse])


def output_types_are_not_interchangeable(horses: Endpoint[Horse]) -> None:
    _: Endpoint[Foal] = horses  # type: ignore[assignment]


# Submitting: the request as a whole.


def a_request_can_be_a_literal(horses: Endpoint[Horse]) -> None:
    assert_type(horses.run({"input": {"prompt": "a horse"}}), Job[Horse])
    assert_type(horses.run({"input": {}}, timeout=3), Job[Horse])
    horses.run({"input": {"prompt": "a horse"}, "policy": {"executionTimeout": 3000}})
    horses.run({"input": Prompt(prompt="a horse"), "policy": ExecutionPolicy(ttl=timedelta(seconds=10))})
    horses.run(
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


def a_request_can_be_a_variable(
    horses: Endpoint[Horse],
    typed: JobRequestDict,
    plain: dict[str, Any],
    mapping: Mapping[str, Any],
    texts: dict[str, dict[str, str]],
    model: JobRequest,
) -> None:
    assert_type(horses.run(typed), Job[Horse])
    assert_type(horses.run(plain), Job[Horse])
    assert_type(horses.run(mapping), Job[Horse])
    assert_type(horses.run(texts), Job[Horse])
    assert_type(horses.run(model), Job[Horse])
    assert_type(horses.run_sync(typed), JobState[Horse])
    assert_type(horses.run_sync(plain), JobState[Horse])
    assert_type(horses.run_sync(mapping), JobState[Horse])
    assert_type(horses.run_sync(texts), JobState[Horse])
    assert_type(horses.run_sync(model), JobState[Horse])


# Submitting: by keyword.


def an_input_can_be_a_mapping_or_a_model(
    horses: Endpoint[Horse], plain: dict[str, Any], mapping: Mapping[str, object], herd: Herd
) -> None:
    assert_type(horses.run(input={"prompt": "a horse"}), Job[Horse])
    assert_type(horses.run(input=Prompt(prompt="a horse")), Job[Horse])
    assert_type(horses.run(input=plain), Job[Horse])
    assert_type(horses.run(input=mapping), Job[Horse])
    assert_type(horses.run(input=herd), Job[Horse])
    assert_type(horses.run_sync(input={"prompt": "a horse"}), JobState[Horse])
    assert_type(horses.run_sync(input=Prompt(prompt="a horse")), JobState[Horse])


def the_rest_of_a_request_goes_beside_the_input(horses: Endpoint[Horse]) -> None:
    s3 = S3Config(access_id="id", access_secret="s", bucket_name="b", endpoint_url="https://s3.example.com")
    job = horses.run(
        input={},
        policy=ExecutionPolicy(execution_timeout=timedelta(minutes=5), ttl=timedelta(hours=1), low_priority=True),
        webhook="https://example.com/hook",
        s3_config=s3,
        timeout=timedelta(seconds=3),
    )
    assert_type(job, Job[Horse])
    state = horses.run_sync(
        input={},
        policy={"executionTimeout": 3000},
        webhook=None,
        s3_config={"accessId": "i", "accessSecret": "s", "bucketName": "b", "endpointUrl": "https://s3.example.com"},
        timeout=None,
    )
    assert_type(state, JobState[Horse])
    request = JobRequest(input={}, policy={"ttl": 10_000}, webhook="https://example.com", webhook_v2="", s3_config=s3)
    assert_type(horses.run_sync(request, timeout=60), JobState[Horse])


def a_submission_rejects_invalid_inputs(horses: Endpoint[Horse]) -> None:
    horses.run()  # type: ignore[call-overload]
    horses.run("a horse")  # type: ignore[call-overload]
    horses.run([1, 2])  # type: ignore[call-overload]
    horses.run(None)  # type: ignore[call-overload]
    horses.run({1: 2})  # type: ignore[dict-item]
    horses.run(input="a horse")  # type: ignore[call-overload]
    horses.run(input=[1, 2])  # type: ignore[call-overload]
    horses.run(input=None)  # type: ignore[call-overload]
    horses.run(prompt="a horse")  # type: ignore[call-overload]
    horses.run(request={"input": {}})  # type: ignore[call-overload]
    horses.run(input={}, policy=60)  # type: ignore[call-overload]
    horses.run(input={}, policy={"executionTimeout": "60"})  # type: ignore[call-overload]
    horses.run(input={}, policy={"execution_timeout": 60})  # type: ignore[call-overload]
    horses.run(input={}, webhook=5)  # type: ignore[call-overload]
    horses.run(input={}, s3_config="bucket")  # type: ignore[call-overload]
    horses.run(input={}, timeout="3")  # type: ignore[call-overload]
    horses.run_sync()  # type: ignore[call-overload]
    horses.run_sync("a horse")  # type: ignore[call-overload]
    horses.run_sync(input="a horse")  # type: ignore[call-overload]
    horses.run_sync(input={}, timeout="3")  # type: ignore[call-overload]
    # Both forms at once.
    horses.run({"input": {}}, input={})  # type: ignore[call-overload]
    horses.run_sync({"input": {}}, policy={})  # type: ignore[call-overload]
    # As in the JavaScript SDK: milliseconds as the second argument.
    horses.run({"input": {}}, 3000)  # type: ignore[call-overload]
    horses.run_sync({"input": {}}, 5000)  # type: ignore[call-overload]


# Other operations of an endpoint.


def an_endpoint_returns_states(horses: Endpoint[Horse]) -> None:
    assert_type(horses.run_sync({"input": {}}), JobState[Horse])
    assert_type(horses.run_sync({"input": {}}).output, Horse | None)
    assert_type(horses.run_sync({"input": {}}).result(), Horse)
    assert_type(horses.status("id"), JobState[Horse])
    assert_type(horses.status("id", timeout=None), JobState[Horse])
    assert_type(horses.status_sync("id"), JobState[Horse])
    assert_type(horses.status_sync("id", timeout=timedelta(minutes=1)), JobState[Horse])
    assert_type(horses.cancel("id"), JobState[Horse])
    assert_type(horses.retry("id"), JobState[Horse])


def an_endpoint_without_output_type_returns_any(endpoint: Endpoint[Any]) -> None:
    assert_type(endpoint.run({"input": {}}), Job[Any])
    assert_type(endpoint.run_sync({"input": {}}).output, Any | None)
    assert_type(endpoint.run_sync({"input": {}}).result(), Any)
    assert_type(endpoint.run({"input": {}}).result(), Any)


def an_unparametrized_class_has_no_output_type(endpoint: Endpoint, job: Job, state: JobState) -> None:
    assert_type(endpoint, Endpoint[Any])
    assert_type(job, Job[Any])
    assert_type(state, JobState[Any])


def an_endpoint_returns_its_health(horses: Endpoint[Horse]) -> None:
    health = horses.health(timeout=3)
    assert_type(health, EndpointHealth)
    assert_type(health.jobs.in_queue, int)
    assert_type(health.jobs.in_progress, int)
    assert_type(health.workers.ready, int)
    assert_type(health.workers.unhealthy, int)


def an_endpoint_is_diagnosed(horses: Endpoint[Horse]) -> None:
    diagnosis = horses.diagnose(job_id="JOB_ID", used_as="QUEUE", timeout=3)
    assert_type(diagnosis, Diagnosis)
    assert_type(diagnosis.ok, bool)
    assert_type(diagnosis.sentences, list[str])
    assert_type(diagnosis.findings, tuple[Finding, ...])
    assert_type(diagnosis.findings[0].certainty, Literal["certain", "likely", "possible"])
    horses.diagnose(used_as="BATCH")  # type: ignore[arg-type]
    purged = horses.purge_queue(timeout=3)
    assert_type(purged, PurgeResult)
    assert_type(purged.removed, int | None)
    assert_type(purged.status, str | None)


def a_job_id_is_a_str(horses: Endpoint[Horse]) -> None:
    horses.status()  # type: ignore[call-arg]
    horses.status(5)  # type: ignore[arg-type]
    horses.status_sync(None)  # type: ignore[arg-type]
    horses.cancel(horses.run({"input": {}}))  # type: ignore[arg-type]
    horses.retry(b"id")  # type: ignore[arg-type]
    horses.stream(5)  # type: ignore[call-overload]
    horses.job(5)  # type: ignore[arg-type]
    horses.status("id", 3000)  # type: ignore[call-arg]
    horses.health(3000)  # type: ignore[call-arg]


def a_stream_yields_chunks(horses: Endpoint[Horse], job: Job[Horse]) -> None:
    assert_type(horses.stream("id"), JobStream[Any])
    _chunks: Iterator[StreamChunk[Any]] = horses.stream("id")
    assert_type(horses.stream("id", chunk_type=Horse), JobStream[Horse])
    assert_type(job.stream(chunk_type=Horse, timeout=5), JobStream[Horse])
    for typed in job.stream(chunk_type=Horse):
        assert_type(typed, StreamChunk[Horse])
        assert_type(typed.output, Horse)
    with job.stream() as stream:
        assert_type(stream, JobStream[Any])
    assert_type(job.stream(timeout=60), JobStream[Any])
    for chunk in horses.stream("id", timeout=timedelta(minutes=1)):
        assert_type(chunk, StreamChunk[Any])
        assert_type(chunk.output, Any)
        assert_type(chunk.metrics, Any)


# Many jobs.


def map_yields_outputs(horses: Endpoint[Horse], endpoint: Endpoint[Any]) -> None:
    assert_type(horses.map([{"n": 1}]), JobMap[Horse])
    for horse in horses.map([{"n": 1}], return_exceptions=False, in_flight=10):
        assert_type(horse, Horse)
    for given in horses.map([{"n": 1}], return_exceptions=True):
        assert_type(given, Horse | RunpodError)
    assert_type(endpoint.map([{"n": 1}]), JobMap[Any])
    assert_type(horses.map([{"n": 1}]).report, RunReport)
    with horses.map([{"n": 1}]) as outputs:
        assert_type(outputs, JobMap[Horse])
        assert_type(next(outputs), Horse)
    assert_type(outputs.close(), None)
    _outputs: Iterator[Horse] = horses.map([{"n": 1}])


def map_unordered_yields_results(horses: Endpoint[Horse]) -> None:
    assert_type(horses.map_unordered([{"n": 1}]), JobMap[MapResult[Horse]])
    for result in horses.map_unordered([{"n": 1}], timeout=timedelta(hours=1), job_timeout=60):
        assert_type(result, MapResult[Horse])
        assert_type(result.output, Horse | None)
        assert_type(result.error, RunpodError | None)
        assert_type(result.job_id, str | None)
        assert_type(result.index, int)


def map_takes_iterables(
    horses: Endpoint[Horse], rows: Iterator[dict[str, int]], herds: list[Herd], later: AsyncIterator[Prompt]
) -> None:
    horses.map(rows)
    horses.map(herds)
    horses.map([Prompt(prompt="a horse"), Prompt(prompt="a foal")])
    horses.map([JobRequest(input={}, policy={"ttl": 10_000})])
    horses.map_unordered({"prompt": str(n)} for n in range(10))
    horses.map_unordered(({"prompt": "a horse"},), policy={"executionTimeout": 3000}, on_exit="keep")
    horses.map(later)  # type: ignore[call-overload]
    horses.map_unordered(later)  # type: ignore[arg-type]


def progress_takes_results(horses: Endpoint[Horse]) -> None:
    def see(result: MapResult[Horse]) -> None: ...

    def see_foal(result: MapResult[Foal]) -> None: ...

    horses.map([], progress=see)
    horses.map_unordered([], progress=see)
    horses.map([], progress=True)
    horses.map([], progress=see_foal)  # type: ignore[arg-type]
    horses.map_unordered([], progress="bar")  # type: ignore[arg-type]


def map_rejects_invalid_arguments(horses: Endpoint[Horse]) -> None:
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


def a_job_returns_its_output_type(job: Job[Horse]) -> None:
    assert_type(job.id, str)
    assert_type(job.endpoint_id, str)
    assert_type(job.state, JobState[Horse])
    assert_type(job.status, JobStatus)
    assert_type(job.refresh(), JobState[Horse])
    assert_type(job.refresh(timeout=3), JobState[Horse])
    assert_type(job.wait(), JobState[Horse])
    assert_type(job.wait(timeout=timedelta(minutes=1)), JobState[Horse])
    assert_type(job.result(), Horse)
    assert_type(job.result(timeout=60), Horse)
    assert_type(job.cancel(), JobState[Horse])
    assert_type(job.retry(timeout=None), JobState[Horse])


def watch_yields_states(job: Job[Horse]) -> None:
    assert_type(job.watch(), JobUpdates[Horse])
    _updates: Iterator[JobState[Horse]] = job.watch()
    for state in job.watch(timeout=60):
        assert_type(state, JobState[Horse])


def a_job_rejects_invalid_arguments(job: Job[Horse]) -> None:
    job.wait(60)  # type: ignore[call-arg]
    job.wait(timeout="60")  # type: ignore[arg-type]
    job.result(timeout="60")  # type: ignore[arg-type]
    job.state = job.wait()  # type: ignore[misc]
    _: Foal = job.result()  # type: ignore[assignment]


def a_load_balancer_hands_out_an_http_client(client: Runpod) -> None:
    balancer = client.load_balancer("ep")
    assert_type(balancer, LoadBalancer)
    assert_type(balancer.http, httpx.Client)
    assert_type((balancer.id, balancer.url), tuple[str, str])
    assert_type(balancer.http.post("/", json={}), httpx.Response)
    assert_type(balancer.health(timeout=3), EndpointHealth)
    assert_type(balancer.wait_ready(2, timeout=timedelta(minutes=5)), EndpointHealth)
    assert_type(balancer.websocket_url("/ws"), str)
    assert_type(balancer.websocket_headers(), dict[str, str])
    with balancer.session(strict=True, resume=True, worker_id=None) as session:
        assert_type(session, LoadBalancerSession)
        assert_type(session.http, httpx.Client)
        assert_type(session.worker_id, str | None)
        session.release()
    session.worker_id = "w1"  # type: ignore[misc]
    balancer.session(worker_id=1)  # type: ignore[arg-type]
    balancer.wait_ready(timeout="60")  # type: ignore[arg-type]


def workers_are_scaled_and_read(horses: Endpoint[Horse]) -> None:
    assert_type(horses.scale(max=5), ServerlessEndpoint)
    assert_type(horses.scale(1, 5, idle_timeout=timedelta(minutes=1), timeout=5), ServerlessEndpoint)
    assert_type(horses.pause(timeout=None), ServerlessEndpoint)
    assert_type(horses.resume(3), ServerlessEndpoint)
    assert_type(horses.wait_ready(2, timeout=60), EndpointHealth)
    assert_type(horses.workers(), EndpointWorkers)
    horses.scale(max="5")  # type: ignore[arg-type]
    assert_type(horses.logs(), Logs)
    assert_type(horses.logs("w1", follow=True, source="system", since=timedelta(hours=1)), Logs)
    horses.logs(source="both")  # type: ignore[arg-type]
    for line in horses.logs(tail=5):
        assert_type(line, LogLine)
        assert_type(line.line, str)
        assert_type(line.timestamp, datetime | None)
        assert_type(line.worker_id, str | None)
    with horses.logs() as lines:
        assert_type(lines, Logs)
