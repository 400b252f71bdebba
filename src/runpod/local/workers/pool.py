"""The interface of the pools that run an endpoint's jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runpod.local.component import Component

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["Pool", "ResizeError", "WorkerInfo"]


class ResizeError(ValueError):
    """The number of workers cannot be changed."""


@dataclass(frozen=True)
class WorkerInfo:
    """A worker that exists, booted or not.

    Attributes:
        id: The ID.
        state: Its state, with the name that `counts` uses: "idle", "running", "initializing", "throttled"
            or "unhealthy".
        started_at: When it was started; None if unknown.
    """

    id: str
    state: str
    started_at: datetime | None


class Pool(Component, Protocol):
    """The workers of an endpoint: handlers or processes.

    They take jobs with `take` of the queue, which returns a lease, and report with that lease:
    `progress`, `chunk`, then `finish`, or `lose` if the worker is lost. The queue's `arrivals`
    fires when a job can be taken; the lease's `revocation` fires when the job is cancelled.
    """

    def counts(self) -> Counter[str]:
        """Count the workers by state."""
        ...

    def workers(self) -> Sequence[WorkerInfo]:
        """Return the workers, without those that wait for a job to be started."""
        ...

    def resize(self, minimum: int, maximum: int) -> None:
        """Change the number of workers, of which at least `minimum` are kept booted.

        Workers that are removed finish their jobs. Raises `ResizeError`.
        """
        ...
