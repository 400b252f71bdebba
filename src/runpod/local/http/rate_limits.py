"""Rate limits of an endpoint: requests per ten seconds, and concurrent requests."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from runpod.local.http.validation import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from runpod.local.jobs.queue import JobQueue

__all__ = ["RateLimiter"]

_WINDOW = 10.0  # seconds


class _Rate(NamedTuple):
    requests: int
    """Per ten seconds."""

    concurrent: int | None


# "Per endpoint (per user), DOCS send-requests". "Effective limit = max(base, running workers x
# per-worker allowance (value UNKNOWN))": here the base applies. The limits of other operations are
# unknown, so they have none.
_STATUS = _Rate(2000, 400)
_RATES = {
    "cancel": _Rate(100, 20),
    "purge-queue": _Rate(2, None),
    "run": _Rate(1000, 200),
    "runsync": _Rate(2000, 400),
    "status": _STATUS,
    "status-sync": _STATUS,
    "stream": _STATUS,
}

# "`/status` (+ `/status-sync`, shared with stream per DOCS-2024)".
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
        """Count a request while it runs; raises `Refusal` if it exceeds a limit."""
        rate = _RATES.get(operation)
        if rate is None:
            yield
            return
        bucket = _BUCKETS.get(operation, operation)
        now, times = self._clock(), self._times[bucket]
        while times and times[0] <= now - _WINDOW:
            times.popleft()
        if len(times) >= rate.requests or (rate.concurrent is not None and self._open[bucket] >= rate.concurrent):
            # "429: body UNKNOWN". "Retry-After / rate-limit headers: none documented, none captured".
            raise Refusal(429, "too many requests")
        # "An older 429 rule: queue > 50 and queue > workersMax x 500. Still enforced? UNKNOWN".
        if bucket in {"run", "runsync"} and self._queue.waiting > max(50, self._workers * 500):
            raise Refusal(429, "too many jobs in queue")
        times.append(now)
        self._open[bucket] += 1
        try:
            yield
        finally:
            self._open[bucket] -= 1
