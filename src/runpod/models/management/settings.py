"""Settings that callers pass to `create` and `update`, as models and in the wire format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, Union, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictInt,
    StrictStr,
    computed_field,
    model_validator,
)
from typing_extensions import Required, Self, TypedDict

from runpod.models._base import ArgumentModel, PositiveDuration
from runpod.models.management._base import seconds_json

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = [
    "CPUSettings",
    "CPUSettingsDict",
    "ContainerDict",
    "CreateEndpointDict",
    "CreateRegistryDict",
    "CreateTemplateDict",
    "EndpointSettingsDict",
    "EndpointType",
    "FlashBoot",
    "GPUSettings",
    "GPUSettingsDict",
    "PersistentMountDict",
    "QueueDelayDict",
    "RequestCountDict",
    "ScalingSettings",
    "TemplateCategory",
    "TemplateMountsDict",
    "TemplateSettingsDict",
    "UpdateEndpointDict",
    "UpdateTemplateDict",
    "WorkerSettings",
    "WorkerSettingsDict",
]

EndpointType: TypeAlias = Literal["QUEUE", "LOAD_BALANCER"]
FlashBoot: TypeAlias = Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]
TemplateCategory: TypeAlias = Literal["CPU", "NVIDIA", "AMD"]


def check_pools(pools: Sequence[str]) -> None:
    """Checks that GPU pools are IDs of pools.

    Raises:
        ValueError: One is the name of a GPU.
    """
    for pool in pools:
        # IDs of pools are words such as AMPERE_80; names of GPUs have spaces, such as "NVIDIA GeForce RTX 4090".
        if " " in pool.strip():
            msg = (
                f"must have IDs of GPU pools, such as 'ADA_24', not the name of a GPU ({pool!r:.60}). "
                "client.manage.catalog.gpus() shows the pool of each GPU"
            )
            raise ValueError(msg)


def _texts(value: object) -> object:
    # A str is a sequence of characters.
    if isinstance(value, str) or not isinstance(value, Sequence):
        msg = f"must be a list, not {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - pydantic handles ValueError only
    return list(cast("Sequence[object]", value))


def _checked_pools(pools: list[str]) -> list[str]:
    check_pools(pools)
    return pools


Texts = Annotated[list[StrictStr], BeforeValidator(_texts)]
Seconds = Annotated[PositiveDuration, PlainSerializer(seconds_json, when_used="json")]
Count = Annotated[StrictInt, Field(ge=0)]


class GPUSettingsDict(TypedDict, total=False):
    """`GPUSettings` in the wire format."""

    pools: Sequence[str]
    excludedTypes: Sequence[str]
    count: int
    allowedCudaVersions: Sequence[str]
    minCudaVersion: str


class CPUSettingsDict(TypedDict):
    """`CPUSettings` in the wire format."""

    id: str
    vcpuCount: int


class WorkerSettingsDict(TypedDict, total=False):
    """`WorkerSettings` in the wire format. `idleTimeout` is in seconds."""

    min: int
    max: int
    idleTimeout: int


class QueueDelayDict(TypedDict):
    """`ScalingSettings` with a delay, in the wire format. `queueDelay` is in seconds."""

    type: Literal["QUEUE_DELAY"]
    queueDelay: float


class RequestCountDict(TypedDict):
    """`ScalingSettings` with a number of requests, in the wire format."""

    type: Literal["REQUEST_COUNT"]
    requestCount: int


class PersistentMountDict(TypedDict):
    """The disk of a pod that is kept while it is stopped. `size` is in GB, at least 10."""

    size: int
    path: str


class TemplateMountsDict(TypedDict, total=False):
    """What is mounted in the pods of a template."""

    persistent: PersistentMountDict


class GPUSettings(ArgumentModel):
    """The GPUs that the workers of an endpoint may have.

    Args:
        pools: IDs of GPU pools, such as "ADA_24", the preferred one first. Not names of GPUs:
            `client.manage.catalog.gpus()` shows the pool of each.
        excluded_types: Names of GPU types of these pools that are not used. An update of `pools`
            without it clears the exclusions.
        count: The number of GPUs of a worker. Server default: 1.
        allowed_cuda_versions: CUDA versions that a machine may have, such as "12.8".
        min_cuda_version: The lowest CUDA version; instead of `allowed_cuda_versions`.

    Raises:
        InvalidRequestError: A pool is the name of a GPU, or a value has a wrong type.

    Example:
        >>> GPUSettings(pools=["ADA_24", "AMPERE_48"])
    """

    pools: Annotated[Texts, Field(min_length=1), AfterValidator(_checked_pools)] | None = None
    excluded_types: Texts | None = None
    count: Annotated[StrictInt, Field(ge=1)] | None = None
    allowed_cuda_versions: Texts | None = None
    min_cuda_version: StrictStr | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            pools: Sequence[str] | None = None,
            excluded_types: Sequence[str] | None = None,
            count: int | None = None,
            allowed_cuda_versions: Sequence[str] | None = None,
            min_cuda_version: str | None = None,
        ) -> None: ...


class CPUSettings(ArgumentModel):
    """A kind of CPU that the workers of an endpoint may have.

    Args:
        id: The ID of the CPU type, such as "cpu5c"; see `client.manage.catalog.cpus()`.
        vcpu_count: The number of virtual CPUs: 2, 4, 8 and so on.

    Raises:
        InvalidRequestError: A value is missing or has a wrong type.
    """

    id: Annotated[StrictStr, Field(min_length=1)]
    vcpu_count: Annotated[StrictInt, Field(ge=2)]

    if TYPE_CHECKING:

        def __init__(self, *, id: str, vcpu_count: int) -> None: ...


class WorkerSettings(ArgumentModel):
    """How many workers an endpoint may have.

    Args:
        min: The number of workers that always run, and are paid for. Server default: 0.
        max: The maximum number of workers. Server default: 3. 0 pauses the endpoint.
        idle_timeout: How long a worker waits for the next job before it stops, 1 s to 1 hour. Server
            default: 10 s. A queue that scales by `request_count` refuses it.

    Raises:
        InvalidRequestError: `min` is greater than `max`, or a value has a wrong type.
    """

    min: Count | None = None
    max: Count | None = None
    idle_timeout: Seconds | None = None

    if TYPE_CHECKING:

        def __init__(
            self, *, min: int | None = None, max: int | None = None, idle_timeout: timedelta | None = None
        ) -> None: ...

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            msg = f"min is {self.min}, which is greater than max, {self.max}"
            raise ValueError(msg)
        return self


class ScalingSettings(ArgumentModel):
    """When an endpoint starts workers. Pass one of both; a load balancer needs `request_count`.

    Args:
        queue_delay: How long a job may wait before a worker is added, at least 0.5 s.
        request_count: How many queued and running requests there are for one worker.

    Raises:
        InvalidRequestError: Both or none were passed, or a value has a wrong type.

    Example:
        >>> ScalingSettings(queue_delay=timedelta(seconds=4))
    """

    queue_delay: Seconds | None = None
    request_count: Annotated[StrictInt, Field(ge=1)] | None = None

    @computed_field(repr=False)  # type: ignore[prop-decorator]
    @property
    def type(self) -> Literal["QUEUE_DELAY", "REQUEST_COUNT"]:
        """The type, as the API names it."""
        return "QUEUE_DELAY" if self.request_count is None else "REQUEST_COUNT"

    if TYPE_CHECKING:

        def __init__(self, *, queue_delay: timedelta | None = None, request_count: int | None = None) -> None: ...

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.queue_delay is None) == (self.request_count is None):
            msg = "pass either queue_delay=timedelta(seconds=4) or request_count=1"
            raise ValueError(msg)
        return self


CPUs: TypeAlias = Sequence[Union[CPUSettings, CPUSettingsDict]]  # noqa: UP007 - evaluated on Python 3.10
Scaling: TypeAlias = Union[ScalingSettings, QueueDelayDict, RequestCountDict]  # noqa: UP007


class ContainerDict(TypedDict, total=False):
    """The container of an endpoint, a template or a pod, in the wire format. `disk` is in GB."""

    image: str
    args: str
    disk: int
    env: Mapping[str, str]
    ports: Sequence[str]
    registry: str | None


class EndpointSettingsDict(ContainerDict, total=False):
    """The settings of an endpoint in the wire format. `timeout` is in milliseconds."""

    gpu: GPUSettingsDict | GPUSettings
    cpu: CPUs
    dataCenterIds: Sequence[str]
    flashboot: FlashBoot
    networkVolumes: Sequence[str]
    templateId: str
    timeout: int
    workers: WorkerSettingsDict | WorkerSettings


class CreateEndpointDict(EndpointSettingsDict, total=False):
    """A new endpoint in the wire format. It needs `gpu` or `cpu`, and `image` or `templateId`."""

    name: Required[str]
    type: Required[EndpointType]
    scaling: Required[Scaling]


class UpdateEndpointDict(EndpointSettingsDict, total=False):
    """Changes of an endpoint in the wire format."""

    name: str
    scaling: Scaling


class TemplateSettingsDict(ContainerDict, total=False):
    """The settings of a template in the wire format."""

    allowedCudaVersions: Sequence[str]
    category: TemplateCategory
    mounts: TemplateMountsDict
    public: bool
    serverless: bool
    startJupyter: bool
    startSsh: bool


class CreateTemplateDict(TemplateSettingsDict, total=False):
    """A new template in the wire format."""

    name: Required[str]


class UpdateTemplateDict(TemplateSettingsDict, total=False):
    """Changes of a template in the wire format."""

    name: str


class CreateRegistryDict(TypedDict):
    """A new credential in the wire format."""

    name: str
    username: str
    password: str
