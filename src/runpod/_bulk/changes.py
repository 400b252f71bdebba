"""The states of rows, and the changes between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

__all__ = [
    "FINAL_STATES",
    "STATES",
    "STATUSES",
    "Change",
    "Doubtful",
    "Ended",
    "Expired",
    "Pending",
    "Refused",
    "Submitted",
    "Submitting",
]

# As they are stored.
PENDING: Final = "PENDING"
SUBMITTING: Final = "SUBMITTING"  # the request may have left
SUBMITTED: Final = "SUBMITTED"
DOUBTFUL: Final = "DOUBTFUL"
EXPIRED: Final = "EXPIRED"
COMPLETED: Final = "COMPLETED"
FINAL_STATES: Final = frozenset({COMPLETED, "FAILED", "CANCELLED", "TIMED_OUT"})
STATES: Final = frozenset({PENDING, SUBMITTING, SUBMITTED, DOUBTFUL, EXPIRED}) | FINAL_STATES

# As they are shown: SUBMITTED as IN_QUEUE, and SUBMITTING as PENDING, or as DOUBTFUL once nobody submits.
IN_QUEUE: Final = "IN_QUEUE"
STATUSES: tuple[str, ...] = (PENDING, IN_QUEUE, COMPLETED, "FAILED", "CANCELLED", "TIMED_OUT", DOUBTFUL, EXPIRED)


@dataclass(frozen=True)
class _Change:
    allowed_from: ClassVar[tuple[str, ...]] = (SUBMITTING,)

    number: int


@dataclass(frozen=True)
class Submitting(_Change):
    """The row is about to be submitted. To be saved before its request leaves."""

    allowed_from: ClassVar[tuple[str, ...]] = (PENDING,)


@dataclass(frozen=True)
class Pending(_Change):
    """The row was provably not submitted."""


@dataclass(frozen=True)
class Submitted(_Change):
    """The row was submitted as this job."""

    job_id: str


@dataclass(frozen=True)
class Ended(_Change):
    """The job ended, or the service refused the row: then it is FAILED, without `job_id`.

    `output_json` is None if there is no output, and the text `null` if it is null.
    """

    allowed_from: ClassVar[tuple[str, ...]] = (SUBMITTING, SUBMITTED)

    status: str
    output_json: str | None = None
    error_json: str | None = None
    queued_ms: int | None = None
    running_ms: int | None = None
    retries: int | None = None
    cost: float | None = None
    job_id: str | None = None


@dataclass(frozen=True)
class Refused(_Change):
    """The request of the row cannot be sent, since it is too large: then it is FAILED."""

    allowed_from: ClassVar[tuple[str, ...]] = (PENDING,)

    error_json: str | None = None


@dataclass(frozen=True)
class Doubtful(_Change):
    """The row may have been submitted: the outcome of its request is unknown."""

    error_json: str | None = None


@dataclass(frozen=True)
class Expired(_Change):
    """The result of the job was gone before it was received."""

    allowed_from: ClassVar[tuple[str, ...]] = (SUBMITTED,)

    error_json: str | None = None


Change: TypeAlias = Submitting | Pending | Submitted | Ended | Refused | Doubtful | Expired


def new_state(change: Change) -> str:
    """The state of the row after a change."""
    return change.status if isinstance(change, Ended) else _STATE_AFTER[type(change)]


_STATE_AFTER: dict[type[Any], str] = {
    Submitting: SUBMITTING,
    Pending: PENDING,
    Submitted: SUBMITTED,
    Refused: "FAILED",
    Doubtful: DOUBTFUL,
    Expired: EXPIRED,
}
