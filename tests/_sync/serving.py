# Generated from tests/_async/serving.py by scripts/generate_sync.py. Do not edit.

"""The local server for tests: handlers that a test serves, and one that waits for the test."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from runpod import Runpod
from runpod.local import LocalServer
from tests.servers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from runpod import Endpoint

TIMEOUT = 2 * PATIENCE  # seconds: a test that comes near it fails


class Gate:
    """A handler that goes on when a test says so."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, job: dict[str, Any]) -> Any:
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        return job["input"]


class Serve:
    """Serves a handler as `horse`, and gives its endpoint."""

    def __init__(self, stack: ExitStack, clients: list[Runpod]) -> None:
        self._stack = stack
        self._clients = clients
        self.server: LocalServer

    def __call__(self, handler: Callable[..., Any], output_type: Any = None, **settings: Any) -> Endpoint:
        self.server = self._stack.enter_context(LocalServer({"horse": handler}, **settings))
        client = Runpod(self.server.api_key, base_url=self.server.base_url)
        self._clients.append(client)
        return client.endpoint("horse", output_type=output_type)

    def sent(self) -> list[str]:
        """Every request that arrived, without ids and queries."""
        return [f"{request.method} {request.path.split('/')[3]}" for request in self.server.requests]


def echo(job: dict[str, Any]) -> Any:
    """The handler that gives back what it gets."""
    return job["input"]
