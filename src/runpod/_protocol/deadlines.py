"""Timeouts that callers give, and the deadlines that come of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Literal, Union

from runpod._base_errors import InvalidRequestError

if TYPE_CHECKING:
    from typing import TypeAlias

    from runpod._base_errors import RunpodError


class ClientDefault(Enum):
    """The type of `CLIENT_DEFAULT`."""

    CLIENT_DEFAULT = "CLIENT_DEFAULT"

    def __repr__(self) -> str:
        return self.value


CLIENT_DEFAULT: Literal[ClientDefault.CLIENT_DEFAULT] = ClientDefault.CLIENT_DEFAULT
"""As a `timeout`: the one that the client or the endpoint was built with."""

# Seconds or timedelta; None: no limit.
Timeout: TypeAlias = Union[float, timedelta, None]  # noqa: UP007 - evaluated on Python 3.10
TimeoutOrDefault: TypeAlias = Union[float, timedelta, ClientDefault, None]  # noqa: UP007


def parse_timeout(value: object, error_class: type[RunpodError] = InvalidRequestError) -> float | None:
    """A `timeout` as seconds; None for no limit.

    Raises:
        error_class: It is neither None nor positive.
    """
    if value is None:
        return None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf if value > 0 else -math.inf
    else:
        msg = f"timeout must be seconds, a timedelta, or None for no limit, not {type(value).__name__}."
        raise error_class(msg)
    if math.isnan(seconds) or seconds <= 0:
        msg = f"timeout must be positive, got {seconds:g}."
        raise error_class(msg)
    return None if math.isinf(seconds) else seconds


@dataclass(frozen=True)
class Deadline:
    """The moment on the monotonic clock at which a call must be over.

    Attributes:
        at: The moment; infinite without a limit.
        span: The timeout it came from, for messages.
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
