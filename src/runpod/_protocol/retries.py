"""Retries: whether and when a request is sent again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod._protocol.failures import failure, in_doubt, is_transient, outcome_unknown, retry_after
from runpod._protocol.operations import JOBS
from runpod._protocol.outcomes import RequestNotSent, Response
from runpod._protocol.submissions import is_recent
from runpod.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runpod._observer import Submission
    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Outcome
    from runpod.models.jobs import JobState
    from runpod.models.retry import RetryPolicy

# Minimum delay after a 404 for a recently submitted job, in seconds.
RECENT_PAUSE = 0.1

# Maximum accepted `Retry-After` of a call without a deadline, in seconds.
MAX_RETRY_AFTER = 300.0


@dataclass
class Attempts:
    """The attempts of one call.

    Attributes:
        submitted_at: When this client submitted the job of the call; None if it did not, or not recently.
        number: The number of the current attempt, from 1.
        doubt: The first outcome after which the call may have been executed.
        may_be_done: Whether an attempt at a repeatable call may have been executed.
        observed: Of a submission, what is told about it, if there is an observer.
    """

    call: Call
    policy: RetryPolicy
    deadline: Deadline
    submitted_at: float | None = None
    jitter: Callable[[], float] = random.random
    number: int = 1
    doubt: Outcome | None = None
    may_be_done: bool = False
    observed: Submission | None = None

    def succeeded(self, outcome: Outcome) -> bool:
        """Whether the call has succeeded: also if an earlier attempt deleted what is now missing."""
        if not isinstance(outcome, Response):
            return False
        is_deleted = self.call.operation.method == "DELETE" and outcome.status == 404 and self.may_be_done
        return outcome.is_success or is_deleted

    def next_delay(self, outcome: Outcome, now: float) -> float:
        """Takes the outcome of a failed attempt.

        Returns:
            The delay before the next attempt, in seconds.

        Raises:
            RunpodError: The call must not be retried.
        """
        asked = (retry_after(outcome) if isinstance(outcome, Response) else None) or 0.0
        delay = max(backoff(self.policy, self.number, self.jitter), asked)
        allowed = self._is_retryable(outcome) and self.number <= self.policy.max_retries
        if not allowed and self._is_of_a_recent_job(outcome, now):
            allowed, delay = True, max(delay, RECENT_PAUSE)
        in_time = delay < self.deadline.remaining(now) and (self.deadline.limited or asked <= MAX_RETRY_AFTER)
        if not allowed or not in_time:
            raise failure(self.call, outcome, self.deadline, attempts=self.number, doubt=self.doubt)
        self.number += 1
        if self.doubt is None and in_doubt(self.call, outcome):
            self.doubt = outcome
        self.may_be_done = self.may_be_done or outcome_unknown(outcome)
        return delay

    def submitted(self, state: JobState[Any]) -> None:
        """Takes that the call submitted a job."""
        if self.observed is not None:
            self.observed.submitted(state, self.number)

    def given_up(self, error: BaseException | None) -> None:
        """Takes that the call submitted no job, or that this is unknown."""
        if self.observed is not None:
            doubt = error.maybe_submitted if isinstance(error, RunpodError) else self.doubt is not None
            self.observed.failed(error, self.number, in_doubt=doubt)

    def _is_retryable(self, outcome: Outcome) -> bool:
        if not is_transient(outcome):
            return False
        # Rejected with 429, or never sent: the request was not executed.
        if isinstance(outcome, RequestNotSent) or (isinstance(outcome, Response) and outcome.status == 429):
            return True
        operation = self.call.operation
        # What a handler can detect twice: a second pod or endpoint is a second cost.
        return operation.repeatable or (self.policy.resubmit and operation.service is JOBS)

    def _is_of_a_recent_job(self, outcome: Outcome, now: float) -> bool:
        missing = isinstance(outcome, Response) and outcome.status == 404
        about_a_job = self.call.job_id is not None and self.call.operation.repeatable
        return missing and about_a_job and is_recent(self.submitted_at, now)


def backoff(policy: RetryPolicy, attempt: int, jitter: Callable[[], float]) -> float:
    """The delay before the next attempt, in seconds: exponential backoff with full jitter."""
    # The exponent is limited, since 2.0 ** 1100 overflows.
    bound = policy.initial_delay.total_seconds() * 2.0 ** min(attempt - 1, 60)
    return min(bound, policy.max_delay.total_seconds()) * jitter()
