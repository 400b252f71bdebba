"""The routes for workers: taking jobs, and posting results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from runpod.local.http.long_poll import ClientDisconnectedError
from runpod.local.http.routing import Path
from runpod.local.http.validation import RUNSYNC_BODY_LIMIT, HTTPError, body_too_large, invalid_body
from runpod.local.json_text import JSONText, array_text, object_text
from runpod.local.workers.remote_workers import RefusedResultError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from runpod.local.http.long_poll import Hold
    from runpod.local.workers.remote_workers import RemoteWorkers, Worker

__all__ = ["WORKER_BODY_LIMIT", "WORKER_PATHS", "WorkerCall", "WorkerOperation", "worker_environment"]

# The official worker's request times out after 90 s, and is retried at once.
_HOLD = 60.0

_PING_INTERVAL = "4000"  # milliseconds

# The service refuses results over about the limits of a request body, 10 and 20 MB, when the worker
# posts them. Here the larger limit applies, because no source says when the smaller one does.
WORKER_BODY_LIMIT = RUNSYNC_BODY_LIMIT

_OK = object_text({})


@dataclass(frozen=True)
class WorkerCall:
    """One request of a worker."""

    worker_id: str
    job_id: str
    remote_workers: RemoteWorkers
    query: Mapping[str, str]
    body: bytes
    complete: bool
    """False if the body exceeds `WORKER_BODY_LIMIT`."""

    hold: Hold

    @contextmanager
    def tracked_worker(self) -> Generator[Worker, None, None]:
        """Track the open request, and yield the worker, which is registered by its first request."""
        worker = self.remote_workers.get(self.worker_id)
        with self.remote_workers.track_request(worker):
            try:
                yield worker
            except ClientDisconnectedError:
                self.remote_workers.handle_disconnect(worker)
                raise


WorkerOperation = Callable[[WorkerCall], Awaitable[JSONText | None]]
"""An operation of the worker API. None becomes 204 No Content."""


def worker_environment(endpoint_id: str, worker_id: str, *, base_url: str, api_key: str, token: str) -> dict[str, str]:
    """Return the environment that connects a program with `runpod.serverless.start` to an endpoint.

    Workers replace `$RUNPOD_POD_ID` with their ID and `$ID` with the job's (in the URL of
    `job-take`, with their own). They append `&…`, hence the queries. The token is needed because a
    worker on a machine with a `~/.runpod/config.toml` sends the API key of that file instead of the
    one in its environment.
    """
    address = f"{base_url}/{quote(endpoint_id, safe='')}"
    query = f"?gpu=none&token={token}"
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{address}/job-take/$ID{query}",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{address}/job-done/$RUNPOD_POD_ID/$ID{query}",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{address}/job-stream/$RUNPOD_POD_ID/$ID{query}",
        "RUNPOD_WEBHOOK_PING": f"{address}/ping/$RUNPOD_POD_ID{query}",
        "RUNPOD_PING_INTERVAL": _PING_INTERVAL,
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_POD_HOSTNAME": "localhost",
        "RUNPOD_ENDPOINT_ID": endpoint_id,
        "RUNPOD_AI_API_KEY": api_key,
        # The checks of the official worker are meant for machines in the cloud: free disk space,
        # internet access. A developer's machine may fail them.
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }


async def _take(call: WorkerCall) -> JSONText | None:
    with call.tracked_worker() as worker:
        jobs = await _take_jobs(call, worker, 1)
    return jobs[0] if jobs else None


async def _take_batch(call: WorkerCall) -> JSONText | None:
    with call.tracked_worker() as worker:
        size = call.query.get("batch_size", "1")
        if not size.isascii() or not size.isdigit() or int(size) < 1:
            raise HTTPError(400, "batch_size is invalid; must be 1 or more")
        jobs = await _take_jobs(call, worker, int(size))
    return array_text(jobs) if jobs else None


async def _take_jobs(call: WorkerCall, worker: Worker, count: int) -> list[JSONText]:
    workers, queue = call.remote_workers, call.remote_workers.queue
    in_progress = call.query.get("job_in_progress")
    workers.record_poll(worker, busy=None if in_progress is None else in_progress != "0")
    await call.hold(queue.arrivals, lambda: queue.waiting > 0, _HOLD)
    # If one job wakes several workers, the first one takes it.
    return workers.take(worker, count)


async def _done(call: WorkerCall) -> JSONText | None:
    with call.tracked_worker() as worker:
        if not call.complete:
            call.remote_workers.discard_result(worker, call.job_id)
            raise body_too_large(WORKER_BODY_LIMIT)
        try:
            call.remote_workers.handle_result(worker, call.job_id, call.body)
        except RefusedResultError as error:
            raise invalid_body(str(error)) from None
    return _OK


async def _stream(call: WorkerCall) -> JSONText | None:
    with call.tracked_worker() as worker:
        if not call.complete:
            raise body_too_large(WORKER_BODY_LIMIT)
        try:
            call.remote_workers.handle_chunk(worker, call.job_id, call.body)
        except RefusedResultError as error:
            raise invalid_body(str(error)) from None
    return _OK


async def _stop(call: WorkerCall) -> JSONText | None:
    with call.tracked_worker() as worker:
        await call.hold(worker.stop_requested, lambda: bool(worker.jobs_to_stop), _HOLD)
        jobs = call.remote_workers.take_jobs_to_stop(worker)
    return object_text({"jobsToStop": jobs}) if jobs else None


async def _ping(call: WorkerCall) -> JSONText | None:
    # Not tracked: pings are sent by a separate process, which can outlive the worker.
    call.remote_workers.handle_ping(call.worker_id, call.query)
    return _OK


WORKER_PATHS: list[Path[WorkerOperation]] = [
    Path("job-take/{worker_id}", {"GET": _take}),
    Path("job-take-batch/{worker_id}", {"GET": _take_batch}),
    Path("job-done/{worker_id}/{job_id}", {"POST": _done}),
    Path("job-stream/{worker_id}/{job_id}", {"POST": _stream}),
    Path("job-stop/{worker_id}", {"GET": _stop}),
    Path("ping/{worker_id}", {"GET": _ping}),
]
