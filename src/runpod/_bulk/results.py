"""The result of one row of a bulk run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runpod._text import Shortened, readable

__all__ = ["BulkResult"]


@dataclass(frozen=True, repr=False)
class BulkResult:
    """The result of one row of a bulk run.

    Attributes:
        key: The row's key.
        status: The job's status: COMPLETED, FAILED, CANCELLED or TIMED_OUT once it ended, before
            that IN_QUEUE. Or PENDING: not submitted yet; DOUBTFUL: the row may have been submitted,
            since the outcome of its request is unknown; EXPIRED: the job's result was gone before
            it was received.
        input: The input of the job.
        job_id: The job's ID, or None if it is unknown.
        output: What the handler returned; in the loop over a run, as `output_type` if the endpoint
            has one, and as JSON in `results()`. `has_output` distinguishes a missing output from null.
        error: The error as the server sent it, or why the row is DOUBTFUL or EXPIRED; None without one.
        queued_ms: How long the job waited for a worker, in milliseconds, or None.
        running_ms: How long it ran, in milliseconds, or None.
        has_output: Whether there is an output. If True and `output` is None, it was null.

    Example:
        >>> for result in run.results():
        ...     print(result.key, result.output if result.succeeded else result.error)
    """

    key: str
    status: str
    input: Any = None
    job_id: str | None = None
    output: Any = None
    error: Any = None
    queued_ms: int | None = None
    running_ms: int | None = None
    has_output: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the job ended COMPLETED, in the loop over a run also with an output that fits `output_type`."""
        return self.status == "COMPLETED" and self.error is None

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as it is written to a JSONL file: without the input, and with either output or error."""
        fields: dict[str, Any] = {"key": self.key, "status": self.status, "job_id": self.job_id}
        if self.succeeded:
            if self.has_output:
                fields["output"] = self.output
        elif self.error is not None:
            fields["error"] = self.error
        return {**fields, "queued_ms": self.queued_ms, "running_ms": self.running_ms}

    def __repr__(self) -> str:
        parts = [f"key={readable(repr(self.key), 80)}", f"status={self.status!r}"]
        if self.job_id is not None:
            parts.append(f"job_id={readable(repr(self.job_id), 80)}")
        if self.has_output:
            parts.append(f"output={Shortened(self.output)!r}")
        if self.error is not None:
            parts.append(f"error={Shortened(self.error)!r}")
        parts += [
            f"{name}={value}" for name in ("queued_ms", "running_ms") if (value := getattr(self, name)) is not None
        ]
        return f"{type(self).__name__}({', '.join(parts)})"
