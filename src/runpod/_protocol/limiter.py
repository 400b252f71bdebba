"""Rate limits of one endpoint: how many requests of a kind run at once, and how many start in a time.

Within the limits, permits are granted in FIFO order. A 429 pauses all requests of that kind, and then reduces their rate
for a while.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from runpod._protocol.failures import retry_after
from runpod._protocol.outcomes import Response

if TYPE_CHECKING:
    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Outcome

# How late a request may start without delaying the next ones, in seconds: timers are inexact, especially in a busy
# program.
SLACK = 0.25

# Bounds of the pause of all requests after a 429, in seconds; between them, `Retry-After` decides. Each request backs
# off in addition.
MIN_PAUSE = 0.05
MAX_PAUSE = 30.0

# Each 429 doubles the interval between the requests, up to this multiple of the usual one. It is halved after every
# RECOVERY seconds without another 429.
MAX_SLOWDOWN = 8.0
RECOVERY = 5.0


class Wakeup(Protocol):
    """Wakes the task or thread that waits for a permit."""

    def set(self) -> None: ...


@dataclass(eq=False)
class Permit:
    """Permission for one request. Once granted, `hold` limits how long a poll may be held."""

    wakeup: Wakeup
    hold: float = math.inf
    queued: bool = False
    released: bool = False

    def shorten(self, call: Call) -> Call:
        """The call, with its hold limited by this permit."""
        return call if call.hold is None or call.hold <= self.hold else replace(call, hold=self.hold)


class Limiter:
    """Grants permits for the requests of one kind to one endpoint.

    Call `acquire` until it returns 0, and always call `release`: it frees the slot or the place in the queue, and may be
    called twice. Only the first in the queue gets a time after which to call `acquire` again; the others wait for their
    wakeup.

    Args:
        concurrent: How many requests may run at once.
        starts: How many may start within `seconds`.
        seconds: See `starts`.
        burst: How many may start at once, before the others start at even intervals; by default half of `starts`.
    """

    def __init__(self, concurrent: int, starts: int, seconds: float = 1.0, burst: int | None = None) -> None:
        self._slots = concurrent
        self._seconds = seconds
        self._queue: deque[Permit] = deque()
        # The permit whose owner calls `acquire` again after a time.
        self._timer_permit: Permit | None = None
        # Number of permits that were released while queued. They stay in the queue until they are first.
        self._released = 0
        self._running: set[Permit] = set()
        self._starts: deque[float] = deque(maxlen=starts)
        self._most_starts = starts
        self._burst = max(1, starts // 2) if burst is None else burst
        # Whether the last request was counted without a permit.
        self._last_without_permit = False
        self._paused_until = -math.inf
        self._usual_interval = seconds / starts
        self._interval = self._usual_interval
        # When the next request may start at the current interval.
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
        """Releases a permit. `outcome` is that of the request, if it was made."""
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
        """Counts a request without a permit.

        While permits are queued, only every second one counts, so that these requests cannot starve them.
        """
        with self._lock:
            if not (self._last_without_permit and self._first()):
                self._starts.append(now)
                self._last_without_permit = True

    @property
    def waiting(self) -> int:
        """Number of running and queued requests."""
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
        """How long the next request may be held, in seconds."""
        return math.inf

    def _opens_at(self, now: float) -> float:
        """The time from which the next request may start."""
        usual = self._usual_interval
        while self._interval > usual and now - self._slowed_at >= RECOVERY:
            self._interval = max(usual, self._interval / 2)
            self._slowed_at += RECOVERY
        starts = self._starts
        opens_at = self._paused_until
        if len(starts) == self._most_starts:
            opens_at = max(opens_at, starts[0] + self._seconds)
        if self._interval > usual:
            return max(opens_at, self._due)
        # If all of them started at once, the next ones would, too.
        if len(starts) < self._burst:
            return opens_at
        return max(opens_at, min(self._due, starts[-self._burst] + self._seconds))

    def _slack(self) -> float:
        # Delays are made up for, except after a 429.
        return SLACK if self._interval <= self._usual_interval else 0.0

    def _slow_down(self, response: Response, now: float) -> None:
        asked = retry_after(response) or 0.0
        self._paused_until = max(self._paused_until, now + min(max(asked, MIN_PAUSE), MAX_PAUSE))
        # Concurrent requests that are all rejected count once.
        if now - self._slowed_at >= 1.0:
            self._interval = min(2 * self._interval, MAX_SLOWDOWN * self._usual_interval)
            self._slowed_at = now
