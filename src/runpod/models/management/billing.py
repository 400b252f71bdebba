"""What was billed. All amounts are in USD."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from runpod.models.management._base import (
    ManagementModel,
    NullIsEmpty,
    ReceivedCount,
    ReceivedNumber,
    ReceivedText,
    ReceivedTime,
)

__all__ = [
    "AccountAmounts",
    "AccountBillingRecord",
    "Amounts",
    "BillingMetadata",
    "BillingPeriod",
    "BillingQuery",
    "BillingReport",
    "BucketSize",
    "ClusterAmounts",
    "ClusterBillingRecord",
    "EndpointBillingRecord",
    "NetworkVolumeAmounts",
    "NetworkVolumeBillingRecord",
    "PodAmounts",
    "PodBillingRecord",
    "ServerlessAmounts",
    "ServerlessBillingRecord",
]

# For arguments; responses can have other values.
BucketSize: TypeAlias = Literal["hour", "day", "week", "month", "year"]


class BillingPeriod(ManagementModel):
    """A period of time.

    Attributes:
        start_time: Its start.
        end_time: Its end, which is not part of it.
    """

    start_time: ReceivedTime = None
    end_time: ReceivedTime = None


class BillingQuery(BillingPeriod):
    """What the service was asked for, as it understood it.

    Attributes:
        start_time: The start of the whole period.
        end_time: The end of the whole period.
        bucket_size: The length of the period of a record: "hour", "day", "week", "month" or "year".
        pod_id: Only this pod.
        serverless_id: Only this serverless endpoint.
        network_volume_id: Only this network volume.
        cluster_id: Only this cluster.
    """

    bucket_size: ReceivedText = None
    pod_id: ReceivedText = None
    serverless_id: ReceivedText = None
    network_volume_id: ReceivedText = None
    cluster_id: ReceivedText = None


class Amounts(ManagementModel):
    """Amounts in USD.

    Attributes:
        total_amount: The sum.
    """

    total_amount: ReceivedNumber = None


class PodAmounts(Amounts):
    """Amounts of pods in USD.

    Attributes:
        total_amount: The sum.
        gpu_amount: For GPUs.
        cpu_amount: For CPUs.
        disk_amount: For disks.
    """

    gpu_amount: ReceivedNumber = None
    cpu_amount: ReceivedNumber = None
    disk_amount: ReceivedNumber = None


class ServerlessAmounts(PodAmounts):
    """Amounts of serverless endpoints in USD.

    Attributes:
        total_amount: The sum.
        gpu_amount: For GPUs.
        cpu_amount: For CPUs.
        disk_amount: For disks.
        fee_amount: The fee of the platform.
    """

    fee_amount: ReceivedNumber = None


class NetworkVolumeAmounts(Amounts):
    """Amounts of network volumes in USD.

    Attributes:
        total_amount: The sum.
        standard_amount: For standard storage.
        high_performance_amount: For high-performance storage.
    """

    standard_amount: ReceivedNumber = None
    high_performance_amount: ReceivedNumber = None


class ClusterAmounts(Amounts):
    """Amounts of clusters in USD.

    Attributes:
        total_amount: The sum.
        gpu_amount: For GPUs.
        disk_amount: For disks.
        networking_amount: For the network between the pods.
    """

    gpu_amount: ReceivedNumber = None
    disk_amount: ReceivedNumber = None
    networking_amount: ReceivedNumber = None


class AccountAmounts(Amounts):
    """Amounts of the whole account in USD.

    Attributes:
        total_amount: The sum.
        pod_gpu_amount: Pods, for GPUs.
        pod_cpu_amount: Pods, for CPUs.
        pod_disk_amount: Pods, for disks.
        serverless_gpu_amount: Serverless endpoints, for GPUs.
        serverless_cpu_amount: Serverless endpoints, for CPUs.
        serverless_disk_amount: Serverless endpoints, for disks.
        serverless_fee_amount: Serverless endpoints, the fee of the platform.
        storage_standard_amount: Network volumes, for standard storage.
        storage_high_performance_amount: Network volumes, for high-performance storage.
        endpoint_amount: Public endpoints.
        cluster_gpu_amount: Clusters, for GPUs.
        cluster_disk_amount: Clusters, for disks.
        cluster_networking_amount: Clusters, for the network between the pods.
    """

    pod_gpu_amount: ReceivedNumber = None
    pod_cpu_amount: ReceivedNumber = None
    pod_disk_amount: ReceivedNumber = None
    serverless_gpu_amount: ReceivedNumber = None
    serverless_cpu_amount: ReceivedNumber = None
    serverless_disk_amount: ReceivedNumber = None
    serverless_fee_amount: ReceivedNumber = None
    storage_standard_amount: ReceivedNumber = None
    storage_high_performance_amount: ReceivedNumber = None
    endpoint_amount: ReceivedNumber = None
    cluster_gpu_amount: ReceivedNumber = None
    cluster_disk_amount: ReceivedNumber = None
    cluster_networking_amount: ReceivedNumber = None


class AccountBillingRecord(BillingPeriod, AccountAmounts):
    """The amounts of the whole account in one period."""


class PodBillingRecord(BillingPeriod, PodAmounts):
    """The amounts of one pod in one period.

    Attributes:
        pod_id: The ID of the pod.
    """

    pod_id: ReceivedText = None


class ServerlessBillingRecord(BillingPeriod, ServerlessAmounts):
    """The amounts of one serverless endpoint in one period.

    Attributes:
        serverless_id: The ID of the endpoint.
    """

    serverless_id: ReceivedText = None


class EndpointBillingRecord(BillingPeriod, Amounts):
    """The amount of Runpod's public endpoints in one period."""


class NetworkVolumeBillingRecord(BillingPeriod, NetworkVolumeAmounts):
    """The amounts of one network volume in one period.

    Attributes:
        network_volume_id: The ID of the volume.
    """

    network_volume_id: ReceivedText = None


class ClusterBillingRecord(BillingPeriod, ClusterAmounts):
    """The amounts of one cluster in one period.

    Attributes:
        cluster_id: The ID of the cluster.
    """

    cluster_id: ReceivedText = None


RecordT = TypeVar("RecordT", bound=BillingPeriod)
TotalsT = TypeVar("TotalsT", bound=Amounts)


class BillingMetadata(ManagementModel, Generic[TotalsT]):
    """What the records are about, and their sums.

    Attributes:
        query: What the service was asked for, as it understood it.
        record_count: The number of records.
        totals: The sums of all records.
        unique_pod_count: In the records of pods: the number of pods.
        unique_serverless_count: In those of serverless endpoints: the number of endpoints.
        unique_network_volume_count: In those of network volumes: the number of volumes.
        unique_cluster_count: In those of clusters: the number of clusters.
    """

    query: BillingQuery | None = None
    record_count: ReceivedCount = None
    totals: TotalsT | None = None
    unique_pod_count: ReceivedCount = None
    unique_serverless_count: ReceivedCount = None
    unique_network_volume_count: ReceivedCount = None
    unique_cluster_count: ReceivedCount = None


class BillingReport(ManagementModel, Generic[RecordT, TotalsT]):
    """Records of one kind.

    Attributes:
        records: One for each period and each pod, endpoint, volume or cluster.
        metadata: What they are about, and their sums.
    """

    records: Annotated[list[RecordT], NullIsEmpty]
    metadata: BillingMetadata[TotalsT] | None = None

    @property
    def totals(self) -> TotalsT | None:
        """The sums of all records, as the service computed them; None if they are missing."""
        return None if self.metadata is None else self.metadata.totals
