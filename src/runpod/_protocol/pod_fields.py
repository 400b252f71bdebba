"""The body of a request that creates or changes a pod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

from runpod._protocol.settings_fields import fields_of, require
from runpod._protocol.v1_names import renamed
from runpod._protocol.value_kinds import is_mapping
from runpod.errors import InvalidRequestError

# The description of REST API v2: the smallest disk on the host of a pod, in GB.
_MIN_PERSISTENT = 10

_CREATE = 'create(name="trainer", image="runpod/pytorch:1.0.2", gpu={"id": "NVIDIA GeForce RTX 4090"})'
_UPDATE = 'update("POD_ID", name="trainer")'
_GPU = 'gpu={"id": "NVIDIA GeForce RTX 4090", "count": 1}'
_CPU = 'cpu={"id": "cpu5c", "vcpuCount": 2}'
_NETWORK = 'mounts={"network": [{"volumeId": "VOLUME_ID", "path": "/workspace"}]}'
_PERSISTENT = 'mounts={"persistent": {"size": 20, "path": "/workspace"}}'

# What fields of version 1 are called in version 2, where it differs between pods and endpoints.
_NAMES = {
    "gpuCount": "gpu.count",
    "gpuTypeId": "gpu.id",
    "gpuTypeIds": "gpu.id (one)",
    "networkVolumeId": "mounts.network[0].volumeId",
    "vcpuCount": "cpu.vcpuCount",
}
_FIXED = ("gpu", "cpu", "cloud", "dataCenterIds", "startSsh", "startJupyter")


def created_pod(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new pod, in the wire format.

    Raises:
        InvalidRequestError: A field is missing, or surely wrong.
    """
    _check_names(request)
    pod = fields_of(request, keywords, _CREATE)
    require(pod, "name", example=_CREATE)
    gpu, cpu = pod.get("gpu"), pod.get("cpu")
    if gpu is None and cpu is None:
        _refuse(f"gpu is missing. Pass {_GPU}, or {_CPU}.")
    if gpu is not None and cpu is not None:
        _refuse("gpu and cpu were both passed. Pass one of them: a pod with GPUs has a CPU anyway.")
    if not pod.get("image") and not pod.get("templateId"):
        _refuse("image is missing. Pass a container image, or template_id.")
    if gpu is not None:
        _check_gpu(gpu)
    if cpu is not None:
        _check_cpu(cpu)
    _check_container(pod)
    _check_texts(pod.get("dataCenterIds"), "data_center_ids", '["US-KS-2"]')
    if pod.get("mounts") is not None:
        mounts = _check_mounts(pod["mounts"])
        if cpu is not None and mounts.get("persistent") is not None:
            _refuse(f"mounts.persistent is not possible with a CPU pod. Use a network volume: {_NETWORK}.")
    return pod


def changed_pod(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a pod to change, in the wire format.

    Raises:
        InvalidRequestError: A field cannot be changed, or is surely wrong.
    """
    _check_names(request)
    pod = fields_of(request, keywords, _UPDATE)
    for name in _FIXED:
        if name in pod:
            _refuse(f"{name} of a pod cannot be changed. Create another pod.")
    _check_container(pod)
    if pod.get("mounts") is not None and not _check_mounts(pod["mounts"]).get("network", True):
        _refuse("mounts.network is empty, but the mounts of a pod cannot be removed. Create another pod.")
    return pod


def _check_names(request: object) -> None:
    names = list(request) if is_mapping(request) else []
    parts = [f"{name} is now {_NAMES[name]}" for name in names if name in _NAMES]
    if parts:
        others = renamed(name for name in names if name not in _NAMES)
        _refuse(f"In version 2 of the API, {'; '.join(parts)}. {others}".rstrip())


def _refuse(message: str) -> NoReturn:
    raise InvalidRequestError(message)


def _check_count(value: object, field: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(f"{field} must be an int, not {type(value).__name__}.")
    if value < least:
        _refuse(f"{field} must be at least {least}, got {value}.")
    return value


def _members(value: object, field: str, example: str) -> Mapping[str, Any]:
    """A nested part of a request. Unknown members are the service's to refuse: it may be newer."""
    if not isinstance(value, Mapping):
        msg = f"{field} must be a mapping, not {type(value).__name__}. Example: {example}."
        raise InvalidRequestError(msg)
    return cast("Mapping[str, Any]", value)


def _items(value: object, field: str, example: str) -> Sequence[object]:
    # A str is a sequence of characters.
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        _refuse(f"{field} must be a list. Example: {example}.")
    return cast("Sequence[object]", value)


def _check_texts(value: object, field: str, example: str) -> None:
    if value is not None and not all(isinstance(each, str) for each in _items(value, field, example)):
        _refuse(f"{field} must be a list of str. Example: {example}.")


def _check_container(pod: Mapping[str, Any]) -> None:
    args = pod.get("args")
    if args is not None and not isinstance(args, str):
        _refuse(f"args must be one str, such as 'python main.py', not {type(args).__name__}. Use shlex.join.")
    if pod.get("disk") is not None:
        _check_count(pod["disk"], "disk", 1)
    _check_texts(pod.get("ports"), "ports", '["8888/http", "22/tcp"]')


def _check_member(members: Mapping[str, Any], name: str, field: str, example: str) -> None:
    value = members.get(name)
    if not isinstance(value, str) or not value.strip():
        _refuse(f"{field}.{name} is missing, or not a str. Example: {example}.")


def _check_gpu(value: object) -> None:
    gpu = _members(value, "gpu", _GPU)
    if "pools" in gpu:
        _refuse(f"Pods take a GPU type, not pools, which are for serverless endpoints. Example: {_GPU}.")
    _check_member(gpu, "id", "gpu", _GPU)
    if "count" in gpu:
        _check_count(gpu["count"], "gpu.count", 1)
    _check_texts(gpu.get("allowedCudaVersions"), "gpu.allowedCudaVersions", '["12.8"]')
    if gpu.get("allowedCudaVersions") and gpu.get("minCudaVersion") is not None:
        _refuse("gpu has both allowedCudaVersions and minCudaVersion. Pass one of them.")


def _check_cpu(value: object) -> None:
    cpu = _members(value, "cpu", _CPU)
    _check_member(cpu, "id", "cpu", _CPU)
    count = _check_count(cpu.get("vcpuCount"), "cpu.vcpuCount", 2)
    if count & (count - 1):
        _refuse(f"cpu.vcpuCount must be a power of two, such as 2, 4 or 8, got {count}.")


def _check_mounts(value: object) -> Mapping[str, Any]:
    mounts = _members(value, "mounts", _NETWORK)
    persistent, network = mounts.get("persistent"), mounts.get("network")
    if persistent is not None and network:
        _refuse(
            "mounts has both persistent and network, but a pod has one of them. A network volume outlives its host."
        )
    if persistent is not None:
        members = _members(persistent, "mounts.persistent", _PERSISTENT)
        _check_member(members, "path", "mounts.persistent", _PERSISTENT)
        _check_count(members.get("size"), "mounts.persistent.size", _MIN_PERSISTENT)
    if network is not None:
        volumes = _items(network, "mounts.network", _NETWORK)
        if len(volumes) > 1:
            _refuse(f"mounts.network has {len(volumes)} volumes, but a pod can have one.")
        for each in volumes:
            members = _members(each, "mounts.network[0]", _NETWORK)
            for name in ("volumeId", "path"):
                _check_member(members, name, "mounts.network[0]", _NETWORK)
    return mounts
