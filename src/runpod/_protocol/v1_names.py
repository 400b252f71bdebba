"""Fields of GraphQL and of version 1 of the REST API, and what they are called in version 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# No object of version 2 has a field with one of these names at its top level.
_NAMES = {
    "bidPerGpu": "nothing: there are no spot pods",
    "cloudType": "cloud",
    "computeType": "gpu or cpu",
    "containerDiskInGb": "disk",
    "containerDiskSizeGb": "disk",
    "containerRegistryAuthId": "registry",
    "countryCodes": "dataCenterIds",
    "cpuFlavorIds": "cpu (a list of {id, vcpuCount})",
    "dataCenterId": "dataCenterIds, or dataCenter of a network volume",
    "dockerArgs": "args",
    "dockerEntrypoint": "args",
    "dockerStartCmd": "args (one text)",
    "executionTimeoutMs": "timeout (in milliseconds)",
    "flashBootType": "flashboot",
    "gpuCount": "gpu.count",
    "gpuIds": "gpu.pools (IDs of pools such as 'ADA_24')",
    "gpuTypeIds": "gpu.pools (IDs of pools such as 'ADA_24', not names of GPUs)",
    "idleTimeout": "workers.idleTimeout (in seconds)",
    "imageName": "image",
    "instanceIds": "cpu (a list of {id, vcpuCount})",
    "interruptible": "nothing: there are no spot pods",
    "isPublic": "public",
    "isServerless": "serverless",
    "locations": "dataCenterIds",
    "networkVolumeId": "networkVolumes (a list)",
    "networkVolumeIds": "networkVolumes",
    "scalerType": "scaling.type",
    "scalerValue": "scaling.queueDelay (in seconds) or scaling.requestCount",
    "vcpuCount": "cpu (a list of {id, vcpuCount})",
    "volumeInGb": "mounts.persistent.size",
    "volumeMountPath": "mounts.persistent.path",
    "workersMax": "workers.max",
    "workersMin": "workers.min",
}
_BY_OTHER_SPELLING = {name.lower(): name for name in _NAMES}


def renamed(names: Iterable[object]) -> str:
    """What old names among these are called now, as a sentence; empty if there are none."""
    found = [_BY_OTHER_SPELLING.get(str(name).replace("_", "").lower()) for name in names]
    parts = [f"{name} is now {_NAMES[name]}" for name in found if name is not None]
    return f"In version 2 of the API, {'; '.join(parts)}." if parts else ""


def correction(body: object) -> str:
    """What is called otherwise in version 2 in a rejected body, as sentences; empty if nothing is known."""
    if not isinstance(body, dict):
        return ""
    fields = cast("Mapping[str, Any]", body)
    gpu: object = fields.get("gpu")
    pools: object = cast("Mapping[str, Any]", gpu).get("pools") if isinstance(gpu, dict) else None
    has_names = isinstance(pools, list) and any(" " in str(pool) for pool in cast("list[object]", pools))
    hint = "gpu.pools takes IDs of pools such as 'ADA_24', not names of GPUs." if has_names else ""
    return " ".join(filter(None, (renamed(fields), hint)))
