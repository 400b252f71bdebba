"""Tests of the spans and metrics of jobs and runs."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import anyio  # async-only
import httpx
import pytest
from opentelemetry.baggage import get_baggage, set_baggage
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, TracerProvider, get_current_span

from runpod import APIResponseError, AsyncRunpod, JobExpiredError, RunpodError
from runpod.bulk import AsyncBulkRun
from runpod.integrations.opentelemetry import RunpodInstrumentor
from runpod.webhooks import AsyncWebhookReceiver
from tests._async.calls import CANCELLED, DONE, FAILED, INPUT, JOB, QUEUED, RUNNING, collect
from tests._async.local_server import echo
from tests._async.mapped import Service, numbers, running, until
from tests.clocks import async_together
from tests.integrations.tracing import Tracing, attributes, tracing
from tests.servers import KEY  # async-only

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from runpod import AsyncEndpoint, AsyncJob
    from tests._async.local_server import Serve
    from tests.servers import Wire

COMPLETED = {
    "runpod.endpoint.id": "ep",
    "runpod.job.id": JOB,
    "runpod.job.status": "COMPLETED",
    "runpod.job.delay_ms": 20,
    "runpod.job.execution_ms": 30,
    "runpod.worker.id": "w",
    "runpod.request.attempts": 1,
}
SERVER = {"server.address": "api.example.test", "server.port": 443}


@pytest.fixture
def traced() -> Iterator[Tracing]:
    with tracing() as traced:
        yield traced


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def runs(service: Service) -> AsyncIterator[AsyncEndpoint]:
    """An endpoint in memory, for runs of many jobs."""
    async with service.client() as client:
        yield client.endpoint("ep")


# --- the span of a job ------------------------------------------------------------------------


async def test_a_job_is_a_span_from_its_submission_to_its_end(
    traced: Tracing, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.respond(QUEUED, RUNNING, DONE, DONE)
    with traced.tracer.start_as_current_span("caller") as caller:
        job = await endpoint.run(input=INPUT)
        assert caller is get_current_span()
    assert (["caller"], 1) == ([span.name for span in traced.spans], traced.in_flight)
    await job.wait()
    await job.refresh()
    span = traced.one()
    found = dict(span.attributes or {})
    assert COMPLETED | SERVER == found
    assert {int, str} == {type(value) for value in found.values()}
    assert (caller.get_span_context(), SpanKind.CLIENT) == (span.parent, span.kind)
    assert span.status.is_unset
    assert (0, {"COMPLETED": 1}) == (traced.in_flight, traced.ended)
    assert {"COMPLETED": 1} == traced.metric("runpod.job.queue.duration") == traced.metric("runpod.job.run.duration")


WAYS: dict[str, tuple[Callable[[AsyncEndpoint, AsyncJob], Awaitable[Any]], tuple[Any, ...]]] = {
    "wait": (lambda _, job: job.wait(), (DONE,)),
    "refresh": (lambda _, job: job.refresh(), (DONE,)),
    "watch": (lambda _, job: collect(job.watch()), (RUNNING, DONE)),
    "stream": (lambda _, job: collect(job.stream()), ({"status": "COMPLETED", "stream": []},)),
    "another handle": (lambda endpoint, _: endpoint.job(JOB).wait(), (DONE,)),
    "status": (lambda endpoint, _: endpoint.status(JOB), (DONE,)),
    "status_sync": (lambda endpoint, _: endpoint.status_sync(JOB), (DONE,)),
    "cancel": (lambda _, job: job.cancel(), ({"id": JOB, "status": "COMPLETED"}, DONE)),
}


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_sees_the_end_ends_the_span(
    traced: Tracing, endpoint: AsyncEndpoint, wire: Wire, way: str
) -> None:
    see, responses = WAYS[way]
    wire.respond(QUEUED, *responses)
    await see(endpoint, await endpoint.run(input=INPUT))
    # A stream tells only the status.
    untold = {"runpod.job.delay_ms", "runpod.job.execution_ms", "runpod.worker.id"} if way == "stream" else set()
    assert {name: value for name, value in COMPLETED.items() if name not in untold} == attributes(traced.one())
    assert {"COMPLETED": 1} == traced.ended


async def test_a_webhook_ends_the_span(traced: Tracing, client: AsyncRunpod, wire: Wire) -> None:
    endpoint = client.endpoint("ep")
    receiver = AsyncWebhookReceiver(client=client, token="t" * 32)
    url = receiver.url("https://example.com/hooks", endpoint)
    wire.respond(QUEUED, DONE)
    await endpoint.run(input=INPUT, webhook=url)
    await receiver.receive(url, DONE)
    assert COMPLETED == attributes(traced.one())


async def test_another_thread_sees_the_end(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED)
    wire.always(DONE)
    job = await endpoint.run(input=INPUT)
    # Several at once: it ends once.
    await async_together(lambda _: job.refresh(), 8)
    assert COMPLETED == attributes(traced.one())
    assert ({"COMPLETED": 1}, 0) == (traced.ended, traced.in_flight)


async def test_run_sync_is_one_span(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, DONE)
    await endpoint.run_sync(input=INPUT)
    # It ended within the submission.
    wire.respond({**DONE, "id": "job-2"})
    await endpoint.run_sync(input=INPUT)
    first, second = traced.named("runpod.job ep")
    assert (COMPLETED, COMPLETED | {"runpod.job.id": "job-2"}) == (attributes(first), attributes(second))
    assert (0, {"COMPLETED": 2}) == (traced.in_flight, traced.ended)


@pytest.mark.parametrize(
    ("state", "kind", "message"),
    [
        (FAILED, "JobFailedError", "the horse would not fit"),
        (CANCELLED, "JobCancelledError", "JobCancelledError"),
        ({"id": JOB, "status": "TIMED_OUT"}, "JobTimedOutError", "JobTimedOutError"),
        (FAILED | {"error": {"deep": [1]}}, "JobFailedError", '{"deep": [1]}'),
        (FAILED | {"error": "a\ud800\x1b[31m" + "x" * 9999}, "JobFailedError", None),
    ],
)
async def test_a_job_without_success_is_an_error(
    traced: Tracing, endpoint: AsyncEndpoint, wire: Wire, state: dict[str, Any], kind: str, message: str | None
) -> None:
    wire.respond(QUEUED, httpx.Response(200, content=json.dumps(state)))
    job = await endpoint.run(input=INPUT)
    await job.wait()
    span = traced.one()
    assert (kind, state["status"]) == (span.attributes["error.type"], span.attributes["runpod.job.status"])
    description = span.status.description or ""
    assert not span.status.is_ok
    assert description == message if message is not None else len(description) < 300 and description.isprintable()
    assert {state["status"]: 1} == traced.ended


async def test_nothing_of_the_input_output_or_key_is_in_a_span(serve: Serve) -> None:
    with tracing(http=True) as traced:
        endpoint = serve(lambda job: {"secret output": job["input"]})
        await (await endpoint.run(input={"prompt": "secret input"})).wait()
        await collect(endpoint.map([{"prompt": "secret input"}]))
        text = "".join(span.to_json() for span in traced.spans)
    assert "secret" not in text
    assert serve.server.api_key not in text


async def test_requests_of_the_submission_are_below_the_job(serve: Serve) -> None:
    with tracing(http=True) as traced:
        endpoint = serve(echo)
        with traced.tracer.start_as_current_span("caller"):
            await (await endpoint.run(input={"n": 1})).wait()
        job = traced.one("runpod.job horse")
        # The polls are those of the caller.
        assert ["POST"] == traced.children(job)
        assert {"runpod.job horse", "GET"} == set(traced.children(traced.one("caller")))
        assert 1 == len({span.context.trace_id for span in traced.spans})


async def test_a_program_can_suppress_it(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, DONE)
    with traced.tracer.start_as_current_span("caller") as caller, suppress_instrumentation():
        job = await endpoint.run(input=INPUT)
        await job.wait()
        assert caller is get_current_span()
    assert ["caller"] == [span.name for span in traced.spans]


# --- submissions that fail --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("responses", "status", "attempts", "kind"),
    [
        ([401], "NOT_SUBMITTED", 1, "AuthenticationError"),
        ([429] * 4, "NOT_SUBMITTED", 4, "RateLimitError"),
        ([429, 503], "DOUBTFUL", 2, "ServerError"),
        ([httpx.ReadTimeout("slow")], "DOUBTFUL", 1, "APIConnectionError"),
    ],
)
async def test_a_submission_that_failed(
    traced: Tracing, endpoint: AsyncEndpoint, wire: Wire, responses: Any, status: str, attempts: int, kind: str
) -> None:
    wire.respond(*responses)
    with pytest.raises(RunpodError) as raised:
        await endpoint.run(input=INPUT)
    span = traced.one()
    assert {
        "runpod.endpoint.id": "ep",
        "runpod.job.status": status,
        "runpod.job.maybe_submitted": raised.value.maybe_submitted,
        "runpod.request.attempts": attempts,
        "error.type": type(raised.value).__name__,
    } == attributes(span)
    assert (kind, status == "DOUBTFUL") == (type(raised.value).__name__, raised.value.maybe_submitted)
    assert not span.status.is_ok
    assert ({status: 1}, 0) == (traced.ended, traced.in_flight)


async def test_attempts_are_counted(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(429, httpx.ConnectError("refused"), QUEUED, DONE)
    await (await endpoint.run(input=INPUT)).wait()
    assert COMPLETED | {"runpod.request.attempts": 3} == attributes(traced.one())


async def test_an_interrupted_submission_is_in_doubt(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        await endpoint.run(input=INPUT)
    found = attributes(traced.one())
    assert ("DOUBTFUL", True) == (found["runpod.job.status"], found["runpod.job.maybe_submitted"])
    assert "KeyboardInterrupt" == found["error.type"]


async def test_a_cancelled_submission_is_in_doubt() -> None:  # async-only: threads cannot be cancelled
    async def hang(_: httpx.Request) -> httpx.Response:
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    http_client = httpx.AsyncClient(transport=httpx.MockTransport(hang))
    with tracing() as traced, traced.tracer.start_as_current_span("caller") as caller, anyio.CancelScope() as scope:
        async with http_client, AsyncRunpod(KEY, http_client=http_client) as client:
            await client.endpoint("ep").run(input=INPUT)
    assert scope.cancelled_caught
    found = attributes(traced.one())
    assert ("DOUBTFUL", "CancelledError") == (found["runpod.job.status"], found["error.type"])
    assert caller.get_span_context() == traced.one().parent


async def test_a_job_that_an_unusable_response_names_is_found_again(
    traced: Tracing, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.respond({"id": JOB}, DONE)
    with pytest.raises(APIResponseError) as raised:
        await endpoint.run(input=INPUT)
    assert JOB == raised.value.job_id
    await endpoint.job(JOB).wait()
    first, second = traced.spans[0], traced.spans[-1]
    # The second one starts as long ago as the job was queued and ran.
    doubtful, found = (first, second) if "runpod.job.maybe_submitted" in (first.attributes or {}) else (second, first)
    assert ("DOUBTFUL", JOB) == (doubtful.attributes["runpod.job.status"], doubtful.attributes["runpod.job.id"])
    assert ["runpod.job ep"] == traced.children(doubtful)
    assert "COMPLETED" == found.attributes["runpod.job.status"]


# --- ends that nobody sees, and jobs of other processes ---------------------------------------


async def test_a_job_of_another_process(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(RUNNING, DONE, DONE)
    with traced.tracer.start_as_current_span("caller") as caller:
        await endpoint.status(JOB)
        await endpoint.status(JOB)
        await endpoint.job(JOB).wait()
    span = traced.one()
    expected = COMPLETED | {"runpod.job.submitted_elsewhere": True}
    del expected["runpod.request.attempts"]
    assert (expected, caller.get_span_context()) == (attributes(span), span.parent)
    # Queued for 20 ms, and ran for 30.
    assert (span.end_time or 0) - (span.start_time or 0) >= 50_000_000
    assert (0, {"COMPLETED elsewhere": 1}) == (traced.in_flight, traced.ended)


async def test_impossible_durations_are_not_believed(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(DONE | {"delayTime": 10**17, "executionTime": -5})
    await endpoint.status(JOB)
    span = traced.one()
    assert {"runpod.job.delay_ms", "runpod.job.execution_ms"}.isdisjoint(span.attributes or {})
    assert (span.start_time or 0) > 1_600_000_000 * 10**9
    assert {} == traced.metric("runpod.job.queue.duration")


async def test_a_pickled_handle_takes_its_trace_along(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(QUEUED, DONE)
    with tracing() as submitter:
        job = await client.endpoint("ep").run(input=INPUT)
        handle = vars(job).copy()
        state = job.__getstate__()
        assert handle == vars(copy.copy(job))
    assert "UNKNOWN" == submitter.one().attributes["runpod.job.status"]
    with tracing() as receiver, receiver.tracer.start_as_current_span("task") as task:
        other = object.__new__(type(job))
        other.__setstate__(pickle.loads(pickle.dumps({**state, "_session": None})) | {"_session": job._session})
        assert handle.keys() == vars(other).keys()
        await other.wait()
    span = receiver.one()
    assert submitter.one().context.span_id == span.parent.span_id
    assert submitter.one().context.trace_id == span.context.trace_id
    assert [task.get_span_context()] == [link.context for link in span.links]
    assert {"COMPLETED elsewhere": 1} == receiver.ended


async def test_a_pickled_handle_without_instrumentation(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(QUEUED, DONE)
    job = await client.endpoint("ep").run(input=INPUT)
    assert vars(job) == job.__getstate__()
    with tracing() as traced:
        job.__setstate__({**vars(job), "_carrier": {"traceparent": "nonsense"}})
        await job.wait()
    assert "_carrier" not in vars(job)
    assert traced.one().parent is None


async def test_so_many_spans_are_open(client: AsyncRunpod, wire: Wire) -> None:
    with tracing(max_open_jobs=2) as traced:
        endpoint = client.endpoint("ep")
        for number in range(4):
            wire.respond(QUEUED | {"id": f"job-{number}"})
            await endpoint.run(input=INPUT)
        spans = traced.named("runpod.job ep")
        assert [("job-0", "UNKNOWN"), ("job-1", "UNKNOWN")] == [
            (span.attributes["runpod.job.id"], span.attributes["runpod.job.status"]) for span in spans
        ]
        assert (2, {"UNKNOWN": 2}) == (traced.in_flight, traced.ended)
        # Its end is seen after all.
        wire.respond(DONE | {"id": "job-1"})
        await endpoint.status("job-1")
        assert ["runpod.job ep"] == traced.children(spans[1])
    assert 5 == len(traced.spans)
    assert 0 == traced.in_flight


@pytest.mark.parametrize("way", ["wait", "status"])
async def test_an_expired_job(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire, clock: Any, way: str) -> None:
    wire.respond(QUEUED)
    job = await endpoint.run(input=INPUT)
    clock.advance(4000)
    wire.always(404)
    with pytest.raises(RunpodError) as raised:
        await (job.wait() if way == "wait" else endpoint.status(JOB))
    assert (way == "wait") == isinstance(raised.value, JobExpiredError)
    span = traced.one()
    assert ("EXPIRED", False) == (span.attributes["runpod.job.status"], span.status.is_ok)
    assert type(raised.value).__name__ == span.attributes["error.type"]
    assert (0, {"EXPIRED": 1}) == (traced.in_flight, traced.ended)


async def test_a_retried_job_has_a_second_span(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, FAILED, QUEUED, DONE)
    job = await endpoint.run(input=INPUT)
    await job.wait()
    await job.retry()
    assert 1 == traced.in_flight
    await job.wait()
    first, second = traced.named("runpod.job ep")
    assert ("FAILED", "COMPLETED") == (
        first.attributes["runpod.job.status"],
        second.attributes["runpod.job.status"],
    )
    assert [first.context] == [link.context for link in second.links]
    assert ({"FAILED": 1, "COMPLETED": 1}, 0) == (traced.ended, traced.in_flight)


async def test_a_retry_of_a_job_whose_end_nobody_saw(traced: Tracing, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, QUEUED, DONE)
    job = await endpoint.run(input=INPUT)
    await job.retry()
    await job.wait()
    assert COMPLETED == attributes(traced.one())


# --- on and off -------------------------------------------------------------------------------


async def test_it_is_switched_on_and_off(endpoint: AsyncEndpoint, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    wire.respond(QUEUED, DONE, QUEUED, QUEUED, DONE)
    await (await endpoint.run(input=INPUT)).wait()
    with tracing() as traced:
        traced.instrument()
        assert "Attempting to instrument while already instrumented" in caplog.text
        await endpoint.run(input=INPUT)
        RunpodInstrumentor().uninstrument()
        span = traced.one()
        assert ("UNKNOWN", True) == (span.attributes["runpod.job.status"], span.status.is_unset)
        await (await endpoint.run(input=INPUT)).wait()
        assert 1 == len(traced.spans)


async def test_it_is_switched_off_while_a_job_is_submitted(client: AsyncRunpod, wire: Wire) -> None:
    with tracing() as traced:

        def switch_off() -> Any:
            RunpodInstrumentor().uninstrument()
            return QUEUED

        wire.respond(switch_off)
        await client.endpoint("ep").run(input=INPUT)
        assert "UNKNOWN" == traced.one().attributes["runpod.job.status"]
        assert 0 == traced.in_flight


class Broken(SpanProcessor):
    """Raises errors whenever it is called."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("on_start")

    def on_end(self, span: Any) -> None:
        raise RuntimeError("on_end")


