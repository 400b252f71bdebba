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

# Status after each action.
_STATUS = {"start": "RUNNING", "stop": "EXITED", "restart": "RUNNING"}


class StandIn(RawServer):
    """A management API with one pod and one network volume.

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
        self._lists = {"pods": {"POD_ID": dict(POD)}, "network-volumes": {"VOLUME_ID": dict(VOLUME)}}

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
            answer = self._answer(method, steps, _body_of(request))
            if answer is None:
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
            return {{"pods": "pods", "network-volumes": "networkVolumes"}[steps[0]]: list(items.values())}
        if not rest:
            items["NEW"] = {"id": "NEW", "status": "PROVISIONING", **body}
            return items["NEW"]
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
