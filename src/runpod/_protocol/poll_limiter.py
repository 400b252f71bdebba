"""Limits how many polls of one endpoint run at once, and how many start per second.

The service has rate limits. Within them, permits are granted in FIFO order, and the more jobs are waited for, the
shorter each long poll is held:

- Up to `concurrent` jobs: half of the polls are held for as long as requested, the others for at most `EXTENSION` times
  the hold that the rate requires, so that slots become free soon if many waits start.
- More jobs: polls are held such that the last in the queue gets its permit within about (waiting / polls per second)
  seconds.

A 429 pauses all polls of the endpoint, and then reduces their rate for a while.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from runpod._protocol.failures import retry_after
from runpod._protocol.operations import MIN_HOLD
from runpod._protocol.outcomes import Response
from runpod._protocol.polling import FIRST_INTERVAL, MAX_PAUSE_SYNC

if TYPE_CHECKING:
    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Outcome
    from runpod.models.limits import EndpointLimits

# While there is a slot for every wait, the factor by which a hold may exceed the one that the rate requires.
EXTENSION = 3.0

# How late a poll may start without delaying the next ones, in seconds: timers are inexact, especially in a busy program.
SLACK = 0.25

# Minimum pause of all polls after a 429, in seconds, unless `Retry-After` is longer. Each wait backs off in addition.
PAUSE = 0.5 * FIRST_INTERVAL

# Each 429 doubles the interval between the polls of an endpoint, up to this multiple of the usual one. It is halved
# after every RECOVERY seconds without another 429.
MAX_SLOWDOWN = 8.0
RECOVERY = 5.0


class Wakeup(Protocol):
    """Wakes the task or thread that waits for a permit."""

    def set(self) -> None: ...


@dataclass(eq=False)
class Permit:
    """Permission for one poll. Once granted, `hold` limits how long the poll may be held."""

    wakeup: Wakeup
    hold: float = math.inf
    queued: bool = False
    released: bool = False

    def shorten(self, call: Call) -> Call:
        """The call, with its hold limited by this permit."""
        return call if call.hold is None or call.hold <= self.hold else replace(call, hold=self.hold)


class PollLimiter:
    """Grants permits for the polls of one endpoint.

    Call `acquire` until it returns 0, and always call `release`: it frees the slot or the place in the queue, and may be
    called twice. Only the first in the queue gets a time after which to call `acquire` again; the others wait for their
    wakeup.
    """

    def __init__(self, limits: EndpointLimits) -> None:
        self._slots = limits.concurrent_polls
        self._rate = limits.polls_per_second
        self._queue: deque[Permit] = deque()
        # The permit whose owner calls `acquire` again after a time.
        self._timer_permit: Permit | None = None
        # Number of permits that were released while queued. They stay in the queue until they are first.
        self._released = 0
        self._running: set[Permit] = set()
        self._starts: deque[float] = deque(maxlen=self._rate)
        # Whether the last poll was counted without a permit.
        self._last_without_permit = False
        self._paused_until = -math.inf
        self._interval = 1.0 / self._rate
        # When the next poll may start at the current interval.
        self._due = -math.inf
        self._slowed_at = -math.inf
        # Shared by threads. Reentrant: the garbage collector can finalize an abandoned task, which releases its permit,
        # in the middle of any method.
        self._lock = threading.RLock()

    def acquire(self, permit: Permit, now: float) -> float:
        """Enqueues a permit, and grants it when it is due.

        Returns:
            0 if the permit is granted; otherwise the seconds after which to call again, unless the wakeup is set
            before. Infinite: wait for the wakeup.
        """
        with self._lock:
            if not permit.queued:
                permit.queued = True
                self._queue.append(permit)
            self._grant(now, requester=permit)
            if permit in self._running:
                return 0.0
            if self._first() is not permit:
                return math.inf
            full = len(self._running) >= self._slots
            self._timer_permit = None if full else permit
            return math.inf if full else self._opens_at(now) - now

    def release(self, permit: Permit, now: float, outcome: Outcome | None = None) -> None:
        """Releases a permit. `outcome` is that of the poll, if it was made."""
        if not permit.queued or permit.released:
            return
        with self._lock:
            permit.released = True
            if permit in self._running:
                self._running.discard(permit)
            else:
                self._released += 1
            if isinstance(outcome, Response) and outcome.status == 429:
                self._slow_down(outcome, now)
            self._grant(now)

    def count_unpermitted(self, now: float) -> None:
        """Counts a poll without a permit.

        While permits are queued, only every second one counts, so that these polls cannot starve them.
        """
        with self._lock:
            if not (self._last_without_permit and self._first()):
                self._starts.append(now)
                self._last_without_permit = True

    @property
    def waiting(self) -> int:
        """Number of running and queued polls."""
        return len(self._running) + len(self._queue) - self._released

    def _first(self) -> Permit | None:
        while self._queue and self._queue[0].released:
            self._queue.popleft()
            self._released -= 1
        return self._queue[0] if self._queue else None

    def _grant(self, now: float, requester: Permit | None = None) -> None:
        """Grants every permit that is due.

        Every caller does this for all permits: timers are late in a busy program, and a chain of wakeups would add up
        the delays.
        """
        while (first := self._first()) is not None and len(self._running) < self._slots:
            if self._opens_at(now) > now:
                # The first in the queue owns the timer.
                if first is not self._timer_permit and first is not requester:
                    first.wakeup.set()
                return
            first.hold = self._hold()
            self._running.add(first)
            self._queue.popleft()
            self._starts.append(now)
            self._due = max(self._due, now - self._slack()) + self._interval
            self._last_without_permit = False
            if first is not requester:
                first.wakeup.set()

    def _hold(self) -> float:
        waiting, slots = self.waiting, self._slots
        extended = EXTENSION * slots / self._rate
        # Polls that started while few were waiting may occupy their slots for long.
        long = sum(permit.hold > extended for permit in self._running)
        if waiting > slots:
            return max(MIN_HOLD, (slots - long) / self._rate * min(EXTENSION, waiting / (waiting - slots)))
        return math.inf if long < max(1, slots // 2) else max(MIN_HOLD, extended)

    def _opens_at(self, now: float) -> float:
        """The time from which the next poll may start."""
        usual = 1.0 / self._rate
        while self._interval > usual and now - self._slowed_at >= RECOVERY:
            self._interval = max(usual, self._interval / 2)
            self._slowed_at += RECOVERY
        starts = self._starts
        opens_at = self._paused_until
        if len(starts) == self._rate:
            opens_at = max(opens_at, starts[0] + 1.0)
        if self._interval > usual:
            return max(opens_at, self._due)
        # Half of the polls per second may start at once, the rest at even intervals: otherwise they would start in one
        # burst per second.
        half = max(1, self._rate // 2)
        return max(opens_at, min(self._due, starts[-half] + 1.0)) if len(starts) >= half else opens_at

    def _slack(self) -> float:
        # Delays are made up for, except after a 429.
        return SLACK if self._interval <= 1.0 / self._rate else 0.0

    def _slow_down(self, response: Response, now: float) -> None:
        asked = retry_after(response) or 0.0
        self._paused_until = max(self._paused_until, now + min(max(asked, PAUSE), MAX_PAUSE_SYNC))
        # Concurrent polls that are all rejected count once.
        if now - self._slowed_at >= 1.0:
            self._interval = min(2 * self._interval, MAX_SLOWDOWN / self._rate)
            self._slowed_at = now


class PollLimiters:
    """The poll limiters of a client, one per endpoint."""

    def __init__(self) -> None:
        self._limiters: dict[tuple[int, str, int, int], PollLimiter] = {}

    def for_endpoint(self, endpoint_id: str, limits: EndpointLimits) -> PollLimiter:
        # Per process: after a fork, permits held by the parent would never be released in the child.
        key = (os.getpid(), endpoint_id, limits.concurrent_polls, limits.polls_per_second)
        limiter = self._limiters.get(key)
        return self._limiters.setdefault(key, PollLimiter(limits)) if limiter is None else limiter