class BrokenAtTheEnd(Broken):
    def on_start(self, span: Any, parent_context: Any = None) -> None:
        pass


@pytest.mark.parametrize("broken", [Broken, BrokenAtTheEnd])
async def test_a_broken_exporter_breaks_no_job(
    service: Service, broken: type[SpanProcessor], caplog: pytest.LogCaptureFixture
) -> None:
    with tracing(broken()) as traced:
        async with service.client() as client:
            endpoint = client.endpoint("ep")
            assert {"n": 1} == await (await endpoint.run(input={"n": 1})).result()
            assert numbers(3) == await collect(endpoint.map(numbers(3)))
            service.answer = lambda operation, _: 401 if operation == "run" else None
            with pytest.raises(RunpodError, match="401"):
                await endpoint.run(input=INPUT)
        assert ({"COMPLETED": 4, "NOT_SUBMITTED": 1}, 0) == (traced.ended, traced.in_flight)
    messages = [record.levelname for record in caplog.records if "could not be recorded" in record.message]
    assert messages.count("WARNING") <= 1


class BrokenTracers(TracerProvider):
    """Its tracers start spans that cannot be used."""

    def get_tracer(self, *_args: Any, **_options: Any) -> Any:
        return Mock(**{"start_span.return_value.get_span_context.side_effect": RuntimeError("get_span_context")})


