"""`stream` on a virtual clock. When to poll is tested in tests/unit."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

from runpod import RetryPolicy, errors
from tests._async.calls import DONE, FAILED, INPUT, JOB, PATH, QUEUED, RUNNING, STREAMED
from tests.servers import Held

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod import AsyncEndpoint, StreamChunk
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

STREAM = f"GET {PATH}/ep/stream/{JOB}"
TROUBLE: list[Any] = [httpx.ConnectError("refused"), httpx.ReadError("reset"), 429, 502, httpx.Response(200)]


@pytest.fixture(autouse=True)
def _virtual(clock: AsyncVirtualClock) -> None:
    """No test here takes time."""


def chunks(*outputs: Any, status: str = "IN_PROGRESS") -> dict[str, Any]:
    return {"status": status, "stream": [{"output": output} for output in outputs]}


async def outputs(stream: AsyncIterator[StreamChunk]) -> list[Any]:
    return [chunk.output async for chunk in stream]


async def outputs_and_error(stream: AsyncIterator[StreamChunk]) -> tuple[list[Any], errors.RunpodError]:
    """Every chunk of a stream, and how it ended."""
    given: list[Any] = []
    with pytest.raises(errors.RunpodError) as caught:
        async for chunk in stream:
            given.append(chunk.output)  # noqa: PERF401 - what came before an error counts
    return given, caught.value


async def test_every_chunk_comes_once_and_in_order_as_soon_as_it_is_there(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    stream = endpoint.with_options(retry=RetryPolicy(initial_delay=1000, max_delay=1000)).stream(JOB)
    assert [] == wire.sent, "nothing is requested before a chunk is wanted"
    wire.say(*TROUBLE, chunks(), chunks(0, None))
    assert [0, None] == [(await anext(stream)).output for _ in range(2)]
    wire.say(
        *[*TROUBLE, Held(10, chunks()), chunks(2), chunks(3, {"output": 4}, status="COMPLETED")],
        *[*TROUBLE, chunks(5, status="COMPLETED"), STREAMED],
    )
    assert [2, 3, {"output": 4}, 5] == await outputs(stream)
    assert [] == await outputs(stream)
    assert max(clock.pauses) > 10, "not the policy of with_options"
    assert [f"{STREAM}?wait=10000"] * 15 + [f"{STREAM}?wait=1000"] * 7 == wire.sent


async def test_a_job_is_streamed_from_its_handle(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(QUEUED, 404, 404, 404, RUNNING, chunks(0, status="COMPLETED"), STREAMED, DONE)
    job = await endpoint.run(input=INPUT)
    assert [0] == await outputs(job.stream(timeout=60))
    assert {"n": 1} == await job.result()


async def test_a_failure_is_raised_after_the_last_chunk(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(chunks(0), chunks(1, status="FAILED"), chunks(2, status="FAILED"), chunks(status="FAILED"), FAILED)
    given, error = await outputs_and_error(endpoint.stream(JOB))
    assert [0, 1, 2] == given
    assert isinstance(error, errors.JobFailedError)
    assert (JOB, "ep", "the horse would not fit") == (error.job_id, error.endpoint_id, error.state.error)


@pytest.mark.parametrize(
    ("responses", "error_class"),
    [([401], errors.AuthenticationError), ([Held(60, chunks()), 404, 404], errors.JobExpiredError)],
)
async def test_what_ends_a_stream(
    responses: list[Any], error_class: type[errors.RunpodError], endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.say(chunks(0), *responses)
    stream = endpoint.job(JOB).stream()
    given, error = await outputs_and_error(stream)
    assert ([0], error_class, JOB) == (given, type(error), error.job_id)
    assert [] == await outputs(stream), "the error is raised once"


@pytest.mark.parametrize(
    ("first", "then", "last", "state"),
    [
        (chunks(0), chunks(1), "IN_PROGRESS", "IN_PROGRESS"),
        # A stream that is a bare list has no status.
        ([{"output": 0}], [{"output": 1}], "unknown, but chunks came", None),
    ],
    ids=["envelope", "list"],
)
async def test_the_timeout_ends_a_stream(
    first: Any, then: Any, last: str, state: Any, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(first, *[Held(4, then)] * 3)
    start = clock.now()
    given, error = await outputs_and_error(endpoint.stream(JOB, timeout=10))
    assert [0, 1, 1, 1] == given
    assert isinstance(error, errors.RunpodTimeoutError)
    assert f"(last status: {last}). The job is still alive" in str(error)
    assert (JOB, state) == (error.job_id, None if error.state is None else error.state.status)
    assert start + 10 <= clock.now() <= start + 12


async def test_a_stream_of_a_submitted_job_knows_that_it_is_in_the_queue(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(QUEUED, *[Held(6, {"stream": []})] * 2)
    job = await endpoint.run(input=INPUT)
    _, error = await outputs_and_error(job.stream(timeout=10))
    assert r"(last status: IN_QUEUE)" in str(error)
    assert "health()" in str(error)


async def test_leaving_early_leaves_nothing_open(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(chunks(0, 1), chunks(0))
    async for chunk in endpoint.stream(JOB):
        assert 0 == chunk.output
        break
    with pytest.raises(ZeroDivisionError):
        async for chunk in endpoint.stream(JOB):
            _ = 1 / chunk.output
    # What is left open complains when it is collected.
    gc.collect()
    assert 2 == len(wire.requests)


async def test_another_stream_of_a_handle_resumes_where_a_loop_was_left(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(chunks(0, 1, 2, 3, 4))
    job = endpoint.job(JOB)
    stream = job.stream()
    async for chunk in stream:
        assert 0 == chunk.output
        break
    # Closing it keeps what was received for the next one.
    await stream.aclose()
    assert [] == await outputs(stream)
    assert [1, 2] == [(await anext(job.stream())).output for _ in range(2)]
    wire.say(chunks(5, status="COMPLETED"), STREAMED)
    assert [3, 4, 5] == await outputs(job.stream())


async def test_another_handle_takes_what_the_server_still_has(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(chunks(0, 1))
    assert 0 == (await anext(endpoint.job(JOB).stream())).output
    for stream in (endpoint.job(JOB).stream(), endpoint.stream(JOB)):
        wire.say(chunks(2, status="COMPLETED"), STREAMED)
        assert [2] == await outputs(stream)


class Token(BaseModel):
    text: str


async def test_chunks_are_read_as_their_type_and_one_that_does_not_fit_is_not_lost(
    endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.say(chunks({"text": "a"}, {"txt": "b"}, {"text": "c"}, status="COMPLETED"), STREAMED)
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
    wire.say(chunks(1, 2), QUEUED)
    for polls in (endpoint.stream(JOB), endpoint.job(JOB).watch()):
        async with polls as opened:
            assert opened is polls
            await anext(polls)
        with pytest.raises(StopAsyncIteration):
            await anext(polls)
        assert f"job_id='{JOB}'" in repr(polls)
    assert 2 == len(wire.sent)
