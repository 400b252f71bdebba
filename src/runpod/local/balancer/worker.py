"""The state of one worker, and the choice among workers."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from runpod.local.balancer.affinity import Affinity

__all__ = ["Worker", "WorkerState", "choose"]

WorkerState = Literal["cold", "initializing", "ready", "unhealthy", "removed"]


class Worker:
    """One worker. It changes only on the server's event loop.

    Args:
        failures: How often its predecessors exited before they were ready.
    """

    def __init__(self, failures: int = 0) -> None:
        self.id: str = secrets.token_hex(7)
        self.state: WorkerState = "cold"
        self.failures = failures
        self.active = 0
        """Number of requests that it serves."""
        self.served_at = 0
        """Number of the latest request that it was chosen for."""
        self.launched_at: float = 0.0
        """On the server's clock."""
        self.tasks: set[asyncio.Task[Any]] = set()
        """The tasks that serve its requests."""
        self.boot: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Worker {self.id}, {self.state}>"


def choose(workers: Sequence[Worker], affinity: Affinity, concurrency: int | None) -> Worker | None:
    """Choose a ready worker with a free place for a request; None if there is none.

    The least busy one, and of several, the one that was not chosen for the longest time. The worker that the
    request asks for comes first.
    """
    free = [each for each in workers if each.state == "ready" and (concurrency is None or each.active < concurrency)]
    for worker in free:
        if worker.id == affinity.worker_id:
            return worker
    if affinity.strict or not free:
        return None
    return min(free, key=lambda worker: (worker.active, worker.served_at))
