"""Workers that take jobs over HTTP: worker processes of the server, and workers started by hand.

Used only on the server's event loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from runpod.local.jobs.job import Outcome
from runpod.local.json_text import JSONText, decode, encode, object_text
from runpod.local.signals import Signal, call_soon
from runpod.local.workers.pool import WorkerInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from runpod.local.jobs.job import Lease
    from runpod.local.jobs.queue import JobQueue

__all__ = ["RefusedResultError", "RemoteWorkers", "Worker"]

_logger = logging.getLogger("runpod.local")

# Seconds without a request after which a worker that was started by hand is lost, with and without a
# job. The exit of the server's own worker processes is detected directly.
_TIMEOUT = 60.0
_IDLE_TIMEOUT = 5.0

# Seconds that a worker has to stop a job after its execution timeout. After that, it is blocked in a
# function that only the end of the process can interrupt.
_STOP_GRACE = 5.0


class RefusedResultError(ValueError):
    """The service refuses what the worker posted."""


class Worker:
    """The state of one worker, derived from its requests."""

    def __init__(self, worker_id: str) -> None:
        self.id = worker_id
        self.has_polled = False
        """Whether it has ever requested a job; until then it is booting."""
        self.has_taken_job = False
        """Whether it has ever received a job."""
        self.problem: str | None = None
        """Why it is unhealthy, as reported by itself."""
        self.leases: dict[str, Lease] = {}
        self.revoked_jobs: set[str] = set()
        """Jobs with a revoked lease that it may still run."""
        self.jobs_to_stop: list[str] = []
        """Revoked jobs that are still to be reported to the worker."""
        self.stop_requested: Signal = Signal()
        """Fires when a job is added to `jobs_to_stop`."""
        self.retiring = False
        """Whether it gets no more jobs, and is replaced or removed after its jobs."""
        self.open_requests = 0
        self.pinged = False
        self.timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Worker {self.id}, {self.state}>"

    @property
    def state(self) -> str:
        """The state, with the name that `/health` uses."""
        if self.problem is not None:
            return "unhealthy"
        if self.leases or self.revoked_jobs:
            return "running"
        return "idle" if self.has_polled else "initializing"


class RemoteWorkers:
    """The workers of one endpoint that take jobs over HTTP.

    Args:
        queue: The endpoint's queue.
        timeout: Seconds without a request after which a worker with a job is lost.
        idle_timeout: The same for a worker without a job.
        stop_grace: Seconds that a worker has to stop a job after its execution timeout.
    """

    def __init__(
        self,
        queue: JobQueue,
        *,
        timeout: float = _TIMEOUT,
        idle_timeout: float = _IDLE_TIMEOUT,
        stop_grace: float = _STOP_GRACE,
    ) -> None:
        self.queue = queue
        self._timeout = timeout
        self._idle_timeout = idle_timeout
        self._stop_grace = stop_grace
        self._workers: dict[str, Worker] = {}
        self._expected: set[str] = set()
        self._exited: set[str] = set()
        self._restart_callback: Callable[[str], None] | None = None

    def __repr__(self) -> str:
        return f"<RemoteWorkers {list(self._workers.values())}>"

    def on_restart(self, callback: Callable[[str], None]) -> None:
        """Set the function to call with the ID of each worker that requests a restart or needs one."""
        self._restart_callback = callback

    def expect(self, worker_id: str) -> Worker:
        """Register a worker process of this server."""
        self._expected.add(worker_id)
        return self.get(worker_id)

    def get(self, worker_id: str) -> Worker:
        """Return a worker; an unknown ID creates one."""
        if worker_id in self._exited:
            return Worker(worker_id)  # A late request of an exited process; it must not get a job.
        worker = self._workers.get(worker_id)
        if worker is None:
            worker = self._workers[worker_id] = Worker(worker_id)
            if worker_id not in self._expected:
                _logger.info("Worker %s connected.", worker_id)
                self.queue.logs.open(worker_id, f"Worker {worker_id} connected.")
        return worker

    def remove(self, worker_id: str) -> Worker:
        """Remove a lost worker; its jobs are requeued or fail."""
        worker = self._workers.pop(worker_id, None) or Worker(worker_id)
        if worker_id in self._expected:
            self._expected.remove(worker_id)
            self._exited.add(worker_id)
        else:
            self.queue.logs.close(worker_id, f"Worker {worker_id} disconnected.")
        if worker.timer is not None:
            worker.timer.cancel()
        self._lose(worker)
        return worker

    def counts(self) -> Counter[str]:
        """Count the workers that were started by hand, by state."""
        return Counter(worker.state for worker in self._workers.values() if worker.id not in self._expected)

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that were started by hand."""
        books = [(worker, self.queue.logs.get(worker.id)) for worker in self._workers.values()]
        return [
            WorkerInfo(worker.id, worker.state, book.started_at)
            for worker, book in books
            if book is not None and worker.id not in self._expected
        ]

    def set_retiring(self, worker: Worker, *, retiring: bool) -> None:
        """Let a worker end after its jobs, or take that back."""
        worker.retiring = retiring
        self._end_if_retiring(worker)

    def close(self) -> None:
        """Cancel all timers."""
        for worker in self._workers.values():
            if worker.timer is not None:
                worker.timer.cancel()

    # Requests of workers

    def record_poll(self, worker: Worker, *, busy: bool | None) -> None:
        """Record a request for jobs; `busy` is whether the worker runs one, or None if unknown."""
        worker.has_polled = True
        worker.problem = None
        if busy is False:
            # It silently dropped its jobs (as it does with a job without input), or was restarted
            # with the same ID.
            self._lose(worker)
            worker.revoked_jobs.clear()
            worker.jobs_to_stop.clear()
            self._end_if_retiring(worker)

    def take(self, worker: Worker, count: int) -> list[JSONText]:
        """Lease up to `count` of the oldest waiting jobs to a worker."""
        jobs: list[JSONText] = []
        if worker.retiring or self._workers.get(worker.id) is not worker:
            return jobs  # Removed while its request was held.
        while len(jobs) < count and (lease := self.queue.take(worker.id)) is not None:
            worker.has_taken_job = True
            worker.leases[lease.job.id] = lease
            worker.revoked_jobs.discard(lease.job.id)
            worker.jobs_to_stop = [job_id for job_id in worker.jobs_to_stop if job_id != lease.job.id]
            loop = asyncio.get_running_loop()
            lease.revocation.connect(partial(call_soon, loop, partial(self._revoke, worker, lease)))
            if lease.revoked:  # Revoked before the listener was connected.
                self._revoke(worker, lease)
            jobs.append(_job_text(lease))
        return jobs

    def handle_result(self, worker: Worker, job_id: str, body: bytes) -> None:
        """Process a result or a progress update, which share a route.

        Raises:
            RefusedResultError: The service refuses the result. The job is then COMPLETED without
                output, as on the service.
            JobNotFoundError: The job does not exist.
        """
        try:
            result = _object(body)
            in_progress = result.get("status") == "IN_PROGRESS"
            outcome = Outcome() if in_progress else _outcome(result)
        except RefusedResultError:
            self._finish(worker, job_id, Outcome())
            raise
        if in_progress:
            self._progress(worker, job_id, result)
        else:
            self._finish(worker, job_id, outcome)

    def discard_result(self, worker: Worker, job_id: str) -> None:
        """Complete a job without output, because its result exceeds the size limit."""
        self._finish(worker, job_id, Outcome())

    def handle_chunk(self, worker: Worker, job_id: str, body: bytes) -> None:
        """Process a chunk of a stream.

        Raises:
            RefusedResultError: The body is not a valid JSON object.
            JobNotFoundError: The job does not exist.
        """
        result = _object(body)
        lease = self._lease(worker, job_id)
        if lease is not None and "output" in result:
            self.queue.chunk(lease, _encoded(result["output"]))

    def handle_ping(self, worker_id: str, query: Mapping[str, str]) -> None:
        """Process a heartbeat.

        It is sent by a separate process, which can outlive the worker. It therefore does not
        register unknown workers.
        """
        worker = self._workers.get(worker_id)
        if worker is None:
            return
        worker.pinged = True
        self._reset_timer(worker)
        if query.get("status") == "unhealthy":
            # Sent by the fitness checks of a worker, right before it exits.
            worker.problem = f"{query.get('check', 'a fitness check')}: {query.get('reason', 'failed')}"

    @contextmanager
    def track_request(self, worker: Worker) -> Generator[None, None, None]:
        """Track an open request of a worker, and restart its timer afterwards."""
        worker.open_requests += 1
        try:
            yield
        finally:
            worker.open_requests -= 1
            self._reset_timer(worker)

    def handle_disconnect(self, worker: Worker) -> None:
        """Remove a worker that was started by hand, after it closed a held request or timed out."""
        if worker.id not in self._expected and self._workers.get(worker.id) is worker:
            _logger.info("Worker %s disconnected.", worker.id)
            self.remove(worker.id)

    @staticmethod
    def take_jobs_to_stop(worker: Worker) -> list[str]:
        """Return the jobs that the worker has to stop, and clear the list."""
        jobs, worker.jobs_to_stop = worker.jobs_to_stop, []
        return jobs

    def _reset_timer(self, worker: Worker) -> None:
        if worker.timer is not None:
            worker.timer.cancel()
            worker.timer = None
        if self._workers.get(worker.id) is worker and worker.id not in self._expected:
            seconds = self._timeout if worker.leases else self._idle_timeout
            worker.timer = asyncio.get_running_loop().call_later(seconds, self._on_timeout, worker)

    def _on_timeout(self, worker: Worker) -> None:
        # A worker that never pings sends no requests while it runs a job. The end of a held request
        # is detected directly.
        if worker.open_requests or (worker.leases and not worker.pinged):
            self._reset_timer(worker)
        else:
            self.handle_disconnect(worker)

    def _lose(self, worker: Worker) -> None:
        leases = list(worker.leases.values())
        worker.leases.clear()
        for lease in leases:
            self.queue.lose(lease)

    def _revoke(self, worker: Worker, lease: Lease) -> None:
        if worker.leases.pop(lease.job.id, None) is None:
            return
        worker.revoked_jobs.add(lease.job.id)
        worker.jobs_to_stop.append(lease.job.id)
        worker.stop_requested.fire()
        if lease.killed:
            asyncio.get_running_loop().call_later(self._stop_grace, self._restart_if_stuck, worker, lease.job.id)

    def _restart_if_stuck(self, worker: Worker, job_id: str) -> None:
        if job_id in worker.revoked_jobs and self._workers.get(worker.id) is worker:
            self._restart(worker)

    def _restart(self, worker: Worker) -> None:
        if self._restart_callback is not None:
            self._restart_callback(worker.id)

    def _lease(self, worker: Worker, job_id: str) -> Lease | None:
        lease = worker.leases.get(job_id)
        if lease is None:
            # A late report is ignored, such as a progress update that arrives after the result. A
            # report for an unknown job is an error.
            self.queue.get(job_id)
        return lease

    def _progress(self, worker: Worker, job_id: str, result: dict[str, Any]) -> None:
        lease = self._lease(worker, job_id)
        if lease is not None:
            self.queue.progress(lease, _encoded(result.get("output")))

    def _finish(self, worker: Worker, job_id: str, outcome: Outcome) -> None:
        worker.revoked_jobs.discard(job_id)
        lease = self._lease(worker, job_id)
        if lease is not None:
            # The worker first: `/health` must not show a worker as running whose job has ended.
            del worker.leases[job_id]
            self.queue.finish(lease, outcome)
        if outcome.restart:
            self._restart(worker)
        else:
            self._end_if_retiring(worker)

    def _end_if_retiring(self, worker: Worker) -> None:
        if worker.retiring and not (worker.leases or worker.revoked_jobs):
            self._restart(worker)


