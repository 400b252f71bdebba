"""Responses about an endpoint."""

from __future__ import annotations

from pydantic import Field

from runpod.models._base import ReceivedCount, ReceivedModel, ReceivedText, ReceivedTotal

__all__ = ["EndpointHealth", "JobCounts", "PurgeResult", "WorkerCounts"]


class JobCounts(ReceivedModel):
    """Number of jobs of an endpoint by status. Missing fields are 0."""

    completed: ReceivedTotal = 0
    failed: ReceivedTotal = 0
    in_progress: ReceivedTotal = 0
    in_queue: ReceivedTotal = 0
    retried: ReceivedTotal = 0


class WorkerCounts(ReceivedModel):
    """Number of workers of an endpoint by state. Missing fields are 0."""

    idle: ReceivedTotal = 0
    initializing: ReceivedTotal = 0
    ready: ReceivedTotal = 0
    running: ReceivedTotal = 0
    throttled: ReceivedTotal = 0
    unhealthy: ReceivedTotal = 0


class EndpointHealth(ReceivedModel):
    """The response of `health()`: the jobs and workers of an endpoint by status."""

    jobs: JobCounts = Field(default_factory=JobCounts)
    workers: WorkerCounts = Field(default_factory=WorkerCounts)


class PurgeResult(ReceivedModel):
    """The response of `purge_queue()`.

    Attributes:
        removed: The number of queued jobs that were removed; None if missing.
        status: The status of the purge, such as "completed"; None if missing.
    """

    removed: ReceivedCount = None
    status: ReceivedText = None
