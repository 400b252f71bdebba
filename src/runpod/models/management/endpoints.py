"""Serverless endpoints, as the management API describes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from runpod.models.management._base import (
    Container,
    ManagementModel,
    ReceivedCount,
    ReceivedMilliseconds,
    ReceivedSeconds,
    ReceivedText,
    ReceivedTime,
)

__all__ = [
    "EndpointCPU",
    "EndpointGPU",
    "EndpointScaling",
    "EndpointWorkerLimits",
    "RequestURLs",
    "ServerlessEndpoint",
]


class EndpointGPU(ManagementModel):
    """The GPUs that the workers of an endpoint may have.

    Attributes:
        pools: The IDs of GPU pools, such as "ADA_24".
        excluded_types: The names of GPU types of these pools that are not used.
        count: The number of GPUs of a worker.
        allowed_cuda_versions: The CUDA versions that a machine may have, such as "12.8"; empty: any.
        min_cuda_version: The lowest CUDA version that a machine may have, or None.
    """

    pools: list[str] = Field(default_factory=list[str])
    excluded_types: list[str] = Field(default_factory=list[str])
    count: ReceivedCount = None
    allowed_cuda_versions: list[str] = Field(default_factory=list[str])
    min_cuda_version: ReceivedText = None


class EndpointCPU(ManagementModel):
    """A kind of CPU that the workers of an endpoint may have.

    Attributes:
        id: The ID of the CPU type, such as "cpu5c".
        vcpu_count: The number of virtual CPUs of a worker.
        memory: The memory of a worker in GB.
    """

    id: ReceivedText = None
    vcpu_count: ReceivedCount = None
    memory: ReceivedCount = None


class EndpointWorkerLimits(ManagementModel):
    """How many workers an endpoint may have.

    Attributes:
        min: The number of workers that always run, and are paid for.
        max: The maximum number of workers. 0: the endpoint is paused, jobs wait in the queue.
        idle_timeout: How long a worker waits for the next job before it stops.
    """

    min: ReceivedCount = None
    max: ReceivedCount = None
    idle_timeout: ReceivedSeconds = None


class EndpointScaling(ManagementModel):
    """When an endpoint starts workers.

    Attributes:
        type: "QUEUE_DELAY" or "REQUEST_COUNT".
        queue_delay: For QUEUE_DELAY: how long a job may wait before a worker is added.
        request_count: For REQUEST_COUNT: how many queued and running requests there are for one worker.
    """

    type: ReceivedText = None
    queue_delay: ReceivedSeconds = None
    request_count: ReceivedCount = None


class RequestURLs(ManagementModel):
    """The addresses of an endpoint. A queue has `run` and the like, a load balancer has `base`."""

    base: ReceivedText = None
    health: ReceivedText = None
    run: ReceivedText = None
    run_sync: ReceivedText = None
    status: ReceivedText = None
    stream: ReceivedText = None
    cancel: ReceivedText = None
    retry: ReceivedText = None
    purge_queue: ReceivedText = None


class ServerlessEndpoint(Container):
    """A serverless endpoint: its settings, not its jobs.

    The container of a template is copied when the endpoint is created; there is no `template_id` in responses.

    Attributes:
        id: The ID, for `client.endpoint(id)`.
        name: The name.
        type: "QUEUE" or "LOAD_BALANCER"; other values are kept.
        request_urls: The addresses for requests.
        gpu: The GPUs of the workers; None for an endpoint on CPUs.
        cpu: The CPUs of the workers; None for an endpoint on GPUs.
        workers: How many workers it may have.
        scaling: When it starts workers.
        data_center_ids: The data centers of the workers; empty: any.
        network_volumes: The IDs of attached network volumes.
        execution_timeout: How long a job may run (`timeout` in the API, in milliseconds). The platform has returned
            0 for endpoints that were created without it.
        flashboot: "OFF", "FLASHBOOT" or "PRIORITY_FLASHBOOT".
        created_at: When it was created.
    """

    id: str
    name: ReceivedText = None
    type: ReceivedText = None
    request_urls: Annotated[RequestURLs | None, Field(repr=False)] = None
    gpu: EndpointGPU | None = None
    cpu: list[EndpointCPU] | None = None
    workers: EndpointWorkerLimits = Field(default_factory=EndpointWorkerLimits)
    scaling: EndpointScaling = Field(default_factory=EndpointScaling)
    data_center_ids: list[str] = Field(default_factory=list[str])
    network_volumes: list[str] = Field(default_factory=list[str])
    execution_timeout: Annotated[ReceivedMilliseconds, Field(alias="timeout")] = None
    flashboot: ReceivedText = None
    created_at: ReceivedTime = None
