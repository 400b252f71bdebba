"""Timeouts and deadlines."""

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
    """The type of `CLIENT_DEFAULT`, which as a `timeout` stands for that of the client or endpoint."""

    CLIENT_DEFAULT = "CLIENT_DEFAULT"

    def __repr__(self) -> str:
        return self.value


CLIENT_DEFAULT: Literal[ClientDefault.CLIENT_DEFAULT] = ClientDefault.CLIENT_DEFAULT
"""As a `timeout`: use the timeout of the client or endpoint."""

# Seconds or timedelta; None for no limit.
TimeoutOrDefault: TypeAlias = Union[float, timedelta, ClientDefault, None]  # noqa: UP007 - evaluated on Python 3.10


def parse_timeout(
    value: object, error_class: type[RunpodError] = InvalidRequestError, *, name: str = "timeout"
) -> float | None:
    """Converts a `timeout` to seconds; None for no limit.

    Raises:
        error_class: The timeout has a wrong type or is not positive.
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
        msg = f"{name} must be seconds, a timedelta, or None for no limit, not {type(value).__name__}."
        raise error_class(msg)
    if math.isnan(seconds) or seconds <= 0:
        msg = f"{name} must be positive, got {seconds:g}."
        raise error_class(msg)
    return None if math.isinf(seconds) else seconds


@dataclass(frozen=True)
class Deadline:
    """The time on the monotonic clock by which a call must end.

    Attributes:
        at: The time in seconds; infinite without a limit.
        span: The original timeout in seconds, for messages.
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
