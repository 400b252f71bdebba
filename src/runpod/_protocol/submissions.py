"""Which jobs were submitted lately: a 404 for one of those is not yet an answer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from runpod._protocol.retrying import GRACE

if TYPE_CHECKING:
    from runpod._protocol.operations import Call


class Submissions:
    """The submissions of the last seconds, with their moments on the monotonic clock.

    Threads may share it without a lock, which a fork could leave locked for ever: each step is
    atomic, and the worst that two threads can do is forget a job a moment early.
    """

    def __init__(self) -> None:
        self._moments: dict[tuple[str, str], float] = {}
        self._in_order: deque[tuple[float, tuple[str, str]]] = deque()

    def note(self, endpoint_id: str, job_id: str, now: float) -> None:
        self._forget(now)
        self._moments[endpoint_id, job_id] = now
        self._in_order.append((now, (endpoint_id, job_id)))

    def moment_of(self, endpoint_id: str, job_id: str, now: float) -> float | None:
        """When this job was submitted, None if that is long ago or was not seen."""
        self._forget(now)
        return self._moments.get((endpoint_id, job_id))

    def moment(self, call: Call, now: float) -> float | None:
        """The same for the job that a call is about."""
        return None if call.job_id is None else self.moment_of(call.endpoint_id, call.job_id, now)

    def _forget(self, now: float) -> None:
        while self._in_order and now - self._in_order[0][0] >= GRACE:
            try:
                moment, job = self._in_order.popleft()
            except IndexError:  # another thread was faster
                return
            if self._moments.get(job) == moment:
                self._moments.pop(job, None)
