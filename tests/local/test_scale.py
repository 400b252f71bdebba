"""Load tests: many jobs, requests and servers, and large outputs, without errors or leaks.

They run at a tenth of the full size by default: `TEST_SCALE=1 scripts/test -m slow`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import LocalServer
from runpod.local.jobs.job import Job
from runpod.local.jobs.queue import JobQueue
from runpod.local.workers.handler_pool import HandlerPool
from tests.local.api import Api, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.api import Gate
    from tests.local.conftest import Serve

pytestmark = pytest.mark.slow

SCALE = float(os.environ.get("TEST_SCALE", "0.1"))
MB = 1024 * 1024
LONG = 300.0  # Timeout of long tests, in seconds.
RETENTION = 31 * 60  # Seconds after which all results have expired.


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def size(whole: int) -> int:
    return max(int(whole * SCALE), 1)


def instances(*kinds: type) -> Counter[str]:
    gc.collect()
    return Counter(type(thing).__name__ for thing in gc.get_objects() if issubclass(type(thing), kinds))


@contextmanager
def memory_returns(most: int) -> Iterator[None]:
    """Assert that at most `most` bytes stay allocated."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < most


def test_many_jobs_in_the_queue(serve: Serve) -> None:
    count = size(10_000)
    opened = threading.Event()

    def handler(job: dict[str, Any]) -> Any:
        assert opened.wait(LONG)
        return job["input"]

    def run(numbers: int) -> list[str]:
        """Submit jobs, check that they wait, let them finish, and return their IDs."""
        opened.clear()
        with ThreadPoolExecutor(4) as threads:
            ids = list(threads.map(lambda n: api.run(n=n), range(numbers)))
        until(lambda: api.get("/health")["jobs"]["inProgress"] == 4)
        assert numbers - 4 == api.get("/health")["jobs"]["inQueue"]
        opened.set()
        until(lambda: unfinished() == 0, timeout=LONG)
        return ids

    def unfinished() -> int:
        jobs = api.get("/health")["jobs"]
        count: int = jobs["inQueue"] + jobs["inProgress"]
        return count

    others = instances(Job)  # From earlier tests.
    api = serve(handler, workers=4, execution_timeout=timedelta(days=1))
    run(10)  # Warm-up: one-time allocations.
    api.server.advance(RETENTION)
    with memory_returns(4 * MB + count * 2048):  # Requests are recorded.
        ids = run(count)
        some = [0, count // 2, count - 1]
        assert some == [api.end(ids[n])["output"]["n"] for n in some]
        assert count + 10 == api.get("/health")["jobs"]["completed"]
        assert sorted(ids) == sorted(job["id"] for job in api.server.jobs["horse"])
        api.server.advance(RETENTION)
        assert [] == api.server.jobs["horse"]
        del ids
    until(lambda: instances(Job) <= others)


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """Raise the limit of open files to `count`."""
    resource = pytest.importorskip("resource", reason="not available on this platform")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count and hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"the limit is {hard} open files, {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def poll_many(server: LocalServer, job_id: str, count: int, gate: Gate) -> list[Any]:
    """Return the responses to `count` long polls, all held before the gate is opened."""
    port = int(server.base_url.rsplit(":", 1)[1].removesuffix("/v2"))
    head = f"GET /v2/horse/status-sync/{job_id} HTTP/1.1\r\nhost: x\r\nauthorization: {server.api_key}\r\n"
    request = f"{head}connection: close\r\n\r\n".encode()
    job = server._endpoints["horse"].queue.get(job_id)

    async def poll() -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        response = await reader.read()
        writer.close()
        await writer.wait_closed()
        status, _, body = response.partition(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 200"), response
        return json.loads(body)

    polls = [asyncio.ensure_future(poll()) for _ in range(count)]
    while len(job.changed._listeners) < count:  # noqa: ASYNC110  # The event belongs to another loop.
        await asyncio.sleep(0.01)
    assert not any(poll.done() for poll in polls)
    gate.open()
    return await asyncio.gather(*polls)


def test_many_long_polls_at_once(serve: Serve, gate: Gate) -> None:
    count = size(1000)
    with open_files(3 * count + 200):
        api = serve(gate)
        job_id = api.run(n=7)
        responses = asyncio.run(asyncio.wait_for(poll_many(api.server, job_id, count, gate), LONG))
        assert count == len(responses)
        assert {"COMPLETED"} == {response["status"] for response in responses}
        assert not api.server._endpoints["horse"].queue.get(job_id).changed._listeners
        assert api.run_sync(n=1)


def test_a_long_stream(serve: Serve) -> None:
    count = size(10_000)

    def handler(_: dict[str, Any]) -> Iterator[Any]:
        yield from range(count)

    api = serve(handler, return_aggregate_stream=True)
    with memory_returns(4 * MB):
        job_id = api.run()
        seen: list[int] = []
        while True:
            body = api.stream(job_id)
            seen += [chunk["output"] for chunk in body["stream"]]
            if body["status"] == "COMPLETED" and not body["stream"]:
                break
        assert list(range(count)) == seen == api.status(job_id)["output"]
        api.server.advance(RETENTION)
        assert [] == api.server.jobs["horse"]


def test_large_outputs(serve: Serve) -> None:
    length = 20 * MB - 2
    api = serve(lambda _: "x" * length)
    with memory_returns(10 * MB):
        for _ in range(size(30)):
            done = api.run_sync()
            assert length == len(done["output"])
            assert done == api.status(done["id"])
        del done
        api.server.advance(RETENTION)
        assert [] == api.server.jobs["horse"]


def open_file_count() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


@pytest.mark.parametrize(("servers", "endpoints"), [(1000, 1), (100, 100)])
def test_servers_leak_nothing(servers: int, endpoints: int) -> None:
    def cycle() -> None:
        with LocalServer({f"horse-{n}": echo for n in range(endpoints)}) as server, Api(server, "horse-0") as api:
            api.run_sync()

    cycle()
    counted = (asyncio.AbstractEventLoop, asyncio.Future, HandlerPool, Job, JobQueue, LocalServer, threading.Thread)
    things, files = instances(*counted), open_file_count()
    for _ in range(size(servers)):
        cycle()
    # Threads of workers end slightly later.
    until(lambda: instances(*counted) <= things and open_file_count() <= files)
