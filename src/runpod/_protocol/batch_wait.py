"""The wait for a batch: when to poll, and when to end."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod._protocol.polling import MAX_FAILURES
from runpod._text import readable
from runpod.errors import InvalidRequestError, RateLimitError, RunpodTimeoutError
from runpod.models.batches import BatchState  # noqa: TC001 - of a dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._protocol.deadlines import Deadline
    from runpod.errors import RunpodError

# Seconds between two polls, the first and the longest. A batch takes minutes to hours, and there is no long poll.
FIRST_INTERVAL = 5.0
LAST_INTERVAL = 60.0
INTERVAL_FACTOR = 1.5

# An empty batch is done when so many polls in succession found it finalized: after the first, the counts may be late.
_EMPTY_POLLS = 2


@dataclass
class BatchWait:
    """The wait for one batch.

    Args:
        endpoint_id: The endpoint's ID.
        state: The last known state.
        deadline: The end of the wait.
        has_requests: Whether it is known to have some: then it is not done while its counts are 0.
        finalized: Whether it is known to be finalized, though the service may still say DRAFT.
    """

    endpoint_id: str
    state: BatchState
    deadline: Deadline
    has_requests: bool
    finalized: bool
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        self._interval = FIRST_INTERVAL
        self._failures = 0
        self._empty_polls = 0
        self._last_failure = ""

    def received(self, state: BatchState) -> bool:
        """Takes the state that a poll returned. Returns whether the wait is over.

        Raises:
            InvalidRequestError: It is a draft.
        """
        if _progress(state) != _progress(self.state):
            self._interval = FIRST_INTERVAL
        self._failures, self.state = 0, state
        if state.status == "DRAFT" and not self.finalized:
            msg = f"Batch {self._name} is a draft, which does not run: call finalize() first."
            raise InvalidRequestError(msg, endpoint_id=self.endpoint_id, batch_id=self.state.id)
        is_empty = state.status == "FINALIZED" and state.request_total == 0 and not self.has_requests
        self._empty_polls = self._empty_polls + 1 if is_empty else 0
        return state.done or self._empty_polls >= _EMPTY_POLLS

    def failed(self, error: RunpodError, now: float) -> float:
        """Takes the error of a poll. Returns the seconds until the next one.

        Raises:
            RunpodError: The batch cannot be polled, or the deadline passed.
        """
        if isinstance(error, RunpodTimeoutError) and self.deadline.passed(now):
            raise self.timeout_error() from None
        self._failures += 1
        self._last_failure = error.message
        is_temporary = error.retryable or isinstance(error, RunpodTimeoutError)
        if not is_temporary or (self._failures >= MAX_FAILURES and not self.deadline.limited):
            raise error
        asked = error.retry_after if isinstance(error, RateLimitError) else None
        return self._within(max(self._next_interval(), min(asked or 0.0, LAST_INTERVAL)), now)

    def pause(self, now: float) -> float:
        """Seconds until the next poll."""
        return self._within(self._next_interval(), now)

    def _next_interval(self) -> float:
        interval = self._interval
        self._interval = min(interval * INTERVAL_FACTOR, LAST_INTERVAL)
        # Jitter keeps many waiters from polling in lockstep.
        return min(interval * (0.8 + 0.4 * self.jitter()), LAST_INTERVAL)

    def _within(self, pause: float, now: float) -> float:
        if self.deadline.passed(now):
            raise self.timeout_error()
        # With one more poll shortly before the end.
        remaining = self.deadline.remaining(now)
        return pause if pause < remaining else max(remaining - 1.0, min(remaining, 1.0))

    @property
    def _name(self) -> str:
        return f"{self.state.id!r} on endpoint {self.endpoint_id!r}"

    def timeout_error(self) -> RunpodTimeoutError:
        """The error for a wait whose deadline passed."""
        state = self.state
        counts = ", ".join(
            f"{'unknown' if count is None else f'{count:,}'} {what}"
            for what, count in (
                ("requests", state.request_total),
                ("running", state.request_in_progress),
                ("completed", state.request_completed),
                ("failed", state.request_failed),
            )
        )
        msg = (
            f"Batch {self._name} did not end within the timeout of {self.deadline.span:g} s (last status: "
            f"{readable(state.status or 'unknown', 40)}; {counts}). It was not cancelled: wait for it again, or read "
            "what has ended with results()."
        )
        if self._failures:
            msg += f" The last poll failed: {self._last_failure}"
        return RunpodTimeoutError(
            msg, endpoint_id=self.endpoint_id, batch_id=state.id, maybe_submitted=False, retryable=True
        )


def _progress(state: BatchState) -> tuple[object, ...]:
    return state.status, state.request_in_progress, state.request_completed, state.request_failed
