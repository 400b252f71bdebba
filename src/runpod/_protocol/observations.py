"""What was read about an endpoint for a diagnosis, and the facts that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from runpod._text import readable
from runpod.errors import RunpodError
from runpod.models.endpoints import WorkerCounts
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod.models.endpoints import EndpointHealth
    from runpod.models.jobs import JobState
    from runpod.models.management import EndpointReleases, EndpointWorkers, ServerlessEndpoint, Worker
    from runpod.models.management.settings import EndpointType

T = TypeVar("T")


@dataclass(frozen=True)
class Observations:
    """What was read about an endpoint.

    Attributes:
        endpoint_id: The ID of the endpoint.
        base_url: The address of the job API that was asked.
        health: The response of `/health`, or why there is none. Likewise the others.
        settings: The endpoint, from the management API. None: it was not asked.
        workers: Its workers; None: not asked.
        releases: Its releases; None: not asked.
        job: The job that the diagnosis is about; None: about no single one.
        job_id: The ID of that job.
        used_as: The type that the caller takes the endpoint for.
        now: When all that was read.
    """

    endpoint_id: str
    base_url: str
    health: EndpointHealth | RunpodError
    settings: ServerlessEndpoint | RunpodError | None = None
    workers: EndpointWorkers | RunpodError | None = None
    releases: EndpointReleases | RunpodError | None = None
    job: JobState[Any] | RunpodError | None = None
    job_id: str | None = None
    used_as: EndpointType = "QUEUE"
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @property
    def counts(self) -> WorkerCounts | None:
        """The number of workers by state, from `/health` or else from the list of workers; None if unknown."""
        if not isinstance(self.health, RunpodError):
            return self.health.workers
        workers = known(self.workers)
        if workers is None:
            return None
        found = workers.summary
        return WorkerCounts(
            idle=found.idle,
            initializing=found.initializing,
            running=found.running,
            throttled=found.throttled,
            unhealthy=found.unhealthy,
        )

    @property
    def waiting(self) -> int:
        """The number of jobs that are known to wait for a worker. Those of a load balancer have no meaning."""
        settings = known(self.settings)
        if "LOAD_BALANCER" in {self.used_as, settings and settings.type}:
            return 0
        job = known(self.job)
        own = int(job is not None and job.status == JobStatus.IN_QUEUE)
        return own if isinstance(self.health, RunpodError) else max(self.health.jobs.in_queue, own)

    @property
    def max_workers(self) -> int | None:
        """The maximum number of workers; None if unknown."""
        settings = known(self.settings)
        return None if settings is None else settings.workers.max

    def workers_in(self, status: str) -> list[Worker]:
        """The workers with this status, as far as they are known."""
        return [each for each in known(self.workers) or () if each.status == status]

    def starting_for(self) -> timedelta | None:
        """How long the worker has been starting that started first; None if unknown."""
        spans: list[timedelta] = []
        for worker in self.workers_in("INITIALIZING"):
            if worker.uptime is not None:
                spans.append(worker.uptime)
            elif worker.started_at is not None:
                # The clocks of both machines can differ.
                spans.append(max(self.now - worker.started_at, timedelta(0)))
        return max(spans, default=None)


def known(value: T | RunpodError | None) -> T | None:
    """What was read; None if it was not."""
    return None if isinstance(value, RunpodError) else value


def facts_of(seen: Observations) -> dict[str, Any]:
    """What was read, as JSON values by name, without what is None."""
    facts: dict[str, Any] = {}
    health = known(seen.health)
    if health is not None:
        for group, counts in (("jobs", health.jobs), ("workers", health.workers)):
            # Also those that this version does not know.
            numbers = counts.model_dump().items()
            facts |= {f"health.{group}.{name}": number for name, number in numbers if isinstance(number, int)}
    facts |= {name: value for name, value in _management_facts(seen) if value is not None}
    job = known(seen.job)
    if job is not None:
        facts |= {"job.id": job.id, "job.status": str(job.status)}
        facts |= {} if job.worker_id is None else {"job.worker_id": job.worker_id}
    for name in ("health", "settings", "workers", "releases", "job"):
        value = getattr(seen, name)
        if isinstance(value, RunpodError):
            facts[name] = f"could not be read: {readable(value.message)}"
    return facts


def _management_facts(seen: Observations) -> Iterator[tuple[str, Any]]:
    settings = known(seen.settings)
    if settings is not None:
        yield "settings.type", settings.type
        yield "settings.workers.min", settings.workers.min
        yield "settings.workers.max", settings.workers.max
        yield "settings.scaling.type", settings.scaling.type
        yield "settings.scaling.queue_delay_seconds", _seconds(settings.scaling.queue_delay)
        yield "settings.scaling.request_count", settings.scaling.request_count
        if settings.gpu is not None:
            yield "settings.gpu.pools", list(settings.gpu.pools)
            yield "settings.gpu.excluded_types", list(settings.gpu.excluded_types) or None
        yield "settings.data_center_ids", list(settings.data_center_ids) or None
    workers = known(seen.workers)
    if workers is not None:
        yield "workers.total", len(workers)
        yield "workers.stale", sum(each.is_stale is True for each in workers)
        yield "workers.unhealthy_ids", [each.id for each in seen.workers_in("UNHEALTHY")] or None
        yield "workers.starting_seconds", _seconds(seen.starting_for())
    releases = known(seen.releases)
    if releases is not None:
        yield "releases.version", releases.endpoint_version
        yield "releases.in_progress", releases.rollout.in_progress
        yield "releases.workers_on_latest", releases.rollout.workers_on_latest
        yield "releases.workers_total", releases.rollout.workers_total


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
