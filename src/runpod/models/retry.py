"""How often, and after how long, a request may be sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt

from runpod._base_errors import ConfigurationError, RunpodError
from runpod.models._base import GivenModel

__all__ = ["RetryPolicy"]

Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class RetryPolicy(GivenModel):
    """How a client deals with trouble on the way.

    What may be sent again at all depends on the operation: a submission is repeated only when
    it provably never reached the server, or was refused with 429.

    Args:
        max_retries: How often one call may be sent again. 0: never.
        initial_delay: Upper bound of the first pause, in seconds. It doubles from try to try,
            and the pause is drawn evenly between zero and the bound (full jitter).
        max_delay: Where the bound stops growing, in seconds. A `Retry-After` of the server is
            honoured beyond it, up to the deadline of the call.
        resubmit: Your word that submitting twice is fine: then submissions are repeated like
            any other request. Handlers should tell doubles apart by a key of yours in `input`.

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
