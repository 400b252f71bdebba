"""The status of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from typing_extensions import Self

__all__ = ["JobStatus"]

_TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
_KNOWN = _TERMINAL | {"IN_QUEUE", "IN_PROGRESS"}


class JobStatus(str):
    """The status of a job, compared as text: `state.status == "COMPLETED"`.

    The set of statuses is open: an unknown status is kept unchanged and treated as not terminal.

    Example:
        >>> JobStatus("COMPLETED") == JobStatus.COMPLETED == "COMPLETED"
        True
    """

    __slots__ = ()

    IN_QUEUE: ClassVar[JobStatus]
    IN_PROGRESS: ClassVar[JobStatus]
    COMPLETED: ClassVar[JobStatus]
    FAILED: ClassVar[JobStatus]
    CANCELLED: ClassVar[JobStatus]
    TIMED_OUT: ClassVar[JobStatus]
    # Not sent by the server: the state of this job was never fetched.
    UNKNOWN: ClassVar[JobStatus]

    def __new__(cls, text: str) -> Self:
        """Creates a status. Known statuses are case-insensitive."""
        # runpodctl compares them case-insensitively, too.
        known = text.upper()
        return super().__new__(cls, known if known in _KNOWN else text)

    @property
    def terminal(self) -> bool:
        """Whether a job with this status has ended."""
        return self in _TERMINAL

    def __repr__(self) -> str:
        return f"JobStatus({str.__repr__(self)})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True, min_length=1))


JobStatus.IN_QUEUE = JobStatus("IN_QUEUE")
JobStatus.IN_PROGRESS = JobStatus("IN_PROGRESS")
JobStatus.COMPLETED = JobStatus("COMPLETED")
JobStatus.FAILED = JobStatus("FAILED")
JobStatus.CANCELLED = JobStatus("CANCELLED")
JobStatus.TIMED_OUT = JobStatus("TIMED_OUT")
JobStatus.UNKNOWN = JobStatus("UNKNOWN")