async def test_a_broken_tracer_breaks_no_job(service: Service) -> None:
    with tracing() as traced:
        RunpodInstrumentor().uninstrument()
        RunpodInstrumentor().instrument(tracer_provider=BrokenTracers(), meter_provider=traced.meter_provider)
        async with service.client() as client:
            endpoint = client.endpoint("ep")
            job = await endpoint.run(input={"n": 1})
            assert "_carrier" not in job.__getstate__()
            assert {"n": 1} == await job.result()
            assert numbers(3) == await collect(endpoint.map(numbers(3)))
        assert ({"COMPLETED": 4}, 0) == (traced.ended, traced.in_flight)


# --- runs of many jobs ------------------------------------------------------------------------


async def test_a_map_is_a_span_above_its_jobs(traced: Tracing, runs: AsyncEndpoint) -> None:
    seen: list[Any] = []

    def inputs() -> Iterator[dict[str, int]]:
        for each in numbers(5):
            seen.append(get_current_span().get_span_context().span_id)
            yield each

    with traced.tracer.start_as_current_span("caller") as caller:
        async for _ in runs.map_unordered(inputs(), in_flight=2):
            # The span of the run is not the consumer's.
            assert caller is get_current_span()
            with traced.tracer.start_as_current_span("item"):
                pass
        assert caller is get_current_span()
    run = traced.one("runpod.map ep")
    assert (caller.get_span_context(), SpanKind.INTERNAL) == (run.parent, run.kind)
    counts = {"submitted": 5, "completed": 5}
    counts |= dict.fromkeys(("failed", "cancelled", "timed_out", "in_doubt", "expired", "retries"), 0)
    expected = {f"runpod.run.{name}": count for name, count in counts.items()} | {"runpod.endpoint.id": "ep"}
    assert expected == attributes(run)
    assert ["runpod.job ep"] * 5 == traced.children(run)
    # What is read lazily is part of the run.
    assert {run.context.span_id} == set(seen)
    assert {"item", "runpod.map ep"} == set(traced.children(traced.one("caller")))
    assert ({"COMPLETED": 5}, 0) == (traced.ended, traced.in_flight)


