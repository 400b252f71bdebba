"""Turns: which of the many that wait for jobs of one endpoint may look at its job next.

The service lets a client look only so often, and only at so many jobs at once. Within that,
looks are taken first come, first served, and the more wait, the shorter each look is held:

    waiting for jobs            a look is held for
    up to the number of slots   as long as it likes in half of the slots, and in the others
                                `ROOMY` times what keeps to the rate: a crowd finds slots soon
    more than there are slots   so long that the last in line has its turn in about
                                (waiting / looks per second) seconds

A 429 makes all of them pause, and then go slower for a while.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from runpod._protocol.failures import retry_after
from runpod._protocol.looking import FIRST_INTERVAL, MAX_PAUSE_SYNC
from runpod._protocol.operations import MIN_HOLD
from runpod._protocol.outcomes import Answer, Trouble

if TYPE_CHECKING:
    from runpod._protocol.operations import Call
    from runpod.models.limits import WaitLimits

# How much longer than the rate asks for a look may be held while every wait has a slot.
ROOMY = 3.0

# So late may a look begin without putting off those behind it, in seconds: clocks wake people a
# little late, and a busy program wakes them later.
SLACK = 0.25

# After a 429 nobody begins to look for so long, or for as long as the answer asks for, in
# seconds. One who waits alone rests longer by itself.
PAUSE = 0.5 * FIRST_INTERVAL

# Then the looks of an endpoint keep twice their distance, until it is so many times the usual
# one; after so many seconds without another 429, half of it.
SLOWEST = 8.0
RECOVERY = 5.0


class Bell(Protocol):
    """What wakes the one that waits for its turn."""

    def ring(self) -> None: ...


@dataclass(eq=False)
class Turn:
    """One look that somebody wants to take; `hold` limits it once the turn has come."""

    bell: Bell
    hold: float = math.inf
    joined: bool = False
    left: bool = False

    def shorten(self, call: Call) -> Call:
        """The call, held no longer than this turn allows."""
        return call if call.hold is None or call.hold <= self.hold else replace(call, hold=self.hold)


class Turns:
    """The turns of one endpoint.

    Ask for a turn until it comes, and leave whatever happens: leaving gives back the slot or the
    place in line, and may be done twice. Only the first in line is told to ask again after a
    time; the bells of the others ring when there is a reason to.
    """

    def __init__(self, limits: WaitLimits) -> None:
        self._slots = limits.concurrent
        self._rate = limits.per_second
        self._line: deque[Turn] = deque()
        # The one who was told when to ask again.
        self._keeper: Turn | None = None
        # Those who left the line before their turn stay in it until they are first.
        self._gone = 0
        self._running: set[Turn] = set()
        self._starts: deque[float] = deque(maxlen=self._rate)
        # Whether the last of them was no turn.
        self._beside = False
        self._closed_until = -math.inf
        self._distance = 1.0 / self._rate
        # When the next look may begin, if all keep their distance.
        self._due = -math.inf
        self._slowed_at = -math.inf
        # Threads share it. Whoever holds it can be interrupted by the garbage collector ending
        # an abandoned task, which leaves: so the same thread may enter twice.
        self._lock = threading.RLock()

    def ask(self, turn: Turn, now: float) -> float:
        """Takes a place in line, and the turn once it has come.

        Returns:
            0: the turn has come. Else the seconds after which to ask again, unless the bell
            rings before; infinite: not before.
        """
        with self._lock:
            if not turn.joined:
                turn.joined = True
                self._line.append(turn)
            self._give(now, asking=turn)
            if turn in self._running:
                return 0.0
            if self._first() is not turn:
                return math.inf
            full = len(self._running) >= self._slots
            self._keeper = None if full else turn
            return math.inf if full else self._opens_at(now) - now

    def leave(self, turn: Turn, now: float, outcome: Answer | Trouble | None = None) -> None:
        """Gives back what the turn has; `outcome` is what became of the look, if it was taken."""
        if not turn.joined or turn.left:
            return
        with self._lock:
            turn.left = True
            if turn in self._running:
                self._running.discard(turn)
            else:
                self._gone += 1
            if isinstance(outcome, Answer) and outcome.status == 429:
                self._slow(outcome, now)
            self._give(now)

    def count(self, now: float) -> None:
        """A look that was taken without a turn; it counts all the same.

        Where somebody is in line, only every second one does: many of them must not starve those
        who wait.
        """
        with self._lock:
            if not (self._beside and self._first()):
                self._starts.append(now)
                self._beside = True

    @property
    def running(self) -> int:
        """How many looks are under way."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many wait for their jobs: those who look, and those in line."""
        return len(self._running) + len(self._line) - self._gone

    def _first(self) -> Turn | None:
        while self._line and self._line[0].left:
            self._line.popleft()
            self._gone -= 1
        return self._line[0] if self._line else None

    def _give(self, now: float, asking: Turn | None = None) -> None:
        """Gives a turn to everybody in line whose time has come.

        Whoever happens to be awake does that for all of them: a busy program wakes people late,
        and if each had to be awake to wake the next, a crowd would get no further.
        """
        while (first := self._first()) is not None and len(self._running) < self._slots:
            if self._opens_at(now) > now:
                # The first in line keeps the time for the others.
                if first is not self._keeper and first is not asking:
                    first.bell.ring()
                return
            first.hold = self._hold()
            self._running.add(first)
            self._line.popleft()
            self._starts.append(now)
            self._due = max(self._due, now - self._slack()) + self._distance
            self._beside = False
            if first is not asking:
                first.bell.ring()

    def _hold(self) -> float:
        waiting, slots = self.waiting, self._slots
        roomy = ROOMY * slots / self._rate
        # Looks that began while few waited may keep their slots for long yet.
        long = sum(turn.hold > roomy for turn in self._running)
        if waiting > slots:
            return max(MIN_HOLD, (slots - long) / self._rate * min(ROOMY, waiting / (waiting - slots)))
        return math.inf if long < max(1, slots // 2) else max(MIN_HOLD, roomy)

    def _opens_at(self, now: float) -> float:
        """The moment from which the next look may begin."""
        usual = 1.0 / self._rate
        while self._distance > usual and now - self._slowed_at >= RECOVERY:
            self._distance = max(usual, self._distance / 2)
            self._slowed_at += RECOVERY
        starts = self._starts
        opens_at = self._closed_until
        if len(starts) == self._rate:
            opens_at = max(opens_at, starts[0] + 1.0)
        if self._distance > usual:
            return max(opens_at, self._due)
        # Half of what a second allows may begin at once, the rest at even distances: otherwise a
        # crowd would keep coming in one burst a second.
        half = max(1, self._rate // 2)
        return max(opens_at, min(self._due, starts[-half] + 1.0)) if len(starts) >= half else opens_at

    def _slack(self) -> float:
        # What was lost is caught up, but not after a 429.
        return SLACK if self._distance <= 1.0 / self._rate else 0.0

    def _slow(self, answer: Answer, now: float) -> None:
        asked = retry_after(answer) or 0.0
        self._closed_until = max(self._closed_until, now + min(max(asked, PAUSE), MAX_PAUSE_SYNC))
        # Looks that were on their way together are refused together.
        if now - self._slowed_at >= 1.0:
            self._distance = min(2 * self._distance, SLOWEST / self._rate)
            self._slowed_at = now


class TurnsByEndpoint:
    """The turns of every endpoint of a client."""

    def __init__(self) -> None:
        self._turns: dict[tuple[int, str, int, int], Turns] = {}

    def of(self, endpoint_id: str, limits: WaitLimits) -> Turns:
        # A forked child has turns of its own: those of its parent never come back to it.
        key = (os.getpid(), endpoint_id, limits.concurrent, limits.per_second)
        turns = self._turns.get(key)
        return self._turns.setdefault(key, Turns(limits)) if turns is None else turns
