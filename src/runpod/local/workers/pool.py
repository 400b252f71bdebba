"""The interface of the pools that run an endpoint's jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from runpod.local.component import Component

if TYPE_CHECKING:
    from collections import Counter

__all__ = ["Pool"]


class Pool(Component, Protocol):
    """The workers of an endpoint: handlers or processes.

    They take jobs with `take` of the queue, which returns a lease, and report with that lease:
    `progress`, `chunk`, then `finish`, or `lose` if the worker is lost. The queue's `arrivals`
    fires when a job can be taken; the lease's `revocation` fires when the job is cancelled.
    """

    def counts(self) -> Counter[str]:
        """Count the workers by state."""
        ...