async def test_the_jobs_of_a_run_have_the_context_of_its_start(
    traced: Tracing, runs: AsyncEndpoint, service: Service
) -> None:
    seen: set[object] = set()
    service.answer = lambda *_: seen.add(get_baggage("of"))

    # Workers are started where inputs are read, and where results are.
    def leave(name: str) -> None:
        attach(set_baggage("of", name, set_value(_SUPPRESS_INSTRUMENTATION_KEY, True)))

    def inputs() -> Iterator[dict[str, int]]:
        for each in numbers(5):
            yield each
            leave("the inputs")

    before = attach(set_baggage("of", "the caller"))
    try:
        async for _ in runs.map_unordered(inputs(), in_flight=2):
            leave("the loop")
        assert "the loop" == get_baggage("of")
    finally:
        detach(before)
    assert {"the caller"} == seen
    assert ["runpod.job ep"] * 5 == traced.children(traced.one("runpod.map ep"))


async def test_a_failed_submission_of_a_run(traced: Tracing, runs: AsyncEndpoint, service: Service) -> None:
    service.answer = lambda operation, what: 400 if operation == "run" and what["n"] == 1 else None
    results = await collect(runs.map_unordered(numbers(3)))
    assert 1 == sum(result.error is not None for result in results)
    run = traced.one("runpod.map ep")
    assert (2, 1, True) == (
        run.attributes["runpod.run.completed"],
        run.attributes["runpod.run.failed"],
        run.status.is_unset,
    )
    assert {"COMPLETED": 2, "NOT_SUBMITTED": 1} == traced.ended


