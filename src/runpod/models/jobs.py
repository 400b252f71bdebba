"""The state of a job, and the errors for jobs that did not succeed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Generic, cast

from pydantic import BeforeValidator, Field
from typing_extensions import Self, TypeVar, override

from runpod._base_errors import CONTEXT, RunpodError, details_dict
from runpod._text import Shortened, readable
from runpod.models._base import ReceivedCount, ReceivedDuration, ReceivedModel, ReceivedText
from runpod.models._costs import cost_of
from runpod.models._shown import Shown
from runpod.models.status import JobStatus
from runpod.models.worker_failure import WorkerFailure, parse_worker_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runpod.media import Media
    from runpod.media.display import Summary

__all__ = [
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobState",
    "JobTimedOutError",
    "OutputT",
    "StreamChunk",
]

OutputT = TypeVar("OutputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)


def received_id(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        msg = "is blank"
        raise ValueError(msg)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class JobState(Shown, ReceivedModel, Generic[OutputT]):
    """The state of a job at one point in time. Frozen; unknown fields are kept.

    Attributes:
        id: The job's ID.
        status: Its status; see `JobStatus`.
        output: Once COMPLETED, the handler's return value, as `output_type` if the endpoint has
            one; only this is validated. While the job runs, its last progress update. Otherwise
            usually None, but a failed job can have one. `has_output` distinguishes a missing output
            from null, and `result()` returns the output of a completed job or raises.
        error: The error as the server sent it: usually text, but handlers can return any JSON.
            See `worker_error` and `error_message` for parsed forms.
        delay_time: How long the job waited for a worker. Restarts when the job is retried.
        execution_time: How long it ran.
        worker_id: The worker that ran it.
        retries: How often the platform reassigned it to another worker.
    """

    # With a constraint, pydantic refuses lone surrogates.
    id: Annotated[str, Field(min_length=1), BeforeValidator(received_id)]
    status: JobStatus
    output: OutputT | None = None
    error: Any = None
    delay_time: ReceivedDuration = None
    execution_time: ReceivedDuration = None
    worker_id: ReceivedText = None
    retries: ReceivedCount = None

    @property
    def started(self) -> bool:
        """Whether the job has left the queue."""
        return self.status not in {JobStatus.IN_QUEUE, JobStatus.UNKNOWN}

    @property
    def completed(self) -> bool:
        """Whether the job has ended, however it ended."""
        return self.status.terminal

    @property
    def succeeded(self) -> bool:
        """Whether the job ended COMPLETED."""
        return self.status == JobStatus.COMPLETED

    @property
    def has_output(self) -> bool:
        """Whether the response has an `output`. If True and `output` is None, it was null."""
        return "output" in self.model_fields_set

    @property
    def progress(self) -> Any:
        """The last progress update of a job that has not ended, or None."""
        return None if self.completed else self.output

    @property
    def media(self) -> list[Media]:
        """The pictures, sound, videos and other files in `output`, whatever the status: also in a progress update.

        They are found at each access; `runpod.media.find` says how.

        Example:
            >>> [media.name for media in state.media]
            ['ComfyUI_00001_.png']
        """
        from runpod.media import find  # it is needed by few programs

        return find(self.output)

    @property
    def worker_error(self) -> WorkerFailure | None:
        """The worker's failure report; None if `error` is plain text or absent."""
        return parse_worker_error(self.error)

    @property
    def error_message(self) -> str | None:
        """The error as one text, without a traceback; None without an error."""
        if self.error is None:
            return None
        report = self.worker_error
        if report is not None:
            return f"{report.type}: {report.message}" if report.type else report.message
        if isinstance(self.error, str):
            return self.error
        return json.dumps(self.error, ensure_ascii=False, default=str)

    def result(self) -> OutputT:
        """Returns the output of a completed job.

        Raises:
            JobFailedError: The job ended FAILED.
            JobCancelledError: The job ended CANCELLED.
            JobTimedOutError: The job ended TIMED_OUT.
            JobError: The job has not ended.

        Example:
            >>> endpoint.run_sync(input={"prompt": "a horse"}).result()
        """
        self.raise_for_status()
        if not self.succeeded:
            msg = f"Job {self.id!r} has no result yet: its status is {readable(self.status, 40)}."
            raise JobError(msg, state=self)
        return cast("OutputT", self.output)

    def raise_for_status(self) -> Self:
        """Raises an error if the job ended without success; otherwise returns this state.

        Raises:
            JobFailedError: The job ended FAILED.
            JobCancelledError: The job ended CANCELLED.
            JobTimedOutError: The job ended TIMED_OUT.

        Example:
            >>> endpoint.run_sync(input={"prompt": "a horse"}).raise_for_status().output
        """
        failure = job_failure(self)
        if failure is not None:
            raise failure
        return self

    @override
    def _summary(self) -> Summary:
        from runpod.media.display import Summary, duration_text, worker_text

        facts = [readable(self.status, 40), f"job {readable(self.id, 80)}"]
        if self.delay_time is not None:
            facts.append(f"queued {duration_text(self.delay_time)}")
        if self.execution_time is not None:
            facts.append(f"ran {duration_text(self.execution_time)}")
        if self.worker_id:
            facts.append(f"worker {readable(self.worker_id, 80)}")
        if self.retries:
            facts.append(f"{self.retries} retries" if self.retries != 1 else "1 retry")
        cost = cost_of(self.output) if self.completed else None
        if cost is not None:
            facts.append(f"cost ${cost:.4g}")
        report = self.worker_error
        if report is None:
            error, traceback = self.error, None
        else:
            error = f"{report.type}: {report.message}" if report.type else report.message
            traceback = worker_text(report.traceback or "")
        label = ("Output" if self.completed else "Progress") if self.has_output else None
        text = None if error is None else worker_text(error)
        return Summary(facts, text, traceback, label, self.output, "job.save(folder)")

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield "id", self.id
        yield "status", str(readable(self.status, 40))
        if self.has_output:
            yield "output", Shortened(self.output)
        if self.error is not None:
            yield "error", Shortened(self.error)
        for name in ("delay_time", "execution_time", "worker_id", "retries"):
            value = getattr(self, name)
            if value is not None:
                yield name, value if name == "retries" else str(value)


