"""What can be rented, and where: types of GPUs and CPUs, data centers."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from runpod.models.management._base import ManagementModel, ReceivedCount, ReceivedFlag, ReceivedNumber, ReceivedText

__all__ = [
    "CPUPrice",
    "CPUProduct",
    "CPUType",
    "CatalogAvailability",
    "Cloud",
    "CudaVersion",
    "DataCenter",
    "DataCenterInclude",
    "GPUCounts",
    "GPUPrice",
    "GPUProduct",
    "GPUType",
    "TemplateSource",
    "VCPURange",
]

# For arguments; responses can have other values.
Cloud: TypeAlias = Literal["SECURE", "COMMUNITY"]
GPUProduct: TypeAlias = Literal["POD", "CLUSTER", "SERVERLESS"]
CPUProduct: TypeAlias = Literal["POD", "SERVERLESS"]
DataCenterInclude: TypeAlias = Literal["GPU_AVAILABILITY", "CPU_AVAILABILITY"]
TemplateSource: TypeAlias = Literal["official", "verified", "community"]


class CatalogAvailability(ManagementModel):
    """How much is free of one type in one data center.

    Attributes:
        id: In the list of a type: the ID of the data center; in the list of a data center: that of the type.
        name: Its name.
        availability: "NONE", "LOW", "MEDIUM" or "HIGH"; other values are kept.
    """

    id: ReceivedText = None
    name: ReceivedText = None
    availability: ReceivedText = None


class CudaVersion(ManagementModel):
    """A CUDA version of the machines with a GPU type.

    Attributes:
        version: Such as "12.8".
        available: Whether such a machine is free now.
    """

    version: ReceivedText = None
    available: ReceivedFlag = None


class GPUPrice(ManagementModel):
    """The price of one GPU in USD per hour.

    Attributes:
        secure: Of a pod in the secure cloud.
        community: Of a pod in the community cloud.
        serverless: Of a serverless worker; None if the type is in no pool.
    """

    secure: ReceivedNumber = None
    community: ReceivedNumber = None
    serverless: ReceivedNumber = None


class GPUCounts(ManagementModel):
    """The largest number of GPUs of one pod.

    Attributes:
        secure: In the secure cloud.
        community: In the community cloud.
    """

    secure: ReceivedCount = None
    community: ReceivedCount = None


class GPUType(ManagementModel):
    """A type of GPU. Pods take its `id`, serverless endpoints its `pool`.

    Attributes:
        id: The ID, such as "NVIDIA GeForce RTX 4090".
        name: The name.
        pool: The ID of its pool, such as "ADA_24"; None if serverless endpoints cannot use it.
        manufacturer: Such as "NVIDIA".
        memory: The memory of one GPU in GB.
        secure: Whether the secure cloud has it.
        community: Whether the community cloud has it.
        price: The price of one GPU.
        max_count: The largest number of GPUs of one pod.
        availability: "NONE", "LOW", "MEDIUM" or "HIGH"; None if it was not asked for.
        data_centers: The data centers that offer it; empty if they were not asked for.
        cuda_versions: The CUDA versions of its machines; empty if they were not asked for.
    """

    id: str
    name: ReceivedText = None
    pool: ReceivedText = None
    manufacturer: ReceivedText = None
    memory: ReceivedCount = None
    secure: ReceivedFlag = None
    community: ReceivedFlag = None
    price: GPUPrice | None = None
    max_count: GPUCounts | None = None
    availability: ReceivedText = None
    data_centers: list[CatalogAvailability] = Field(default_factory=list[CatalogAvailability])
    cuda_versions: list[CudaVersion] = Field(default_factory=list[CudaVersion])


class VCPURange(ManagementModel):
    """How many virtual CPUs can be rented.

    Attributes:
        min: At least.
        max: At most.
    """

    min: ReceivedCount = None
    max: ReceivedCount = None


class CPUPrice(ManagementModel):
    """The price of one virtual CPU in USD per hour.

    Attributes:
        secure_per_vcpu: Of a pod.
        serverless_per_vcpu: Of a serverless worker.
    """

    secure_per_vcpu: ReceivedNumber = None
    serverless_per_vcpu: ReceivedNumber = None


class CPUType(ManagementModel):
    """A type of CPU.

    Attributes:
        id: The ID, such as "cpu5c".
        name: The name.
        group: The generation.
        vcpu: How many virtual CPUs can be rented.
        ram_gb_per_vcpu: The memory for each virtual CPU in GB.
        price: The price of one virtual CPU.
        availability: "NONE", "LOW", "MEDIUM" or "HIGH"; None if it was not asked for.
        data_centers: The data centers that offer it; empty if they were not asked for.
    """

    id: str
    name: ReceivedText = None
    group: ReceivedText = None
    vcpu: VCPURange | None = None
    ram_gb_per_vcpu: ReceivedNumber = None
    price: CPUPrice | None = None
    availability: ReceivedText = None
    data_centers: list[CatalogAvailability] = Field(default_factory=list[CatalogAvailability])


class DataCenter(ManagementModel):
    """A data center.

    Attributes:
        id: The ID, such as "US-KS-2".
        name: The name.
        region: Such as "EUROPE".
        global_network: Whether its pods can join the private network across data centers.
        network_volume_types: The types of network volumes that it has.
        compliance: Its certifications, such as "GDPR".
        gpu_availability: The GPU types that it offers; empty if they were not asked for.
        cpu_availability: The CPU types that it offers; empty if they were not asked for.
    """

    id: str
    name: ReceivedText = None
    region: ReceivedText = None
    global_network: ReceivedFlag = None
    network_volume_types: list[str] = Field(default_factory=list[str])
    compliance: list[str] = Field(default_factory=list[str])
    gpu_availability: list[CatalogAvailability] = Field(default_factory=list[CatalogAvailability])
    cpu_availability: list[CatalogAvailability] = Field(default_factory=list[CatalogAvailability])