async def test_submissions_that_are_put_off_are_one_span(
    traced: Tracing, runs: AsyncEndpoint, service: Service
) -> None:
    refused = iter([429] * 7)
    service.answer = lambda operation, _: next(refused, None) if operation == "run" else None
    assert numbers(1) == await collect(runs.map(numbers(1)))
    assert COMPLETED["runpod.job.status"] == traced.one().attributes["runpod.job.status"]
    assert traced.one().attributes["runpod.request.attempts"] > 3


async def test_a_run_that_fails(traced: Tracing, runs: AsyncEndpoint, service: Service) -> None:
    service.answer = lambda operation, _: 401 if operation == "run" else None
    with pytest.raises(RunpodError):
        await collect(runs.map(numbers(3)))
    await until(lambda: traced.named("runpod.map ep"))
    run = traced.one("runpod.map ep")
    assert ("AuthenticationError", False) == (run.attributes["error.type"], run.status.is_ok)
    assert {"NOT_SUBMITTED"} == set(traced.ended)


async def test_the_failure_that_ends_a_map(traced: Tracing, runs: AsyncEndpoint, service: Service) -> None:
    def answer(operation: str, what: Any) -> Any:
        return FAILED | {"id": what} if operation.startswith("status") else None

    service.answer = answer
    with pytest.raises(RunpodError, match="Input 0"):
        await collect(runs.map(numbers(1)))
    run = traced.one("runpod.map ep")
    assert ("JobFailedError", 1) == (run.attributes["error.type"], run.attributes["runpod.run.failed"])
    assert "the horse would not fit" in (run.status.description or "")


