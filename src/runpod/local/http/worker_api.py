"""The routes that workers call: where they take jobs, and post what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from runpod.local.http.validation import RUNSYNC_BODY_LIMIT, Refusal, body_too_large
from runpod.local.json_text import JSONText, array_text, object_text
from runpod.local.workers.remote_workers import RefusedResultError, Worker, Workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from runpod.local.signals import Signal

__all__ = ["WORKER_BODY_LIMIT", "WorkerCall", "WorkerRoute", "find_worker_route", "worker_environment"]

# A worker gives up on an answer after 90 s, and asks again at once.
_HOLD = 60.0

_PING_INTERVAL = "4000"  # milliseconds

# "10/20 MB order; oversize results are refused when the worker posts them"
WORKER_BODY_LIMIT = RUNSYNC_BODY_LIMIT

# None is 204: nothing to say.
Reply = JSONText | None
_OK = object_text({})


@dataclass(frozen=True)
class WorkerRoute:
    """Where a worker's request goes: `/v2/{endpoint}/{operation}/{worker}[/{job}]`."""

    endpoint_id: str
    worker_id: str
    job_id: str
    operation: Callable[[WorkerCall, Worker], Awaitable[Reply]]
    method: str

    async def answer(self, call: WorkerCall) -> Reply:
        """Do what a worker wants; None where there is nothing to say."""
        if self.operation is _ping:
            return await _ping(call, Worker(self.worker_id))
        worker = call.workers.get(self.worker_id)
        with call.workers.request(worker):
            return await self.operation(call, worker)


@dataclass(frozen=True)
class WorkerCall:
    """One request of a worker."""

    route: WorkerRoute
    workers: Workers
    query: Mapping[str, str]
    body: bytes
    complete: bool
    hold: Callable[[Signal, Callable[[], bool], float], Awaitable[bool]]
    """Waits until something is so, and gives False where the worker has gone meanwhile."""


def worker_environment(endpoint_id: str, worker_id: str, *, base_url: str, api_key: str, token: str) -> dict[str, str]:
    """Give what turns a program that calls `runpod.serverless.start` into a worker of an endpoint.

    Workers put their id and the job's in the place of `$RUNPOD_POD_ID` and `$ID`, and append
    `&…`, hence the queries. The token is there because a worker on a machine with a
    `~/.runpod/config.toml` sends the key of that file instead of the one it was given.
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
        # Those of the official worker judge a machine of the cloud: free disk space, a way to the
        # internet. A desk may be without.
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }


def find_worker_route(raw_path: bytes) -> WorkerRoute | None:
    """Find the route of a path; None where it is none of a worker's."""
    empty, *segments = raw_path.decode("ascii", "replace").split("/")
    parts = [unquote(segment) for segment in segments]
    if empty or len(parts) < 4 or not all(parts) or segments[0] != "v2":
        return None
    _, endpoint_id, operation, worker_id, *job = parts
    found = _OPERATIONS.get(operation)
    if found is None or len(job) != (1 if operation in _ABOUT_A_JOB else 0):
        return None
    method, function = found
    return WorkerRoute(endpoint_id, worker_id, job[0] if job else "", function, method)


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
    workers.asks(worker, busy=None if in_progress is None else in_progress != "0")
    queue = workers.queue
    if not await call.hold(queue.arrivals, lambda: queue.waiting > 0, _HOLD):
        workers.left(worker)
        return []
    # Of several workers that one job has woken, the first one gets it.
    return workers.take(worker, count)


async def _done(call: WorkerCall, worker: Worker) -> Reply:
    job_id = call.route.job_id
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
        call.workers.chunk(worker, call.route.job_id, call.body)
    except RefusedResultError as error:
        raise _refusal(error) from None
    return _OK


async def _ping(call: WorkerCall, _: Worker) -> Reply:
    call.workers.ping(call.route.worker_id, call.query)
    return _OK


async def _stop(call: WorkerCall, worker: Worker) -> Reply:
    if not await call.hold(worker.changed, lambda: bool(worker.stops), _HOLD):
        call.workers.left(worker)
        return None
    stops = call.workers.stops(worker)
    return object_text({"jobsToStop": stops}) if stops else None


def _refusal(error: RefusedResultError) -> Refusal:
    return Refusal(400, f"bad request: body: {error}")


_OPERATIONS: dict[str, tuple[str, Callable[[WorkerCall, Worker], Awaitable[Reply]]]] = {
    "job-take": ("GET", _take),
    "job-take-batch": ("GET", _take_batch),
    "job-done": ("POST", _done),
    "job-stream": ("POST", _stream),
    "job-stop": ("GET", _stop),
    "ping": ("GET", _ping),
}
_ABOUT_A_JOB = frozenset({"job-done", "job-stream"})
