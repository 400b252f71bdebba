"""Limits of an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, StrictInt

from runpod._base_errors import ConfigurationError, RunpodError
from runpod.models._base import ArgumentModel

__all__ = ["EndpointLimits"]

Count = Annotated[StrictInt, Field(ge=1)]


class EndpointLimits(ArgumentModel):
    """Limits for one endpoint: how many polls and submissions run at once and start per second, and how large they are.

    Waiting, watching and streaming poll a job repeatedly; `run` and `map` submit jobs. What exceeds
    a limit waits its turn. The service allows, per endpoint, 400 concurrent polls and 2,000 in ten
    seconds, and 200 concurrent submissions by `run` and 1,000 in ten seconds (docs.runpod.io, "Send
    API requests"), and more if many workers run. The defaults leave some of that for other
    programs.

    A larger request is refused before anything is sent, with an `InputTooLargeError`. The service accepts 10 MB for `run`
    and 20 MB for `run_sync` (docs.runpod.io, "Send API requests"), and counts 1,048,576 bytes as one.

    Args:
        concurrent_polls: Polls of one endpoint that run at once.
        polls_per_second: Polls of one endpoint that start in any one second.
        submissions_per_second: Submissions (`run`, not `run_sync`) that start in any one second.
        concurrent_submissions: Submissions that run at once.
        run_bytes: The size of a request by `run` and `map`, input included, in bytes; None: no limit.
        run_sync_bytes: Likewise by `run_sync`.

    Raises:
        ConfigurationError: A value is less than 1 or not a whole number.

    Example:
        >>> client = Runpod(limits=EndpointLimits(concurrent_polls=100, polls_per_second=50))
    """

    error_class: ClassVar[type[RunpodError]] = ConfigurationError

    concurrent_polls: Count = 350
    polls_per_second: Count = 190
    submissions_per_second: Count = 95
    concurrent_submissions: Count = 180
    run_bytes: Count | None = 10 * 1024 * 1024
    run_sync_bytes: Count | None = 20 * 1024 * 1024

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            concurrent_polls: int = 350,
            polls_per_second: int = 190,
            submissions_per_second: int = 95,
            concurrent_submissions: int = 180,
            run_bytes: int | None = 10 * 1024 * 1024,
            run_sync_bytes: int | None = 20 * 1024 * 1024,
        ) -> None: ...
