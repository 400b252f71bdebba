"""What is refused before it is sent: pods, network volumes, SSH keys, the catalog and billing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from runpod import InvalidRequestError, Runpod
from tests.servers import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod import Manage

GPU: dict[str, Any] = {"id": "NVIDIA A40"}
CPU: dict[str, Any] = {"id": "cpu5c", "vcpuCount": 2}
POD: dict[str, Any] = {"name": "trainer", "image": "a:1", "gpu": GPU}
DISK = {"size": 20, "path": "/workspace"}
NETWORK = {"volumeId": "vol", "path": "/workspace"}
NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def manage() -> Iterator[Manage]:
    # Nothing listens there, and nothing is sent.
    with Runpod(KEY, management_url="http://127.0.0.1:9") as client:
        yield client.manage


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        call()
    assert "PLANTED" not in caught.value.message
    return caught.value.message


@pytest.mark.fact("protocol-2 8.2: pods")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "name is missing"),
        ({"gpu": None}, "gpu is missing"),
        ({"cpu": CPU}, "gpu and cpu were both passed"),
        ({"image": None}, "image is missing"),
        ({"gpu": "NVIDIA A40"}, "gpu must be a mapping, not str"),
        ({"gpu": {"pools": ["ADA_24"]}}, "Pods take a GPU type, not pools"),
        ({"gpu": {"count": 1}}, "gpu.id is missing"),
        ({"gpu": {**GPU, "count": 0}}, "gpu.count must be at least 1, got 0"),
        ({"gpu": {**GPU, "allowedCudaVersions": "12.8"}}, "gpu.allowedCudaVersions must be a list"),
        ({"gpu": {**GPU, "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.4"}}, "Pass one of them"),
        ({"gpu": None, "cpu": {"id": "cpu5c"}}, "cpu.vcpuCount must be an int, not NoneType"),
        ({"gpu": None, "cpu": {"id": "cpu5c", "vcpuCount": 6}}, "cpu.vcpuCount must be a power of two"),
        ({"gpu": None, "cpu": CPU, "mounts": {"persistent": DISK}}, "not possible with a CPU pod"),
        ({"mounts": {"persistent": DISK, "network": [NETWORK]}}, "mounts has both persistent and network"),
        ({"mounts": {"persistent": {**DISK, "size": 9}}}, "mounts.persistent.size must be at least 10, got 9"),
        ({"mounts": {"persistent": {"size": 10}}}, "mounts.persistent.path is missing"),
        ({"mounts": {"network": NETWORK}}, "mounts.network must be a list"),
        ({"mounts": {"network": [NETWORK, NETWORK]}}, "mounts.network has 2 volumes"),
        ({"mounts": {"network": [{"path": "/workspace"}]}}, "mounts.network[0].volumeId is missing"),
        ({"args": ["python", "PLANTED"]}, "args must be one str"),
        ({"disk": 0}, "disk must be at least 1, got 0"),
        ({"disk": True}, "disk must be an int, not bool"),
        ({"ports": "8888/http"}, "ports must be a list"),
        ({"ports": [8888]}, "ports must be a list of str"),
        ({"env": {"A": "PLANTED", "B": 1}}, "env['B'] must be a str, not int"),
        ({"data_center_ids": "US-KS-2"}, "data_center_ids must be a list"),
    ],
)
def test_pods(changes: dict[str, Any], message: str, manage: Manage) -> None:
    assert message in refused(lambda: manage.pods.create(**{**POD, **changes}))


@pytest.mark.fact("protocol-2 8.2: network volumes", "protocol-2 8.2: billing and catalog")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.pods.create({**POD, "gpuTypeIds": ["x"], "volumeInGb": 9}), "gpuTypeIds is now gpu.id (one)"),
        (lambda m: m.pods.create({**POD, "gpuTypeIds": ["x"], "volumeInGb": 9}), "volumeInGb is now mounts.persistent"),
        (lambda m: m.pods.create(POD, name="other"), "Pass either a positional mapping or keywords"),
        (lambda m: m.pods.create([POD]), "must be a mapping, not list"),
        (lambda m: m.pods.update("abc"), 'update("POD_ID"'),
        (lambda m: m.pods.update("abc", {"gpu": GPU}), "gpu of a pod cannot be changed"),
        (lambda m: m.pods.update("abc", mounts={"network": []}), "mounts.network is empty"),
        (lambda m: m.pods.update("abc", disk=0), "disk must be at least 1"),
        (lambda m: m.volumes.create(size=10, data_center="US-KS-2"), "name is missing"),
        (lambda m: m.volumes.create(name="a", size=10), "data_center is missing"),
        (lambda m: m.volumes.create(name="a", size=9, data_center="US-KS-2"), "size must be from 10 to 4096 GB, got 9"),
        (lambda m: m.volumes.create({"name": "a", "size": 10, "dataCenterId": "x"}), "dataCenter of a network volume"),
        (lambda m: m.volumes.update("vol", size=4097), "size must be from 10 to 4096 GB, got 4097"),
        (lambda m: m.volumes.update("vol", size="20"), "size must be an int, in GB, not str"),
        (lambda m: m.volumes.update("vol", {}), "Pass the fields, such as update"),
        (lambda m: m.volumes.update("vol", {"type": "STANDARD"}), "type of a network volume cannot be changed"),
        (lambda m: m.account.set_ssh_keys("ssh-ed25519 AAAA"), "it replaces all keys of the account"),
        (lambda m: m.account.set_ssh_keys(["-----BEGIN OPENSSH PRIVATE KEY----- PLANTED"]), "keys[0] is a private key"),
        (lambda m: m.account.set_ssh_keys(["ssh-rsa AAAA", "PLANTED"]), "keys[1] is not a public key"),
        (lambda m: m.account.set_ssh_keys(["ssh-rsa AAAA\nssh-rsa PLANTED"]), "keys[0] is not a public key"),
        (lambda m: m.catalog.gpus(include="AVAILABILITY"), "include needs product"),
        (lambda m: m.catalog.gpu("NVIDIA A40", product="POD"), "product needs include"),
        (lambda m: m.catalog.cpus(vcpu_count=4), "vcpu_count needs include"),
        (lambda m: m.catalog.gpus(include="AVAILABILITY", product="POD", count=0), "count must be at least 1"),
        (lambda m: m.catalog.gpus(include="AVAILABILITY", product=[]), "product must be a text that is not blank"),
        (
            lambda m: m.catalog.gpus(include="AVAILABILITY", product="POD", cuda_versions="12"),
            "versions such as '12.8'",
        ),
        (
            lambda m: m.catalog.gpus(
                include="AVAILABILITY", product="POD", cuda_versions="12.8", min_cuda_version="12.1"
            ),
            "cuda_versions and min_cuda_version were both passed",
        ),
        (lambda m: m.catalog.datacenters(regions=7), "regions must be a text or a list of texts, not int"),
        (lambda m: m.billing.list(last_n=7, start=NOW), "last_n was passed together with start or end"),
        (lambda m: m.billing.pods(last_n=0), "last_n must be at least 1, got 0"),
        (lambda m: m.billing.pods(start="2026-11-01"), "start must be a datetime"),
        (lambda m: m.billing.pods(end=datetime(2026, 11, 1)), "end has no time zone"),  # noqa: DTZ001 - the mistake
        (lambda m: m.billing.pods(start=NOW, end=NOW - timedelta(days=1)), "start must be before end"),
        (lambda m: m.billing.pods(pod_id=" "), "pod_id must be a text that is not blank"),
    ],
)
def test_other_calls(call: Callable[[Any], object], message: str, manage: Manage) -> None:
    assert message in refused(lambda: call(manage))


@pytest.mark.fact("protocol-2 8.2: newer fields")
def test_a_member_that_is_newer_than_this_version_is_not_refused() -> None:
    from runpod._protocol.pod_fields import created_pod

    newer = {**POD, "gpu": {**GPU, "minRamPerGpu": 8}, "priority": "HIGH"}
    assert newer == created_pod(newer, {})
