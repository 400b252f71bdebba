"""Every operation of the management API as a call, for tests that apply to all of them.

To add one: a line in `CALLS` with the ID of the operation in the description, and for a new collection its path in
`COLLECTIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runpod.models.management import (
    CPUSettings,
    EndpointReleases,
    EndpointWorkers,
    GPUSettings,
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
COLLECTIONS = ("/v2/serverless", "/v2/templates", "/v2/registries", "/v2/clusters")


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

CALLS = (*SERVERLESS, *TEMPLATES, *REGISTRIES, *RAW)
