"""What each operation on jobs does and answers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runpod.local.http import validation
from runpod.local.http.validation import Refusal
from runpod.local.jobs.job import ENDED
from runpod.local.jobs.queue import JobNotFoundError
from runpod.local.json_text import JSONText, array_text, object_text

if TYPE_CHECKING:
    from runpod.local.http.call import Call
    from runpod.local.jobs.job import Job

__all__ = ["cancel", "health", "purge_queue", "retry", "run", "run_sync", "status", "status_sync", "stream"]

# Milliseconds. The default of /status-sync is documented nowhere; that of /runsync serves both.
_DEFAULT_WAIT = 90_000
_DEFAULT_STREAM_WAIT = 10_000


async def run(call: Call) -> JSONText:
    """Submit a job."""
    job = call.queue.submit(validation.payload(call.body, call.behavior))
    # By its name rather than by its state, which may have moved on.
    return object_text({"id": job.id, "status": "IN_QUEUE"})


async def run_sync(call: Call) -> JSONText:
    """Submit a job and wait for its end."""
    seconds = validation.wait(call.query, _DEFAULT_WAIT)
    job = call.queue.submit(validation.payload(call.body, call.behavior), sync=True)
    await call.hold(job, lambda: job.over, seconds)
    status = job.status  # Looked at first, so that the job cannot end between the two looks.
    if job.over:
        return _text(call, job)
    # Captured from the service: 200 with {"id", "status"}, and nothing else.
    return object_text({"id": job.id, "status": status})


async def status(call: Call) -> JSONText:
    """Show a job."""
    # "sets that job's time-to-live (example 6000); older text: lets you drop the result sooner
    # than the default retention. Exact effect UNKNOWN." Here it never lengthens anything.
    seconds = validation.ttl(call.query)
    if seconds is not None:
        return _text(call, call.queue.remember(call.job_id, seconds))
    return _text(call, call.queue.get(call.job_id))


async def status_sync(call: Call) -> JSONText:
    """Show a job once it has ended, or the time to wait is over."""
    seconds = validation.wait(call.query, _DEFAULT_WAIT)
    job = call.queue.get(call.job_id)
    await call.hold(job, lambda: job.over, seconds)
    return _text(call, job)


async def stream(call: Call) -> JSONText:
    """Give the chunks that nobody has got yet, waiting for one if there is none."""
    seconds = validation.wait(call.query, _DEFAULT_STREAM_WAIT)
    job = call.queue.get(call.job_id)
    when = call.behavior.stream_hold
    if when == "always" or (when == "started" and job.status != "IN_QUEUE"):
        await call.hold(job, lambda: bool(job.chunks) or job.over, seconds)
    _check_exists(job)
    # Of two polls released by the same chunk one gets it, the other one nothing. A final status
    # comes together with the last chunks, and never with an error text.
    status, chunks = call.queue.drain(job)
    items = array_text(object_text({"output": chunk}) for chunk in chunks)
    return object_text({"status": status, "stream": items})


async def cancel(call: Call) -> JSONText:
    """Cancel a job."""
    # What the service says of a job that has ended is documented nowhere. Here it stays as it
    # is, and says so.
    status = call.queue.get(call.job_id).status
    if status in ENDED and call.behavior.refuse_late_cancel:
        raise Refusal(400, f"job is {status}; only jobs that have not ended can be cancelled")
    return object_text({"id": call.job_id, "status": call.queue.cancel(call.job_id)})


async def retry(call: Call) -> JSONText:
    """Put a failed job into the queue again."""
    job = call.queue.retry(call.job_id)
    return object_text({"id": job.id, "status": "IN_QUEUE"})


async def purge_queue(call: Call) -> JSONText:
    """Remove every job that waits for a worker."""
    # In lower case: it is the operation's status, not a job's.
    return object_text({"removed": call.queue.purge(), "status": "completed"})


async def health(call: Call) -> JSONText:
    """Count jobs and workers."""
    workers = Counter(call.endpoint.pool.counts())
    workers.update(call.endpoint.workers.counts())
    # A worker that could take a job at once; no source says how it differs from idle.
    workers["ready"] = workers["idle"]
    return object_text({"jobs": call.queue.counts(), "workers": workers})


def _text(call: Call, job: Job) -> JSONText:
    _check_exists(job)
    return call.queue.text(job)


def _check_exists(job: Job) -> None:
    if job.deleted:  # While the request was held.
        raise JobNotFoundError(job.id)
