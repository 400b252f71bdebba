"""Common parts of waiting for a job and streaming it: both poll until the job has ended.

A poller is a state machine. `next` returns the next action, and `received` takes the outcome of a poll:

    Poll → make the call, then pass the outcome and the time to `received`
    Pause → sleep
    Done → finished
    Fail → finished with an error
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from runpod import _observer
from runpod._protocol.failures import failure, is_transient, retry_after
from runpod._protocol.operations import Call, Operation
from runpod._protocol.outcomes import DeadlineExceeded, Response
from runpod._protocol.retries import backoff
from runpod._protocol.submissions import is_recent
from runpod._text import readable
from runpod.errors import APIResponseError, JobExpiredError, RunpodError, RunpodTimeoutError
from runpod.models.jobs import JobState  # noqa: TC001 - of a dataclass
from runpod.models.retry import RetryPolicy
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.outcomes import Outcome

# Maximum hold of one long poll, in seconds, as in the JavaScript SDK.
LONG_HOLD = 90.0

# How long before the deadline a long poll ends, in seconds, so that its response arrives in time.
MARGIN = 0.25

# Polls start at the first interval, in seconds, which grows exponentially up to the last one.
FIRST_INTERVAL = 0.1
LAST_INTERVAL = 5.0
INTERVAL_FACTOR = 1.5

# Without a deadline, the wait for one job ends after this many consecutive failed polls.
MAX_FAILURES = 10

# Maximum pause between two polls, in seconds. The result of a `sync-` job is kept for one minute only, which must be
# enough for two polls.
MAX_PAUSE = 60.0
MAX_PAUSE_SYNC = 30.0


@dataclass(frozen=True)
class Poll:
    """Make this call, once."""

    call: Call


@dataclass(frozen=True)
class Pause:
    """Sleep for this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Done:
    """Polling has ended."""


@dataclass(frozen=True)
class Fail:
    """Polling has ended with this error."""

    error: RunpodError


Action: TypeAlias = Union[Poll, Pause, Done, Fail]  # noqa: UP007 - evaluated on Python 3.10


def wait_again(job_id: str) -> str:
    """Advice after a timeout."""
    return f"The job was not cancelled: wait for it again with endpoint.job({job_id!r}), or cancel it."


@dataclass
class Routes:
    """Which optional routes the server supports, as far as the client has found out."""

    long_poll: bool = True


@dataclass
class Poller(ABC):
    """Base of the state machines: timing, and handling of failed polls.

    Attributes:
        state: The last known state of the job.
        submitted_at: When this client submitted the job; None if it did not, or not recently.
        max_failures: Without a deadline, polling ends after this many consecutive failed polls.
        interval: Seconds until the next poll, if the server does not hold polls.
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
    max_failures: int = MAX_FAILURES
    interval: float = field(default=FIRST_INTERVAL, init=False)

    def __post_init__(self) -> None:
        self._not_before = self.now
        self._polled_at = self.now
        self._failures = 0
        self._last_failure = ""
        self._result: Done | Fail | None = None

    @abstractmethod
    def _next_call(self, now: float) -> Call: ...

    def end(self) -> float:
        """The time at which polling ends in any case."""
        return self.deadline.at

    def _hold_end(self) -> float:
        """The time at which the hold of the last poll ends."""
        return self.deadline.at - MARGIN

    def next(self, now: float) -> Action:
        if self._result is not None:
            return self._result
        if self.deadline.passed(now):
            self._result = Fail(self._timeout_error())
            return self._result
        if now < self._not_before:
            return Pause(min(self._not_before, self.end()) - now)
        self._polled_at = now
        return Poll(self._next_call(now))

    def _call(self, operation: Operation, hold: float | None = None) -> Call:
        return Call(operation, self.endpoint_id, self.job_id, hold=hold)

    def _pause(self, seconds: float, now: float) -> None:
        """Delays the next poll, but allows one more before the end."""
        moment = now + seconds
        last = self._hold_end()
        if moment > last > now:
            moment = last
        self._not_before = moment

    def _next_interval(self) -> float:
        interval = self.interval
        self.interval = min(interval * INTERVAL_FACTOR, LAST_INTERVAL)
        # Jitter keeps many waiters from polling in lockstep.
        return interval * (0.8 + 0.4 * self.jitter())

    def _reset_interval(self) -> None:
        """Resets the interval after a change."""
        self.interval = FIRST_INTERVAL

    def _back_off(self, now: float) -> None:
        self._pause(self._next_interval(), now)

    def _succeeded(self, state: JobState[Any]) -> None:
        """Records the state that a poll returned."""
        self._failures = 0
        self.state = state

    def _failed(self, call: Call, outcome: Outcome | APIResponseError, now: float) -> None:
        """Handles a failed poll: backs off, or gives up."""
        if isinstance(outcome, DeadlineExceeded):
            self._result = Fail(self._timeout_error())
            return
        if isinstance(outcome, APIResponseError):
            error: RunpodError = outcome
            gives_up = False
        else:
            error = failure(call, outcome, self.deadline, state=self.state)
            gives_up = not is_transient(outcome)
        self._failures += 1
        self._last_failure = error.message
        if gives_up or (self._failures >= self.max_failures and not self.deadline.limited):
            self._result = Fail(error)
            return
        requested = retry_after(outcome) if isinstance(outcome, Response) else None
        pause = backoff(self.policy, self._failures, self.jitter)
        # At least the interval: with a policy without delays, a wait would spin.
        pause = max(pause, requested or 0.0, self._next_interval())
        max_pause = MAX_PAUSE_SYNC if self.job_id.startswith("sync-") else MAX_PAUSE
        self._pause(min(pause, max_pause), now)

    def _not_found(self, call: Call, response: Response, now: float) -> None:
        """Handles a 404 for the job: it is too recent, has expired, or never existed."""
        if is_recent(self.submitted_at, now):
            self._back_off(now)
        elif self.state is None and self.submitted_at is None:
            self._result = Fail(failure(call, response, self.deadline))
        else:
            error = self._expired_error()
            _observer.lost(self.endpoint_id, self.job_id, error)
            self._result = Fail(error)

    def _expired_error(self) -> JobExpiredError:
        last = f" (last status: {readable(self.state.status, 40)})" if self.state is not None else ""
        msg = (
            f"Job {self.job_id!r} on endpoint {self.endpoint_id!r} no longer exists{last}. Its result or its time to "
            "live expired: results are kept for 30 minutes, and for one minute after run_sync."
        )
        return JobExpiredError(msg, state=self.state, job_id=self.job_id, endpoint_id=self.endpoint_id)

    def _last_status(self) -> str:
        return "unknown" if self.state is None else self.state.status

    def _timeout_error(self) -> RunpodTimeoutError:
        status = self._last_status()
        msg = (
            f"Job {self.job_id!r} on endpoint {self.endpoint_id!r} did not end within the timeout of "
            f"{self.deadline.span:g} s (last status: {readable(status, 40)}). {wait_again(self.job_id)}"
        )
        if status == JobStatus.IN_QUEUE:
            msg += " No worker has taken it: endpoint.diagnose() says why."
        if self._failures:
            msg += f" The last poll failed: {self._last_failure}"
        return RunpodTimeoutError(
            msg,
            state=self.state,
            job_id=self.job_id,
            endpoint_id=self.endpoint_id,
            maybe_submitted=False,
            retryable=True,
        )
