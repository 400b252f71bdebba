"""The workers of a load-balancing endpoint, and the requests that wait for one of them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from runpod.local.balancer.worker import Worker, choose
from runpod.local.clock import Timer
from runpod.local.workers.pool import WorkerInfo
from runpod.local.workers.process_pool import restart_delay

if TYPE_CHECKING:
    from runpod.local.balancer.affinity import Affinity
    from runpod.local.balancer.host import Host
    from runpod.local.balancer.worker import WorkerState
    from runpod.local.clock import Clock
    from runpod.local.jobs.worker_logs import WorkerLogs

__all__ = ["BalancerPool", "NoWorkerError"]

_logger = logging.getLogger("runpod.local")

# Seconds that a request waits for a worker: documented as about two and five minutes.
_WAIT = 120.0
_STRICT_WAIT = 300.0


class NoWorkerError(Exception):
    """No worker can serve a request; nothing was run.

    The texts are those of the service. Where a body names the reason is undocumented; here it is a field.
    """

    def __init__(self, status: int, error: str, reason: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, str] = {"error": error} | ({} if reason is None else {"reason": reason})


class _Waiter:
    def __init__(self, affinity: Affinity) -> None:
        self.affinity = affinity
        self.worker: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self.timer: Timer | None = None


class BalancerPool:
    """The workers of an endpoint, each of which serves requests as they come; there is no queue of jobs.

    Runs on the event loop that `start` was called on.

    Args:
        name: ID of the endpoint, for the log.
        host: Runs the workers.
        size: Number of workers.
        eager: Whether workers boot with the server; otherwise they boot when a request waits.
        concurrency: Number of requests that a worker serves at the same time; None for any number.
        logs: The logs of the workers.
        clock: Clock for the time that requests wait.
    """

    def __init__(
        self,
        name: str,
        host: Host,
        *,
        size: int,
        eager: bool,
        concurrency: int | None,
        logs: WorkerLogs,
        clock: Clock,
    ) -> None:
        self.host = host
        self._name = name
        self._eager = eager
        self._concurrency = concurrency
        self._logs = logs
        self._clock = clock
        self._workers = [Worker() for _ in range(size)]
        self._waiters: dict[asyncio.Future[Worker], _Waiter] = {}
        self._numbers = count(1)
        self._stopping = False

    def __repr__(self) -> str:
        return f"<BalancerPool {dict(self.counts())}>"

    # For the server

    def start(self) -> None:
        """Start the workers.

        Raises:
            RuntimeError: The worker command cannot be run.
        """
        self.host.start(self._replace_lost)
        try:
            for worker in self._workers if self._eager else ():
                self._launch(worker)
        except OSError as error:
            reason = error.strerror or error
            raise RuntimeError(
                f"{self.host.subject} cannot be started: {reason}. Check the path of the program."
            ) from error

    def stop(self) -> None:
        """Refuse the requests that wait for a worker, and stop the workers."""
        self._stopping = True
        for worker in self._workers:
            if worker.boot is not None:
                worker.boot.cancel()
        for waiter in list(self._waiters.values()):
            self._fail(waiter, NoWorkerError(400, "no workers available"))
        self.host.stop()

    async def wait_stopped(self) -> None:
        """Wait until the workers have ended."""
        await self.host.wait_stopped()

    def counts(self) -> Counter[str]:
        """Count the workers by state, with `ready` for all that can serve requests, busy or not."""
        states = Counter[str](worker.state for worker in self._workers)
        running = sum(worker.state == "ready" and worker.active > 0 for worker in self._workers)
        return states + Counter({"running": running, "idle": states["ready"] - running})

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that are booted or booting."""
        books = [(worker, self._logs.get(worker.id)) for worker in self._workers if worker.state != "cold"]
        return [WorkerInfo(worker.id, _public_state(worker), book.started_at) for worker, book in books if book]

    def resize(self, minimum: int, maximum: int) -> None:
        """Change the number of workers, of which at least `minimum` are kept booted.

        Workers that are removed finish the requests that they serve.
        """
        # The least useful ones go first.
        order = {"cold": 0, "unhealthy": 1, "initializing": 2, "ready": 3}
        surplus = max(len(self._workers) - maximum, 0)
        for worker in sorted(self._workers, key=lambda each: (order[each.state], each.active))[:surplus]:
            self._remove(worker)
        self._workers += [Worker() for _ in range(maximum - len(self._workers))]
        booted = sum(worker.state != "cold" for worker in self._workers)
        target = maximum if self._eager else minimum
        for worker in [each for each in self._workers if each.state == "cold"][: max(target - booted, 0)]:
            self._boot(worker)
        self._dispatch()

    def stop_worker(self, worker_id: str, *, remove: bool) -> bool:
        """Scale a worker down, cutting the requests that it serves; returns whether it exists.

        Args:
            worker_id: ID of the worker.
            remove: Whether a new worker takes its place. Otherwise it keeps its ID, and boots again when it is needed.
        """
        worker = self._find(worker_id)
        if worker is None:
            return False
        for task in worker.tasks:
            task.cancel()
        if remove:
            self._workers[self._workers.index(worker)] = replacement = Worker()
            self._end(worker, "removed")
            if self._eager:
                self._boot(replacement)
        elif worker.state != "cold":
            self._end(worker, "cold")
        self._dispatch()
        return True

    # For requests

    def acquire(self, affinity: Affinity) -> asyncio.Future[Worker]:
        """Request a worker. The future raises `NoWorkerError`; pass a result to `release` at the end."""
        waiter = _Waiter(affinity)
        # Before others can see that it waits, and advance the clock.
        deadline = self._clock() + (_STRICT_WAIT if affinity.strict else _WAIT)
        self._waiters[waiter.worker] = waiter
        self._dispatch()
        if not waiter.worker.done():
            waiter.timer = Timer(self._clock, deadline, partial(self._time_out, waiter))
        return waiter.worker

    def abandon(self, future: asyncio.Future[Worker]) -> None:
        """Withdraw a request for a worker."""
        waiter = self._waiters.pop(future, None)
        if waiter is not None:
            self._cancel_timer(waiter)
            future.cancel()
        elif future.done() and not future.cancelled() and future.exception() is None:
            self.release(future.result())

    def release(self, worker: Worker) -> None:
        """Return a worker after a request."""
        worker.active -= 1
        if worker.state == "removed" and not worker.active:
            self._end(worker, "removed")
        self._dispatch()

    # Internals

    def _find(self, worker_id: str) -> Worker | None:
        return next((worker for worker in self._workers if worker.id == worker_id), None)

    def _dispatch(self) -> None:
        """Give workers to waiting requests, in the order of their arrival; boot workers for the others."""
        for waiter in list(self._waiters.values()):
            worker = choose(self._workers, waiter.affinity, self._concurrency)
            if worker is not None:
                worker.active += 1
                worker.served_at = next(self._numbers)
                self._end_wait(waiter)
                waiter.worker.set_result(worker)
            else:
                self._check(waiter)
        waiting = sum(not waiter.affinity.strict for waiter in self._waiters.values())
        initializing = sum(worker.state == "initializing" for worker in self._workers)
        cold = [worker for worker in self._workers if worker.state == "cold"]
        for worker in cold[: max(waiting - initializing, 0)]:
            self._boot(worker)

    def _check(self, waiter: _Waiter) -> None:
        """Refuse a request that would wait in vain, and boot the worker that it wants to resume."""
        if not waiter.affinity.strict:
            if not self._workers or self._stopping:
                self._fail(waiter, NoWorkerError(400, "no workers available"))
            return
        worker = self._find(waiter.affinity.worker_id)
        if worker is None or (worker.state == "cold" and not waiter.affinity.resume):
            self._fail(waiter, NoWorkerError(404, "affinity worker is gone", "affinity_worker_gone"))
        elif worker.state == "cold":
            self._boot(worker)

    def _time_out(self, waiter: _Waiter) -> None:
        if waiter.affinity.strict:
            self._fail(waiter, NoWorkerError(400, "timed out waiting for worker", "worker_timeout"))
        elif any(worker.state == "ready" for worker in self._workers):
            self._fail(waiter, NoWorkerError(400, "timed out waiting for worker"))
        else:
            self._fail(waiter, NoWorkerError(400, "no workers available"))

    def _fail(self, waiter: _Waiter, error: NoWorkerError) -> None:
        self._end_wait(waiter)
        if not waiter.worker.done():
            waiter.worker.set_exception(error)

    def _end_wait(self, waiter: _Waiter) -> None:
        self._waiters.pop(waiter.worker, None)
        self._cancel_timer(waiter)

    @staticmethod
    def _cancel_timer(waiter: _Waiter) -> None:
        if waiter.timer is not None:
            waiter.timer.cancel()

    def _boot(self, worker: Worker) -> None:
        if self._stopping or worker.state == "removed":
            return
        try:
            self._launch(worker)
        except OSError as error:
            _logger.warning("%s cannot be started: %s", self.host.subject, error.strerror or error)
            worker.failures += 1
            self._boot_later(worker)

    def _launch(self, worker: Worker) -> None:
        """Start a worker, and wait in the background until it is ready. Raises `OSError`."""
        self._logs.open(worker.id, f"Worker {worker.id} started.")  # Before its first output.
        worker.launched_at = self._clock()
        try:
            self.host.launch(worker)
        except OSError as error:
            self._logs.close(worker.id, f"Worker {worker.id} could not be started: {error.strerror or error}.")
            raise
        self._watch(worker)

    def _boot_later(self, worker: Worker) -> None:
        async def boot() -> None:
            await asyncio.sleep(restart_delay(worker.failures))
            self._boot(worker)

        worker.state = "unhealthy"
        worker.boot = asyncio.get_running_loop().create_task(boot())

    def _watch(self, worker: Worker) -> None:
        async def wait() -> None:
            await self.host.wait_ready(worker)
            worker.state = "ready"
            worker.failures = 0
            self._logs.add(worker.id, "system", f"Worker {worker.id} is ready.")
            _logger.info("%s: worker %s is ready", self._name, worker.id)
            self._dispatch()

        worker.state = "initializing"
        worker.boot = asyncio.get_running_loop().create_task(wait())

    def _remove(self, worker: Worker) -> None:
        self._workers.remove(worker)
        if worker.active:
            worker.state = "removed"  # Ended after its last request.
        else:
            self._end(worker, "removed")

    def _end(self, worker: Worker, state: WorkerState) -> None:
        if worker.boot is not None:
            worker.boot.cancel()
        worker.state = state
        self._logs.close(worker.id, f"Worker {worker.id} stopped.")
        self.host.end(worker)

    def _replace_lost(self, worker_id: str, how: str) -> None:
        """Replace a worker that has ended by itself by a new one, with its own ID."""
        self._logs.close(worker_id, f"Worker {worker_id} {how}.")
        worker = self._find(worker_id)
        if worker is None or self._stopping:
            return
        if worker.boot is not None:
            worker.boot.cancel()
        replacement = Worker(0 if worker.state == "ready" else worker.failures + 1)
        self._workers[self._workers.index(worker)] = replacement
        worker.state = "removed"
        if replacement.failures:
            self._boot_later(replacement)
        else:
            self._boot(replacement)
        self._dispatch()


def _public_state(worker: Worker) -> str:
    if worker.state == "ready":
        return "running" if worker.active else "idle"
    return worker.state
