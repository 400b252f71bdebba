"""Helpers for tests against the local server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod import AsyncRunpod
from runpod.local import LocalServer
from tests.servers import TEST_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from runpod import AsyncEndpoint

TIMEOUT = 2 * TEST_TIMEOUT  # seconds


class Serve:
    """Serve a handler as the endpoint `horse` and return a client endpoint for it."""

    def __init__(self, stack: ExitStack, clients: list[AsyncRunpod]) -> None:
        self._stack = stack
        self._clients = clients
        self.server: LocalServer

    def __call__(self, handler: Callable[..., Any], output_type: Any = None, **settings: Any) -> AsyncEndpoint:
        self.server = self._stack.enter_context(LocalServer({"horse": handler}, **settings))
        client = AsyncRunpod(self.server.api_key, base_url=self.server.base_url)
        self._clients.append(client)
        return client.endpoint("horse", output_type=output_type)

    def sent(self) -> list[str]:
        """Every request received, without IDs and query strings."""
        return [f"{request.method} {request.path.split('/')[3]}" for request in self.server.requests]


def echo(job: dict[str, Any]) -> Any:
    """A handler that returns its input."""
    return job["input"]
