"""Limits how many polls of one endpoint are under way, and how many begin in a second.

The service allows a client so many polls and no more. Within that, permits are given first come, first served, and the
more jobs are waited for, the shorter each long poll is held:

    jobs waited for              a poll is held for
    up to `concurrent`           as long as it wants in half of the slots, and in the others `ROOMY` times what keeps
                                 to the rate, so that a crowd finds slots soon
    more than `concurrent`       so long that the last in the queue gets its permit in about
                                 (waiting / polls per second) seconds

A 429 pauses all polls of the endpoint, and then slows them down for a while.
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
    from runpod.models.limits import WaitLimits

# How much longer than the rate asks for a poll may be held while there is a slot for every wait.
ROOMY = 3.0

# How late a poll may begin without delaying those behind it, in seconds: timers are a little late, and later in a busy
# program.
SLACK = 0.25

# After a 429 no poll begins for so long, or for as long as `Retry-After` says, in seconds. A single wait backs off by
# itself.
PAUSE = 0.5 * FIRST_INTERVAL

# Then the interval between the polls of an endpoint doubles, until it is so many times the usual one. After so many
# seconds without another 429, it is halved.
SLOWEST = 8.0
RECOVERY = 5.0


class Wakeup(Protocol):
    """Wakes the one that waits for a permit."""

    def set(self) -> None: ...


@dataclass(eq=False)
class Permit:
    """One poll that somebody wants to make. `hold` limits it once the permit is given."""

    wakeup: Wakeup
    hold: float = math.inf
    queued: bool = False
    released: bool = False

    def shorten(self, call: Call) -> Call:
        """The call, held no longer than this permit allows."""
        return call if call.hold is None or call.hold <= self.hold else replace(call, hold=self.hold)


class PollLimiter:
    """Gives permits for the polls of one endpoint.

    Call `acquire` until it returns 0, and `release` whatever happens: it gives back the slot or the place in the queue,
    and may be called twice. Only the first in the queue is told to ask again after a time; the others are woken when
    there is a reason to.
    """

    def __init__(self, limits: WaitLimits) -> None:
        self._slots = limits.concurrent
        self._rate = limits.per_second
        self._queue: deque[Permit] = deque()
        # The one that was told when to ask again.
        self._timekeeper: Permit | None = None
        # Permits that were released in the queue stay in it until they are first.
        self._released = 0
        self._running: set[Permit] = set()
        self._starts: deque[float] = deque(maxlen=self._rate)
        # Whether the last of them had no permit.
        self._last_without_permit = False
        self._paused_until = -math.inf
        self._interval = 1.0 / self._rate
        # When the next poll may begin, if all keep the interval.
        self._due = -math.inf
        self._slowed_at = -math.inf
        # Threads share it. The garbage collector can end an abandoned task, which releases its permit, in the middle of
        # any method: so the same thread may enter twice.
        self._lock = threading.RLock()

    def acquire(self, permit: Permit, now: float) -> float:
        """Takes a place in the queue, and the permit once it is due.

        Returns:
            0: the permit is given. Otherwise the seconds after which to ask again, unless the wakeup comes before;
            infinite: not before.
        """
        with self._lock:
            if not permit.queued:
                permit.queued = True
                self._queue.append(permit)
            self._give(now, asking=permit)
            if permit in self._running:
                return 0.0
            if self._first() is not permit:
                return math.inf
            full = len(self._running) >= self._slots
            self._timekeeper = None if full else permit
            return math.inf if full else self._opens_at(now) - now

    def release(self, permit: Permit, now: float, outcome: Outcome | None = None) -> None:
        """Gives the permit back. `outcome` is that of the poll, if it was made."""
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
            self._give(now)

    def count(self, now: float) -> None:
        """Counts a poll that needs no permit.

        While others are queued, only every second one counts: many of them must not starve those that wait.
        """
        with self._lock:
            if not (self._last_without_permit and self._first()):
                self._starts.append(now)
                self._last_without_permit = True

    @property
    def running(self) -> int:
        """How many polls are under way."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many jobs are waited for: polls under way, and in the queue."""
        return len(self._running) + len(self._queue) - self._released

    def _first(self) -> Permit | None:
        while self._queue and self._queue[0].released:
            self._queue.popleft()
            self._released -= 1
        return self._queue[0] if self._queue else None

    def _give(self, now: float, asking: Permit | None = None) -> None:
        """Gives every permit that is due.

        Whoever is awake does that for all: timers are late in a busy program, and if each had to be awake to wake the
        next, a crowd would get no further.
        """
        while (first := self._first()) is not None and len(self._running) < self._slots:
            if self._opens_at(now) > now:
                # The first in the queue keeps the time for the others.
                if first is not self._timekeeper and first is not asking:
                    first.wakeup.set()
                return
            first.hold = self._hold()
            self._running.add(first)
            self._queue.popleft()
            self._starts.append(now)
            self._due = max(self._due, now - self._slack()) + self._interval
            self._last_without_permit = False
            if first is not asking:
                first.wakeup.set()

    def _hold(self) -> float:
        waiting, slots = self.waiting, self._slots
        roomy = ROOMY * slots / self._rate
        # Polls that began while few waited may keep their slots for long yet.
        long = sum(permit.hold > roomy for permit in self._running)
        if waiting > slots:
            return max(MIN_HOLD, (slots - long) / self._rate * min(ROOMY, waiting / (waiting - slots)))
        return math.inf if long < max(1, slots // 2) else max(MIN_HOLD, roomy)

    def _opens_at(self, now: float) -> float:
        """The moment from which on the next poll may begin."""
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
        # Half of what a second allows may begin at once, the rest at even intervals: otherwise a crowd would keep
        # coming in one burst a second.
        half = max(1, self._rate // 2)
        return max(opens_at, min(self._due, starts[-half] + 1.0)) if len(starts) >= half else opens_at

    def _slack(self) -> float:
        # Lost time is caught up, but not after a 429.
        return SLACK if self._interval <= 1.0 / self._rate else 0.0

    def _slow_down(self, response: Response, now: float) -> None:
        asked = retry_after(response) or 0.0
        self._paused_until = max(self._paused_until, now + min(max(asked, PAUSE), MAX_PAUSE_SYNC))
        # Polls that were on their way together are refused together.
        if now - self._slowed_at >= 1.0:
            self._interval = min(2 * self._interval, SLOWEST / self._rate)
            self._slowed_at = now


class PollLimiters:
    """The limiters of the endpoints of a client."""

    def __init__(self) -> None:
        self._limiters: dict[tuple[int, str, int, int], PollLimiter] = {}

    def of(self, endpoint_id: str, limits: WaitLimits) -> PollLimiter:
        # A forked child has limiters of its own: permits of its parent never come back to it.
        key = (os.getpid(), endpoint_id, limits.concurrent, limits.per_second)
        limiter = self._limiters.get(key)
        return self._limiters.setdefault(key, PollLimiter(limits)) if limiter is None else limiter
