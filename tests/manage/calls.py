"""Every operation of the management API as a call, for tests that apply to all of them.

To add one: a line in `CALLS` with the ID of the operation in the description, and for a new collection its path in
`COLLECTIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from runpod.models.management import (
    BillingReport,
    CPUSettings,
    CPUType,
    DataCenter,
    EndpointReleases,
    EndpointWorkers,
    GPUSettings,
    GPUType,
    NetworkVolume,
    Pod,
    Registry,
    ScalingSettings,
    ServerlessEndpoint,
    Template,
    WorkerSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import Manage

# Paths whose operations all have to be called, but those of logs, which are streams.
COLLECTIONS = (
    "/v2/serverless",
    "/v2/templates",
    "/v2/registries",
    "/v2/clusters",
    "/v2/pods",
    "/v2/network-volumes",
    "/v2/catalog",
    "/v2/billing",
    "/v2/account",
)


@dataclass(frozen=True)
class Call:
    """One operation.

    Attributes:
        operation: Its ID in the description.
        call: How to call it. The async client has the same methods.
        result: The type of the result, or of its items if it is in a list; dict for any JSON object.
    """

    operation: str
    call: Callable[[Manage], Any]
    result: Any

    def __str__(self) -> str:
        return self.operation


DELAY = ScalingSettings(queue_delay=timedelta(seconds=4))
CONTAINER: dict[str, Any] = {
    "args": "python -u handler.py",
    "disk": 20,
    "env": {"LEVEL": "debug"},
    "ports": ["8000/http", "22/tcp"],
}

SERVERLESS = (
    Call("listEndpoints", lambda m: m.serverless.list(), [ServerlessEndpoint]),
    Call(
        "createEndpoint",
        lambda m: m.serverless.create(
            name="horses",
            type="QUEUE",
            scaling=DELAY,
            image="horses:1",
            gpu=GPUSettings(pools=["ADA_24"], excluded_types=["NVIDIA L4"], count=1, allowed_cuda_versions=["12.8"]),
            workers=WorkerSettings(min=0, max=3, idle_timeout=timedelta(seconds=5)),
            execution_timeout=timedelta(minutes=10),
            flashboot="FLASHBOOT",
            registry="reg",
            data_center_ids=["US-KS-2"],
            network_volumes=["volume"],
            **CONTAINER,
        ),
        ServerlessEndpoint,
    ),
    Call(
        "createEndpoint",
        lambda m: m.serverless.create(
            name="horses",
            type="LOAD_BALANCER",
            scaling=ScalingSettings(request_count=4),
            template_id="tpl",
            cpu=[CPUSettings(id="cpu5c", vcpu_count=4), {"id": "cpu3g", "vcpuCount": 2}],
        ),
        ServerlessEndpoint,
    ),
    Call(
        "createEndpoint",
        lambda m: m.serverless.create(
            {
                "name": "horses",
                "type": "QUEUE",
                "scaling": {"type": "REQUEST_COUNT", "requestCount": 2},
                "image": "horses:1",
                "gpu": {"pools": ("ADA_24",), "minCudaVersion": "12.4"},
                "timeout": 600_000,
            }
        ),
        ServerlessEndpoint,
    ),
    Call("getEndpoint", lambda m: m.serverless.get("abc"), ServerlessEndpoint),
    Call(
        "updateEndpoint",
        lambda m: m.serverless.update(
            "abc",
            name="mules",
            scaling=DELAY,
            template_id="tpl",
            gpu=GPUSettings(count=2),
            workers=WorkerSettings(min=0, max=0),
            execution_timeout=timedelta(minutes=20),
            flashboot="OFF",
            env={},
        ),
        ServerlessEndpoint,
    ),
    Call("updateEndpoint", lambda m: m.serverless.update("abc", {"registry": None}), ServerlessEndpoint),
    Call("deleteEndpoint", lambda m: m.serverless.delete("abc"), None),
    Call("listEndpointWorkers", lambda m: m.serverless.workers("abc"), EndpointWorkers),
    Call("listEndpointReleases", lambda m: m.serverless.releases("abc"), EndpointReleases),
)

TEMPLATES = (
    Call("listTemplates", lambda m: m.templates.list(), [Template]),
    Call(
        "createTemplate",
        lambda m: m.templates.create(
            name="horses",
            image="horses:1",
            serverless=True,
            public=False,
            category="NVIDIA",
            registry="reg",
            mounts={"persistent": {"size": 20, "path": "/workspace"}},
            start_ssh=False,
            start_jupyter=False,
            allowed_cuda_versions=["12.8"],
            **CONTAINER,
        ),
        Template,
    ),
    Call("createTemplate", lambda m: m.templates.create({"name": "horses", "image": "horses:1"}), Template),
    Call("getTemplate", lambda m: m.templates.get("abc"), Template),
    Call("updateTemplate", lambda m: m.templates.update("abc", image="horses:2", start_ssh=False), Template),
    Call("updateTemplate", lambda m: m.templates.update("abc", {"registry": None}), Template),
    Call("deleteTemplate", lambda m: m.templates.delete("abc"), None),
)

REGISTRIES = (
    Call("listRegistries", lambda m: m.registries.list(), [Registry]),
    Call("createRegistry", lambda m: m.registries.create(name="docker", username="u", password="secret"), Registry),
    Call("getRegistry", lambda m: m.registries.get("abc"), Registry),
    Call("deleteRegistry", lambda m: m.registries.delete("abc"), None),
)

_GPU = {"id": "NVIDIA GeForce RTX 4090", "count": 2, "allowedCudaVersions": ["12.8"]}
_NETWORK = {"network": ({"volumeId": "volume", "path": "/workspace"},)}

PODS = (
    Call("listPods", lambda m: m.pods.list(), [Pod]),
    Call("listPods", lambda m: m.pods.list(include_cluster_pods=True), [Pod]),
    Call(
        "createPod",
        lambda m: m.pods.create(
            name="trainer",
            image="pytorch:1",
            template_id="tpl",
            gpu=_GPU,
            registry="reg",
            mounts=_NETWORK,
            cloud="COMMUNITY",
            data_center_ids=["US-KS-2"],
            global_networking=True,
            start_ssh=True,
            start_jupyter=True,
            **CONTAINER,
        ),
        Pod,
    ),
    Call(
        "createPod",
        lambda m: m.pods.create(name="trainer", template_id="tpl", cpu={"id": "cpu5c", "vcpuCount": 4}),
        Pod,
    ),
    Call(
        "createPod",
        lambda m: m.pods.create(
            {
                "name": "trainer",
                "image": "pytorch:1",
                "gpu": {"id": "NVIDIA GeForce RTX 4090", "minCudaVersion": "12.4"},
                "mounts": {"persistent": {"size": 20, "path": "/workspace"}},
                "registry": None,
            }
        ),
        Pod,
    ),
    Call("getPod", lambda m: m.pods.get("abc"), Pod),
    Call(
        "updatePod",
        lambda m: m.pods.update(
            "abc", name="trainer", locked=True, template_id="tpl", mounts=_NETWORK, global_networking=False, **CONTAINER
        ),
        Pod,
    ),
    Call("updatePod", lambda m: m.pods.update("abc", {"registry": None, "env": {}}), Pod),
    Call("deletePod", lambda m: m.pods.delete("abc"), None),
    Call("podAction", lambda m: m.pods.start("abc"), Pod),
    Call("podAction", lambda m: m.pods.stop("abc"), Pod),
    Call("podAction", lambda m: m.pods.restart("abc"), Pod),
    Call("podAction", lambda m: m.pods.terminate("abc"), None),
)

VOLUMES = (
    Call("listNetworkVolumes", lambda m: m.volumes.list(), [NetworkVolume]),
    Call(
        "createNetworkVolume",
        lambda m: m.volumes.create(name="models", size=100, data_center="US-KS-2", type="STANDARD"),
        NetworkVolume,
    ),
    Call(
        "createNetworkVolume",
        lambda m: m.volumes.create({"name": "models", "size": 10, "dataCenter": "US-KS-2"}),
        NetworkVolume,
    ),
    Call("getNetworkVolume", lambda m: m.volumes.get("abc"), NetworkVolume),
    Call("updateNetworkVolume", lambda m: m.volumes.update("abc", name="data", size=4096), NetworkVolume),
    Call("updateNetworkVolume", lambda m: m.volumes.update("abc", {"size": 200}), NetworkVolume),
    Call("deleteNetworkVolume", lambda m: m.volumes.delete("abc"), None),
)

_GPU_FILTERS: dict[str, Any] = {
    "include": "AVAILABILITY",
    "product": ["POD", "SERVERLESS"],
    "count": 2,
    "cloud": "COMMUNITY",
    "country_codes": ("FR", "DE"),
    "cuda_versions": ["12.8", "12.6"],
}
_CPU_FILTERS: dict[str, Any] = {"include": ["AVAILABILITY"], "product": "POD", "vcpu_count": 4}

CATALOG = (
    Call("listGpuTypes", lambda m: m.catalog.gpus(), [GPUType]),
    Call("listGpuTypes", lambda m: m.catalog.gpus(**_GPU_FILTERS), [GPUType]),
    Call("getGpuType", lambda m: m.catalog.gpu("NVIDIA GeForce RTX 4090", **_GPU_FILTERS), GPUType),
    Call(
        "getGpuType",
        lambda m: m.catalog.gpu("AMD", include="AVAILABILITY", product="CLUSTER", min_cuda_version="12"),
        GPUType,
    ),
    Call("listCpuTypes", lambda m: m.catalog.cpus(), [CPUType]),
    Call("listCpuTypes", lambda m: m.catalog.cpus(**_CPU_FILTERS), [CPUType]),
    Call("getCpuType", lambda m: m.catalog.cpu("cpu5c", **_CPU_FILTERS), CPUType),
    Call("listDataCenters", lambda m: m.catalog.datacenters(), [DataCenter]),
    Call(
        "listDataCenters",
        lambda m: m.catalog.datacenters(
            include=["GPU_AVAILABILITY", "CPU_AVAILABILITY"],
            regions=["EUROPE", "ASIA"],
            network_volume_types="STANDARD",
            compliance=["GDPR"],
            global_network=False,
        ),
        [DataCenter],
    ),
    Call("getDataCenter", lambda m: m.catalog.datacenter("US-KS-2", include="GPU_AVAILABILITY"), DataCenter),
    Call("listPublicTemplates", lambda m: m.catalog.templates(), [Template]),
    Call("listPublicTemplates", lambda m: m.catalog.templates(source="community"), [Template]),
)

_SINCE: dict[str, Any] = {
    "start": datetime(2026, 11, 1, tzinfo=timezone(timedelta(hours=2))),
    "end": datetime(2026, 11, 8, 12, 30, 0, 5, tzinfo=timezone.utc),
    "bucket_size": "hour",
}

BILLING = (
    Call("listBilling", lambda m: m.billing.list(), BillingReport),
    Call("listBilling", lambda m: m.billing.list(**_SINCE), BillingReport),
    Call("listPodBilling", lambda m: m.billing.pods(pod_id="abc", last_n=7), BillingReport),
    Call("listServerlessBilling", lambda m: m.billing.serverless(serverless_id="abc", **_SINCE), BillingReport),
    Call("listEndpointBilling", lambda m: m.billing.endpoints(last_n=2, bucket_size="year"), BillingReport),
    Call("listNetworkVolumeBilling", lambda m: m.billing.network_volumes(network_volume_id="abc"), BillingReport),
    Call("listClusterBilling", lambda m: m.billing.clusters(cluster_id="abc", bucket_size="week"), BillingReport),
)

ACCOUNT = (
    Call("getSshKeys", lambda m: m.account.ssh_keys(), [str]),
    Call("updateSshKeys", lambda m: m.account.set_ssh_keys(["ssh-ed25519 AAAA me@example.com\n"]), [str]),
    Call("updateSshKeys", lambda m: m.account.set_ssh_keys([]), [str]),
)

_CLUSTER = {"name": "c", "type": "RAY", "compute": {"gpuTypeId": "NVIDIA H100", "gpuCountPerPod": 8, "podCount": 2}}

# What has no methods of its own.
RAW = (
    Call("listDelegations", lambda m: m.request("GET", "/v2/registries/delegations"), dict),
    Call("createDelegation", lambda m: m.request("POST", "/v2/registries/delegations", json={"resource": "a"}), dict),
    Call("revokeDelegation", lambda m: m.request("DELETE", "/v2/registries/delegations/abc"), None),
    Call("listClusters", lambda m: m.request("GET", "/v2/clusters"), dict),
    Call("createCluster", lambda m: m.request("POST", "/v2/clusters", json={**_CLUSTER, "image": "a:1"}), dict),
    Call("getCluster", lambda m: m.request("GET", "/v2/clusters/abc"), dict),
    Call("updateCluster", lambda m: m.request("PATCH", "/v2/clusters/abc", json={"name": "b"}), dict),
    Call("deleteCluster", lambda m: m.request("DELETE", "/v2/clusters/abc"), None),
    Call("listClusterPods", lambda m: m.request("GET", "/v2/clusters/abc/pods"), dict),
)

CALLS = (*SERVERLESS, *TEMPLATES, *REGISTRIES, *PODS, *VOLUMES, *CATALOG, *BILLING, *ACCOUNT, *RAW)
