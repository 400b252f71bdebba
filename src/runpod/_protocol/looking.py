"""What waiting and streaming share: looks at a job, one after another, until it ended.

The machine is asked what to do (`next`), and told what became of it (`received`):

    Look → carry out the call, then tell `received` the outcome and the time
    Pause → let so many seconds pass
    Done → over; the state or chunks are in hand
    Fail → over, with an error
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from runpod._protocol.failures import failure, is_trouble, retry_after
from runpod._protocol.operations import Call, Operation
from runpod._protocol.outcomes import Answer, TooLate, Trouble
from runpod._protocol.retrying import Fail, backoff, is_young
from runpod.errors import (
    APIResponseError,
    JobExpiredError,
    RunpodError,
    RunpodTimeoutError,
)
from runpod.models.jobs import JobState, JobStatus, readable
from runpod.models.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from runpod._protocol.deadlines import Deadline

# One poll is held for at most this long, in seconds, as the JavaScript SDK does.
LONG_HOLD = 90.0

# So much of the deadline is left for the answer of a held look to travel, in seconds.
MARGIN = 0.25

# Polling starts at the first interval and eases off to the second, in seconds.
FIRST_INTERVAL = 0.1
LAST_INTERVAL = 5.0
EASE = 1.5

# Without a deadline, this many looks in a row may fail.
MAX_FAILURES = 10

# The longest pause between two looks, in seconds; the result of a `sync-` job is kept for a
# minute only, so two looks at it must fall into one minute.
MAX_PAUSE = 60.0
MAX_PAUSE_SYNC = 30.0


@dataclass(frozen=True)
class Look:
    """Carry out this call, once."""

    call: Call


@dataclass(frozen=True)
class Pause:
    """Let this many seconds pass."""

    seconds: float


@dataclass(frozen=True)
class Done:
    """There is nothing more to look for."""


Action: TypeAlias = Union[Look, Pause, Done, Fail]  # noqa: UP007 - evaluated on Python 3.10


@dataclass
class Routes:
    """What a client knows, or has learned, about the routes of its server."""

    long_poll: bool = True


@dataclass
class Looker:
    """The part of a machine that deals with time and trouble.

    `submitted_at` is when this client submitted the job, None if it did not.
    """

    endpoint_id: str
    job_id: str
    deadline: Deadline
    now: float
    state: JobState[Any] | None = None
    submitted_at: float | None = None
    routes: Routes = field(default_factory=Routes)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    jitter: Callable[[], float] = random.random
    over: Done | Fail | None = field(default=None, init=False)
    interval: float = field(default=FIRST_INTERVAL, init=False)

    def __post_init__(self) -> None:
        self._not_before = self.now
        self._asked_at = self.now
        self._failures = 0
        self._last_trouble = ""

    # What a machine is made of: which call next, and what a good answer means.

    def _next_call(self, now: float) -> Call:
        raise NotImplementedError  # pragma: no cover

    def end(self) -> float:
        """The moment at which looking is over, whatever was seen by then."""
        return self.deadline.at

    def _last_look(self) -> float:
        """The moment by which the last look must have been answered."""
        return self.deadline.at - MARGIN

    def next(self, now: float) -> Action:
        if self.over is not None:
            return self.over
        if self.deadline.passed(now):
            self.over = Fail(self._timeout_error())
            return self.over
        if now < self._not_before:
            return Pause(min(self._not_before, self.end()) - now)
        self._asked_at = now
        return Look(self._next_call(now))

    def _call(self, operation: Operation, hold: float | None = None) -> Call:
        return Call(operation, self.endpoint_id, self.job_id, hold=hold)

    def _rest(self, seconds: float, now: float) -> None:
        """No look before so many seconds from now, yet one more before the end."""
        moment = now + seconds
        last = self._last_look()
        if moment > last > now:
            moment = last
        self._not_before = moment

    def _next_interval(self) -> float:
        interval = self.interval
        self.interval = min(interval * EASE, LAST_INTERVAL)
        # Jitter keeps a thousand waiters from looking in step.
        return interval * (0.8 + 0.4 * self.jitter())

    def _ease(self, now: float) -> None:
        self._rest(self._next_interval(), now)

    def _saw(self, state: JobState[Any]) -> None:
        self.state = state

    def _stop(self, end: Done | Fail) -> None:
        self.over = end

    def _hurry(self) -> None:
        self.interval = FIRST_INTERVAL

    def _recover(self) -> None:
        self._failures = 0

    def _stumble(self, call: Call, outcome: Answer | Trouble | APIResponseError, now: float) -> None:
        """An outcome that is not an answer about the job: look again, or give up."""
        error: RunpodError
        if isinstance(outcome, APIResponseError):
            error, asked = outcome, None
        else:
            error = failure(call, outcome, self.deadline, state=self.state)
            if isinstance(outcome, TooLate):
                self.over = Fail(self._timeout_error())
                return
            if not is_trouble(outcome):
                self.over = Fail(error)
                return
            asked = retry_after(outcome) if isinstance(outcome, Answer) else None
        self._failures += 1
        self._last_trouble = error.message
        if self._failures >= MAX_FAILURES and not self.deadline.limited:
            self.over = Fail(error)
            return
        longest = MAX_PAUSE_SYNC if self.job_id.startswith("sync-") else MAX_PAUSE
        pause = backoff(self.policy, self._failures, self.jitter)
        # No faster than it would poll: a policy without pauses would make a wait run hot.
        pause = max(pause, asked or 0.0, self._next_interval())
        self._rest(min(pause, longest), now)

    def _missing(self, call: Call, answer: Answer, now: float) -> None:
        """The server does not know the job: not yet, no longer, or not at all."""
        if is_young(answer, self.submitted_at, now):
            self._ease(now)
        elif self.state is None and self.submitted_at is None:
            self.over = Fail(failure(call, answer, self.deadline))
        else:
            self.over = Fail(self._expired_error())

    def _expired_error(self) -> JobExpiredError:
        seen = f" (last seen {readable(self.state.status, 40)})" if self.state is not None else ""
        msg = (
            f"Job {self.job_id!r} on endpoint {self.endpoint_id!r} is gone{seen}. Its result or its time to live ran out: "
            "results are kept for 30 minutes, those of run_sync for one."
        )
        return JobExpiredError(msg, state=self.state, job_id=self.job_id, endpoint_id=self.endpoint_id)

    def _last_status(self) -> str:
        return "never seen" if self.state is None else self.state.status

    def _timeout_error(self) -> RunpodTimeoutError:
        status = self._last_status()
        msg = (
            f"Job {self.job_id!r} on endpoint {self.endpoint_id!r} had not ended within the "
            f"timeout of {self.deadline.span:g} s (last status: {readable(status, 40)}). It goes "
            f"on: look again with endpoint.job({self.job_id!r}), or cancel it."
        )
        if status == JobStatus.IN_QUEUE:
            msg += " No worker had taken it: endpoint.health() tells whether there are any."
        if self._failures:
            msg += f" The last look failed: {self._last_trouble}"
        return RunpodTimeoutError(
            msg,
            state=self.state,
            job_id=self.job_id,
            endpoint_id=self.endpoint_id,
            maybe_submitted=False,
            retryable=True,
        )
