"""Tests of `stream` on a virtual clock. Poll timing is tested in tests/unit."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

from runpod import RetryPolicy, errors
from tests._async.calls import DONE, FAILED, INPUT, JOB, PATH, QUEUED, RUNNING, STREAMED
from tests.servers import Delayed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod import AsyncEndpoint, StreamChunk
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

STREAM = f"GET {PATH}/ep/stream/{JOB}"
TRANSIENT: list[Any] = [httpx.ConnectError("refused"), httpx.ReadError("reset"), 429, 502, httpx.Response(200)]


@pytest.fixture(autouse=True)
def _virtual(clock: AsyncVirtualClock) -> None:
    """Run every test of this module on the virtual clock."""


def chunks(*outputs: Any, status: str = "IN_PROGRESS") -> dict[str, Any]:
    return {"status": status, "stream": [{"output": output} for output in outputs]}


async def outputs(stream: AsyncIterator[StreamChunk]) -> list[Any]:
    return [chunk.output async for chunk in stream]


async def outputs_and_error(stream: AsyncIterator[StreamChunk]) -> tuple[list[Any], errors.RunpodError]:
    """Return every output of a stream and the error it raised."""
    received: list[Any] = []
    with pytest.raises(errors.RunpodError) as caught:
        async for chunk in stream:
            received.append(chunk.output)  # noqa: PERF401 - keeps the chunks before the error
    return received, caught.value


@pytest.mark.fact("protocol 3: finished stream")
async def test_each_chunk_is_yielded_once_in_order(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    stream = endpoint.with_options(
        retry=RetryPolicy(initial_delay=timedelta(seconds=1000), max_delay=timedelta(seconds=1000))
    ).stream(JOB)
    assert [] == wire.sent, "a request was sent before the first chunk was requested"
    wire.respond(*TRANSIENT, chunks(), chunks(0, None))
    assert [0, None] == [(await anext(stream)).output for _ in range(2)]
    wire.respond(
        *[*TRANSIENT, Delayed(10, chunks()), chunks(2), chunks(3, {"output": 4}, status="COMPLETED")],
        *[*TRANSIENT, chunks(5, status="COMPLETED"), STREAMED],
    )
    assert [2, 3, {"output": 4}, 5] == await outputs(stream)
    assert [] == await outputs(stream)
    assert max(clock.pauses) > 10, "the retry policy of with_options is not used"
    assert [f"{STREAM}?wait=10000"] * 15 + [f"{STREAM}?wait=1000"] * 7 == wire.sent


async def test_stream_of_a_job_handle(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, 404, 404, 404, RUNNING, chunks(0, status="COMPLETED"), STREAMED, DONE)
    job = await endpoint.run(input=INPUT)
    assert [0] == await outputs(job.stream(timeout=60))
    assert {"n": 1} == await job.result()


@pytest.mark.fact("protocol 3: failed stream")
async def test_job_failure_is_raised_after_the_last_chunk(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(chunks(0), chunks(1, status="FAILED"), chunks(2, status="FAILED"), chunks(status="FAILED"), FAILED)
    received, error = await outputs_and_error(endpoint.stream(JOB))
    assert [0, 1, 2] == received
    assert isinstance(error, errors.JobFailedError)
    assert (JOB, "ep", "the horse would not fit") == (error.job_id, error.endpoint_id, error.state.error)


@pytest.mark.parametrize(
    ("responses", "error_class"),
    [([401], errors.AuthenticationError), ([Delayed(60, chunks()), 404, 404], errors.JobExpiredError)],
)
async def test_final_errors_end_a_stream(
    responses: list[Any], error_class: type[errors.RunpodError], endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.respond(chunks(0), *responses)
    stream = endpoint.job(JOB).stream()
    received, error = await outputs_and_error(stream)
    assert ([0], error_class, JOB) == (received, type(error), error.job_id)
    assert [] == await outputs(stream), "the error was raised twice"


@pytest.mark.fact("protocol 3: bare list")
@pytest.mark.parametrize(
    ("first", "then", "last", "state"),
    [
        (chunks(0), chunks(1), "IN_PROGRESS", "IN_PROGRESS"),
        # A response that is a plain list has no status.
        ([{"output": 0}], [{"output": 1}], "unknown, but chunks were received", None),
    ],
    ids=["envelope", "list"],
)
async def test_stream_raises_at_the_timeout(
    first: Any, then: Any, last: str, state: Any, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.respond(first, *[Delayed(4, then)] * 3)
    start = clock.now()
    received, error = await outputs_and_error(endpoint.stream(JOB, timeout=10))
    assert [0, 1, 1, 1] == received
    assert isinstance(error, errors.RunpodTimeoutError)
    assert f"(last status: {last}). The job was not cancelled" in str(error)
    assert (JOB, state) == (error.job_id, None if error.state is None else error.state.status)
    assert start + 10 <= clock.now() <= start + 12


async def test_stream_timeout_reports_the_status_of_the_submission(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, *[Delayed(6, {"stream": []})] * 2)
    job = await endpoint.run(input=INPUT)
    _, error = await outputs_and_error(job.stream(timeout=10))
    assert r"(last status: IN_QUEUE)" in str(error)
    assert "diagnose()" in str(error)


async def test_breaking_out_of_a_stream_leaks_nothing(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(chunks(0, 1), chunks(0))
    async for chunk in endpoint.stream(JOB):
        assert 0 == chunk.output
        break
    with pytest.raises(ZeroDivisionError):
        async for chunk in endpoint.stream(JOB):
            _ = 1 / chunk.output
    # Unclosed resources warn when they are collected.
    gc.collect()
    assert 2 == len(wire.requests)


async def test_another_stream_of_a_handle_resumes_after_the_last_chunk(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(chunks(0, 1, 2, 3, 4))
    job = endpoint.job(JOB)
    stream = job.stream()
    async for chunk in stream:
        assert 0 == chunk.output
        break
    # Closing a stream keeps the unread chunks for the next one.
    await stream.aclose()
    assert [] == await outputs(stream)
    assert [1, 2] == [(await anext(job.stream())).output for _ in range(2)]
    wire.respond(chunks(5, status="COMPLETED"), STREAMED)
    assert [3, 4, 5] == await outputs(job.stream())


@pytest.mark.fact("protocol 3: each chunk once")
async def test_another_handle_gets_the_chunks_left_on_the_server(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(chunks(0, 1))
    assert 0 == (await anext(endpoint.job(JOB).stream())).output
    for stream in (endpoint.job(JOB).stream(), endpoint.stream(JOB)):
        wire.respond(chunks(2, status="COMPLETED"), STREAMED)
        assert [2] == await outputs(stream)


class Token(BaseModel):
    text: str


async def test_chunks_are_validated_and_invalid_ones_kept_in_the_error(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(chunks({"text": "a"}, {"txt": "b"}, {"text": "c"}, status="COMPLETED"), STREAMED)
    stream = endpoint.stream(JOB, chunk_type=Token)
    assert Token(text="a") == (await anext(stream)).output
    with pytest.raises(errors.JobOutputError, match=rf"A chunk of job '{JOB}'.*chunk_type.*text is missing") as caught:
        await anext(stream)
    assert caught.value.state is not None
    assert {"txt": "b"} == caught.value.state.output
    assert [Token(text="c")] == await outputs(stream)
    with pytest.raises(errors.InvalidRequestError, match="chunk_type: pydantic cannot validate"):
        endpoint.job(JOB).stream(chunk_type=object())


async def test_a_stream_and_updates_are_context_managers(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(chunks(1, 2), QUEUED)
    for polls in (endpoint.stream(JOB), endpoint.job(JOB).watch()):
        async with polls as opened:
            assert opened is polls
            await anext(polls)
        with pytest.raises(StopAsyncIteration):
            await anext(polls)
        assert f"job_id='{JOB}'" in repr(polls)
    assert 2 == len(wire.sent)


async def test_closing_a_stream_during_a_poll(
    endpoint: AsyncEndpoint, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.respond(chunks(0, 1))
    job = endpoint.job(JOB)
    stream = job.stream()
    poll = stream._session.poll

    async def close_meanwhile(poller: Any) -> Any:
        found = await poll(poller)
        await stream.aclose()
        return found

    monkeypatch.setattr(stream._session, "poll", close_meanwhile)
    assert [] == await outputs(stream)
    # Its chunks are kept.
    assert 0 == (await anext(job.stream())).output


async def test_a_stream_can_be_continued_after_an_interruption(
    endpoint: AsyncEndpoint, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.respond(chunks(0, status="COMPLETED"), STREAMED)
    stream = endpoint.stream(JOB)

    async def interrupt(_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stream._session, "poll", interrupt)
        with pytest.raises(KeyboardInterrupt):
            await anext(stream)
    assert [0] == await outputs(stream)


async def test_a_retried_job_streams_anew(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(chunks(0, 1, 2), QUEUED, chunks(3, status="COMPLETED"), STREAMED)
    job = endpoint.job(JOB)
    assert 0 == (await anext(job.stream())).output
    await job.retry()
    assert [3] == await outputs(job.stream())
