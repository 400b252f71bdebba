"""How much of an endpoint's allowance the waits of a client may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, StrictInt

from runpod._base_errors import ConfigurationError, RunpodError
from runpod.models._base import GivenModel

__all__ = ["WaitLimits"]

Count = Annotated[StrictInt, Field(ge=1)]


class WaitLimits(GivenModel):
    """How many looks at the jobs of one endpoint may be under way, and begin in a second.

    Waiting, watching and streaming look at a job again and again. Where more jobs are waited for
    than may be looked at, they take turns. The service allows 400 looks at once and 2,000 in ten
    seconds for an endpoint (docs.runpod.io, "Send API requests"), more where many workers run;
    the defaults leave something of that for other calls.

    Args:
        concurrent: Looks under way at once, on one endpoint.
        per_second: Looks that begin in any one second, on one endpoint.

    Raises:
        ConfigurationError: A value is less than 1 or not a whole number.

    Example:
        >>> client = Runpod(wait_limits=WaitLimits(concurrent=100, per_second=50))
    """

    error_class: ClassVar[type[RunpodError]] = ConfigurationError

    concurrent: Count = 350
    per_second: Count = 190

    if TYPE_CHECKING:

        def __init__(self, *, concurrent: int = 350, per_second: int = 190) -> None: ...
