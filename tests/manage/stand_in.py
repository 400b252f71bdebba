"""A small management API for the examples of pages and the command line: it keeps what is created."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.servers import RawServer

if TYPE_CHECKING:
    from tests.servers import Connection

POD: dict[str, Any] = {
    "id": "POD_ID",
    "name": "trainer",
    "status": "RUNNING",
    "actions": ["stop", "restart", "terminate"],
    "gpu": {"id": "NVIDIA A40", "count": 2},
    "dataCenterId": "US-KS-2",
    "cost": 0.88,
    "env": {"A": "b"},
}
VOLUME: dict[str, Any] = {
    "id": "VOLUME_ID",
    "name": "models",
    "size": 100,
    "dataCenter": "US-KS-2",
    "type": "STANDARD",
}
GPU: dict[str, Any] = {
    "id": "NVIDIA A40",
    "name": "A40",
    "pool": "AMPERE_48",
    "memory": 48,
    "price": {"secure": 0.4, "community": 0.35, "serverless": 1.224},
    "availability": "LOW",
    "dataCenters": [{"id": "US-KS-2", "name": "US Kansas 2", "availability": "LOW"}],
}
AMOUNTS: dict[str, Any] = {"totalAmount": 1234.5, "gpuAmount": 1230.25, "cpuAmount": 0.0, "diskAmount": 4.25}
PERIOD = {"startTime": "2026-06-01T00:00:00Z", "endTime": "2026-06-02T00:00:00Z"}
BILL: dict[str, Any] = {
    "records": [{**PERIOD, "podId": "POD_ID", **AMOUNTS}],
    "metadata": {"query": {**PERIOD, "bucketSize": "day"}, "recordCount": 1, "totals": AMOUNTS},
}
KEYS = ["ssh-ed25519 AAAA me@example.com"]
LOG = b'id: 1\ndata: {"source":"container","line":"a horse","ts":"2026-06-01T12:00:00Z"}\n\n'

ENDPOINT: dict[str, Any] = {
    "id": "ENDPOINT_ID",
    "name": "horses",
    "type": "QUEUE",
    "image": "horses:1",
    "env": {"LEVEL": "info", "TRACE": "1"},
    "gpu": {"pools": ["ADA_24"], "count": 2},
    "workers": {"min": 0, "max": 3, "idleTimeout": 10},
}
PAUSED: dict[str, Any] = {
    "id": "PAUSED_ID",
    "name": "mules",
    "workers": {"min": 0, "max": 0},
    "cpu": [{"id": "cpu5c", "vcpuCount": 4}],
}
TEMPLATE: dict[str, Any] = {
    "id": "TEMPLATE_ID",
    "name": "stable",
    "image": "horses:1",
    "serverless": True,
    "category": "NVIDIA",
    "env": {"LEVEL": "info"},
}
WORKER: dict[str, Any] = {
    "id": "WORKER_ID",
    "status": "RUNNING",
    "isStale": True,
    "version": 3,
    "uptimeSeconds": 90,
    "gpuTypeId": "NVIDIA L4",
}
RELEASE: dict[str, Any] = {
    "id": "RELEASE_ID",
    "version": 3,
    "workerCount": 1,
    "diff": [{"field": "env", "old": {"TOKEN": "PLANTED"}, "new": {}}],
}
OF_ENDPOINT: dict[str, Any] = {
    "workers": {"workers": [WORKER], "summary": {"running": 1, "total": 1}},
    "releases": {"releases": [RELEASE], "rollout": {"inProgress": True, "percentOnLatest": 0}},
}
# The field of each list that has its items.
_PLURALS = {
    "pods": "pods",
    "network-volumes": "networkVolumes",
    "serverless": "endpoints",
    "templates": "templates",
    "registries": "registries",
    "clusters": "clusters",
}

# Status after each action.
_STATUS = {"start": "RUNNING", "stop": "EXITED", "restart": "RUNNING"}


class Problem(dict[str, Any]):
    """The body of an error."""


class StandIn(RawServer):
    """A management API with a pod, a network volume, two endpoints and a template.

    Attributes:
        url: Its address, as `management_url`.
    """

    def __init__(self) -> None:
        super().__init__(self._serve_requests)
        self.url = self.base_url.removesuffix("/v2")
        self.reset()

    def reset(self) -> None:
        """Forget all requests and what they created."""
        self.requests.clear()
        known = {"pods": [POD], "network-volumes": [VOLUME], "serverless": [ENDPOINT, PAUSED], "templates": [TEMPLATE]}
        self._lists = {name: {each["id"]: dict(each) for each in known.get(name, [])} for name in _PLURALS}

    def add(self, collection: str, **item: Any) -> None:
        """Adds something to a list."""
        self._lists[collection][item["id"]] = item

    @property
    def lines(self) -> list[str]:
        """The methods and paths of the requests."""
        return [request.decode().partition(" HTTP/1.1\r\n")[0] for request in self.requests]

    @property
    def body(self) -> Any:
        """The body of the latest request."""
        return _body_of(self.requests[-1])

    def _serve_requests(self, peer: Connection) -> None:
        while request := peer.read_request():
            method, target = request.decode().split(" ")[:2]
            steps = target.partition("?")[0].split("/")[2:]
            if steps[-1] == "logs":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + LOG)
                return
            body = _body_of(request)
            answer = self._answer(method, steps, body)
            if isinstance(answer, Problem):
                peer.respond(json.dumps(answer).encode(), status=f"{answer['status']} {answer['title']}")
            elif answer is None:
                peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            else:
                peer.respond(json.dumps(answer).encode(), headers="Content-Type: application/json\r\n")

    def _answer(self, method: str, steps: list[str], body: Any) -> Any:
        if steps[0] == "account":
            return {"keys": KEYS if body is None else body["keys"]}
        if steps[0] == "catalog":
            return {"gpus": [GPU]} if steps[1:] == ["gpus"] else GPU
        if steps[0] == "billing":
            return BILL
        items, *rest = self._lists[steps[0]], *steps[1:]
        if not rest and method == "GET":
            return {_PLURALS[steps[0]]: list(items.values())}
        if not rest and "workersMin" in body:
            errors = ["unexpected field 'workersMin'"]
            return Problem(status=422, title="Unprocessable", detail="Request validation failed", errors=errors)
        if not rest:
            items["NEW"] = {"id": "NEW", "status": "PROVISIONING", **body}
            return items["NEW"]
        if rest[0] not in items:
            return Problem(status=404, title="Not Found", detail="resource not found")
        if rest[1:] and steps[0] == "serverless":
            return OF_ENDPOINT[rest[1]]
        found: dict[str, Any] = items[rest[0]]
        if method == "DELETE" or (body or {}).get("action") == "terminate":
            del items[rest[0]]
            return None
        if method == "POST":
            body = {"status": _STATUS[body["action"]]}
        found.update(body or {})
        return found


def _body_of(request: bytes) -> Any:
    return json.loads(request.partition(b"\r\n\r\n")[2] or b"null")
