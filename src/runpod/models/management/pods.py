"""Pods, as the management API describes them."""

from __future__ import annotations

from pydantic import Field

from runpod.models.management._base import (
    Container,
    ManagementModel,
    ReceivedCount,
    ReceivedFlag,
    ReceivedNumber,
    ReceivedSeconds,
    ReceivedText,
    ReceivedTime,
)
from runpod.models.management.templates import TemplateMounts

__all__ = [
    "NetworkMount",
    "Pod",
    "PodCPU",
    "PodCluster",
    "PodGPU",
    "PodGPUUtilization",
    "PodGlobalNetworking",
    "PodMounts",
    "PodPort",
    "PodRuntime",
    "PodSSH",
    "PodSSHEndpoint",
    "Utilization",
]


class NetworkMount(ManagementModel):
    """A network volume of a pod.

    Attributes:
        volume_id: The ID of the volume.
        path: Where it is mounted.
    """

    volume_id: ReceivedText = None
    path: ReceivedText = None


class PodMounts(TemplateMounts):
    """What is mounted in a pod.

    Attributes:
        persistent: The disk on its host, which is lost with the host, or None.
        network: The network volumes; today at most one.
    """

    network: list[NetworkMount] = Field(default_factory=list[NetworkMount])


class PodGPU(ManagementModel):
    """The GPUs of a pod.

    Attributes:
        id: The ID of the GPU type, such as "NVIDIA GeForce RTX 4090".
        count: The number of GPUs.
    """

    id: ReceivedText = None
    count: ReceivedCount = None


class PodCPU(ManagementModel):
    """The CPU of a pod without GPUs.

    Attributes:
        id: The ID of the CPU type, such as "cpu5c".
        vcpu_count: The number of virtual CPUs.
        memory: The memory in GB.
    """

    id: ReceivedText = None
    vcpu_count: ReceivedCount = None
    memory: ReceivedCount = None


class PodSSHEndpoint(ManagementModel):
    """A way to reach a pod over SSH.

    Attributes:
        host: A host name or an IP address.
        port: The TCP port.
        username: The user name; of the proxy, it says which pod is meant.
        command: The whole `ssh` command.
    """

    host: ReceivedText = None
    port: ReceivedCount = None
    username: ReceivedText = None
    command: ReceivedText = None


class PodSSH(ManagementModel):
    """How to reach a pod over SSH. It works only if the pod was created with `start_ssh`.

    Attributes:
        proxy: Through Runpod's proxy: a shell, but no copying of files. None until the pod has a machine.
        direct: Directly; None unless "22/tcp" is in `ports` and the pod is running.
    """

    proxy: PodSSHEndpoint | None = None
    direct: PodSSHEndpoint | None = None


class PodCluster(ManagementModel):
    """The place of a pod in a cluster.

    Attributes:
        id: The ID of the cluster.
        rank: The number of the pod in it, from 0; None until it is assigned.
        role: Such as "RAY_HEAD"; None in clusters without roles.
        ip: The address in the network of the cluster; None until it is assigned.
    """

    id: ReceivedText = None
    rank: ReceivedCount = None
    role: ReceivedText = None
    ip: ReceivedText = None


class PodGlobalNetworking(ManagementModel):
    """The private network across data centers.

    Attributes:
        enabled: Whether the pod is in it.
        ip: The address of the pod in it, or None.
        internal_dns: The name of the pod in it, such as "POD_ID.runpod.internal", or None.
    """

    enabled: ReceivedFlag = None
    ip: ReceivedText = None
    internal_dns: ReceivedText = None


class Utilization(ManagementModel):
    """How much of something is used.

    Attributes:
        util: Percent, from 0 to 100.
    """

    util: ReceivedNumber = None


class PodGPUUtilization(Utilization):
    """How much of a GPU is used.

    Attributes:
        util: Percent of its time, from 0 to 100.
        memory_util: Percent of its memory, from 0 to 100.
    """

    memory_util: ReceivedNumber = None


class PodPort(ManagementModel):
    """A port of a running pod.

    Attributes:
        private: The port in the container.
        public: The port at `ip`, or None.
        type: Such as "tcp" or "http".
        ip: The public IP address, or None.
    """

    private: ReceivedCount = None
    public: ReceivedCount = None
    type: ReceivedText = None
    ip: ReceivedText = None


class PodRuntime(ManagementModel):
    """What a running pod does.

    Attributes:
        uptime: The time since its container started.
        gpus: How much of each GPU is used.
        cpu: How much of the CPU is used.
        memory: How much of the memory is used.
        ports: The ports that can be reached.
    """

    uptime: ReceivedSeconds = None
    gpus: list[PodGPUUtilization] = Field(default_factory=list[PodGPUUtilization])
    cpu: Utilization | None = None
    memory: Utilization | None = None
    ports: list[PodPort] = Field(default_factory=list[PodPort])


class Pod(Container):
    """A pod: a container on a machine that you rent by the hour. Missing fields are None, missing lists empty.

    Attributes:
        id: The ID.
        name: The name.
        status: PROVISIONING, STARTING, RUNNING, EXITED (stopped), ERROR or TERMINATED; other values are kept.
        actions: What is allowed in this status: "start", "stop", "restart", "terminate".
        cost: What it costs now in USD per hour; 0 while it is stopped.
        gpu: The GPUs; None for a CPU pod.
        cpu: The CPU; None for a GPU pod.
        cloud: "SECURE" or "COMMUNITY".
        data_center_id: Where it runs; None until it is decided.
        cuda_version: The CUDA version of the host, such as "12.8"; None if it is not known.
        mounts: The storage besides the container disk.
        ssh: How to reach it over SSH.
        template: The ID of its template, or None.
        locked: Whether it is locked: then it cannot be stopped.
        global_networking: The private network across data centers.
        cluster: Its place in a cluster; None for other pods.
        runtime: What it does; None if it is not running.
        created_at: When it was created.
        started_at: When it was started, or None.
    """

    id: str
    name: ReceivedText = None
    status: ReceivedText = None
    actions: list[str] = Field(default_factory=list[str])
    cost: ReceivedNumber = None
    gpu: PodGPU | None = None
    cpu: PodCPU | None = None
    cloud: ReceivedText = None
    data_center_id: ReceivedText = None
    cuda_version: ReceivedText = None
    mounts: PodMounts | None = None
    ssh: PodSSH | None = None
    template: ReceivedText = None
    locked: ReceivedFlag = None
    global_networking: PodGlobalNetworking | None = None
    cluster: PodCluster | None = None
    runtime: PodRuntime | None = None
    created_at: ReceivedTime = None
    started_at: ReceivedTime = None
