from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import Behavior
from tests.local.api import TIMEOUT, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.local.api import Gate
    from tests.local.conftest import Serve


class Steps:
    """A generator handler that yields one number per step."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.allowed = threading.Semaphore(0)

    def handler(self, _: dict[str, Any]) -> Iterator[int]:
        for n in range(self.count):
            assert self.allowed.acquire(timeout=TIMEOUT)
            yield n
        assert self.allowed.acquire(timeout=TIMEOUT)

    def step(self, steps: int = 1) -> None:
        self.allowed.release(steps)


def outputs(*values: Any) -> list[dict[str, Any]]:
    return [{"output": value} for value in values]


@pytest.mark.fact(
    "protocol 3: envelope",
    "protocol 3: each chunk once",
    "protocol 3: last chunks",
    "protocol 3: finished stream",
)
def test_each_chunk_is_returned_once(serve: Serve) -> None:
    steps = Steps(3)
    api = serve(steps.handler)
    job_id = api.run()
    steps.step()
    assert {"status": "IN_PROGRESS", "stream": outputs(0)} == api.stream(job_id)
    response = api.held("GET", f"/stream/{job_id}")
    assert not response.done()
    steps.step()
    assert {"status": "IN_PROGRESS", "stream": outputs(1)} == api.ok(response.result(TIMEOUT))
    steps.step(2)
    api.end(job_id)
    # The remaining chunks come with the final status, then nothing.
    assert {"status": "COMPLETED", "stream": outputs(2)} == api.stream(job_id)
    assert {"status": "COMPLETED", "stream": []} == api.stream(job_id)


def test_held_stream_returns_at_the_end_of_the_job(serve: Serve) -> None:
    steps = Steps(0)
    api = serve(steps.handler)
    job_id = api.run()
    api.started(job_id)
    response = api.held("GET", f"/stream/{job_id}?wait=300000")
    steps.step()
    assert {"status": "COMPLETED", "stream": []} == api.ok(response.result(TIMEOUT))


@pytest.mark.fact("protocol 3: empty stream")
def test_held_stream_returns_after_the_wait(serve: Serve, gate: Gate) -> None:
    api = serve(gate, behavior=Behavior(stream_hold="always"))
    running = api.run(n=1)
    gate.wait_entered()
    queued = api.run(n=2)
    first = api.held("GET", f"/stream/{running}?wait=1000")
    second = api.held("GET", f"/stream/{queued}?wait=1000")
    assert {"status": "IN_PROGRESS", "stream": []} == api.ok(first.result(TIMEOUT))
    assert {"status": "IN_QUEUE", "stream": []} == api.ok(second.result(TIMEOUT))


@pytest.mark.fact("protocol 3: plain handler")
def test_stream_of_a_plain_function_is_empty(serve: Serve) -> None:
    api = serve(lambda _: [1, 2])
    job_id = api.run()
    assert {"status": "COMPLETED", "stream": []} == api.stream(job_id)
    assert [1, 2] == api.status(job_id)["output"]


def test_chunks_can_be_any_json(serve: Serve) -> None:
    values = [None, False, 0, "", {}, [], {"error": ""}, {"a": {"error": "deeper"}}]

    async def handler(_: dict[str, Any]) -> AsyncIterator[Any]:
        for value in values:
            yield value

    api = serve(handler, return_aggregate_stream=True)
    done = api.run_sync()
    assert values == done["output"]
    assert {"status": "COMPLETED", "stream": outputs(*values)} == api.stream(done["id"])


def test_chunk_is_a_snapshot(serve: Serve) -> None:
    def handler(_: dict[str, Any]) -> Iterator[Any]:
        items: list[int] = []
        for n in range(2):
            items.append(n)
            yield items

    api = serve(handler)
    assert outputs([0], [0, 1]) == api.stream(api.run_sync()["id"])["stream"]


@pytest.mark.fact("protocol 3: each chunk once")
def test_concurrent_readers_share_the_chunks(serve: Serve) -> None:
    steps = Steps(1)
    api = serve(steps.handler)
    job_id = api.run()
    api.started(job_id)
    responses = [api.held("GET", f"/stream/{job_id}") for _ in range(2)]
    steps.step(2)
    bodies = [api.ok(response.result(TIMEOUT)) for response in responses]
    assert outputs(0) == [chunk for body in bodies for chunk in body["stream"]]


def test_disconnected_reader_takes_no_chunk(serve: Serve) -> None:
    steps = Steps(1)
    api = serve(steps.handler)
    job_id = api.run()
    api.started(job_id)
    job = api.server._endpoints["horse"].queue.get(job_id)
    with api.unread(f"/stream/{job_id}"):
        until(lambda: bool(job.changed._listeners))
    until(lambda: not job.changed._listeners)
    steps.step(2)
    assert outputs(0) == api.stream(job_id)["stream"]


@pytest.mark.fact("protocol 3: chunks before a failure")
def test_chunks_of_a_cancelled_job_remain_available(serve: Serve) -> None:
    steps = Steps(2)
    api = serve(steps.handler)
    job_id = api.run()
    job = api.server._endpoints["horse"].queue.get(job_id)
    steps.step()
    until(lambda: bool(job.chunks))
    api.post(f"/cancel/{job_id}")
    steps.step(2)
    assert {"status": "CANCELLED", "stream": outputs(0)} == api.stream(job_id)
    assert {"status": "CANCELLED", "stream": []} == api.stream(job_id)
