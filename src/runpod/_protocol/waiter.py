"""The state machine of `wait` and `watch`: polls until the job has ended, with long polls if the server has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpod._protocol.decoding import parse_job
from runpod._protocol.operations import MIN_HOLD, STATUS, STATUS_SYNC, Call
from runpod._protocol.outcomes import Response
from runpod._protocol.polling import LONG_HOLD, Action, Done, Poller
from runpod._protocol.submissions import is_recent
from runpod.errors import APIResponseError

if TYPE_CHECKING:
    from runpod._protocol.outcomes import Outcome
    from runpod.models.jobs import JobState

# Statuses of a server without this route, or without the `wait` parameter.
_NO_LONG_POLL = frozenset({400, 405})

# A long poll that returned sooner, in seconds, although the job had not ended, was not held.
_HELD = 0.9 * MIN_HOLD


@dataclass
class Waiter(Poller):
    """Waits for the end of a job.

    Attributes:
        changes: Whether to poll often enough for status and progress changes, not only for the end.
        until: From this time on, the latest state is returned even if the job has not ended.
        may_hold: Whether the server may hold the next poll. Set before each `next`.
    """

    changes: bool = False
    until: float = math.inf
    may_hold: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        # After a 404 for a long poll, /status shows whether the job or the route is missing.
        self._checking_route = False
        self._route_misses = 0
        self._has_polled = False
        if self.state is not None and self.state.completed:
            self._result = Done()

    def next(self, now: float) -> Action:
        if self._result is None and self._has_polled and now >= self.until:
            self._result = Done()
        return super().next(now)

    def end(self) -> float:
        # `until` applies only once there is a state to return.
        return min(super().end(), self.until) if self._has_polled else super().end()

    def _hold_end(self) -> float:
        return min(super()._hold_end(), self.until)

    def _next_call(self, now: float) -> Call:
        room = self._hold_end() - now
        if not (self.routes.long_poll and self.may_hold) or self._checking_route or room < MIN_HOLD:
            return self._call(STATUS)
        if not self.changes:
            return self._call(STATUS_SYNC, hold=min(room, LONG_HOLD))
        # A long poll returns early only at the end of the job, so it is used only if the pause would be as long.
        return self._call(STATUS) if self.interval < MIN_HOLD else self._call(STATUS_SYNC, hold=MIN_HOLD)

    def received(self, call: Call, outcome: Outcome, now: float) -> JobState[Any] | None:
        """Takes the outcome of a poll. Returns the state of the job, if the poll succeeded."""
        if isinstance(outcome, Response):
            if outcome.is_success:
                return self._take(call, outcome, now)
            if call.operation is STATUS_SYNC and outcome.status in _NO_LONG_POLL:
                self.routes.long_poll = False
                return None
            if outcome.status == 404:
                self._checking_route = call.operation is STATUS_SYNC
                if not self._checking_route:
                    self._not_found(call, outcome, now)
                return None
        self._failed(call, outcome, now)
        return None

    def _take(self, call: Call, response: Response, now: float) -> JobState[Any] | None:
        try:
            state = parse_job(response, call)
        except APIResponseError as error:
            self._failed(call, error, now)
            return None
        self._learn_route(call, now)
        if differs(self.state, state):
            self._reset_interval()
        self._succeeded(state)
        self._has_polled = True
        if state.completed:
            self._result = Done()
        elif call.hold is None or now - self._polled_at < _HELD:
            # Also if the server does not hold long polls, to avoid a busy loop.
            self._back_off(now)
        return state

    def _learn_route(self, call: Call, now: float) -> None:
        if self._checking_route:
            # For a recent job, a 404 of one route may be an inconsistency. Require it twice, since `long_poll` is
            # disabled for the whole client.
            self._route_misses += 1
            if self._route_misses >= (2 if is_recent(self.submitted_at, now) else 1):
                self.routes.long_poll = False
        elif call.operation is STATUS_SYNC:
            self._route_misses = 0
        self._checking_route = False


def differs(old: JobState[Any] | None, new: JobState[Any]) -> bool:
    """Whether the status or the progress changed."""
    return old is None or bool(old.status != new.status or old.output != new.output)
