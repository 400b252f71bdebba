"""The jobs that this client submitted a moment ago: a 404 for one of those is not final."""

from __future__ import annotations

from collections import deque

# Right after a submission, a job can be unknown to the part of the service that is asked about it: Runpod's own
# unreleased client goes on asking for a while, and third parties saw it. In seconds.
GRACE = 10.0


def is_recent(submitted_at: float | None, now: float) -> bool:
    """Whether a job was submitted so lately that a 404 is not final."""
    return submitted_at is not None and now - submitted_at < GRACE


class RecentSubmissions:
    """When the jobs of the last seconds were submitted, on the monotonic clock.

    Threads may share it without a lock, which a fork could leave locked for ever: each step is atomic, and the worst
    that two threads can do is forget a job a moment early.
    """

    def __init__(self) -> None:
        self._moments: dict[tuple[str, str], float] = {}
        self._in_order: deque[tuple[float, tuple[str, str]]] = deque()

    def add(self, endpoint_id: str, job_id: str, now: float) -> None:
        self._forget(now)
        self._moments[endpoint_id, job_id] = now
        self._in_order.append((now, (endpoint_id, job_id)))

    def submitted_at(self, endpoint_id: str, job_id: str | None, now: float) -> float | None:
        """When this job was submitted; None if that is long ago or was not seen."""
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
