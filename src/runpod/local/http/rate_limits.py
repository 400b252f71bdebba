"""Rate limits of an endpoint: requests per ten seconds, and concurrent requests."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from runpod.local.http.validation import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from runpod.local.jobs.queue import JobQueue

__all__ = ["RateLimiter"]

_WINDOW = 10.0  # seconds


class _Rate(NamedTuple):
    requests: int
    """Per ten seconds."""

    concurrent: int | None


# The documented base limits, which apply per endpoint (and user). The effective limit is the base or
# an allowance per running worker, whichever is larger; the allowance is undocumented, so here it is
# always the base. The limits of other operations are undocumented as well, so here they have none.
_STATUS = _Rate(2000, 400)
_RATES = {
    "cancel": _Rate(100, 20),
    "openai": _Rate(2000, 400),
    "purge-queue": _Rate(2, None),
    "run": _Rate(1000, 200),
    "runsync": _Rate(2000, 400),
    "status": _STATUS,
    "status-sync": _STATUS,
    "stream": _STATUS,
}

# Operations that share a limit. Only documentation of 2024 says this of `/stream`.
_BUCKETS = {"status-sync": "status", "stream": "status"}


class RateLimiter:
    """The rate limits of one endpoint and their usage. Used only on the server's event loop.

    Args:
        clock: Clock for the ten seconds.
        queue: Queue whose length is limited.
        workers: Number of workers.
    """

    def __init__(self, clock: Callable[[], float], queue: JobQueue, workers: int) -> None:
        self._clock = clock
        self._queue = queue
        self._workers = workers
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)
        self._open: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<RateLimiter open={dict(+self._open)}>"

    @contextmanager
    def admit(self, operation: str) -> Generator[None, None, None]:
        """Count a request while it runs; raises `HTTPError` if it exceeds a limit."""
        rate = _RATES.get(operation)
        if rate is None:
            yield
            return
        bucket = _BUCKETS.get(operation, operation)
        now, times = self._clock(), self._times[bucket]
        while times and times[0] <= now - _WINDOW:
            times.popleft()
        if len(times) >= rate.requests or (rate.concurrent is not None and self._open[bucket] >= rate.concurrent):
            # The body is undocumented. Headers such as `Retry-After` are neither documented nor
            # captured from the service.
            raise HTTPError(429, "too many requests")
        # An older rule of the service: 429 if more than 50 jobs, and more than 500 per worker, are
        # queued. Whether it is still enforced is unknown.
        if bucket in {"openai", "run", "runsync"} and self._queue.waiting > max(50, self._workers * 500):
            raise HTTPError(429, "too many jobs in queue")
        times.append(now)
        self._open[bucket] += 1
        try:
            yield
        finally:
            self._open[bucket] -= 1
