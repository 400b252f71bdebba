"""What happens to the jobs of an endpoint, in the server's log and in the logs of its workers."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.jobs.results import short_error
from runpod.local.jobs.worker_logs import WorkerLogs

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod.local.jobs.job import Job, Lease, Status

__all__ = ["JobLog"]

_logger = logging.getLogger("runpod.local")


class JobLog:
    """Writes lines about jobs.

    Its methods are called while the queue holds its lock, and append to `after` what writes the lines later.

    Args:
        name: Name of the endpoint.
    """

    def __init__(self, name: str) -> None:
        self.workers: WorkerLogs = WorkerLogs()
        self._name = name

    def __repr__(self) -> str:
        return f"<JobLog of {self._name!r}>"

    def add(self, after: list[Callable[[], object]], job: Job, text: str, *arguments: object) -> None:
        """Write that something happened to a job."""
        if _logger.isEnabledFor(logging.INFO):
            after.append(partial(_logger.info, "%s: job %s " + text, self._name, job.id, *arguments))

    def started(self, after: list[Callable[[], object]], job: Job, waited: float) -> None:
        """Write that a worker has taken a job, after some seconds in the queue."""
        self.add(after, job, "started by worker %s, after %.2f s in the queue", job.worker_id, waited)
        if job.worker_id is not None:
            after.append(partial(self.workers.add, job.worker_id, "system", f"Job {job.id} started."))

    def ended(self, after: list[Callable[[], object]], job: Job, status: Status, lease: Lease | None) -> None:
        """Write that a job ended, on a worker or in the queue."""
        if lease is not None:
            after.append(partial(self.workers.add, lease.worker_id, "system", f"Job {job.id} ended: {status}."))
        seconds = None if job.started_at is None or job.ended_at is None else job.ended_at - job.started_at
        duration = "" if seconds is None else f" after {seconds:.2f} s"
        error = "" if job.error is None else f": {short_error(job.error)}"
        self.add(after, job, "%s%s%s", status, duration, error)