def one_of_three(service: Service) -> Callable[[str, Any], Any]:
    """Answers so that of three jobs the first one ends, once all are submitted."""

    def answer(operation: str, what: Any) -> Any:
        is_over = what == "job-0" and len(service.inputs) == 3
        return running(what) if operation.startswith("status") and not is_over else None

    return answer


async def test_a_loop_that_is_left(traced: Tracing, runs: AsyncEndpoint, service: Service) -> None:
    service.answer = one_of_three(service)
    async with runs.map_unordered(numbers(20), in_flight=3) as results:
        async for _ in results:
            break
    run = traced.one("runpod.map ep")
    assert run.status.is_unset
    assert {"COMPLETED", "CANCELLED"} == set(traced.ended)
    assert 0 == traced.in_flight
    assert run.attributes["runpod.run.submitted"] == len(traced.named("runpod.job ep"))


async def test_jobs_of_a_run_that_are_kept(traced: Tracing, runs: AsyncEndpoint, service: Service) -> None:
    service.answer = one_of_three(service)
    async with runs.map_unordered(numbers(3), in_flight=3, on_exit="keep") as results:
        async for _ in results:
            break
    assert 1 == traced.one("runpod.map ep").attributes["runpod.run.completed"]
    # Somebody may see their end.
    assert 2 == traced.in_flight
    service.answer = lambda _operation, _what: None
    for job_id in service.inputs:
        await runs.status(job_id)
    assert ({"COMPLETED": 3}, 0) == (traced.ended, traced.in_flight)


