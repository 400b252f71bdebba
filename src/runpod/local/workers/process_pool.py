"""Workers that are processes: started with the server, started anew when they die, ended with it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.signals import call_soon
from runpod.local.workers.process import WorkerProcess, inherited_environment
from runpod.local.workers.process_guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runpod.local.jobs.queue import JobQueue
    from runpod.local.workers.remote_workers import Workers

__all__ = ["ProcessPool", "rest_after"]

logger = logging.getLogger("runpod.local")

# Seconds. A worker that dies without having got a job is given a rest before the next try.
_FIRST_REST = 0.5
_LONGEST_REST = 30.0

# Seconds, for a worker that was told to end.
_GRACE = 0.4

_NOT_OFFICIAL = ("No module named 'runpod.serverless'", "module 'runpod' has no attribute 'serverless'")


class _Place:
    """Room for one worker: the process that it is now, and how often it failed."""

    def __init__(self) -> None:
        self.worker_id = ""
        self.process: WorkerProcess | None = None
        self.last_line = ""
        self.failures = 0
        self.renewed = False
        self.timer: asyncio.TimerHandle | None = None


class ProcessPool:
    """A fixed number of worker processes; none, where all workers are started by hand.

    Everything here happens on the event loop that `start` was called on.

    Args:
        queue: Where the jobs come from.
        workers: What is known of the workers by their requests.
        endpoint_id: For the log.
        command: The program that is a worker, and its arguments.
        size: How many worker processes there are.
        environment: Gives what makes a program a worker, by the id that the worker is to have.
        secrets: What is not to be logged.
    """

    def __init__(
        self,
        queue: JobQueue,
        workers: Workers,
        endpoint_id: str,
        *,
        command: Sequence[str],
        size: int,
        environment: Callable[[str], Mapping[str, str]],
        secrets: Sequence[str],
    ) -> None:
        self._queue = queue
        self._workers = workers
        self._endpoint_id = endpoint_id
        self._command = list(command)
        self._environment = environment
        self._secrets = secrets
        self._places = [_Place() for _ in range(size)]
        self._guard: Guard | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proven = False  # Whether the command is one of a worker: somebody asked for a job.
        self._stopping = False
        self._all_ended = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ProcessPool {self.counts()}>"

    def start(self) -> None:
        """Start every worker.

        Raises:
            RuntimeError: The command cannot be run at all.
        """
        self._loop = asyncio.get_running_loop()
        self._workers.restart = self._renew
        if self._places and sys.platform != "win32" and sys.executable:
            self._guard = Guard()
        try:
            for place in self._places:
                self._launch(place)
        except OSError as error:
            reason = error.strerror or error
            raise RuntimeError(f"{self._subject} does not start: {reason}. Check the path of the program.") from error

    def stop(self) -> None:
        """Ends the processes."""
        self._stopping = True
        self._queue.close()
        self._workers.close()
        for place in self._places:
            if place.timer is not None:
                place.timer.cancel()
            if place.process is not None:
                place.process.terminate()
        self._check_ended()

    async def stopped(self) -> None:
        """Wait until every process has ended, the hard way where one takes its time."""
        try:
            await asyncio.wait_for(self._all_ended.wait(), _GRACE)
        except asyncio.TimeoutError:
            for place in self._places:
                if place.process is not None:
                    place.process.kill()
            await self._all_ended.wait()
        if self._guard is not None:
            self._guard.close()

    def counts(self) -> dict[str, int]:
        """The workers by what they are doing, as `/health` says it."""
        states = [self._state(place) for place in self._places]
        counts = {state: states.count(state) for state in ("idle", "initializing", "running", "unhealthy")}
        return {**counts, "ready": counts["idle"], "throttled": 0}

    def _state(self, place: _Place) -> str:
        if place.process is None:  # Between two lives.
            return "unhealthy"
        return "initializing" if place.renewed else self._workers.get(place.worker_id).state

    @property
    def _subject(self) -> str:
        return f"The worker command {shlex.join(self._command)!r} of endpoint {self._endpoint_id!r}"

    def _launch(self, place: _Place) -> None:
        assert self._loop is not None
        # Another life is another worker: what the last one held is lost.
        place.worker_id = secrets.token_hex(7)
        place.last_line = ""
        place.renewed = False
        place.timer = None
        place.process = WorkerProcess(
            self._command,
            {**inherited_environment(), **self._environment(place.worker_id)},
            guard=self._guard,
            heard=partial(self._heard, place, place.worker_id),
            ended=partial(self._ended, place),
        )
        self._workers.started_here(place.worker_id)
        logger.info("%s: worker %s started, process %d", self._endpoint_id, place.worker_id, place.process.pid)

    def _heard(self, place: _Place, worker_id: str, line: str) -> None:
        # In a thread of the process.
        for secret in self._secrets:
            line = line.replace(secret, "[key]")
        if line:
            place.last_line = line
            logger.info("%s: worker %s: %s", self._endpoint_id, worker_id, line)

    def _ended(self, place: _Place, status: int) -> None:
        # In a thread of the process.
        assert self._loop is not None
        call_soon(self._loop, partial(self._follow, place, status))

    def _follow(self, place: _Place, status: int) -> None:
        """A process has ended: settle what it held, and start the next one."""
        place.process = None
        worker = self._workers.gone(place.worker_id)
        others = [self._workers.get(each.worker_id) for each in self._places if each.process is not None]
        self._proven = self._proven or any(each.asked for each in (worker, *others))
        if self._stopping:
            self._check_ended()
            return
        if place.renewed:
            self._next(place)
            return
        if self._proven:
            logger.warning("%s: worker %s %s", self._endpoint_id, place.worker_id, _said(status))
        else:
            # Whoever started the server from a command line is told at once, and it ends.
            logger.error(self._complaint(place, status, worker.problem), extra={"broken_endpoint": self._endpoint_id})
        # A job that kills its worker is given up after a few of them; a worker that dies without
        # a job would be started for ever.
        place.failures = 0 if worker.served else place.failures + 1
        if place.failures:
            self._rest(place)
        else:
            self._next(place)

    def _complaint(self, place: _Place, status: int, problem: str | None) -> str:
        if any(reason in place.last_line for reason in _NOT_OFFICIAL):
            return (
                f"{self._subject} is run by a Python that has this package instead of the official one, "
                "which has the same import name. Name the Python of an environment with the official one."
            )
        last_words = problem or place.last_line
        said = f" Its last words: {last_words}" if last_words else ""
        return f"{self._subject} {_said(status)} before it asked for a job.{said}"

    def _next(self, place: _Place) -> None:
        if self._stopping:
            return
        try:
            self._launch(place)
        except OSError as error:
            logger.warning("%s does not start any more: %s", self._subject, error.strerror or error)
            place.failures += 1
            self._rest(place)

    def _rest(self, place: _Place) -> None:
        assert self._loop is not None
        place.timer = self._loop.call_later(rest_after(place.failures), self._next, place)

    def _renew(self, worker_id: str) -> None:
        """Replace a worker by a fresh one."""
        for place in self._places:
            if place.worker_id == worker_id and place.process is not None:
                place.renewed = True
                place.process.terminate()
                assert self._loop is not None
                self._loop.call_later(_GRACE, place.process.kill)

    def _check_ended(self) -> None:
        if all(place.process is None for place in self._places):
            self._all_ended.set()


def rest_after(failures: int) -> float:
    """Seconds until a worker that failed so often in a row is started again."""
    return min(_FIRST_REST * 2.0 ** min(failures - 1, 10), _LONGEST_REST)


def _said(status: int) -> str:
    # A negative one is the number of the signal, on POSIX.
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
