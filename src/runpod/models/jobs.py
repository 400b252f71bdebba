"""What the server says of a job: its status, its state, the chunks of its stream."""

from __future__ import annotations

import json
import re
from collections.abc import Sized
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import core_schema
from typing_extensions import Self, TypeVar

from runpod.errors import (
    JobCancelledError,
    JobError,
    JobFailedError,
    JobTimedOutError,
)
from runpod.models._base import SeenCount, SeenDuration, SeenModel, SeenText

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import GetCoreSchemaHandler

__all__ = ["JobState", "JobStatus", "OutputT", "StreamChunk", "WorkerError"]

OutputT = TypeVar("OutputT", default=Any)

_TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
_KNOWN = _TERMINAL | {"IN_QUEUE", "IN_PROGRESS"}


class JobStatus(str):
    """The status of a job, compared as text: `state.status == "COMPLETED"`.

    The statuses are the server's, so the set is open: a text that is not among the constants is
    kept as it is and counts as still running.

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
    # The library's own word for a job that nobody has looked at yet.
    UNKNOWN: ClassVar[JobStatus]

    def __new__(cls, text: str) -> Self:
        """The status that a text stands for."""
        # A known status in other letters is that status; runpodctl compares so, too.
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


class WorkerError(BaseModel):
    """What a worker said when its handler failed, taken apart.

    Attributes:
        type: The class of the exception, such as "ValueError"; None where it is not known.
        message: The text of the exception.
        traceback: The worker's traceback; None where there is none.
        hostname: The machine the worker ran on.
        worker_id: The worker.
        runpod_version: The version of the worker's runpod package.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    type: SeenText = None
    message: str
    traceback: SeenText = None
    hostname: SeenText = None
    worker_id: SeenText = None
    runpod_version: SeenText = None

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # The traceback would make the line a page.
        yield "type", self.type
        yield "message", self.message


_CLASS_TEXT = re.compile(r"<class '(?:.*\.)?([^.']+)'>")
_GENERATOR_TEXT = re.compile(r"handler: (?P<message>.*?)\s*\ntraceback: (?P<traceback>.*)", re.DOTALL)
_LAST_LINE = re.compile(r"^(?:[\w.]+\.)?(?P<type>[A-Za-z_]\w*)(?::|$)")


def parse_worker_error(error: object) -> WorkerError | None:
    """The worker's own report in the `error` of a job, or None where it is just text.

    Workers send two forms: JSON text with `error_message` and more (a handler that raised), and
    text that reads `handler: … traceback: …` (a generator that raised).
    """
    report: object = error
    if isinstance(error, str):
        found = _GENERATOR_TEXT.fullmatch(error)
        if found:
            last = found["traceback"].rstrip().rpartition("\n")[2]
            kind = _LAST_LINE.match(last)
            return WorkerError(
                type=kind["type"] if kind else None,
                message=found["message"],
                traceback=found["traceback"],
            )
        if not error.lstrip().startswith("{"):
            return None
        try:
            report = json.loads(error)
        except (ValueError, RecursionError):
            return None
    if not isinstance(report, dict) or "error_message" not in report:
        return None
    said = cast("dict[str, Any]", report)
    fields: dict[str, Any] = {str(name).removeprefix("error_"): v for name, v in said.items()}
    kind = _CLASS_TEXT.fullmatch(str(fields.get("type")))
    if kind:
        fields["type"] = kind[1]
    fields["message"] = str(fields["message"])
    return WorkerError(**fields)


_FAILURES: dict[str, tuple[type[JobError], str]] = {
    "FAILED": (JobFailedError, "failed"),
    "CANCELLED": (JobCancelledError, "was cancelled"),
    "TIMED_OUT": (JobTimedOutError, "was given up by the platform (TIMED_OUT)"),
}


