# Generated from src/runpod/_async/manage/billing.py by scripts/generate_sync.py. Do not edit.

"""What was billed: `client.manage.billing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod._sync.manage.requests import Collection
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.management_queries import billing_query
from runpod.models.management.billing import (
    AccountAmounts,
    AccountBillingRecord,
    Amounts,
    BillingReport,
    ClusterAmounts,
    ClusterBillingRecord,
    EndpointBillingRecord,
    NetworkVolumeAmounts,
    NetworkVolumeBillingRecord,
    PodAmounts,
    PodBillingRecord,
    ServerlessAmounts,
    ServerlessBillingRecord,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.management.billing import BucketSize


class Billing(Collection):
    """What was billed, in USD: `client.manage.billing`.

    Each method returns records, one for each time bucket and each pod, endpoint or volume, and their sums in `totals`.

    Example:
        >>> costs = client.manage.billing.serverless(last_n=7)
        >>> for record in costs.records:
        ...     print(record.start_time, record.serverless_id, record.total_amount)
        >>> print(costs.totals.total_amount)
    """

    def list(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        last_n: int | None = None,
        bucket_size: BucketSize | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> BillingReport[AccountBillingRecord, AccountAmounts]:
        """Returns the costs of the whole account, of all kinds. `GET /v2/billing`.

        Args:
            start: The start of the time, a datetime with a time zone; by default 30 days ago. The service
                widens it to whole buckets.
            end: Its end, which is not part of it; by default now.
            last_n: Instead of both: the last so many buckets, with the current one.
            bucket_size: The time of one record: "hour", "day" (default), "week", "month" or "year".
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        query = billing_query(start=start, end=end, last_n=last_n, bucket_size=bucket_size)
        model = BillingReport[AccountBillingRecord, AccountAmounts]
        return self._api.fetch(model, "manage.billing.list", "GET", "billing", query=query, timeout=timeout)

    def pods(
        self,
        *,
        pod_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        last_n: int | None = None,
        bucket_size: BucketSize | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> BillingReport[PodBillingRecord, PodAmounts]:
        """Returns the costs of pods. `GET /v2/billing/pods`.

        Args:
            pod_id: Only this pod.
            start: The start of the time, a datetime with a time zone; by default 30 days ago. The service
                widens it to whole buckets.
            end: Its end, which is not part of it; by default now.
            last_n: Instead of both: the last so many buckets, with the current one.
            bucket_size: The time of one record: "hour", "day" (default), "week", "month" or "year".
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        query = billing_query(start=start, end=end, last_n=last_n, bucket_size=bucket_size, only=("podId", pod_id))
        model = BillingReport[PodBillingRecord, PodAmounts]
        return self._api.fetch(
            model, "manage.billing.pods", "GET", "billing", "pods", query=query, timeout=timeout
        )

    def serverless(
        self,
        *,
        serverless_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        last_n: int | None = None,
        bucket_size: BucketSize | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> BillingReport[ServerlessBillingRecord, ServerlessAmounts]:
        """Returns the costs of your serverless endpoints. `GET /v2/billing/serverless`.

        Args:
            serverless_id: Only the endpoint with this ID.
            start: The start of the time, a datetime with a time zone; by default 30 days ago. The service
                widens it to whole buckets.
            end: Its end, which is not part of it; by default now.
            last_n: Instead of both: the last so many buckets, with the current one.
            bucket_size: The time of one record: "hour", "day" (default), "week", "month" or "year".
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        query = billing_query(
            start=start, end=end, last_n=last_n, bucket_size=bucket_size, only=("serverlessId", serverless_id)
        )
        model = BillingReport[ServerlessBillingRecord, ServerlessAmounts]
        return self._api.fetch(
            model, "manage.billing.serverless", "GET", "billing", "serverless", query=query, timeout=timeout
        )

    def endpoints(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        last_n: int | None = None,
        bucket_size: BucketSize | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> BillingReport[EndpointBillingRecord, Amounts]:
        """Returns the costs of Runpod's public endpoints. `GET /v2/billing/endpoints`.

        Args:
            start: The start of the time, a datetime with a time zone; by default 30 days ago. The service
                widens it to whole buckets.
            end: Its end, which is not part of it; by default now.
            last_n: Instead of both: the last so many buckets, with the current one.
            bucket_size: The time of one record: "hour", "day" (default), "week", "month" or "year".
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        query = billing_query(start=start, end=end, last_n=last_n, bucket_size=bucket_size)
        model = BillingReport[EndpointBillingRecord, Amounts]
        return self._api.fetch(
            model, "manage.billing.endpoints", "GET", "billing", "endpoints", query=query, timeout=timeout
        )

    def network_volumes(
        self,
        *,
        network_volume_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        last_n: int | None = None,
        bucket_size: BucketSize | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> BillingReport[NetworkVolumeBillingRecord, NetworkVolumeAmounts]:
        """Returns the costs of network volumes. `GET /v2/billing/network-volumes`.

        Args:
            network_volume_id: Only this volume.
            start: The start of the time, a datetime with a time zone; by default 30 days ago. The service
                widens it to whole buckets.
            end: Its end, which is not part of it; by default now.
            last_n: Instead of both: the last so many buckets, with the current one.
            bucket_size: The time of one record: "hour", "day" (default), "week", "month" or "year".
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        query = billing_query(
            start=start, end=end, last_n=last_n, bucket_size=bucket_size, only=("networkVolumeId", network_volume_id)
        )
        model = BillingReport[NetworkVolumeBillingRecord, NetworkVolumeAmounts]
        return self._api.fetch(
            model, "manage.billing.network_volumes", "GET", "billing", "network-volumes", query=query, timeout=timeout
        )

    def clusters(
        self,
        *,
        cluster_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        last_n: int | None = None,
        bucket_size: BucketSize | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> BillingReport[ClusterBillingRecord, ClusterAmounts]:
        """Returns the costs of clusters. `GET /v2/billing/clusters`.

        Args:
            cluster_id: Only this cluster.
            start: The start of the time, a datetime with a time zone; by default 30 days ago. The service
                widens it to whole buckets.
            end: Its end, which is not part of it; by default now.
            last_n: Instead of both: the last so many buckets, with the current one.
            bucket_size: The time of one record: "hour", "day" (default), "week", "month" or "year".
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        query = billing_query(
            start=start, end=end, last_n=last_n, bucket_size=bucket_size, only=("clusterId", cluster_id)
        )
        model = BillingReport[ClusterBillingRecord, ClusterAmounts]
        return self._api.fetch(
            model, "manage.billing.clusters", "GET", "billing", "clusters", query=query, timeout=timeout
        )
