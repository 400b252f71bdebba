"""The context of an operation: the endpoint and the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod.local.balancer.pool import BalancerPool
    from runpod.local.http.endpoint_settings import EndpointSettings
    from runpod.local.http.long_poll import Hold
    from runpod.local.http.rate_limits import RateLimiter
    from runpod.local.jobs.batches import Batches
    from runpod.local.jobs.queue import JobQueue
    from runpod.local.settings import Behavior
    from runpod.local.workers.pool import Pool
    from runpod.local.workers.remote_workers import RemoteWorkers

__all__ = ["Call", "Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    """The parts of one endpoint."""

    queue: JobQueue
    pool: Pool
    remote_workers: RemoteWorkers
    batches: Batches
    settings: EndpointSettings
    rate_limiter: RateLimiter | None = None
    """None if there are no rate limits."""

    balancer: BalancerPool | None = None
    """The workers of a load-balancing endpoint, the same object as `pool`; None for an endpoint with a queue."""


@dataclass(frozen=True)
class Call:
    """One authorized request.

    Attributes:
        endpoint: The endpoint.
        ids: Values of the parameters in the route's template.
        query: The query parameters; the first value of each.
        body: The request body.
        behavior: Behavior where the service is undocumented.
        hold: Keeps the request open until a condition is met.
    """

    endpoint: Endpoint
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    behavior: Behavior
    hold: Hold

    @property
    def queue(self) -> JobQueue:
        """The queue of the endpoint."""
        return self.endpoint.queue

    @property
    def job_id(self) -> str:
        """The job ID in the path."""
        return self.ids["job_id"]
