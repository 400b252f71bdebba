"""The result of one input of a mapped run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import override

from runpod._text import Shortened, readable
from runpod.models._shown import Shown
from runpod.models.jobs import JobState, OutputT

if TYPE_CHECKING:
    from runpod._base_errors import RunpodError
    from runpod.media.display import Summary
    from runpod.media.item import Media

__all__ = ["MapResult"]


@dataclass(frozen=True, repr=False)
class MapResult(Shown, Generic[OutputT]):
    """The result of one input of `map_unordered`. A job that did not succeed has an `error`.

    Attributes:
        index: The position of the input, counted from 0.
        input: The input as it was passed.
        job_id: The job's ID, or None if it is unknown.
        state: The last known state of the job, or None.
        error: Why there is no output; None if the job succeeded.

    Example:
        >>> for result in endpoint.map_unordered(inputs):
        ...     print(result.index, result.output if result.succeeded else result.error)
    """

    index: int
    input: Any
    job_id: str | None = None
    state: JobState[OutputT] | None = None
    error: RunpodError | None = None

    @property
    def output(self) -> OutputT | None:
        """The output if the job succeeded, otherwise None. `state.output` has what a failed job left."""
        return self.state.output if self.state is not None and self.succeeded else None

    @property
    def media(self) -> list[Media]:
        """The pictures, sound, videos and other files in the output; see `JobState.media`."""
        return [] if self.state is None else self.state.media

    @property
    def succeeded(self) -> bool:
        """Whether the job ended COMPLETED, and its output matches `output_type`."""
        return self.error is None and self.state is not None and self.state.succeeded

    @property
    def maybe_submitted(self) -> bool:
        """Whether the submission was sent and its outcome is unknown. Sending the input again may run it twice."""
        return self.error is not None and self.error.maybe_submitted

    @override
    def _summary(self) -> Summary:
        from runpod.media.display import Summary, worker_text

        facts = [f"input {self.index:,}"]
        error = None if self.error is None else worker_text(self.error.message)
        if self.state is None:
            if self.job_id is not None:
                facts.append(f"job {readable(self.job_id, 80)}")
            return Summary(facts, error, None, None, None, "")
        # Not what the error says of the job: the whole of what the worker said, if it said anything.
        shown = self.state._summary()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - both are models
        how_to_save = "client.save(result, folder)"
        return shown._replace(facts=[*facts, *shown.facts], error=shown.error or error, how_to_save=how_to_save)

    def __repr__(self) -> str:
        parts = [f"index={self.index}"]
        if self.job_id is not None:
            parts.append(f"job_id={readable(repr(self.job_id), 80)}")
        if self.state is not None:
            parts.append(f"status={readable(repr(str(self.state.status)), 40)}")
        if self.succeeded:
            parts.append(f"output={Shortened(self.output)!r}")
        if self.error is not None:
            parts.append(f"error={readable(repr(self.error), 200)}")
        return f"{type(self).__name__}({', '.join(parts)})"
