"""The routes for workers: taking jobs, and posting results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from runpod.local.http.routing import Path
from runpod.local.http.validation import RUNSYNC_BODY_LIMIT, Refusal, body_too_large
from runpod.local.json_text import JSONText, array_text, object_text
from runpod.local.workers.remote_workers import RefusedResultError, Worker, Workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from runpod.local.signals import Signal

__all__ = ["WORKER_BODY_LIMIT", "WORKER_PATHS", "WorkerCall", "WorkerOperation", "worker_environment"]

# The official worker's request times out after 90 s, and is retried at once.
_HOLD = 60.0

_PING_INTERVAL = "4000"  # milliseconds

# "10/20 MB order; oversize results are refused when the worker posts them"
WORKER_BODY_LIMIT = RUNSYNC_BODY_LIMIT

# None becomes 204 No Content.
Reply = JSONText | None
_OK = object_text({})


@dataclass(frozen=True)
class WorkerCall:
    """One request of a worker."""

    worker_id: str
    job_id: str
    workers: Workers
    query: Mapping[str, str]
    body: bytes
    complete: bool
    hold: Callable[[Signal, Callable[[], bool], float], Awaitable[bool]]
    """Waits for a condition; returns False if the worker disconnected meanwhile."""


@dataclass(frozen=True)
class WorkerOperation:
    """An operation of the worker API."""

    function: Callable[[WorkerCall, Worker], Awaitable[Reply]]

    async def run(self, call: WorkerCall) -> Reply:
        """Run the operation; None means 204 No Content."""
        if self.function is _ping:
            return await _ping(call, Worker(call.worker_id))
        worker = call.workers.get(call.worker_id)
        with call.workers.request(worker):
            return await self.function(call, worker)


def worker_environment(endpoint_id: str, worker_id: str, *, base_url: str, api_key: str, token: str) -> dict[str, str]:
    """Return the environment that connects a program with `runpod.serverless.start` to an endpoint.

    Workers replace `$RUNPOD_POD_ID` and `$ID` by their id and the job's, and append `&…`, hence the
    queries. The token is needed because a worker on a machine with a `~/.runpod/config.toml` sends
    the API key of that file instead of the one in its environment.
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


async def _take(call: WorkerCall, worker: Worker) -> Reply:
    jobs = await _jobs(call, worker, 1)
    return jobs[0] if jobs else None


async def _take_batch(call: WorkerCall, worker: Worker) -> Reply:
    size = call.query.get("batch_size", "1")
    if not size.isascii() or not size.isdigit() or int(size) < 1:
        raise Refusal(400, "batch_size is invalid; must be 1 or more")
    jobs = await _jobs(call, worker, int(size))
    return array_text(jobs) if jobs else None


async def _jobs(call: WorkerCall, worker: Worker, count: int) -> list[JSONText]:
    workers = call.workers
    in_progress = call.query.get("job_in_progress")
    workers.polled(worker, busy=None if in_progress is None else in_progress != "0")
    queue = workers.queue
    if not await call.hold(queue.arrivals, lambda: queue.waiting > 0, _HOLD):
        workers.disconnected(worker)
        return []
    # If one job wakes several workers, the first one takes it.
    return workers.take(worker, count)


async def _done(call: WorkerCall, worker: Worker) -> Reply:
    job_id = call.job_id
    if not call.complete:
        call.workers.refuse(worker, job_id)
        raise body_too_large(WORKER_BODY_LIMIT)
    try:
        call.workers.done(worker, job_id, call.body)
    except RefusedResultError as error:
        raise _refusal(error) from None
    return _OK


async def _stream(call: WorkerCall, worker: Worker) -> Reply:
    if not call.complete:
        raise body_too_large(WORKER_BODY_LIMIT)
    try:
        call.workers.chunk(worker, call.job_id, call.body)
    except RefusedResultError as error:
        raise _refusal(error) from None
    return _OK


async def _ping(call: WorkerCall, _: Worker) -> Reply:
    call.workers.ping(call.worker_id, call.query)
    return _OK


async def _stop(call: WorkerCall, worker: Worker) -> Reply:
    if not await call.hold(worker.changed, lambda: bool(worker.stops), _HOLD):
        call.workers.disconnected(worker)
        return None
    stops = call.workers.stops(worker)
    return object_text({"jobsToStop": stops}) if stops else None


def _refusal(error: RefusedResultError) -> Refusal:
    return Refusal(400, f"bad request: body: {error}")


WORKER_PATHS = [
    Path("job-take/{worker_id}", {"GET": WorkerOperation(_take)}),
    Path("job-take-batch/{worker_id}", {"GET": WorkerOperation(_take_batch)}),
    Path("job-done/{worker_id}/{job_id}", {"POST": WorkerOperation(_done)}),
    Path("job-stream/{worker_id}/{job_id}", {"POST": WorkerOperation(_stream)}),
    Path("job-stop/{worker_id}", {"GET": WorkerOperation(_stop)}),
    Path("ping/{worker_id}", {"GET": WorkerOperation(_ping)}),
]
