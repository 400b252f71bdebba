"""The workers of an endpoint: who is cold, who boots, who waits, who runs what."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from runpod.local.signals import call_soon
from runpod.local.workers.handlers import run_handler
from runpod.local.workers.thread import WorkerThread

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from runpod.local.clock import Clock
    from runpod.local.jobs.job import Lease
    from runpod.local.jobs.queue import JobQueue
    from runpod.local.settings import Handler

__all__ = ["HandlerPool", "Pool"]

WorkerState = Literal["cold", "initializing", "idle", "running"]


class Pool(Protocol):
    """The workers of an endpoint, whatever they are made of.

    They take jobs from the queue with `take`, which gives a lease, and report with the lease:
    `progress`, `chunk`, then `finish`, or `lose` where the worker is gone. `arrivals` of the
    queue says when there is something to take; the lease's `revocation` says when nobody wants
    its job any more. All three methods are called on the server's event loop.
    """

    def start(self) -> None:
        """Take jobs from now on."""

    def stop(self) -> None:
        """Take no job any more, and give up those that run. Waits for nothing."""

    def counts(self) -> dict[str, int]:
        """Count workers the way `/health` does."""
        ...


class _Worker:
    def __init__(self, state: WorkerState) -> None:
        self.state = state
        self.id = ""
        self.thread: WorkerThread
        self.renew()

    def renew(self) -> None:
        """Become a worker that nobody has seen before."""
        if self.id:
            self.thread.close()
        self.id = secrets.token_hex(7)
        self.thread = WorkerThread(f"runpod-worker-{self.id}")


class HandlerPool:
    """Workers that run a handler in this process, one job at a time each.

    Everything here happens on the event loop that `start` was called on.

    Args:
        queue: Where the jobs come from.
        handler: What the workers run.
        size: How many workers there are.
        cold_start: Seconds a worker takes to boot. With 0 all of them are ready from the start;
            otherwise a worker boots when a job waits that no other worker is booting for,
            unless it is of low priority.
        aggregate: Whether all yields of a generator become its job's output.
        clock: How long a cold start takes.
    """

    def __init__(
        self, queue: JobQueue, handler: Handler, *, size: int, cold_start: float, aggregate: bool, clock: Clock
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._handler = handler
        self._cold_start = cold_start
        self._aggregate = aggregate
        self._first_state: WorkerState = "cold" if cold_start else "idle"
        self._workers = [_Worker(self._first_state) for _ in range(size)]
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<HandlerPool {self.counts()}>"

    def start(self) -> None:
        """Take jobs from now on."""
        loop = asyncio.get_running_loop()
        self._queue.arrivals.connect(partial(call_soon, loop, self._dispatch))
        self._dispatch()

    def stop(self) -> None:
        """Take no more jobs, and end those that run."""
        # Async handlers are cancelled through their leases; what sync ones do in their threads
        # is nobody's business any more.
        self._queue.close()
        for worker in self._workers:
            worker.thread.close()

    def counts(self) -> dict[str, int]:
        """Count workers the way `/health` does."""
        states = [worker.state for worker in self._workers]
        return {
            "idle": states.count("idle"),
            "initializing": states.count("initializing"),
            "ready": states.count("idle"),
            "running": states.count("running"),
            "throttled": 0,
            "unhealthy": 0,
        }

    def _dispatch(self) -> None:
        for worker in self._in_state("idle"):
            lease = self._queue.take(worker.id)
            if lease is None:
                break
            worker.state = "running"
            self._spawn(self._serve(worker, lease))
        unattended = self._queue.urgent - len(self._in_state("initializing"))
        for worker in self._in_state("cold")[: max(unattended, 0)]:
            worker.state = "initializing"
            self._spawn(self._boot(worker))

    def _replace(self, worker: _Worker, lease: Lease) -> None:
        """Put a new worker in the place of one that was killed, whose handler may run on."""
        if lease.killed and worker in self._workers:
            worker.thread.close()
            self._workers[self._workers.index(worker)] = _Worker(self._first_state)
            self._dispatch()

    def _in_state(self, state: WorkerState) -> list[_Worker]:
        return [worker for worker in self._workers if worker.state == state]

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        # The loop keeps only weak references to its tasks.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _boot(self, worker: _Worker) -> None:
        await self._clock.sleep(self._cold_start)
        worker.state = "idle"
        self._dispatch()

    async def _serve(self, worker: _Worker, lease: Lease) -> None:
        restart = False
        if lease.job.payload.empty:
            # Captured from the service: it strips the empty dict, the worker finds no `input`
            # and drops the job without a word, "the job is re-dispatched once and ends FAILED".
            # There that takes 30 to 50 seconds.
            self._queue.lose(lease)
        else:
            loop = asyncio.get_running_loop()
            disconnect = lease.revocation.connect(partial(call_soon, loop, partial(self._replace, worker, lease)))
            try:
                self._replace(worker, lease)  # In case it was killed before anybody listened.
                outcome = await run_handler(self._handler, lease, self._queue, worker.thread, aggregate=self._aggregate)
            finally:
                disconnect()
            # No await between here and the end, so that nobody can see a job that has ended
            # beside a worker that still runs it.
            if outcome is not None:
                self._queue.finish(lease, outcome)
                restart = outcome.restart
        if restart:
            worker.renew()
        worker.state = self._first_state if restart else "idle"
        self._dispatch()
