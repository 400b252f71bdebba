"""New pods, and changes of pods, in the wire format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import Required, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runpod.models.management.catalog import Cloud
    from runpod.models.management.settings import PersistentMountDict

__all__ = [
    "CreatePodDict",
    "NetworkMountDict",
    "PodCPUDict",
    "PodGPUDict",
    "PodMountsDict",
    "UpdatePodDict",
]


class PodGPUDict(TypedDict, total=False):
    """The GPUs of a new pod. `id` is that of a GPU type, such as "NVIDIA GeForce RTX 4090"; not a pool."""

    id: Required[str]
    count: int
    allowedCudaVersions: Sequence[str]
    minCudaVersion: str


class PodCPUDict(TypedDict):
    """The CPU of a new pod without GPUs. `id` is that of a CPU type, such as "cpu5c"."""

    id: str
    vcpuCount: int


class NetworkMountDict(TypedDict):
    """A network volume of a pod: its ID, and where it is mounted."""

    volumeId: str
    path: str


class PodMountsDict(TypedDict, total=False):
    """The storage of a pod: `persistent`, or `network` with one volume."""

    persistent: PersistentMountDict
    network: Sequence[NetworkMountDict]


class _PodSettingsDict(TypedDict, total=False):
    globalNetworking: bool
    mounts: PodMountsDict
    templateId: str
    image: str
    args: str
    disk: int
    env: Mapping[str, str]
    ports: Sequence[str]
    registry: str | None


class CreatePodDict(_PodSettingsDict, total=False):
    """A new pod in the wire format. It needs `gpu` or `cpu`, and `image` or `templateId`."""

    name: Required[str]
    gpu: PodGPUDict
    cpu: PodCPUDict
    cloud: Cloud
    dataCenterIds: Sequence[str]
    startSsh: bool
    startJupyter: bool


class UpdatePodDict(_PodSettingsDict, total=False):
    """Changes of a pod in the wire format."""

    name: str
    locked: bool
