"""The state of workers that take jobs over HTTP, without a server."""

from __future__ import annotations

import asyncio

import pytest

from runpod.local import Behavior
from runpod.local.http.validation import parse_job_body
from runpod.local.jobs.queue import JobQueue
from runpod.local.workers.remote_workers import RemoteWorkers
from tests.local.api import TIMEOUT


def create_workers(**settings: float) -> RemoteWorkers:
    """Return the workers of an endpoint with one waiting job."""
    queue = JobQueue()
    queue.submit(parse_job_body(b'{"input": {"n": 1}}', Behavior()))
    return RemoteWorkers(queue, **settings)


@pytest.mark.parametrize("busy", [True, False])
def test_silent_worker_is_removed(busy: bool) -> None:
    async def main() -> None:
        workers = create_workers(**{"timeout" if busy else "idle_timeout": 0})
        worker = workers.get("w1")
        requeued = asyncio.Event()
        with workers.track_request(worker):
            if busy:
                workers.take(worker, 1)
            workers.queue.arrivals.connect(requeued.set)
        workers.handle_ping("w1", {})
        assert 1 == sum(workers.counts().values())
        if busy:
            await asyncio.wait_for(requeued.wait(), TIMEOUT)
        while workers.counts()["initializing"]:  # noqa: ASYNC110  # There is no event for it.
            await asyncio.sleep(0)
        assert 0 == sum(workers.counts().values())
        assert 1 == workers.queue.waiting

    asyncio.run(main())


def test_running_worker_without_pings_is_not_removed() -> None:
    async def main() -> None:
        workers = create_workers(timeout=0)
        worker = workers.get("w1")
        with workers.track_request(worker):
            workers.take(worker, 1)
        for _ in range(10):
            await asyncio.sleep(0)
        assert 1 == workers.counts()["running"]
        workers.close()
        assert worker.timer is not None
        assert worker.timer.cancelled()

    asyncio.run(main())


def test_worker_with_a_held_request_is_not_removed() -> None:
    async def main() -> None:
        workers = create_workers(idle_timeout=0)
        worker = workers.get("w1")
        with workers.track_request(worker):
            workers.handle_ping("w1", {})
            for _ in range(10):
                await asyncio.sleep(0)
            assert 1 == workers.counts()["initializing"]
        workers.close()

    asyncio.run(main())


def test_worker_that_does_not_stop_a_killed_job_is_restarted() -> None:
    async def main() -> None:
        workers = create_workers(stop_grace=0)
        restart_requested = asyncio.Event()
        workers.on_restart(lambda _: restart_requested.set())
        worker = workers.get("w1")
        workers.take(worker, 1)
        [lease] = worker.leases.values()
        lease.revoked = lease.killed = True
        lease.revocation.fire()
        await asyncio.wait_for(restart_requested.wait(), TIMEOUT)
        assert [lease.job.id] == worker.jobs_to_stop

    asyncio.run(main())


def test_removed_worker_gets_no_jobs() -> None:
    async def main() -> None:
        workers = create_workers()
        worker = workers.expect("w1")
        workers.remove("w1")
        assert [] == workers.take(worker, 1)
        # A late request of the exited worker.
        assert [] == workers.take(workers.get("w1"), 1)
        assert 0 == sum(workers.counts().values())

    asyncio.run(main())
