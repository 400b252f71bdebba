"""Workers that take jobs over HTTP: those that the server started, and any that were started by hand.

All of it happens on the server's event loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from runpod.local.jobs.job import Outcome
from runpod.local.json_text import JSONText, decode, encode, object_text
from runpod.local.signals import Signal, call_soon

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from runpod.local.jobs.job import Lease
    from runpod.local.jobs.queue import JobQueue

__all__ = ["RefusedResultError", "Worker", "Workers"]

logger = logging.getLogger("runpod.local")

# Seconds without a request after which a worker that was started by hand is gone, with and without
# a job. Of workers that this server started it knows by itself.
_SILENCE = 60.0
_IDLE_SILENCE = 5.0

# Seconds that a worker has to let go of a job that ran out of time. What holds it up then is a
# function that nothing but the end of its process can interrupt.
_STOP_GRACE = 5.0


class RefusedResultError(ValueError):
    """What a worker posted is nothing that the service takes."""


class Worker:
    """One worker, as far as it shows by its requests."""

    def __init__(self, worker_id: str) -> None:
        self.id = worker_id
        self.asked = False
        """Whether it has ever asked for a job: until then it boots."""
        self.served = False
        """Whether it has ever got one."""
        self.problem: str | None = None
        """Why it is not fit to work, in its own words."""
        self.leases: dict[str, Lease] = {}
        self.unwanted: set[str] = set()
        """Jobs that nobody wants any more, and that it may still be at."""
        self.stops: list[str] = []
        """Those of them that it has not been told about."""
        self.changed = Signal()
        self.open_requests = 0
        self.pinged = False
        self.timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Worker {self.id}, {self.state}>"

    @property
    def state(self) -> str:
        """What `/health` counts it as."""
        if self.problem is not None:
            return "unhealthy"
        if self.leases or self.unwanted:
            return "running"
        return "idle" if self.asked else "initializing"


class Workers:
    """The workers of one endpoint that take jobs over HTTP.

    Args:
        queue: Where the jobs come from.
        silence: Seconds without a ping or another request after which a worker is gone.
        idle_silence: The same for one that has no job.
        stop_grace: Seconds that a worker has to let go of a job that ran out of time.
    """

    def __init__(
        self,
        queue: JobQueue,
        *,
        silence: float = _SILENCE,
        idle_silence: float = _IDLE_SILENCE,
        stop_grace: float = _STOP_GRACE,
    ) -> None:
        self.queue = queue
        self.restart: Callable[[str], None] = lambda _: None
        """Called with the id of a worker that wants to be started anew, or has to be."""

        self._silence = silence
        self._idle_silence = idle_silence
        self._stop_grace = stop_grace
        self._workers: dict[str, Worker] = {}
        self._started_here: set[str] = set()
        self._ended_here: set[str] = set()

    def __repr__(self) -> str:
        return f"<Workers {list(self._workers.values())}>"

    def started_here(self, worker_id: str) -> Worker:
        """Expect requests of a worker that this server starts."""
        self._started_here.add(worker_id)
        return self.get(worker_id)

    def get(self, worker_id: str) -> Worker:
        """Find a worker; one that was not heard of before is new."""
        if worker_id in self._ended_here:
            return Worker(worker_id)  # Its last words. Nothing that is given to it arrives.
        worker = self._workers.get(worker_id)
        if worker is None:
            worker = self._workers[worker_id] = Worker(worker_id)
            if worker_id not in self._started_here:
                logger.info("Worker %s has come.", worker_id)
        return worker

    def gone(self, worker_id: str) -> Worker:
        """The worker will never report back: its jobs go back to the queue, or are given up."""
        worker = self._workers.pop(worker_id, None) or Worker(worker_id)
        if worker_id in self._started_here:
            self._started_here.remove(worker_id)
            self._ended_here.add(worker_id)
        if worker.timer is not None:
            worker.timer.cancel()
        self._lose(worker)
        return worker

    def counts(self) -> dict[str, int]:
        """Count the workers that were started by hand, by state."""
        states = [worker.state for worker in self._workers.values() if worker.id not in self._started_here]
        return {state: states.count(state) for state in ("idle", "initializing", "running", "unhealthy")}

    def close(self) -> None:
        """Expect nothing any more."""
        for worker in self._workers.values():
            if worker.timer is not None:
                worker.timer.cancel()

    # What workers do

    def asks(self, worker: Worker, *, busy: bool | None) -> None:
        """A worker asks for jobs, and says whether it is at one; None where it does not say."""
        worker.asked = True
        worker.problem = None
        if busy is False:
            # It has dropped what it had without a word (that is what becomes of a job without
            # input), or was started anew under the same name.
            self._lose(worker)
            worker.unwanted.clear()
            worker.stops.clear()

    def take(self, worker: Worker, count: int) -> list[JSONText]:
        """Give a worker up to so many of the jobs that have waited longest."""
        jobs: list[JSONText] = []
        if self._workers.get(worker.id) is not worker:
            return jobs  # It died while it was asking.
        while len(jobs) < count and (lease := self.queue.take(worker.id)) is not None:
            worker.served = True
            worker.leases[lease.job.id] = lease
            worker.unwanted.discard(lease.job.id)
            worker.stops = [job_id for job_id in worker.stops if job_id != lease.job.id]
            loop = asyncio.get_running_loop()
            lease.revocation.connect(partial(call_soon, loop, partial(self._revoke, worker, lease)))
            if lease.revoked:  # Before anybody listened.
                self._revoke(worker, lease)
            jobs.append(_job_text(lease))
        return jobs

    def done(self, worker: Worker, job_id: str, body: bytes) -> None:
        """Take a result, or a progress update, which comes on the same route.

        Raises:
            RefusedResultError: It is nothing that the service takes. "Result post refused by
                platform: COMPLETED with no `output`".
            JobNotFoundError: There is no such job.
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

    def refuse(self, worker: Worker, job_id: str) -> None:
        """A result was larger than the service takes."""
        self._finish(worker, job_id, Outcome())

    def chunk(self, worker: Worker, job_id: str, body: bytes) -> None:
        """Take a chunk of a stream.

        Raises:
            RefusedResultError: It is no JSON object with an output.
            JobNotFoundError: There is no such job.
        """
        result = _object(body)
        lease = self._lease(worker, job_id)
        if lease is not None and "output" in result:
            self.queue.chunk(lease, _encoded(result["output"]))

    def ping(self, worker_id: str, query: Mapping[str, str]) -> None:
        """Take a heartbeat.

        It comes from a process of its own, which can outlive the worker; so it brings no worker
        back that has gone, and makes none known that has not asked for a job.
        """
        worker = self._workers.get(worker_id)
        if worker is None:
            return
        worker.pinged = True
        self._listen(worker)
        if query.get("status") == "unhealthy":
            # Sent by the fitness checks of a worker, right before it ends itself.
            worker.problem = f"{query.get('check', 'a fitness check')}: {query.get('reason', 'failed')}"

    @contextmanager
    def request(self, worker: Worker) -> Generator[None, None, None]:
        """A worker makes a request; one that was started by hand has to go on with that."""
        worker.open_requests += 1
        try:
            yield
        finally:
            worker.open_requests -= 1
            self._listen(worker)

    def left(self, worker: Worker) -> None:
        """A worker has closed a request that was held, which only its end does; or it is silent."""
        if worker.id not in self._started_here and self._workers.get(worker.id) is worker:
            logger.info("Worker %s has gone.", worker.id)
            self.gone(worker.id)

    @staticmethod
    def stops(worker: Worker) -> list[str]:
        """Give the jobs that the worker has to stop, each of them once."""
        stops, worker.stops = worker.stops, []
        return stops

    def _listen(self, worker: Worker) -> None:
        if worker.timer is not None:
            worker.timer.cancel()
            worker.timer = None
        if self._workers.get(worker.id) is worker and worker.id not in self._started_here:
            seconds = self._silence if worker.leases else self._idle_silence
            worker.timer = asyncio.get_running_loop().call_later(seconds, self._silent, worker)

    def _silent(self, worker: Worker) -> None:
        # One that never pings cannot be heard while a job keeps it busy, and the end of a request
        # that is held open tells by itself.
        if worker.open_requests or (worker.leases and not worker.pinged):
            self._listen(worker)
        else:
            self.left(worker)

    def _lose(self, worker: Worker) -> None:
        leases = list(worker.leases.values())
        worker.leases.clear()
        for lease in leases:
            self.queue.lose(lease)

    def _revoke(self, worker: Worker, lease: Lease) -> None:
        if worker.leases.pop(lease.job.id, None) is None:
            return
        worker.unwanted.add(lease.job.id)
        worker.stops.append(lease.job.id)
        worker.changed.fire()
        if lease.killed:
            asyncio.get_running_loop().call_later(self._stop_grace, self._insist, worker, lease.job.id)

    def _insist(self, worker: Worker, job_id: str) -> None:
        if job_id in worker.unwanted and self._workers.get(worker.id) is worker:
            self.restart(worker.id)

    def _lease(self, worker: Worker, job_id: str) -> Lease | None:
        lease = worker.leases.get(job_id)
        if lease is None:
            # What comes too late is ignored: "a late progress post racing with the final result".
            # A job that is not there at all is an error.
            self.queue.get(job_id)
        return lease

    def _progress(self, worker: Worker, job_id: str, result: dict[str, Any]) -> None:
        lease = self._lease(worker, job_id)
        if lease is not None:
            self.queue.progress(lease, _encoded(result.get("output")))

    def _finish(self, worker: Worker, job_id: str, outcome: Outcome) -> None:
        worker.unwanted.discard(job_id)
        lease = self._lease(worker, job_id)
        if lease is not None:
            # The worker first: nobody may see a job that has ended beside a worker that runs it.
            del worker.leases[job_id]
            self.queue.finish(lease, outcome)
        if outcome.restart:
            self.restart(worker.id)


def _job_text(lease: Lease) -> JSONText:
    fields = cast("dict[str, Any]", json.loads(lease.job.payload.text))
    if lease.job.payload.empty:
        # "the platform strips empty dicts, the worker then logs a missing `id or input`" and
        # drops the job; it says so by asking for the next one.
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
        # "if you use a dict, it will result in the job returning as COMPLETED instead of FAILED
        # without any output"
        raise RefusedResultError("error must be a string")
    output = _encoded(result["output"]) if "output" in result else None
    return Outcome(output=output, error=error, restart=bool(result.get("stopPod")))


def _encoded(value: Any) -> JSONText:
    try:
        return encode(value)
    except (RecursionError, ValueError) as error:  # 1e999 is valid JSON, and becomes an infinity.
        raise RefusedResultError(f"invalid JSON: {error}") from None
