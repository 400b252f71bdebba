"""Workers that run a handler in the server process."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Literal

from runpod.local.signals import call_soon
from runpod.local.workers.handler_records import copy_records, worker_book
from runpod.local.workers.handlers import run_handler
from runpod.local.workers.pool import WorkerInfo
from runpod.local.workers.server_address import server_address
from runpod.local.workers.worker_thread import WorkerThread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from runpod.local.clock import Clock
    from runpod.local.jobs.job import Lease
    from runpod.local.jobs.queue import JobQueue
    from runpod.local.jobs.worker_logs import WorkerLogs
    from runpod.local.settings import Handler

__all__ = ["HandlerPool"]

WorkerState = Literal["throttled", "cold", "initializing", "idle", "running"]

# The order in which workers are removed: first those that do the least.
_REMOVAL_ORDER: tuple[WorkerState, ...] = ("throttled", "cold", "initializing", "idle", "running")


class _Worker:
    def __init__(self, state: WorkerState, logs: WorkerLogs) -> None:
        self.state = state
        self.retiring = False  # Whether it is removed after its job.
        self.lease: Lease | None = None
        self.id = ""
        self.thread: WorkerThread
        self._logs = logs
        self.replace_identity(state)

    def replace_identity(self, state: WorkerState) -> None:
        """Become a new worker, with a new ID and thread."""
        if self.id:
            self.end()
        self.state = state
        self.id = secrets.token_hex(7)
        self.thread = WorkerThread(f"runpod-worker-{self.id}")
        if state != "cold":
            self.start()

    def start(self) -> None:
        """Begin its logs."""
        self._logs.open(self.id, f"Worker {self.id} started.")

    def end(self) -> None:
        """End its thread and its logs."""
        self.thread.close()
        self._logs.close(self.id, f"Worker {self.id} stopped.")


class HandlerPool:
    """Workers that run a handler in this process, each one job at a time.

    Runs on the event loop that `start` was called on.

    Args:
        queue: The endpoint's queue.
        handler: The handler.
        size: Number of workers.
        cold_start: Seconds a worker takes to boot. With 0, all workers are ready from the start;
            otherwise a worker boots when a job waits that no other worker is booting for, unless
            it has low priority.
        aggregate: Whether the output of a generator is the list of its yields.
        clock: Clock for cold starts.
        address: Returns the address of the server.
    """

    def __init__(
        self,
        queue: JobQueue,
        handler: Handler,
        *,
        size: int,
        cold_start: float,
        aggregate: bool,
        clock: Clock,
        address: Callable[[], str],
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._address = address
        self._handler = handler
        self._cold_start = cold_start
        self._aggregate = aggregate
        self._throttled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers = [self._new_worker() for _ in range(size)]
        self._minimum = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<HandlerPool {dict(self.counts())}>"

    def start(self) -> None:
        """Start taking jobs."""
        self._loop = asyncio.get_running_loop()
        self._queue.arrivals.connect(partial(call_soon, self._loop, self._dispatch))
        copy_records()
        self._dispatch()

    def stop(self) -> None:
        """Stop taking jobs, and abandon running ones."""
        # Async handlers are cancelled through their leases; sync ones run on in their threads.
        self._queue.close()
        for worker in self._workers:
            worker.thread.close()

    def counts(self) -> Counter[str]:
        """Count the workers by state."""
        return Counter[str](worker.state for worker in self._workers)

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that are booted or booting."""
        books = [(worker, self._queue.logs.get(worker.id)) for worker in self._workers]
        return [WorkerInfo(worker.id, worker.state, book.started_at) for worker, book in books if book is not None]

    def resize(self, minimum: int, maximum: int) -> None:
        """Change the number of workers, of which at least `minimum` are kept booted.

        Running ones that are removed finish their jobs; the handlers of others do nothing.
        """
        self._minimum = minimum
        # One that was to be removed stays if there is room for it.
        remaining = sorted(self._workers, key=lambda worker: _REMOVAL_ORDER.index(worker.state), reverse=True)
        for index, worker in enumerate(remaining):
            worker.retiring = index >= maximum
            if worker.retiring and worker.state != "running":
                self._remove(worker)
        self._workers += [self._new_worker() for _ in range(maximum - len(self._workers))]
        self._dispatch()

    def throttle(self, *, throttled: bool) -> None:
        """Let no worker start, as if no GPU were free, or end that. Can be called from any thread.

        Workers that run a job keep their GPU.
        """
        change = partial(self._set_throttled, throttled=throttled)
        if self._loop is None:
            change()
        else:
            call_soon(self._loop, change)

    def _set_throttled(self, *, throttled: bool) -> None:
        self._throttled = throttled
        for worker in self._workers:
            if worker.state == "throttled" or (throttled and worker.state != "running"):
                worker.replace_identity(self._first_state)
        if self._loop is not None:
            self._dispatch()

    @property
    def _first_state(self) -> WorkerState:
        if self._throttled:
            return "throttled"
        return "cold" if self._cold_start else "idle"

    def _new_worker(self) -> _Worker:
        return _Worker(self._first_state, self._queue.logs)

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end()

    def _dispatch(self) -> None:
        for worker in self._in_state("idle"):
            lease = self._queue.take(worker.id)
            if lease is None:
                break
            worker.state, worker.lease = "running", lease
            self._spawn(self._serve(worker, lease))
        cold = self._in_state("cold")
        for_jobs = self._queue.urgent - len(self._in_state("initializing"))
        for_minimum = self._minimum - (len(self._workers) - len(cold))
        for worker in cold[: max(for_jobs, for_minimum, 0)]:
            worker.state = "initializing"
            worker.start()
            self._spawn(self._boot(worker, worker.id))

    def _replace(self, worker: _Worker, lease: Lease) -> None:
        """Replace a killed worker, whose handler may still run, by a new one."""
        # If the handler returned at the same time, the worker may run another job already.
        if lease.killed and worker.lease is lease and worker in self._workers:
            index = self._workers.index(worker)
            self._remove(worker)
            if not worker.retiring:
                self._workers.insert(index, self._new_worker())
            self._dispatch()

    def _in_state(self, state: WorkerState) -> list[_Worker]:
        return [worker for worker in self._workers if worker.state == state]

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        # The loop keeps only weak references to its tasks.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _boot(self, worker: _Worker, worker_id: str) -> None:
        await self._clock.sleep(self._cold_start)
        if worker in self._workers and worker.id == worker_id:  # It may have been throttled meanwhile.
            worker.state = "idle"
            self._queue.logs.add(worker.id, "system", f"Worker {worker.id} is ready.")
            self._dispatch()

    async def _serve(self, worker: _Worker, lease: Lease) -> None:
        restart = False
        if lease.job.payload.empty:
            # Captured from the service: it removes the empty dict, so that the worker finds no
            # `input` and silently drops the job. The job is requeued once, then it is FAILED. On
            # the service, this takes 30 to 50 seconds.
            self._queue.lose(lease)
        else:
            loop = asyncio.get_running_loop()
            # For this task only, and the thread that it calls.
            server_address.set(self._address())
            worker_book.set(self._queue.logs.get(worker.id))
            disconnect = lease.revocation.connect(partial(call_soon, loop, partial(self._replace, worker, lease)))
            try:
                self._replace(worker, lease)  # In case it was killed before the listener was connected.
                outcome = await run_handler(self._handler, lease, self._queue, worker.thread, aggregate=self._aggregate)
            finally:
                disconnect()
            # No await from here on: `/health` must not show a worker as running whose job has ended.
            worker.lease = None
            if outcome is not None:
                self._queue.finish(lease, outcome)
                restart = outcome.restart
        if worker not in self._workers:  # It was killed meanwhile.
            return
        if worker.retiring:
            self._remove(worker)
            return
        if restart:
            worker.replace_identity(self._first_state)
        else:
            worker.state = "idle"
        self._dispatch()
