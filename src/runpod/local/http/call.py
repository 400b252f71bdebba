"""The context of an operation: the endpoint and the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from runpod.local.http.rate_limits import RateLimiter
    from runpod.local.jobs.batches import Batches
    from runpod.local.jobs.job import Job
    from runpod.local.jobs.queue import JobQueue
    from runpod.local.settings import Behavior
    from runpod.local.workers.handler_pool import Pool
    from runpod.local.workers.remote_workers import Workers

__all__ = ["Call", "Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    """The parts of one endpoint."""

    queue: JobQueue
    pool: Pool
    workers: Workers
    batches: Batches
    rate_limiter: RateLimiter | None = None
    """None if there are no rate limits."""


@dataclass(frozen=True)
class Call:
    """One authorized request.

    Attributes:
        endpoint: The endpoint.
        ids: Values of the parameters in the route's template.
        query: The query parameters; the first value of each.
        body: The request body.
        behavior: Behavior where the service is undocumented.
        hold: Keeps the request open until the function returns True, or for a number of seconds.
            The function is called whenever the job changes.
    """

    endpoint: Endpoint
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    behavior: Behavior
    hold: Callable[[Job, Callable[[], bool], float], Awaitable[None]]

    @property
    def queue(self) -> JobQueue:
        """The queue of the endpoint."""
        return self.endpoint.queue

    @property
    def job_id(self) -> str:
        """The job id in the path."""
        return self.ids["job_id"]
