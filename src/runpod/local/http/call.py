"""One request to one operation of one endpoint, with all an operation needs to answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from runpod.local.http.rate_limits import Rates
    from runpod.local.jobs.batches import Batches
    from runpod.local.jobs.job import Job
    from runpod.local.jobs.queue import JobQueue
    from runpod.local.settings import Behavior
    from runpod.local.workers.handler_pool import Pool
    from runpod.local.workers.remote_workers import Workers

__all__ = ["Call", "Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    """What stands behind one endpoint id."""

    queue: JobQueue
    pool: Pool
    workers: Workers
    batches: Batches
    rates: Rates | None = None
    """None where requests are not limited."""


@dataclass(frozen=True)
class Call:
    """One request, read and let in.

    Attributes:
        endpoint: Where it went to.
        ids: What stands for the parts in braces of the route's template.
        query: The query parameters; of one given twice the first.
        body: The body.
        behavior: What the server does where nobody knows for sure what the service does.
        hold: Keeps the request open until the function given says so or so many seconds have
            passed, asking it again whenever the job changes.
    """

    endpoint: Endpoint
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    behavior: Behavior
    hold: Callable[[Job, Callable[[], bool], float], Awaitable[None]]

    @property
    def queue(self) -> JobQueue:
        """The jobs of the endpoint."""
        return self.endpoint.queue

    @property
    def job_id(self) -> str:
        """The job it is about."""
        return self.ids["job_id"]
