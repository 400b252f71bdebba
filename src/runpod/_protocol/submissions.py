"""Recently submitted jobs: a 404 for one of them is not final."""

from __future__ import annotations

from collections import deque

# For how long after the submission a 404 is retried, in seconds. The service can be inconsistent for a short time: third
# parties report it, and Runpod's own unreleased client retries as well.
GRACE = 10.0


def is_recent(submitted_at: float | None, now: float) -> bool:
    """Whether a job was submitted so recently that a 404 is not final."""
    return submitted_at is not None and now - submitted_at < GRACE


class RecentSubmissions:
    """The submission times of recent jobs, on the monotonic clock.

    Thread-safe without a lock, which a fork could leave locked: each step is atomic, and the worst result of a race is
    that a job is dropped slightly early.
    """

    def __init__(self) -> None:
        self._moments: dict[tuple[str, str], float] = {}
        self._in_order: deque[tuple[float, tuple[str, str]]] = deque()

    def add(self, endpoint_id: str, job_id: str, now: float) -> None:
        self._forget(now)
        self._moments[endpoint_id, job_id] = now
        self._in_order.append((now, (endpoint_id, job_id)))

    def submitted_at(self, endpoint_id: str, job_id: str | None, now: float) -> float | None:
        """When this client submitted the job; None if it did not, or not recently."""
        self._forget(now)
        return None if job_id is None else self._moments.get((endpoint_id, job_id))

    def _forget(self, now: float) -> None:
        while self._in_order and now - self._in_order[0][0] >= GRACE:
            try:
                moment, job = self._in_order.popleft()
            except IndexError:  # another thread was faster
                return
            if self._moments.get(job) == moment:
                self._moments.pop(job, None)