def _seen_id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class JobState(SeenModel, Generic[OutputT]):
    """What the server said of a job at one moment. Frozen; fields it does not know are kept.

    Attributes:
        id: The job's id.
        status: Its status; see `JobStatus`.
        output: Once COMPLETED, what the handler returned, as `output_type` where the endpoint
            has one. While the job runs, its last progress update. Otherwise mostly None: a job
            that failed can have some. `has_output` tells "no output" from "the output is null".
        error: What went wrong, as the server sent it: mostly text, but handlers may put any
            JSON there. `worker_error` takes it apart, `error_message` makes a line of it.
        delay_time: How long the job waited for a worker. Counted anew when it is retried.
        execution_time: How long it ran.
        worker_id: The worker that took it.
        retries: How often the platform gave it to another worker.
    """

    id: Annotated[str, Field(min_length=1), BeforeValidator(_seen_id)]
    status: JobStatus
    # None stands for "absent" before the job completed; `has_output` knows the difference.
    output: OutputT = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    error: Any = None
    delay_time: SeenDuration = None
    execution_time: SeenDuration = None
    worker_id: SeenText = None
    retries: SeenCount = None

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
        """Whether the server sent an `output` at all. False: none; True with None: null."""
        return "output" in self.model_fields_set

    @property
    def progress(self) -> Any:
        """The last progress update of a job that has not ended, or None."""
        return None if self.completed else self.output

    @property
    def worker_error(self) -> WorkerError | None:
        """The worker's report of its failure; None where `error` is plain text or absent."""
        return parse_worker_error(self.error)

    @property
    def error_message(self) -> str | None:
        """What went wrong as one text, without a traceback; None where nothing did."""
        if self.error is None:
            return None
        report = self.worker_error
        if report is not None:
            return f"{report.type}: {report.message}" if report.type else report.message
        if isinstance(self.error, str):
            return self.error
        return json.dumps(self.error, ensure_ascii=False, default=str)

    def raise_for_status(self) -> Self:
        """Raises if the job ended without success; otherwise returns the state itself.

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

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Outputs can be megabytes, and can hold what the input held.
        yield "id", self.id
        yield "status", readable(self.status, 40)
        if self.has_output:
            yield "output", _Kind(self.output)
        if self.error is not None:
            yield "error", _Kind(self.error)
        for name in ("delay_time", "execution_time", "worker_id", "retries"):
            value = getattr(self, name)
            if value is not None:
                yield name, value if name == "retries" else str(value)


class _Kind:
    """Stands for a value in a repr: says what it is, and not what is in it."""

    def __init__(self, value: Any) -> None:
        size = f" of {len(value)}" if isinstance(value, Sized) else ""
        self._text = f"<{type(cast('object', value)).__name__}{size}>"

    def __repr__(self) -> str:
        return self._text


def job_failure(state: JobState[Any], endpoint_id: str | None = None) -> JobError | None:
    """The error that a job's end stands for; None for success and for a job still running."""
    found = _FAILURES.get(state.status)
    if found is None:
        return None
    cls, verb = found
    where = f" on endpoint {endpoint_id!r}" if endpoint_id else ""
    said = state.error_message
    message = f"Job {state.id!r}{where} {verb}" + (f": {readable(said)}" if said else "")
    message += "" if message.endswith((".", "!", "?")) else "."
    if state.status == "FAILED" and not said:
        message += " The worker gave no reason; its log may."
    if isinstance(state.worker_error, WorkerError) and state.worker_error.traceback:
        message += " The worker's traceback is in error.state.worker_error.traceback."
    return cls(message, state=state, endpoint_id=endpoint_id)


def readable(text: str, limit: int = 500) -> str:
    """Foreign text, fit for a message: cut, and without characters that steer a terminal."""
    cut = text if len(text) <= limit else text[:limit] + f"… ({len(text)} characters)"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else _escape(c) for c in cut)


def _escape(character: str) -> str:
    return " " if character in "\n\r\t" else character.encode("unicode_escape").decode("ascii")


class StreamChunk(SeenModel):
    """One thing a generator handler yielded.

    Attributes:
        output: The value it yielded.
        metrics: Counters that some workers (older vLLM ones) send beside it.
    """

    output: Any = None
    metrics: Any = None

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield "output", _Kind(self.output)
        if self.metrics is not None:
            yield "metrics", self.metrics
