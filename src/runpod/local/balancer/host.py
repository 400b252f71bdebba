"""The interface of what runs the workers of a load-balancing endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from runpod.local.balancer.worker import Worker

__all__ = ["Host", "WorkerConnectionError"]


class WorkerConnectionError(Exception):
    """The worker does not accept connections, or broke one."""


class Host(Protocol):
    """Runs workers: an application in this process, or worker processes. Used on the server's event loop."""

    def start(self, lost: Callable[[str, str], None]) -> None:
        """Start; `lost` is to be called with the ID of each worker that has ended by itself, and how it ended."""
        ...

    def launch(self, worker: Worker) -> None:
        """Start a worker, without waiting. Raises `OSError` if that is impossible."""
        ...

    async def wait_ready(self, worker: Worker) -> None:
        """Wait until a worker can serve requests, setting its state meanwhile."""
        ...

    def end(self, worker: Worker) -> None:
        """End a worker, without waiting."""
        ...

    def stop(self) -> None:
        """Stop, without waiting."""
        ...

    async def wait_stopped(self) -> None:
        """Wait until everything has ended; `stop` was called before."""
        ...

    async def serve(self, worker: Worker, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises `WorkerConnectionError`."""
        ...

    @property
    def subject(self) -> str:
        """What it runs, for messages."""
        ...
