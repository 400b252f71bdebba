"""Helpers for tests of load-balancing endpoints: a plain client, and a server with applications."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from runpod.local import LocalEndpoint, LocalServer
from tests.local.api import TIMEOUT, until
from tests.local.balancer_apps import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

WORKER = [
    *(sys.executable, "-m", "uvicorn", "balancer_apps:app", "--port", "$PORT", "--no-server-header"),
    *("--app-dir", str(Path(__file__).parent), "--log-level", "warning"),
]


class Client:
    """A plain HTTP client for one load-balancing endpoint."""

    def __init__(self, server: LocalServer, endpoint: str = "horse") -> None:
        self.server = server
        self.endpoint = endpoint
        self.url = server.load_balancer_url.format(endpoint_id=endpoint)
        self.headers = {"Authorization": f"Bearer {server.api_key}"}
        self.http = httpx.Client(base_url=self.url, headers=self.headers, timeout=TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, affinity: str = "") -> httpx.Response:
        return self.http.get(path, headers={"X-Runpod-Worker-Id": affinity} if affinity else {})

    @property
    def pool(self) -> Any:
        return self.server._endpoints[self.endpoint].balancer

    def on_loop(self, function: Callable[[], object]) -> None:
        """Call a function on the server's event loop."""
        assert self.server._thread is not None
        self.server._thread.call(function)

    def open(self) -> None:
        """End all requests to `/hold`, even if no worker is free."""
        self.on_loop(self.pool.host._app.state.scene.gate.set)

    def worker(self, affinity: str = "") -> str:
        """Return the worker that serves the next request."""
        response = self.get("/ping", affinity)
        assert 200 == response.status_code, response.text
        return worker_of(response)

    def workers(self) -> dict[str, int]:
        """Return the number of workers in each state."""
        health: Any = self.http.get(f"{self.server.base_url}/{self.endpoint}/health").json()
        return {state: number for state, number in health["workers"].items() if number}

    def wait_workers(self, **expected: int) -> None:
        until(lambda: expected == self.workers())


def worker_of(response: httpx.Response) -> str:
    worker_id: str = response.headers["x-runpod-worker-id"]
    return worker_id


def serve_app(**settings: Any) -> LocalServer:
    """Return a server with a new application as the endpoint `horse`."""
    return LocalServer({"horse": LocalEndpoint(app=create_app(), **settings)})
