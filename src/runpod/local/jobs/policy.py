"""The TTL, timeouts and retention of jobs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MIN_EXECUTION_TIMEOUT", "MIN_TTL", "RETENTION", "SYNC_RETENTION", "TTL", "Policy"]

# All in seconds, all from documentation. The default execution timeout is a setting of an endpoint.
MIN_EXECUTION_TIMEOUT = 5.0

# The default TTL; it covers the time in the queue and the run time. Documentation also gives a
# maximum of 7 days, but a reading of the service's code found that only the minimum is enforced.
TTL = 24 * 3600.0
MIN_TTL = 10.0

# Results of `/run` and of `/runsync` after the end of the job. Other pages of the documentation say
# five minutes for `/runsync`.
RETENTION = 30 * 60.0
SYNC_RETENTION = 60.0


@dataclass(frozen=True)
class Policy:
    """The execution policy of a job.

    Attributes:
        ttl: Seconds the job may wait and run in total.
        execution_timeout: Seconds the job may run, or None for the endpoint's default.
        low_priority: Whether the job does not start a worker.
    """

    ttl: float = TTL
    execution_timeout: float | None = None
    low_priority: bool = False
