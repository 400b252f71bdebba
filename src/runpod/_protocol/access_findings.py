"""Findings of a diagnosis about the way to an endpoint: the key, the ID, the address, its type, and the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod._protocol.address_hints import address_hint
from runpod._protocol.findings import finding
from runpod._protocol.observations import known
from runpod._protocol.operations import JOBS
from runpod._text import readable
from runpod.errors import AuthenticationError, NotFoundError, PermissionDeniedError, RunpodError
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod._protocol.observations import Observations
    from runpod.models.diagnosis import Finding

_KEY_SOURCES = "api_key, RUNPOD_API_KEY, or the profile"


def no_access(seen: Observations, facts: Mapping[str, Any]) -> Finding | None:
    """The endpoint cannot be used at all with this key, ID or address."""
    error = seen.health
    if isinstance(error, AuthenticationError):
        problem = "The API key was refused: it is wrong, or was revoked."
        advice = f"Check where the key comes from ({_KEY_SOURCES}), or create another one in the Runpod console."
        return finding(facts, "key_refused", "certain", problem, advice, ["health"])
    if isinstance(error, PermissionDeniedError):
        problem = f"The API key has no access to endpoint {seen.endpoint_id!r}."
        advice = "Change its permissions in the Runpod console, or use another key."
        return finding(facts, "key_not_permitted", "certain", problem, advice, ["health"])
    return _not_found(seen, facts) if isinstance(error, NotFoundError) else None


def _not_found(seen: Observations, facts: Mapping[str, Any]) -> Finding:
    problem = f"There is no endpoint {seen.endpoint_id!r} for this API key at {readable(seen.base_url, 200)}."
    if known(seen.settings) is not None:
        # So the key and the ID are right.
        problem += " The management API knows it."
        advice = "Check base_url: it seems to be the address of another service."
    else:
        advice = "Check the ID, that the API key belongs to the account of the endpoint, and base_url."
    hint = address_hint(JOBS, seen.base_url)
    advice += f" {hint}" if hint else ""
    return finding(facts, "not_found", "certain", problem, advice, ["health", "settings"])


def no_response(seen: Observations, facts: Mapping[str, Any]) -> Finding | None:
    """The health could not be read, for a reason that says nothing about the endpoint."""
    error = seen.health
    if not isinstance(error, RunpodError):
        return None
    problem = f"The state of the endpoint could not be read: {readable(error.message)}"
    return finding(facts, "no_response", "certain", problem, "Check the network and base_url, and try again.", [])


def wrong_type(seen: Observations, facts: Mapping[str, Any]) -> Finding | None:
    """A load-balancing endpoint is used as a queue, or the reverse."""
    settings = known(seen.settings)
    if settings is None or settings.type not in {"QUEUE", "LOAD_BALANCER"} - {seen.used_as}:
        return None
    shown = repr(seen.endpoint_id)
    if settings.type == "LOAD_BALANCER":
        problem = f"{shown} is a load-balancing endpoint: it has no queue, and refuses run, run_sync and the like."
        advice = f"Send requests to its workers with client.load_balancer({shown}).http."
    else:
        problem = f"{shown} is a queue endpoint: it takes jobs, and refuses the requests of a load balancer."
        advice = f"Submit jobs with client.endpoint({shown})."
    advice += " The type of an endpoint cannot be changed."
    return finding(facts, "wrong_type", "certain", problem, advice, ["settings.type"])


def job_gone(seen: Observations, facts: Mapping[str, Any]) -> Finding | None:
    """The job in question does not wait: it does not exist, or has ended without success."""
    job = seen.job
    if isinstance(job, NotFoundError):
        problem = (
            f"There is no job {seen.job_id!r} on this endpoint: it was never submitted here, its time to live passed "
            "while it waited, or its result expired."
        )
        advice = (
            "Check the ID. Jobs live for 24 hours unless their policy says otherwise; results are kept for 30 minutes, "
            "and for one minute after run_sync."
        )
        return finding(facts, "job_not_found", "certain", problem, advice, ["job"])
    if job is None or isinstance(job, RunpodError) or not job.completed or job.status == JobStatus.COMPLETED:
        return None
    problem = f"Job {job.id!r} does not wait: it ended {readable(job.status, 40)}."
    if job.status in {JobStatus.FAILED, JobStatus.TIMED_OUT}:
        advice = f"endpoint.status({job.id!r}) has its error, and endpoint.retry({job.id!r}) requeues it."
    else:
        advice = "Submit it again if you need its output."
    return finding(facts, "job_ended", "certain", problem, advice, ["job.id", "job.status", "job.worker_id"])
