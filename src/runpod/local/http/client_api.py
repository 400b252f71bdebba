"""The operations on jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod.local.http import validation
from runpod.local.http.validation import HTTPError
from runpod.local.jobs.job import ENDED, JobNotFoundError
from runpod.local.json_text import JSONText, array_text, object_text

if TYPE_CHECKING:
    from runpod.local.http.call import Call
    from runpod.local.jobs.job import Job

__all__ = ["cancel", "health", "purge_queue", "retry", "run", "run_sync", "status", "status_sync", "stream"]

# Milliseconds. The default of /status-sync is undocumented; that of /runsync is used for both.
_DEFAULT_WAIT = 90_000
_DEFAULT_STREAM_WAIT = 10_000

# The worker states that `/health` shows, besides `ready`.
_WORKER_STATES = ("idle", "initializing", "running", "throttled", "unhealthy")


async def run(call: Call) -> JSONText:
    """Submit a job."""
    job = call.queue.submit(validation.parse_job_body(call.body, call.behavior))
    # Not `job.status`: the job may have started already.
    return object_text({"id": job.id, "status": "IN_QUEUE"})


async def run_sync(call: Call) -> JSONText:
    """Submit a job and wait until it ends."""
    seconds = validation.parse_wait(call.query, _DEFAULT_WAIT)
    job = call.queue.submit(validation.parse_job_body(call.body, call.behavior), sync=True)
    await call.hold(job.changed, lambda: job.done, seconds)
    status = job.status  # Read before `done`, as the job may end in between.
    if job.done:
        return _text(call, job)
    # Captured from the service: 200 with {"id", "status"}, and nothing else.
    return object_text({"id": job.id, "status": status})


async def status(call: Call) -> JSONText:
    """Return a job."""
    # Documentation says that `ttl` sets the job's time-to-live (its example is 6000); older
    # documentation says that it drops the result sooner than the default retention. Its exact
    # effect is undocumented. Here it never extends the retention.
    seconds = validation.parse_ttl(call.query)
    if seconds is not None:
        return _text(call, call.queue.limit_retention(call.job_id, seconds))
    return _text(call, call.queue.get(call.job_id))


async def status_sync(call: Call) -> JSONText:
    """Return a job when it has ended, or after the wait."""
    seconds = validation.parse_wait(call.query, _DEFAULT_WAIT)
    job = call.queue.get(call.job_id)
    await call.hold(job.changed, lambda: job.done, seconds)
    return _text(call, job)


async def stream(call: Call) -> JSONText:
    """Return the chunks that were not returned yet, waiting for one if there is none."""
    seconds = validation.parse_wait(call.query, _DEFAULT_STREAM_WAIT)
    job = call.queue.get(call.job_id)
    when = call.behavior.stream_hold
    if when == "always" or (when == "started" and job.status != "IN_QUEUE"):
        await call.hold(job.changed, lambda: bool(job.chunks) or job.done, seconds)
    _check_exists(job)
    # If one chunk releases two polls, only one of them returns it. A final status is returned with
    # the last chunks, and never with an error text.
    status, chunks = call.queue.drain(job)
    items = array_text(object_text({"output": chunk}) for chunk in chunks)
    return object_text({"status": status, "stream": items})


async def cancel(call: Call) -> JSONText:
    """Cancel a job."""
    # The response for a job that has ended is undocumented. Here it has the unchanged status.
    status = call.queue.get(call.job_id).status
    if status in ENDED and call.behavior.refuse_late_cancel:
        raise HTTPError(400, f"job is {status}; only jobs that have not ended can be cancelled")
    return object_text({"id": call.job_id, "status": call.queue.cancel(call.job_id)})


async def retry(call: Call) -> JSONText:
    """Put a failed job back into the queue."""
    job = call.queue.retry(call.job_id)
    return object_text({"id": job.id, "status": "IN_QUEUE"})


async def purge_queue(call: Call) -> JSONText:
    """Remove every job that waits for a worker."""
    # In lower case: the status of the operation, not of a job.
    return object_text({"removed": call.queue.purge(), "status": "completed"})


async def health(call: Call) -> JSONText:
    """Count jobs and workers."""
    states = call.endpoint.pool.counts() + call.endpoint.remote_workers.counts()
    workers = {state: states[state] for state in _WORKER_STATES}
    # The difference between ready and idle is undocumented. Here they are the same, but for load-balancing endpoints,
    # whose busy workers serve more requests.
    workers["ready"] = states.get("ready", states["idle"])
    return object_text({"jobs": call.queue.counts(), "workers": workers})


def _text(call: Call, job: Job) -> JSONText:
    _check_exists(job)
    return call.queue.text(job)


def _check_exists(job: Job) -> None:
    if job.deleted:  # While the request was held.
        raise JobNotFoundError(job.id)
