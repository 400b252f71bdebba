"""What an endpoint says of itself."""

from __future__ import annotations

from pydantic import Field

from runpod.models._base import SeenCount, SeenModel, SeenText, SeenTotal

__all__ = ["EndpointHealth", "JobCounts", "PurgeResult", "WorkerCounts"]


class JobCounts(SeenModel):
    """Jobs of an endpoint by what became of them. Fields the server leaves out are 0."""

    completed: SeenTotal = 0
    failed: SeenTotal = 0
    in_progress: SeenTotal = 0
    in_queue: SeenTotal = 0
    retried: SeenTotal = 0


class WorkerCounts(SeenModel):
    """Workers of an endpoint by what they are doing. Fields the server leaves out are 0."""

    idle: SeenTotal = 0
    initializing: SeenTotal = 0
    ready: SeenTotal = 0
    running: SeenTotal = 0
    throttled: SeenTotal = 0
    unhealthy: SeenTotal = 0


class EndpointHealth(SeenModel):
    """The answer of `health()`: how many jobs and workers an endpoint has, in which states."""

    jobs: JobCounts = Field(default_factory=JobCounts)
    workers: WorkerCounts = Field(default_factory=WorkerCounts)


class PurgeResult(SeenModel):
    """The answer of `purge_queue()`.

    Attributes:
        removed: How many queued jobs were removed; None where the server did not say.
        status: What the server says of the purge ("completed"); None where it did not say.
    """

    removed: SeenCount = None
    status: SeenText = None
