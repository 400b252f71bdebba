"""May this request be sent again, and when?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod._protocol.failures import failure, is_trouble, retry_after
from runpod._protocol.outcomes import Answer, NotSent, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.operations import Call
    from runpod.errors import RunpodError
    from runpod.models.retry import RetryPolicy

# A job can be unknown to the part of the service that is asked right after it was accepted:
# Runpod's own unreleased client goes on asking for a while, and third parties saw it.
GRACE = 10.0

# The shortest pause before such a job is asked about again, in seconds.
YOUNG_PAUSE = 0.1

# How long a server may make a call without a deadline wait by `Retry-After`.
MAX_RETRY_AFTER = 300.0


@dataclass(frozen=True)
class Again:
    """Send it again after a pause of so many seconds."""

    delay: float


@dataclass(frozen=True)
class Fail:
    """Give up with this error."""

    error: RunpodError


def decide(
    call: Call,
    outcome: Answer | Trouble,
    *,
    attempt: int,
    policy: RetryPolicy,
    deadline: Deadline,
    now: float,
    submitted_at: float | None,
    jitter: Callable[[], float],
    doubt: Answer | Trouble | None = None,
) -> Again | Fail | None:
    """What to do after the attempt number `attempt` (from 1); None: take the answer.

    `doubt` is the outcome of an earlier attempt after which the call may have been carried out.
    """
    if isinstance(outcome, Answer) and outcome.good:
        return None
    again = _repeatable(call, outcome, policy) and attempt <= policy.max_retries
    young = is_young(outcome, submitted_at, now) and call.job_id is not None
    if again or (young and call.operation.repeatable):
        asked = (retry_after(outcome) if isinstance(outcome, Answer) else None) or 0.0
        delay = max(backoff(policy, attempt, jitter), asked, 0.0 if again else YOUNG_PAUSE)
        if delay < deadline.remaining(now) and (deadline.limited or asked <= MAX_RETRY_AFTER):
            return Again(delay)
    return Fail(failure(call, outcome, deadline, attempts=attempt, doubt=doubt))


def backoff(policy: RetryPolicy, attempt: int, jitter: Callable[[], float]) -> float:
    """The pause before the next attempt: exponential, with full jitter, in seconds."""
    # 2.0 ** 1100 overflows; the bound has long stopped growing by then.
    bound = min(policy.max_delay, policy.initial_delay * 2.0 ** min(attempt - 1, 60))
    return bound * jitter()


def is_young(outcome: Answer | Trouble, submitted_at: float | None, now: float) -> bool:
    """Whether this is a 404 for a job submitted so lately that it is not yet an answer."""
    return (
        isinstance(outcome, Answer)
        and outcome.status == 404
        and submitted_at is not None
        and now - submitted_at < GRACE
    )


def _repeatable(call: Call, outcome: Answer | Trouble, policy: RetryPolicy) -> bool:
    if not is_trouble(outcome):
        return False
    # Refused with 429, or never sent: nothing was done, whatever the operation.
    if isinstance(outcome, NotSent) or (isinstance(outcome, Answer) and outcome.status == 429):
        return True
    return call.operation.repeatable or policy.resubmit
