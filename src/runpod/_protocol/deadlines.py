"""Spans that callers give, and the moments they end at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from types import EllipsisType
from typing import TYPE_CHECKING, Union

from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from typing import TypeAlias

    from runpod.errors import RunpodError

# A span in seconds or as timedelta; None: no limit.
Timeout: TypeAlias = Union[float, timedelta, None]  # noqa: UP007 - evaluated on Python 3.10
# The same, or `...`: what the client was built with.
TimeoutOrDefault: TypeAlias = Union[float, timedelta, EllipsisType, None]  # noqa: UP007


def parse_timeout(value: object, *, error_class: type[RunpodError] = InvalidRequestError) -> float | None:
    """A `timeout` as seconds; None for no limit.

    Raises:
        error_class: It is neither None nor a span longer than zero.
    """
    if value is None:
        return None
    problem = "must be seconds (a number), a timedelta, or None for no limit"
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf if value > 0 else -math.inf
    else:
        msg = f"timeout {problem}, not {type(value).__name__}."
        raise error_class(msg)
    if math.isnan(seconds) or seconds <= 0:
        msg = f"timeout {problem}; {seconds:g} is not longer than zero."
        raise error_class(msg)
    return None if math.isinf(seconds) else seconds


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock after which a call has taken too long.

    `at` is infinite where there is no limit. `span` is the timeout it came from, for messages.
    """

    at: float = math.inf
    span: float | None = None

    @classmethod
    def after(cls, timeout: float | None, now: float) -> Deadline:
        return cls() if timeout is None else cls(now + timeout, timeout)

    @property
    def limited(self) -> bool:
        return self.span is not None

    def remaining(self, now: float) -> float:
        return max(0.0, self.at - now)

    def passed(self, now: float) -> bool:
        return now >= self.at
