"""The wait machine: looks at a job until it ended, by long polls where the server has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpod._protocol.decoding import read_job
from runpod._protocol.looking import (
    LONG_HOLD,
    Action,
    Done,
    Looker,
)
from runpod._protocol.operations import MIN_HOLD, STATUS, STATUS_SYNC, Call
from runpod._protocol.outcomes import Answer, Trouble
from runpod._protocol.retrying import GRACE
from runpod.errors import APIResponseError

if TYPE_CHECKING:
    from runpod.models.jobs import JobState

# Answers by which a server says that it has no such route, or not with such a `wait`.
_NO_LONG_POLL = frozenset({400, 405})

# A held look that came back sooner (in seconds) without the end of the job was not held.
_AT_ONCE = 0.9 * MIN_HOLD


@dataclass
class Waiter(Looker):
    """Waits for the end of a job.

    Args:
        changes: Look often enough to see statuses and progress on the way, not just the end.
        until: A moment at which the state of then will do, ended or not.
    """

    changes: bool = False
    until: float = math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        # After a 404 of the long poll, /status says whether the job or the route is missing.
        self._checking_route = False
        self._route_missed = 0
        self._looked = False
        if self.state is not None and self.state.completed:
            self._stop(Done())

    def next(self, now: float) -> Action:
        if self.over is None and self._looked and now >= self.until:
            self._stop(Done())
        return super().next(now)

    def end(self) -> float:
        # Where nothing was seen so far, there is nothing to return at `until` either.
        return min(super().end(), self.until) if self._looked else super().end()

    def _last_look(self) -> float:
        return min(super()._last_look(), self.until)

    def _next_call(self, now: float) -> Call:
        room = self._last_look() - now
        if not self.routes.long_poll or self._checking_route or room < MIN_HOLD:
            return self._call(STATUS)
        if not self.changes:
            return self._call(STATUS_SYNC, hold=min(room, LONG_HOLD))
        # A held look sees the end at once but nothing else before its time, so watching holds
        # only where it would otherwise pause for as long.
        if self.interval < MIN_HOLD:
            return self._call(STATUS)
        return self._call(STATUS_SYNC, hold=MIN_HOLD)

    def received(self, call: Call, outcome: Answer | Trouble, now: float) -> JobState[Any] | None:
        """Takes what became of a look; the state of the job, if it was one."""
        if isinstance(outcome, Answer):
            if outcome.good:
                return self._answered(call, outcome, now)
            if call.operation is STATUS_SYNC and outcome.status in _NO_LONG_POLL:
                self.routes.long_poll = False
                return None
            if outcome.status == 404 and call.operation is STATUS_SYNC:
                self._checking_route = True
                return None
            if outcome.status == 404:
                self._checking_route = False
                self._missing(call, outcome, now)
                return None
        self._stumble(call, outcome, now)
        return None

    def _is_young(self, now: float) -> bool:
        return self.submitted_at is not None and now - self.submitted_at < GRACE

    def _answered(self, call: Call, answer: Answer, now: float) -> JobState[Any] | None:
        try:
            state = read_job(answer, call)
        except APIResponseError as error:
            trouble = error
        else:
            self._seen(call, state, now)
            return state
        self._stumble(call, trouble, now)
        return None

    def _seen(self, call: Call, state: JobState[Any], now: float) -> None:
        self._recover()
        if self._checking_route:
            # A young job can be missing in one place and known in the next: that takes a second
            # proof, since what is learned here holds for the whole client.
            self._route_missed += 1
            if self._route_missed >= (2 if self._is_young(now) else 1):
                self.routes.long_poll = False
        elif call.operation is STATUS_SYNC:
            self._route_missed = 0
        self._checking_route = False
        if differs(self.state, state):
            self._hurry()
        self._saw(state)
        self._looked = True
        if state.completed:
            self._stop(Done())
        elif call.hold is None or now - self._asked_at < _AT_ONCE:
            # A poll, or a hold that the server did not keep: do not run hot.
            self._ease(now)


def differs(old: JobState[Any] | None, new: JobState[Any]) -> bool:
    """Whether a watcher would want to know: another status, or another progress update."""
    if old is None:
        return True
    return bool(old.status != new.status or old.output != new.output)