def _job_text(lease: Lease) -> JSONText:
    fields = cast("dict[str, Any]", json.loads(lease.job.payload.text))
    if lease.job.payload.empty:
        # The service removes an empty dict. The worker then logs a missing `id or input` and drops
        # the job, which becomes visible with its next request for a job.
        del fields["input"]
    return object_text({"id": lease.job.id, **fields})


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = decode(body.decode())
    except ValueError as error:
        raise RefusedResultError(f"invalid JSON: {error}") from None
    if not isinstance(value, dict):
        raise RefusedResultError("must be a JSON object")
    return cast("dict[str, Any]", value)


def _outcome(result: dict[str, Any]) -> Outcome:
    error = result.get("error") or None
    if error is not None and not isinstance(error, str):
        # The service accepts str only. Users report that with a dict, the job is COMPLETED without
        # output instead of FAILED.
        raise RefusedResultError("error must be a string")
    output = _encoded(result["output"]) if "output" in result else None
    return Outcome(output=output, error=error, restart=bool(result.get("stopPod")))


def _encoded(value: Any) -> JSONText:
    try:
        return encode(value)
    except (RecursionError, ValueError) as error:  # 1e999 is valid JSON and decodes to an infinity.
        raise RefusedResultError(f"invalid JSON: {error}") from None
