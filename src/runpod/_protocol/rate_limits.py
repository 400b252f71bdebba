"""The rate limits of a client, and those of polls, which the server can hold.

The more jobs are waited for, the shorter each long poll is held:

- Up to `concurrent_polls` jobs: half of the polls are held for as long as requested, the others for at most `EXTENSION`
  times the hold that the rate requires, so that slots become free soon if many waits start.
- More jobs: polls are held such that the last in the queue gets its permit within about (waiting / polls per second)
  seconds.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from runpod._protocol.limiter import Limiter
from runpod._protocol.operations import CANCEL, MIN_HOLD, RUN, Operation

if TYPE_CHECKING:
    from runpod.models.limits import EndpointLimits

# While there is a slot for every wait, the factor by which a hold may exceed the one that the rate requires.
EXTENSION = 3.0

# The service allows 20 concurrent cancellations and 100 in ten seconds per endpoint (docs.runpod.io, "Send API
# requests"); some are left for other programs.
CONCURRENT_CANCELS = 18
CANCELS = 95
CANCEL_SECONDS = 10.0


class PollLimiter(Limiter):
    """Grants permits for the polls of one endpoint."""

    def __init__(self, limits: EndpointLimits) -> None:
        super().__init__(limits.concurrent_polls, limits.polls_per_second)

    def _hold(self) -> float:
        waiting, slots, rate = self.waiting, self._slots, self._most_starts
        extended = EXTENSION * slots / rate
        # Polls that started while few were waiting may occupy their slots for long.
        long = sum(permit.hold > extended for permit in self._running)
        if waiting > slots:
            return max(MIN_HOLD, (slots - long) / rate * min(EXTENSION, waiting / (waiting - slots)))
        return math.inf if long < max(1, slots // 2) else max(MIN_HOLD, extended)


class Limiters:
    """The limiters of a client, per endpoint and kind of request."""

    def __init__(self) -> None:
        self._limiters: dict[tuple[object, ...], Limiter] = {}

    def polls(self, endpoint_id: str, limits: EndpointLimits) -> Limiter:
        """The limiter of the polls of all waits and streams."""
        # Per process: after a fork, permits held by the parent would never be released in the child.
        key = (os.getpid(), endpoint_id, "polls", limits.concurrent_polls, limits.polls_per_second)
        return self._limiters.get(key) or self._limiters.setdefault(key, PollLimiter(limits))

    def requests(self, operation: Operation, endpoint_id: str, limits: EndpointLimits) -> Limiter | None:
        """The limiter of an operation that is not a poll, or None if it has no known limit."""
        rates: tuple[int, int, float, int | None]
        if operation is RUN:
            rates = (limits.concurrent_submissions, limits.submissions_per_second, 1.0, None)
        elif operation is CANCEL:
            # Jobs that are not wanted cost money until they are cancelled.
            rates = (CONCURRENT_CANCELS, CANCELS, CANCEL_SECONDS, CANCELS)
        else:
            return None
        key = (os.getpid(), endpoint_id, operation.name, *rates)
        return self._limiters.get(key) or self._limiters.setdefault(key, Limiter(*rates))
