# Generated from tests/_async/test_streaming.py by scripts/generate_sync.py. Do not edit.

"""Tests of `stream` on a virtual clock. Poll timing is tested in tests/unit."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

from runpod import RetryPolicy, errors
from tests._sync.calls import DONE, FAILED, INPUT, JOB, PATH, QUEUED, RUNNING, STREAMED
from tests.servers import Delayed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import Endpoint, StreamChunk
    from tests.clocks import VirtualClock
    from tests.servers import Wire

STREAM = f"GET {PATH}/ep/stream/{JOB}"
TRANSIENT: list[Any] = [httpx.ConnectError("refused"), httpx.ReadError("reset"), 429, 502, httpx.Response(200)]


@pytest.fixture(autouse=True)
def _virtual(clock: VirtualClock) -> None:
    """Run every test of this module on the virtual clock."""


def chunks(*outputs: Any, status: str = "IN_PROGRESS") -> dict[str, Any]:
    return {"status": status, "stream": [{"output": output} for output in outputs]}


def outputs(stream: Iterator[StreamChunk]) -> list[Any]:
    return [chunk.output for chunk in stream]


def outputs_and_error(stream: Iterator[StreamChunk]) -> tuple[list[Any], errors.RunpodError]:
    """Return every output of a stream and the error it raised."""
    received: list[Any] = []
    with pytest.raises(errors.RunpodError) as caught:
        for chunk in stream:
            received.append(chunk.output)  # noqa: PERF401 - keeps the chunks before the error
    return received, caught.value


@pytest.mark.fact("protocol 3: finished stream")
def test_each_chunk_is_yielded_once_in_order(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    stream = endpoint.with_options(
        retry=RetryPolicy(initial_delay=timedelta(seconds=1000), max_delay=timedelta(seconds=1000))
    ).stream(JOB)
    assert [] == wire.sent, "a request was sent before the first chunk was requested"
    wire.respond(*TRANSIENT, chunks(), chunks(0, None))
    assert [0, None] == [(next(stream)).output for _ in range(2)]
    wire.respond(
        *[*TRANSIENT, Delayed(10, chunks()), chunks(2), chunks(3, {"output": 4}, status="COMPLETED")],
        *[*TRANSIENT, chunks(5, status="COMPLETED"), STREAMED],
    )
    assert [2, 3, {"output": 4}, 5] == outputs(stream)
    assert [] == outputs(stream)
    assert max(clock.pauses) > 10, "the retry policy of with_options is not used"
    assert [f"{STREAM}?wait=10000"] * 15 + [f"{STREAM}?wait=1000"] * 7 == wire.sent


def test_stream_of_a_job_handle(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(QUEUED, 404, 404, 404, RUNNING, chunks(0, status="COMPLETED"), STREAMED, DONE)
    job = endpoint.run(input=INPUT)
    assert [0] == outputs(job.stream(timeout=60))
    assert {"n": 1} == job.result()


@pytest.mark.fact("protocol 3: failed stream")
def test_job_failure_is_raised_after_the_last_chunk(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(chunks(0), chunks(1, status="FAILED"), chunks(2, status="FAILED"), chunks(status="FAILED"), FAILED)
    received, error = outputs_and_error(endpoint.stream(JOB))
    assert [0, 1, 2] == received
    assert isinstance(error, errors.JobFailedError)
    assert (JOB, "ep", "the horse would not fit") == (error.job_id, error.endpoint_id, error.state.error)


@pytest.mark.parametrize(
    ("responses", "error_class"),
    [([401], errors.AuthenticationError), ([Delayed(60, chunks()), 404, 404], errors.JobExpiredError)],
)
def test_final_errors_end_a_stream(
    responses: list[Any], error_class: type[errors.RunpodError], endpoint: Endpoint, wire: Wire
) -> None:
    wire.respond(chunks(0), *responses)
    stream = endpoint.job(JOB).stream()
    received, error = outputs_and_error(stream)
    assert ([0], error_class, JOB) == (received, type(error), error.job_id)
    assert [] == outputs(stream), "the error was raised twice"


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
def test_stream_raises_at_the_timeout(
    first: Any, then: Any, last: str, state: Any, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.respond(first, *[Delayed(4, then)] * 3)
    start = clock.now()
    received, error = outputs_and_error(endpoint.stream(JOB, timeout=10))
    assert [0, 1, 1, 1] == received
    assert isinstance(error, errors.RunpodTimeoutError)
    assert f"(last status: {last}). The job was not cancelled" in str(error)
    assert (JOB, state) == (error.job_id, None if error.state is None else error.state.status)
    assert start + 10 <= clock.now() <= start + 12


def test_stream_timeout_reports_the_status_of_the_submission(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(QUEUED, *[Delayed(6, {"stream": []})] * 2)
    job = endpoint.run(input=INPUT)
    _, error = outputs_and_error(job.stream(timeout=10))
    assert r"(last status: IN_QUEUE)" in str(error)
    assert "diagnose()" in str(error)


def test_breaking_out_of_a_stream_leaks_nothing(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(chunks(0, 1), chunks(0))
    for chunk in endpoint.stream(JOB):
        assert 0 == chunk.output
        break
    with pytest.raises(ZeroDivisionError):
        for chunk in endpoint.stream(JOB):
            _ = 1 / chunk.output
    # Unclosed resources warn when they are collected.
    gc.collect()
    assert 2 == len(wire.requests)


def test_another_stream_of_a_handle_resumes_after_the_last_chunk(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(chunks(0, 1, 2, 3, 4))
    job = endpoint.job(JOB)
    stream = job.stream()
    for chunk in stream:
        assert 0 == chunk.output
        break
    # Closing a stream keeps the unread chunks for the next one.
    stream.close()
    assert [] == outputs(stream)
    assert [1, 2] == [(next(job.stream())).output for _ in range(2)]
    wire.respond(chunks(5, status="COMPLETED"), STREAMED)
    assert [3, 4, 5] == outputs(job.stream())


@pytest.mark.fact("protocol 3: each chunk once")
def test_another_handle_gets_the_chunks_left_on_the_server(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(chunks(0, 1))
    assert 0 == (next(endpoint.job(JOB).stream())).output
    for stream in (endpoint.job(JOB).stream(), endpoint.stream(JOB)):
        wire.respond(chunks(2, status="COMPLETED"), STREAMED)
        assert [2] == outputs(stream)


class Token(BaseModel):
    text: str


def test_chunks_are_validated_and_invalid_ones_kept_in_the_error(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(chunks({"text": "a"}, {"txt": "b"}, {"text": "c"}, status="COMPLETED"), STREAMED)
    stream = endpoint.stream(JOB, chunk_type=Token)
    assert Token(text="a") == (next(stream)).output
    with pytest.raises(errors.JobOutputError, match=rf"A chunk of job '{JOB}'.*chunk_type.*text is missing") as caught:
        next(stream)
    assert caught.value.state is not None
    assert {"txt": "b"} == caught.value.state.output
    assert [Token(text="c")] == outputs(stream)
    with pytest.raises(errors.InvalidRequestError, match="chunk_type: pydantic cannot validate"):
        endpoint.job(JOB).stream(chunk_type=object())


def test_a_stream_and_updates_are_context_managers(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(chunks(1, 2), QUEUED)
    for polls in (endpoint.stream(JOB), endpoint.job(JOB).watch()):
        with polls as opened:
            assert opened is polls
            next(polls)
        with pytest.raises(StopIteration):
            next(polls)
        assert f"job_id='{JOB}'" in repr(polls)
    assert 2 == len(wire.sent)


def test_closing_a_stream_during_a_poll(
    endpoint: Endpoint, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.respond(chunks(0, 1))
    job = endpoint.job(JOB)
    stream = job.stream()
    poll = stream._session.poll

    def close_meanwhile(poller: Any) -> Any:
        found = poll(poller)
        stream.close()
        return found

    monkeypatch.setattr(stream._session, "poll", close_meanwhile)
    assert [] == outputs(stream)
    # Its chunks are kept.
    assert 0 == (next(job.stream())).output


def test_a_stream_can_be_continued_after_an_interruption(
    endpoint: Endpoint, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.respond(chunks(0, status="COMPLETED"), STREAMED)
    stream = endpoint.stream(JOB)

    def interrupt(_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stream._session, "poll", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
    assert [0] == outputs(stream)


def test_a_retried_job_streams_anew(endpoint: Endpoint, wire: Wire) -> None:
    wire.respond(chunks(0, 1, 2), QUEUED, chunks(3, status="COMPLETED"), STREAMED)
    job = endpoint.job(JOB)
    assert 0 == (next(job.stream())).output
    job.retry()
    assert [3] == outputs(job.stream())
