"""Retry settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt

from runpod._base_errors import ConfigurationError, RunpodError
from runpod.models._base import ArgumentModel

__all__ = ["RetryPolicy"]

Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class RetryPolicy(ArgumentModel):
    """When and how often a client retries requests.

    Submissions are retried only if they provably never reached the server or were rejected with
    429. Other requests are retried after any transport error, 408, 429 or 5xx.

    Args:
        max_retries: Maximum number of retries of one call. 0: no retries.
        initial_delay: Upper bound of the first delay, in seconds. It doubles with every attempt;
            each delay is drawn uniformly between zero and the bound (full jitter).
        max_delay: Maximum of the upper bound, in seconds. A `Retry-After` header is honoured beyond
            it, up to the deadline of the call.
        resubmit: Retry submissions like any other request, although that may submit a job twice.
            Handlers should detect duplicates by an idempotency key in `input`.

    Raises:
        ConfigurationError: A value is negative or has a wrong type.
    """

    error_class: ClassVar[type[RunpodError]] = ConfigurationError

    max_retries: Annotated[StrictInt, Field(ge=0)] = 3
    initial_delay: Seconds = 0.5
    max_delay: Seconds = 8.0
    resubmit: StrictBool = False

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            max_retries: int = 3,
            initial_delay: float = 0.5,
            max_delay: float = 8.0,
            resubmit: bool = False,
        ) -> None: ...
