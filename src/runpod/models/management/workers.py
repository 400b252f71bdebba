"""The workers and releases of a serverless endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence  # noqa: TC003 - pydantic evaluates the annotations
from typing import Annotated, Any, overload

from pydantic import Field

from runpod.models.management._base import (
    ManagementModel,
    NullIsEmpty,
    ReceivedCount,
    ReceivedFlag,
    ReceivedSeconds,
    ReceivedText,
    ReceivedTime,
    ReceivedTotal,
)

__all__ = [
    "EndpointReleases",
    "EndpointWorkers",
    "Release",
    "ReleaseChange",
    "Rollout",
    "Worker",
    "WorkerSummary",
]


class Worker(ManagementModel):
    """A worker of an endpoint.

    Attributes:
        id: The ID.
        status: "RUNNING", "IDLE", "INITIALIZING", "THROTTLED" or "UNHEALTHY"; other values are kept.
        is_stale: Whether it runs an older release, and will be replaced.
        version: The release that it runs.
        gpu_count: The number of its GPUs.
        image: Its container image.
        uptime: How long it has run.
        gpu_type_id: The name of its GPU.
        data_center_id: Its data center.
        started_at: When it started.
    """

    id: str
    status: ReceivedText = None
    is_stale: ReceivedFlag = None
    version: ReceivedCount = None
    gpu_count: ReceivedCount = None
    image: ReceivedText = None
    uptime: Annotated[ReceivedSeconds, Field(alias="uptimeSeconds")] = None
    gpu_type_id: ReceivedText = None
    data_center_id: ReceivedText = None
    started_at: ReceivedTime = None


class WorkerSummary(ManagementModel):
    """Number of workers of an endpoint by status. Missing fields are 0."""

    running: ReceivedTotal = 0
    idle: ReceivedTotal = 0
    initializing: ReceivedTotal = 0
    throttled: ReceivedTotal = 0
    unhealthy: ReceivedTotal = 0
    total: ReceivedTotal = 0


class EndpointWorkers(ManagementModel):
    """The workers of an endpoint. It has the length, the items and the order of `workers`.

    Attributes:
        workers: The workers.
        summary: Their numbers by status.
        endpoint_version: The latest release of the endpoint.

    Example:
        >>> for worker in client.manage.serverless.workers("ENDPOINT_ID"):
        ...     print(worker.id, worker.status)
    """

    workers: Annotated[list[Worker], NullIsEmpty]
    summary: WorkerSummary = Field(default_factory=WorkerSummary)
    endpoint_version: ReceivedCount = None

    # pydantic iterates over the fields.
    def __iter__(self) -> Iterator[Worker]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.workers)

    def __len__(self) -> int:
        return len(self.workers)

    @overload
    def __getitem__(self, index: int) -> Worker: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Worker]: ...

    def __getitem__(self, index: int | slice) -> Worker | Sequence[Worker]:
        return self.workers[index]


class ReleaseChange(ManagementModel):
    """A setting that a release changed.

    Attributes:
        field: The setting, such as "workers.max".
        old: Its value before. Hidden in `repr`, since it may be an environment variable.
        new: Its value since then. Hidden in `repr`.
    """

    field: ReceivedText = None
    old: Annotated[Any, Field(repr=False)] = None
    new: Annotated[Any, Field(repr=False)] = None


class Release(ManagementModel):
    """A release of an endpoint: each change of its settings makes one.

    Attributes:
        id: The ID.
        version: Its number.
        source: "GIT_BUILD" or "MANUAL"; other values are kept.
        build_id: The build that made it, or None.
        created_by_user_id: The user who made it, or None.
        worker_count: The number of workers that run it.
        created_at: When it was made.
        diff: What it changed.
    """

    id: str
    version: ReceivedCount = None
    source: ReceivedText = None
    build_id: ReceivedText = None
    created_by_user_id: ReceivedText = None
    worker_count: ReceivedCount = None
    created_at: ReceivedTime = None
    diff: list[ReleaseChange] = Field(default_factory=list[ReleaseChange])


class Rollout(ManagementModel):
    """How far the latest release has reached the workers.

    Attributes:
        in_progress: Whether workers run older releases.
        workers_on_latest: The number of workers that run the latest release.
        workers_total: The number of all workers.
        percent_on_latest: The share of the former, 0 to 100.
    """

    in_progress: ReceivedFlag = None
    workers_on_latest: ReceivedCount = None
    workers_total: ReceivedCount = None
    percent_on_latest: ReceivedCount = None


class EndpointReleases(ManagementModel):
    """The releases of an endpoint.

    Attributes:
        releases: The releases.
        rollout: How far the latest one has reached the workers.
        endpoint_version: The number of the latest one.
    """

    releases: Annotated[list[Release], NullIsEmpty]
    rollout: Rollout = Field(default_factory=Rollout)
    endpoint_version: ReceivedCount = None
