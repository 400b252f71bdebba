"""Retry settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt

from runpod._base_errors import ConfigurationError, RunpodError
from runpod.models._base import ArgumentModel, NonNegativeDuration

__all__ = ["RetryPolicy"]


class RetryPolicy(ArgumentModel):
    """When and how often a client retries requests.

    Submissions are retried only if they provably never reached the server or were rejected with
    429. Other requests are retried after any transport error, 408, 429 or 5xx.

    Args:
        max_retries: Maximum number of retries of one call. 0: no retries.
        initial_delay: Upper bound of the first delay. It doubles with every attempt; each delay is
            drawn uniformly between zero and the bound (full jitter).
        max_delay: Maximum of the upper bound. A `Retry-After` header is honoured beyond it, up to
            the deadline of the call.
        resubmit: Retry submissions like any other request, although that may submit a job twice.
            Handlers should detect duplicates by an idempotency key in `input`. What creates or starts
            something in `client.manage` is never sent again.

    Raises:
        ConfigurationError: A value is negative or has a wrong type.

    Example:
        >>> RetryPolicy(max_retries=5, max_delay=timedelta(seconds=30))
    """

    error_class: ClassVar[type[RunpodError]] = ConfigurationError

    max_retries: Annotated[StrictInt, Field(ge=0)] = 3
    initial_delay: NonNegativeDuration = timedelta(seconds=0.5)
    max_delay: NonNegativeDuration = timedelta(seconds=8)
    resubmit: StrictBool = False

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            max_retries: int = 3,
            initial_delay: timedelta = timedelta(seconds=0.5),
            max_delay: timedelta = timedelta(seconds=8),
            resubmit: bool = False,
        ) -> None: ...
