"""Limits for polling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, StrictInt

from runpod._base_errors import ConfigurationError, RunpodError
from runpod.models._base import ArgumentModel

__all__ = ["EndpointLimits"]

Count = Annotated[StrictInt, Field(ge=1)]


class EndpointLimits(ArgumentModel):
    """Limits for the polls of one endpoint: how many run at once, and how many start per second.

    Waiting, watching and streaming poll a job repeatedly. If more jobs are waited for than polls
    are allowed, the polls are queued. The service allows 400 concurrent polls and 2,000 in ten
    seconds per endpoint (docs.runpod.io, "Send API requests"), and more if many workers run. The
    defaults leave some of that for other calls.

    Args:
        concurrent_polls: Polls of one endpoint that run at once.
        polls_per_second: Polls of one endpoint that start in any one second.

    Raises:
        ConfigurationError: A value is less than 1 or not a whole number.

    Example:
        >>> client = Runpod(limits=EndpointLimits(concurrent_polls=100, polls_per_second=50))
    """

    error_class: ClassVar[type[RunpodError]] = ConfigurationError

    concurrent_polls: Count = 350
    polls_per_second: Count = 190

    if TYPE_CHECKING:

        def __init__(self, *, concurrent_polls: int = 350, polls_per_second: int = 190) -> None: ...
