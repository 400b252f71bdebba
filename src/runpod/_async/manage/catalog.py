"""What can be rented: `client.manage.catalog`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod._async.manage.requests import AsyncCollection
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.management_queries import availability_query, filter_query
from runpod._protocol.operations import check_id
from runpod.models.management.catalog import CPUType, DataCenter, GPUType
from runpod.models.management.templates import Template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.management.catalog import Cloud, CPUProduct, DataCenterInclude, GPUProduct, TemplateSource
    from runpod.models.management.volumes import VolumeType


class AsyncCatalog(AsyncCollection):
    """What can be rented, where, and at what price: `client.manage.catalog`.

    Example:
        >>> for gpu in await client.manage.catalog.gpus(include="AVAILABILITY", product="POD"):
        ...     print(gpu.id, gpu.pool, gpu.memory, gpu.price.secure, gpu.availability)
    """

    async def gpus(
        self,
        *,
        include: str | Sequence[str] | None = None,
        product: GPUProduct | Sequence[GPUProduct] | None = None,
        count: int | None = None,
        cloud: Cloud | None = None,
        country_codes: str | Sequence[str] | None = None,
        cuda_versions: str | Sequence[str] | None = None,
        min_cuda_version: str | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> list[GPUType]:
        """Returns the types of GPUs with their prices. `GET /v2/catalog/gpus`.

        Args:
            include: "AVAILABILITY" adds `availability`, `data_centers` and `cuda_versions`. It needs
                `product`, and all other filters need it.
            product: What the GPUs are for: "POD", "CLUSTER" or "SERVERLESS", or several of them.
            count: How many GPUs are needed at once.
            cloud: Pods in the "SECURE" (default) or in the "COMMUNITY" cloud.
            country_codes: Only data centers in these countries, such as "FR" or ["FR", "DE"].
            cuda_versions: Only machines with one of these CUDA versions, such as ["12.8"].
            min_cuda_version: Only machines with this CUDA version or a newer one, such as "12.1".
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the filters. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        filters = {
            "product": product,
            "count": count,
            "cloud": cloud,
            "countryCodes": country_codes,
            "cudaVersions": cuda_versions,
            "minCudaVersion": min_cuda_version,
        }
        query = availability_query(include, filters)
        name = "manage.catalog.gpus"
        return await self._api.fetch_list(GPUType, "gpus", name, "catalog", "gpus", query=query, timeout=timeout)

    async def gpu(
        self,
        gpu_id: str,
        *,
        include: str | Sequence[str] | None = None,
        product: GPUProduct | Sequence[GPUProduct] | None = None,
        count: int | None = None,
        cloud: Cloud | None = None,
        country_codes: str | Sequence[str] | None = None,
        cuda_versions: str | Sequence[str] | None = None,
        min_cuda_version: str | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> GPUType:
        """Returns a type of GPU by its ID. `GET /v2/catalog/gpus/{id}`.

        Args:
            gpu_id: The ID, such as "NVIDIA GeForce RTX 4090"; not a pool.
            include: "AVAILABILITY" adds `availability`, `data_centers` and `cuda_versions`. It needs
                `product`, and all other filters need it.
            product: What the GPUs are for: "POD", "CLUSTER" or "SERVERLESS", or several of them.
            count: How many GPUs are needed at once.
            cloud: Pods in the "SECURE" (default) or in the "COMMUNITY" cloud.
            country_codes: Only data centers in these countries, such as "FR" or ["FR", "DE"].
            cuda_versions: Only machines with one of these CUDA versions, such as ["12.8"].
            min_cuda_version: Only machines with this CUDA version or a newer one, such as "12.1".
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            NotFoundError: There is no such type.
            RunpodError: No attempt succeeded.
        """
        filters = {
            "product": product,
            "count": count,
            "cloud": cloud,
            "countryCodes": country_codes,
            "cudaVersions": cuda_versions,
            "minCudaVersion": min_cuda_version,
        }
        query = availability_query(include, filters)
        steps = ("catalog", "gpus", check_id(gpu_id, "gpu_id"))
        return await self._api.fetch(GPUType, "manage.catalog.gpu", "GET", *steps, query=query, timeout=timeout)

    async def cpus(
        self,
        *,
        include: str | Sequence[str] | None = None,
        product: CPUProduct | Sequence[CPUProduct] | None = None,
        vcpu_count: int | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> list[CPUType]:
        """Returns the types of CPUs with their prices. `GET /v2/catalog/cpus`.

        Args:
            include: "AVAILABILITY" adds `availability` and `data_centers`. It needs `product`, and all other
                filters need it.
            product: What the CPUs are for: "POD" or "SERVERLESS", or both.
            vcpu_count: How many virtual CPUs are needed at once: 2, 4, 8 and so on.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the filters. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        query = availability_query(include, {"product": product, "vcpuCount": vcpu_count})
        name = "manage.catalog.cpus"
        return await self._api.fetch_list(CPUType, "cpus", name, "catalog", "cpus", query=query, timeout=timeout)

    async def cpu(
        self,
        cpu_id: str,
        *,
        include: str | Sequence[str] | None = None,
        product: CPUProduct | Sequence[CPUProduct] | None = None,
        vcpu_count: int | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> CPUType:
        """Returns a type of CPU by its ID. `GET /v2/catalog/cpus/{id}`.

        Args:
            cpu_id: The ID, such as "cpu5c".
            include: "AVAILABILITY" adds `availability` and `data_centers`. It needs `product`, and all other
                filters need it.
            product: What the CPUs are for: "POD" or "SERVERLESS", or both.
            vcpu_count: How many virtual CPUs are needed at once: 2, 4, 8 and so on.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            NotFoundError: There is no such type.
            RunpodError: No attempt succeeded.
        """
        query = availability_query(include, {"product": product, "vcpuCount": vcpu_count})
        steps = ("catalog", "cpus", check_id(cpu_id, "cpu_id"))
        return await self._api.fetch(CPUType, "manage.catalog.cpu", "GET", *steps, query=query, timeout=timeout)

    async def datacenters(
        self,
        *,
        include: DataCenterInclude | Sequence[DataCenterInclude] | None = None,
        regions: str | Sequence[str] | None = None,
        network_volume_types: VolumeType | Sequence[VolumeType] | None = None,
        compliance: str | Sequence[str] | None = None,
        global_network: bool | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> list[DataCenter]:
        """Returns the data centers. `GET /v2/catalog/datacenters`.

        Args:
            include: "GPU_AVAILABILITY" or "CPU_AVAILABILITY" or both: what they offer.
            regions: Only those in one of these regions, such as "EUROPE".
            network_volume_types: Only those with all of these types of volumes, such as "STANDARD".
            compliance: Only those with all of these certifications, such as "GDPR".
            global_network: Only those with, or without, the private network across data centers.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: A filter is neither a text nor a list of texts. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        filters = {
            "include": include,
            "regions": regions,
            "networkVolumeTypes": network_volume_types,
            "compliance": compliance,
            "globalNetwork": global_network,
        }
        return await self._api.fetch_list(
            DataCenter,
            "dataCenters",
            "manage.catalog.datacenters",
            "catalog",
            "datacenters",
            query=filter_query(filters),
            timeout=timeout,
        )

    async def datacenter(
        self,
        data_center_id: str,
        *,
        include: DataCenterInclude | Sequence[DataCenterInclude] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> DataCenter:
        """Returns a data center by its ID. `GET /v2/catalog/datacenters/{id}`.

        Args:
            data_center_id: The ID, such as "US-KS-2".
            include: "GPU_AVAILABILITY" or "CPU_AVAILABILITY" or both: what it offers.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The ID is blank or not a str.
            NotFoundError: There is no such data center.
            RunpodError: No attempt succeeded.
        """
        steps = ("catalog", "datacenters", check_id(data_center_id, "data_center_id"))
        query = filter_query({"include": include})
        name = "manage.catalog.datacenter"
        return await self._api.fetch(DataCenter, name, "GET", *steps, query=query, timeout=timeout)

    async def templates(
        self,
        *,
        source: TemplateSource | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> list[Template]:
        """Returns public templates, at most 100. `GET /v2/catalog/templates`.

        Args:
            source: "official" (default): those of Runpod; "verified": those that Runpod has checked;
                "community": all others.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The source is not a text. Nothing was sent.
            RunpodError: No attempt succeeded.
        """
        query = filter_query({"source": source})
        name = "manage.catalog.templates"
        return await self._api.fetch_list(
            Template, "templates", name, "catalog", "templates", query=query, timeout=timeout
        )