async def test_a_run_that_takes_too_long(traced: Tracing, runs: AsyncEndpoint, service: Service) -> None:
    service.answer = lambda operation, what: running(what) if operation.startswith("status") else None
    with pytest.raises(RunpodError, match="did not end within the timeout"):
        await collect(runs.map_unordered(numbers(3), timeout=5))
    run = traced.one("runpod.map ep")
    assert ("RunpodTimeoutError", False) == (run.attributes["error.type"], run.status.is_ok)
    assert 0 == traced.in_flight


async def test_a_bulk_run(traced: Tracing, runs: AsyncEndpoint, tmp_path: Path) -> None:
    async with AsyncBulkRun(tmp_path / "run.sqlite") as run:
        await run.add(numbers(3))
        await collect(run.run(runs))
    span = traced.one("runpod.bulk ep")
    assert (3, 3) == (span.attributes["runpod.run.submitted"], span.attributes["runpod.run.completed"])
    assert ["runpod.job ep"] * 3 == traced.children(span)


class Counting(SpanProcessor):
    """Records the statuses in a bulk run file at the end of each span of a job."""

    def __init__(self, run: AsyncBulkRun) -> None:
        self._run = run
        self.found: list[dict[str, int]] = []

    def on_end(self, span: Any) -> None:
        if span.name == "runpod.job ep":
            self.found.append({status: count for status, count in self._run.counts.items() if count})


@pytest.mark.parametrize(
    ("answer", "stored"),
    [({"id": JOB, "status": "COMPLETED", "output": 1}, {"IN_QUEUE": 1}), (400, {"FAILED": 1})],
)
async def test_a_bulk_run_stores_a_submission_before_it_is_traced(
    runs: AsyncEndpoint, service: Service, tmp_path: Path, answer: Any, stored: dict[str, int]
) -> None:
    service.answer = lambda operation, _: answer if operation == "run" else None
    async with AsyncBulkRun(tmp_path / "run.sqlite") as run:
        await run.add(numbers(1))
        counting = Counting(run)
        with tracing(counting):
            await collect(run.run(runs))
    assert [stored] == counting.found


async def test_jobs_of_an_earlier_bulk_run(runs: AsyncEndpoint, service: Service, tmp_path: Path) -> None:
    service.answer = one_of_three(service)
    async with AsyncBulkRun(tmp_path / "run.sqlite") as run:
        await run.add(numbers(3))
        async for _ in run.run(runs, in_flight=3):
            break
        service.answer = lambda _operation, _what: None
        with tracing() as traced:
            await collect(run.run(runs))
    assert ["runpod.job ep"] * 2 == traced.children(traced.one("runpod.bulk ep"))
    assert {"COMPLETED elsewhere": 2} == traced.ended


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio(anyio_backend: str, serve: Serve) -> None:  # async-only
    with tracing(http=True) as traced:
        endpoint = serve(echo)
        with traced.tracer.start_as_current_span("caller") as caller:
            await (await endpoint.run(input={"n": 1})).wait()
            async for _ in endpoint.map(numbers(3), in_flight=2):
                assert caller is get_current_span()
        run = traced.one("runpod.map horse")
    assert 3 == traced.children(run).count("runpod.job horse")
    assert {"runpod.job horse", "runpod.map horse", "GET"} == set(traced.children(traced.one("caller")))
    assert all(["POST"] == traced.children(job) for job in traced.named("runpod.job horse"))


async def test_two_runs_at_once(serve: Serve) -> None:
    with tracing() as traced:
        endpoint = serve(echo, workers=4)

        async def run(_: int) -> None:
            with traced.tracer.start_as_current_span("caller"):
                assert numbers(5) == await collect(endpoint.map(numbers(5), in_flight=2))

        await async_together(run, 2)
        callers, maps = traced.named("caller"), traced.named("runpod.map horse")
    assert {each.context.span_id for each in callers} == {each.parent.span_id for each in maps}
    assert [5, 5] == [traced.children(each).count("runpod.job horse") for each in maps]
    assert {each.context.trace_id for each in callers} == {each.context.trace_id for each in traced.spans}
