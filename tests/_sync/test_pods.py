# Generated from tests/_async/test_pods.py by scripts/generate_sync.py. Do not edit.

"""Pods, network volumes, the catalog, billing and SSH keys: what is special about their calls."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import APIResponseError, Runpod, ConflictError, InvalidRequestError, RunpodError
from tests.servers import KEY, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import Manage
    from tests.servers import Connection, Wire

POD: dict[str, Any] = {
    "id": "abc",
    "name": "trainer",
    "status": "HIBERNATING",
    "actions": ["wake"],
    "cost": "0.44",
    "env": {"TOKEN": "PLANTED"},
    "args": "serve --key PLANTED",
    "jupyterPassword": "PLANTED",
    "ssh": {"proxy": {"host": "ssh.runpod.io", "port": 22, "password": "PLANTED"}, "direct": None},
    "mounts": {"persistent": None, "network": None},
    "runtime": {"uptime": 90, "gpus": None, "ports": [{"private": 22, "public": None}]},
    "createdAt": "2026-06-01T12:00:00Z",
    "startedAt": "yesterday",
}
VOLUME = {"id": "vol", "name": "models", "size": 100, "dataCenter": "US-KS-2", "type": "ARCHIVE"}


@pytest.mark.fact("protocol-2 8.2: newer fields")
def test_a_pod_keeps_what_is_new_and_hides_secrets(client: Runpod, wire: Wire) -> None:
    wire.respond(POD)
    pod = client.manage.pods.get("abc")
    assert ("HIBERNATING", ["wake"], 0.44) == (pod.status, pod.actions, pod.cost)
    assert datetime(2026, 6, 1, 12, tzinfo=timezone.utc) == pod.created_at
    assert pod.started_at is None
    assert pod.runtime is not None
    assert (timedelta(seconds=90), [], None) == (pod.runtime.uptime, pod.runtime.gpus, pod.runtime.ports[0].public)
    assert pod.mounts is not None
    assert (None, []) == (pod.mounts.persistent, pod.mounts.network)
    assert pod.ssh is not None
    assert pod.ssh.proxy is not None
    assert "PLANTED" == (pod.env or {})["TOKEN"] == (pod.model_extra or {})["jupyterPassword"]
    assert "PLANTED" not in f"{pod!r} {pod} {pod.ssh!r} {pod.ssh.proxy}"
    assert "TOKEN" in repr(pod)
    assert POD["ssh"]["proxy"] == pod.model_dump(mode="json", by_alias=True, exclude_unset=True)["ssh"]["proxy"]


def test_create_and_update_send_what_was_passed(client: Runpod, wire: Wire) -> None:
    wire.respond(*[httpx.Response(201, json=POD)] * 2, POD, httpx.Response(201, json=VOLUME))
    pods = client.manage.pods
    pod = pods.create(
        name="trainer", template_id="tpl", gpu={"id": "NVIDIA A40"}, ports=("22/tcp",), start_ssh=True
    )
    assert "abc" == pod.id
    pods.create({"name": "trainer", "image": "a:1", "cpu": {"id": "cpu5c", "vcpuCount": 2}, "registry": None})
    pods.update("abc", env={}, locked=False)
    volume = client.manage.volumes.create(name="models", size=100, data_center="US-KS-2")
    assert ("ARCHIVE", 100) == (volume.type, volume.size)
    assert ["POST /v2/pods", "POST /v2/pods", "PATCH /v2/pods/abc", "POST /v2/network-volumes"] == wire.sent
    assert [
        {"name": "trainer", "templateId": "tpl", "gpu": {"id": "NVIDIA A40"}, "ports": ["22/tcp"], "startSsh": True},
        {"name": "trainer", "image": "a:1", "cpu": {"id": "cpu5c", "vcpuCount": 2}, "registry": None},
        {"env": {}, "locked": False},
        {"name": "models", "size": 100, "dataCenter": "US-KS-2"},
    ] == [json.loads(request.content) for request in wire.requests]


CALLS: list[Callable[[Manage], Any]] = [
    lambda m: m.pods.create(name="a", image="a:1", gpu={"id": "NVIDIA A40"}),
    lambda m: m.pods.start("abc"),
    lambda m: m.pods.stop("abc"),
    lambda m: m.pods.restart("abc"),
    lambda m: m.pods.terminate("abc"),
    lambda m: m.volumes.create(name="a", size=10, data_center="US-KS-2"),
]


@pytest.mark.parametrize("call", CALLS, ids=["create", "start", "stop", "restart", "terminate", "volume"])
def test_a_post_is_not_repeated_in_doubt(
    call: Callable[[Manage], Any], client: Runpod, wire: Wire
) -> None:
    wire.respond(502)
    with pytest.raises(RunpodError, match="may have been executed") as caught:
        call(client.manage)
    assert caught.value.maybe_submitted
    assert 1 == len(wire.sent)


def test_an_action(client: Runpod, wire: Wire) -> None:
    pods = client.manage.pods
    wire.respond(httpx.Response(204), POD, httpx.Response(429, headers={"Retry-After": "1"}), POD)
    assert pods.terminate("a/b") is None  # type: ignore[func-returns-value]
    assert "abc" == (pods.stop("abc")).id
    pods.start("abc")
    assert "POST /v2/pods/a%2Fb/action" == wire.sent[0]
    assert ["terminate", "stop", "start", "start"] == [json.loads(each.content)["action"] for each in wire.requests]
    problem = {"title": "Conflict", "status": 409, "detail": "start is not valid for RUNNING"}
    wire.respond(httpx.Response(409, json=problem), httpx.Response(204))
    with pytest.raises(ConflictError, match=r"manage\.pods\.start .*start is not valid for RUNNING"):
        pods.start("abc")
    # The pod was started, but nobody knows.
    with pytest.raises(APIResponseError) as caught:
        pods.start("abc")
    assert caught.value.maybe_submitted


def test_empty_lists(client: Runpod, wire: Wire) -> None:
    manage = client.manage
    wire.respond({"pods": []}, {"networkVolumes": []}, {"gpus": []}, {"records": None, "metadata": None}, {"keys": []})
    assert [] == manage.pods.list() == manage.volumes.list() == manage.catalog.gpus()
    report = manage.billing.pods()
    assert ([], None) == (report.records, report.totals)
    assert [] == manage.account.set_ssh_keys([])
    assert b'{"keys":[]}' == wire.requests[-1].content
    wire.respond({"pods": None}, {"keys": None}, {"workers": None}, {"releases": None})
    assert [] == manage.pods.list() == manage.account.ssh_keys()
    assert 0 == len(manage.serverless.workers("abc"))
    assert [] == (manage.serverless.releases("abc")).releases


def test_what_is_missing_is_not_empty(client: Runpod, wire: Wire) -> None:
    """Who adds a key to those that were read would remove all others."""
    wire.respond({}, {})
    with pytest.raises(APIResponseError, match="keys is missing"):
        client.manage.account.ssh_keys()
    with pytest.raises(APIResponseError, match="records is missing"):
        client.manage.billing.pods()


def test_bills_may_be_written_as_text(client: Runpod, wire: Wire) -> None:
    amounts = {"totalAmount": "12.30", "gpuAmount": 12, "diskAmount": "?", "cpuAmount": None, "taxAmount": 1.5}
    record = {"startTime": "2026-06-01T00:00:00Z", "endTime": "2026-06-02", "podId": "abc", **amounts}
    wire.respond({"records": [record], "metadata": {"totals": amounts, "uniquePodCount": 1}})
    report = client.manage.billing.pods(last_n=1, bucket_size="day")
    assert ["GET /v2/billing/pods?lastN=1&bucketSize=day"] == wire.sent
    [found] = report.records
    assert ("abc", 12.3, 12.0) == (found.pod_id, found.total_amount, found.gpu_amount)
    assert isinstance(found.gpu_amount, float)
    assert (None, None, {"taxAmount": 1.5}) == (found.disk_amount, found.cpu_amount, found.model_extra)
    assert datetime(2026, 6, 2, tzinfo=timezone.utc) == found.end_time
    assert report.totals is not None
    assert 12.3 == report.totals.total_amount


def test_a_blank_id_is_not_the_whole_list(client: Runpod, wire: Wire) -> None:
    manage = client.manage
    for bad in ("", " ", None, 7):
        calls: list[Callable[[Any], Any]] = [manage.pods.delete, manage.volumes.delete, manage.catalog.gpu]
        for call in [*calls, manage.pods.stop, manage.volumes.get, manage.catalog.datacenter, manage.catalog.cpu]:
            with pytest.raises(InvalidRequestError, match="_id "):
                call(bad)
        with pytest.raises(InvalidRequestError, match="pod_id "):
            manage.pods.logs(bad)  # type: ignore[arg-type]
    assert [] == wire.sent


def test_the_logs_of_a_pod() -> None:
    def respond(peer: Connection) -> None:
        peer.read_request()
        event = b'id: 1\ndata: {"source":"container","line":"a horse","ts":"2026-06-01T12:00:00Z"}\n\n'
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + event)

    with RawServer(respond) as server:
        with Runpod(KEY, management_url=server.base_url.removesuffix("/v2")) as client:
            lines = client.manage.pods.logs("abc", tail=1, source="container", timeout=10)
            found = [line for line in lines]
    assert [("a horse", "container", None)] == [(line.line, line.source, line.worker_id) for line in found]
    assert server.requests[0].startswith(b"GET /v2/pods/abc/logs?")
    assert b"tail=1" in server.requests[0].splitlines()[0]
