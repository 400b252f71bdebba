"""What an endpoint says of itself."""

from __future__ import annotations

from pydantic import Field

from runpod.models._base import ReceivedCount, ReceivedModel, ReceivedText, ReceivedTotal

__all__ = ["EndpointHealth", "JobCounts", "PurgeResult", "WorkerCounts"]


class JobCounts(ReceivedModel):
    """Jobs of an endpoint by what became of them. Fields the server leaves out are 0."""

    completed: ReceivedTotal = 0
    failed: ReceivedTotal = 0
    in_progress: ReceivedTotal = 0
    in_queue: ReceivedTotal = 0
    retried: ReceivedTotal = 0


class WorkerCounts(ReceivedModel):
    """Workers of an endpoint by what they are doing. Fields the server leaves out are 0."""

    idle: ReceivedTotal = 0
    initializing: ReceivedTotal = 0
    ready: ReceivedTotal = 0
    running: ReceivedTotal = 0
    throttled: ReceivedTotal = 0
    unhealthy: ReceivedTotal = 0


class EndpointHealth(ReceivedModel):
    """The answer of `health()`: how many jobs and workers an endpoint has, in which states."""

    jobs: JobCounts = Field(default_factory=JobCounts)
    workers: WorkerCounts = Field(default_factory=WorkerCounts)


class PurgeResult(ReceivedModel):
    """The answer of `purge_queue()`.

    Attributes:
        removed: How many queued jobs were removed; None where the server did not say.
        status: What the server says of the purge ("completed"); None where it did not say.
    """

    removed: ReceivedCount = None
    status: ReceivedText = None
