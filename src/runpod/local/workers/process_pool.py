"""Worker processes: started and stopped with the server, and restarted when they exit."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shlex
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.signals import call_soon
from runpod.local.workers.pool import ResizeError, WorkerInfo
from runpod.local.workers.process_guard import Guard
from runpod.local.workers.worker_process import WorkerProcess, inherited_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runpod.local.jobs.queue import JobQueue
    from runpod.local.workers.remote_workers import RemoteWorkers, Worker

__all__ = ["ProcessPool", "restart_delay"]

_logger = logging.getLogger("runpod.local")

# Seconds before a worker that exited without taking a job is restarted, with exponential backoff.
_FIRST_DELAY = 0.5
_MAX_DELAY = 30.0

# Seconds between SIGTERM and SIGKILL.
_GRACE = 0.4

_NOT_OFFICIAL = ("No module named 'runpod.serverless'", "module 'runpod' has no attribute 'serverless'")


class _Slot:
    """A slot for one worker: its current process, and the number of failures."""

    def __init__(self) -> None:
        self.worker_id = ""
        self.process: WorkerProcess | None = None
        self.last_line = ""
        self.failures = 0
        self.restarting = False
        self.retiring = False  # Whether it is removed once its process has ended.
        self.timer: asyncio.TimerHandle | None = None


class ProcessPool:
    """Worker processes; none if all workers are started by hand.

    Runs on the event loop that `start` was called on.

    Args:
        queue: The endpoint's queue.
        remote_workers: The workers' state, derived from their requests.
        endpoint_id: ID of the endpoint, for the log.
        command: The worker program and its arguments.
        size: Number of worker processes.
        environment: Returns the environment variables for a worker ID.
        secrets: Values to remove from the log.
    """

    def __init__(
        self,
        queue: JobQueue,
        remote_workers: RemoteWorkers,
        endpoint_id: str,
        *,
        command: Sequence[str],
        size: int,
        environment: Callable[[str], Mapping[str, str]],
        secrets: Sequence[str],
    ) -> None:
        self._queue = queue
        self._remote_workers = remote_workers
        self._endpoint_id = endpoint_id
        self._command = list(command)
        self._environment = environment
        self._secrets = secrets
        self._slots = [_Slot() for _ in range(size)]
        self._guard: Guard | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_polled = False  # Whether a process of this command has ever requested a job.
        self._stopping = False
        self._all_ended = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ProcessPool {dict(self.counts())}>"

    def start(self) -> None:
        """Start every worker.

        Raises:
            RuntimeError: The command cannot be started.
        """
        self._loop = asyncio.get_running_loop()
        self._remote_workers.on_restart(self._replace)
        try:
            for slot in self._slots:
                self._launch(slot)
        except OSError as error:
            reason = error.strerror or error
            raise RuntimeError(
                f"{self._subject} cannot be started: {reason}. Check the path of the program."
            ) from error

    def stop(self) -> None:
        """Terminate the processes, without waiting."""
        self._stopping = True
        self._queue.close()
        self._remote_workers.close()
        for slot in self._slots:
            if slot.timer is not None:
                slot.timer.cancel()
            if slot.process is not None:
                slot.process.terminate()
        self._check_ended()

    async def wait_stopped(self) -> None:
        """Wait until every process has exited; kill those that do not exit in time."""
        try:
            await asyncio.wait_for(self._all_ended.wait(), _GRACE)
        except asyncio.TimeoutError:
            for slot in self._slots:
                if slot.process is not None:
                    slot.process.kill()
            await self._all_ended.wait()
        if self._guard is not None:
            self._guard.close()

    def counts(self) -> Counter[str]:
        """Count the workers by state."""
        return Counter(self._state(slot) for slot in self._slots)

    def workers(self) -> list[WorkerInfo]:
        """Return the workers whose process runs, or failed and is to be started again."""
        books = [(slot, self._queue.logs.get(slot.worker_id)) for slot in self._slots]
        return [WorkerInfo(slot.worker_id, self._state(slot), book.started_at) for slot, book in books if book]

    def resize(self, minimum: int, maximum: int) -> None:  # noqa: ARG002  # All processes run.
        """Change the number of processes. Those that are removed finish their jobs.

        Raises:
            ResizeError: There is no command, since the workers are started by hand.
        """
        if maximum and not self._command:
            raise ResizeError("the workers of this endpoint are started by hand")
        # Those without a job first; one that was to be removed stays if there is room for it.
        remaining = sorted(self._slots, key=lambda slot: self._state(slot) == "running", reverse=True)
        for index, slot in enumerate(remaining):
            self._set_retiring(slot, retiring=index >= maximum)
        for _ in range(maximum - len(self._slots)):
            slot = _Slot()
            self._slots.append(slot)
            self._restart(slot)

    def _set_retiring(self, slot: _Slot, *, retiring: bool) -> None:
        slot.retiring = retiring
        if slot.process is not None:
            # It is terminated as soon as it has no job.
            self._remote_workers.set_retiring(self._worker(slot), retiring=retiring)
        elif retiring:
            self._remove(slot)
            if slot.timer is not None:
                slot.timer.cancel()

    def _remove(self, slot: _Slot) -> None:
        self._slots.remove(slot)
        self._queue.logs.drop(slot.worker_id)

    def _state(self, slot: _Slot) -> str:
        if slot.process is None:  # Before its restart.
            return "unhealthy"
        return "initializing" if slot.restarting else self._worker(slot).state

    def _worker(self, slot: _Slot) -> Worker:
        return self._remote_workers.get(slot.worker_id)

    @property
    def _subject(self) -> str:
        return f"The worker command {shlex.join(self._command)!r} of endpoint {self._endpoint_id!r}"

    def _launch(self, slot: _Slot) -> None:
        assert self._loop is not None
        if self._guard is None and sys.platform != "win32" and sys.executable:
            self._guard = Guard()
        # Each process is a new worker, with its own ID. The logs of the former one say until then why it failed.
        self._queue.logs.drop(slot.worker_id)
        slot.worker_id = secrets.token_hex(7)
        slot.last_line = ""
        slot.restarting = False
        slot.timer = None
        # Before its first output.
        self._queue.logs.open(slot.worker_id, f"Worker {slot.worker_id} started.")
        slot.process = WorkerProcess(
            self._command,
            {**inherited_environment(), **self._environment(slot.worker_id)},
            guard=self._guard,
            on_output=partial(self._on_output, slot, slot.worker_id),
            on_exit=partial(self._on_exit, slot),
        )
        self._remote_workers.expect(slot.worker_id)
        _logger.info("%s: worker %s started, process %d", self._endpoint_id, slot.worker_id, slot.process.pid)

    def _on_output(self, slot: _Slot, worker_id: str, line: str) -> None:
        # Called in a background thread.
        for secret in self._secrets:
            line = line.replace(secret, "[key]")
        if line:
            slot.last_line = line
            self._queue.logs.add(worker_id, "container", line)
            _logger.info("%s: worker %s: %s", self._endpoint_id, worker_id, line)

    def _on_exit(self, slot: _Slot, status: int) -> None:
        # Called in a background thread.
        assert self._loop is not None
        call_soon(self._loop, partial(self._handle_exit, slot, status))

    def _handle_exit(self, slot: _Slot, status: int) -> None:
        """Release the jobs of an exited process, and restart it."""
        slot.process = None
        worker = self._remote_workers.remove(slot.worker_id)
        self._queue.logs.end(slot.worker_id, f"Worker {slot.worker_id} {_describe_exit(status)}.")
        others = [self._worker(each) for each in self._slots if each.process is not None]
        self._has_polled = self._has_polled or any(each.has_polled for each in (worker, *others))
        if self._stopping:
            self._check_ended()
            return
        if slot.retiring:
            self._remove(slot)
            return
        if slot.restarting:
            self._restart(slot)
            return
        if self._has_polled:
            _logger.warning("%s: worker %s %s", self._endpoint_id, slot.worker_id, _describe_exit(status))
        else:
            # The command line reports this and exits.
            _logger.error(
                self._failure_message(slot, status, worker.problem), extra={"broken_endpoint": self._endpoint_id}
            )
        # A job that crashes its worker fails after a few attempts. A worker that exits without a job
        # would be restarted forever, hence the backoff.
        slot.failures = 0 if worker.has_taken_job else slot.failures + 1
        if slot.failures:
            self._restart_later(slot)
        else:
            self._restart(slot)

    def _failure_message(self, slot: _Slot, status: int, problem: str | None) -> str:
        if any(reason in slot.last_line for reason in _NOT_OFFICIAL):
            return (
                f"{self._subject} uses a Python that has this package instead of the official one, which has "
                "the same import name. Use the Python of an environment with the official package."
            )
        last_line = problem or slot.last_line
        output = f" Last output: {last_line}" if last_line else ""
        return f"{self._subject} {_describe_exit(status)} before it requested a job.{output}"

    def _restart(self, slot: _Slot) -> None:
        if self._stopping:
            return
        try:
            self._launch(slot)
        except OSError as error:
            _logger.warning("%s cannot be restarted: %s", self._subject, error.strerror or error)
            self._queue.logs.end(slot.worker_id, "The worker command cannot be started.")
            slot.failures += 1
            self._restart_later(slot)

    def _restart_later(self, slot: _Slot) -> None:
        assert self._loop is not None
        slot.timer = self._loop.call_later(restart_delay(slot.failures), self._restart, slot)

    def _replace(self, worker_id: str) -> None:
        """Terminate a worker, so that a new one replaces it."""
        for slot in self._slots:
            if slot.worker_id == worker_id and slot.process is not None:
                slot.restarting = True
                slot.process.terminate()
                assert self._loop is not None
                self._loop.call_later(_GRACE, slot.process.kill)

    def _check_ended(self) -> None:
        if all(slot.process is None for slot in self._slots):
            self._all_ended.set()


def restart_delay(failures: int) -> float:
    """Return the seconds before the restart of a worker after `failures` consecutive failures."""
    return min(_FIRST_DELAY * 2.0 ** min(failures - 1, 10), _MAX_DELAY)


def _describe_exit(status: int) -> str:
    # On POSIX, a negative status is the number of a signal.
    return f"was terminated by signal {-status}" if status < 0 else f"exited with status {status}"
