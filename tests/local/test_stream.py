from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import Behavior
from tests.local.api import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.local.api import Gate
    from tests.local.conftest import Serve


class Steps:
    """A generator handler that yields one number each time it is told to."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.allowed = threading.Semaphore(0)

    def handler(self, _: dict[str, Any]) -> Iterator[int]:
        for n in range(self.count):
            assert self.allowed.acquire(timeout=PATIENCE)
            yield n
        assert self.allowed.acquire(timeout=PATIENCE)

    def step(self, steps: int = 1) -> None:
        self.allowed.release(steps)


def outputs(*values: Any) -> list[dict[str, Any]]:
    return [{"output": value} for value in values]


def test_a_stream_gives_each_chunk_once(serve: Serve) -> None:
    steps = Steps(3)
    api = serve(steps.handler)
    job_id = api.run()
    steps.step()
    assert {"status": "IN_PROGRESS", "stream": outputs(0)} == api.stream(job_id)
    answer = api.held("GET", f"/stream/{job_id}")
    assert not answer.done()
    steps.step()
    assert {"status": "IN_PROGRESS", "stream": outputs(1)} == api.ok(answer.result(PATIENCE))
    steps.step(2)
    api.end(job_id)
    # What is left comes together with the final status, and then there is nothing.
    assert {"status": "COMPLETED", "stream": outputs(2)} == api.stream(job_id)
    assert {"status": "COMPLETED", "stream": []} == api.stream(job_id)


def test_an_empty_stream_is_released_by_the_end_of_the_job(serve: Serve) -> None:
    steps = Steps(0)
    api = serve(steps.handler)
    job_id = api.run()
    api.started(job_id)
    answer = api.held("GET", f"/stream/{job_id}?wait=300000")
    steps.step()
    assert {"status": "COMPLETED", "stream": []} == api.ok(answer.result(PATIENCE))


def test_an_empty_stream_is_held_no_longer_than_asked(serve: Serve, gate: Gate) -> None:
    api = serve(gate, behavior=Behavior(stream_hold="always"))
    running = api.run(n=1)
    gate.wait_entered()
    queued = api.run(n=2)
    first = api.held("GET", f"/stream/{running}?wait=1000")
    second = api.held("GET", f"/stream/{queued}?wait=1000")
    assert {"status": "IN_PROGRESS", "stream": []} == api.ok(first.result(PATIENCE))
    assert {"status": "IN_QUEUE", "stream": []} == api.ok(second.result(PATIENCE))


def test_the_stream_of_a_handler_that_is_no_generator_stays_empty(serve: Serve) -> None:
    api = serve(lambda _: [1, 2])
    job_id = api.run()
    assert {"status": "COMPLETED", "stream": []} == api.stream(job_id)
    assert [1, 2] == api.status(job_id)["output"]


def test_chunks_are_any_json(serve: Serve) -> None:
    values = [None, False, 0, "", {}, [], {"error": ""}, {"a": {"error": "deeper"}}]

    async def handler(_: dict[str, Any]) -> AsyncIterator[Any]:
        for value in values:
            yield value

    api = serve(handler, return_aggregate_stream=True)
    done = api.run_sync()
    assert values == done["output"]
    assert {"status": "COMPLETED", "stream": outputs(*values)} == api.stream(done["id"])


def test_a_chunk_is_what_it_was_when_it_was_yielded(serve: Serve) -> None:
    def handler(_: dict[str, Any]) -> Iterator[Any]:
        items: list[int] = []
        for n in range(2):
            items.append(n)
            yield items

    api = serve(handler)
    assert outputs([0], [0, 1]) == api.stream(api.run_sync()["id"])["stream"]


def test_two_readers_share_the_chunks(serve: Serve) -> None:
    steps = Steps(1)
    api = serve(steps.handler)
    job_id = api.run()
    api.started(job_id)
    answers = [api.held("GET", f"/stream/{job_id}") for _ in range(2)]
    steps.step(2)
    bodies = [api.ok(answer.result(PATIENCE)) for answer in answers]
    assert outputs(0) == [chunk for body in bodies for chunk in body["stream"]]


def test_a_reader_that_left_takes_no_chunk_along(serve: Serve) -> None:
    steps = Steps(1)
    api = serve(steps.handler)
    job_id = api.run()
    api.started(job_id)
    job = api.server._endpoints["horse"].queue.get(job_id)
    with pytest.raises(httpx.ReadTimeout):
        api.http.get(f"/stream/{job_id}", timeout=0.05)
    until(lambda: not job.changed._listeners)
    steps.step(2)
    assert outputs(0) == api.stream(job_id)["stream"]


def test_chunks_of_a_cancelled_job_stay_readable(serve: Serve) -> None:
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
