"""Timeouts and retention of jobs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXECUTION_TIMEOUT", "MIN_EXECUTION_TIMEOUT", "MIN_TTL", "RETENTION", "SYNC_RETENTION", "TTL", "Policy"]

# All in seconds, all from documentation.

# "min 5000; default 600000 (10 min)"; text of 2023 said 24 hours.
EXECUTION_TIMEOUT = 600.0
MIN_EXECUTION_TIMEOUT = 5.0

# "min 10000; default 86400000 (24 h); covers queue + run time". A maximum of
# 7 days is documented, but a reading of the service's code "found only the minimums enforced".
TTL = 24 * 3600.0
MIN_TTL = 10.0

# "/run result: 30 min after completion"; "/runsync result: 1 min after completion", other
# texts say five.
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