def state_in(details: Mapping[str, Any] | None) -> JobState[Any] | None:
    """The job state in the details of an error, if any."""
    found = details_dict(details).get("state")
    if found is None:
        return None
    return JobState.model_validate(found)


class JobError(RunpodError):
    """A job did not produce the expected result.

    Attributes:
        state: The last known state of the job, or None.
    """

    _maybe_submitted_default = False
    _details = (*CONTEXT, "state")

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        state: JobState[Any] | None = None,
        **context: Any,
    ) -> None:
        state = state_in(details) if state is None else state
        if state is not None:
            context.setdefault("job_id", state.id)
        super().__init__(message, details, **context)
        self.state = state


class JobFailedError(JobError):
    """The job ended FAILED: the handler raised or returned an error, or the platform gave up on it."""


class JobCancelledError(JobError):
    """The job ended CANCELLED."""


class JobTimedOutError(JobError):
    """The job ended TIMED_OUT: it expired in the queue, or its worker never reported a result."""


_FAILURES: dict[str, tuple[type[JobError], str]] = {
    "FAILED": (JobFailedError, "failed"),
    "CANCELLED": (JobCancelledError, "was cancelled"),
    "TIMED_OUT": (JobTimedOutError, "timed out on the platform (TIMED_OUT)"),
}


def job_failure(state: JobState[Any], endpoint_id: str | None = None) -> JobError | None:
    """The error for a job that ended without success; None if it succeeded or has not ended."""
    found = _FAILURES.get(state.status)
    if found is None:
        return None
    cls, verb = found
    where = f" on endpoint {endpoint_id!r}" if endpoint_id else ""
    reason = state.error_message
    message = f"Job {state.id!r}{where} {verb}" + (f": {readable(reason)}" if reason else "")
    message += "" if message.endswith((".", "!", "?")) else "."
    if state.status == "FAILED" and not reason:
        message += " The worker reported no reason; check its log."
    report = state.worker_error
    if report is not None and report.traceback:
        message += " The worker's traceback is in error.state.worker_error.traceback."
    return cls(message, state=state, endpoint_id=endpoint_id)


class StreamChunk(Shown, ReceivedModel, Generic[ChunkT]):
    """One value that a generator handler yielded.

    Attributes:
        output: The value, as `chunk_type` if the stream has one.
        metrics: Counters that some workers (older vLLM workers) send with it.
    """

    output: ChunkT = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    metrics: Any = None

    @property
    def media(self) -> list[Media]:
        """The pictures, sound, videos and other files in `output`; see `JobState.media`."""
        from runpod.media import find  # it is needed by few programs

        return find(self.output)

    @override
    def _summary(self) -> Summary:
        from runpod.media.display import Summary

        return Summary([], None, None, "Chunk", self.output, "client.save(chunk, folder)")

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield "output", Shortened(self.output)
        if self.metrics is not None:
            yield "metrics", self.metrics
