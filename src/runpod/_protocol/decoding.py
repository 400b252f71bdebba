"""From the bytes of a good answer to models."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_origin

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic_core import from_json

from runpod._protocol.failures import context_of, error_in
from runpod._protocol.operations import RUN, RUN_SYNC, STATUS
from runpod.errors import APIResponseError, InvalidRequestError, JobOutputError
from runpod.models._base import describe
from runpod.models.jobs import JobState, JobStatus, OutputT, StreamChunk, readable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpod._protocol.operations import Call, Operation
    from runpod._protocol.outcomes import Answer

ModelT = TypeVar("ModelT", bound=BaseModel)


def read(model: type[ModelT], answer: Answer, call: Call) -> ModelT:
    """A good answer as a model.

    Raises:
        APIResponseError: The body is not what the protocol allows.
    """
    value = _json(answer, call)
    told = _told_by(value)
    try:
        read = model.model_validate(value)
    except ValidationError as error:
        problem = told or describe(error, model.__name__, model)
    else:
        # A model that requires nothing takes anything.
        if told is None or "error" not in value:
            return read
        problem = told
    raise response_error(answer, call, problem)


def _told_by(value: object) -> str | None:
    """What is wrong with a 2xx that tells of an error of its own, as some gateways do; None for every other."""
    told = error_in(value)
    return None if told is None or "id" in cast("dict[str, Any]", value) else f"it is an error, {readable(told)!r}"


def read_job(answer: Answer, call: Call) -> JobState[Any]:
    """A good answer as the state of the job that was asked for.

    Raises:
        APIResponseError: No id, no status, another job's id, or no JSON object at all.
    """
    state = read(JobState, answer, call)
    if call.job_id is not None and state.id != call.job_id:
        problem = f"it is about another job, {readable(state.id, 80)!r}"
        raise response_error(answer, call, problem)
    return state


def is_bare(operation: Operation, state: JobState[Any]) -> bool:
    """Whether a job had ended before it was to be cancelled, and the answer says that alone.

    What came of the job, `/status` knows.
    """
    ended = state.completed and state.status != JobStatus.CANCELLED
    return ended and operation is not STATUS and not state.has_output and state.error is None


def read_stream(answer: Answer, call: Call) -> tuple[JobStatus | None, list[StreamChunk]]:
    """A good answer of `/stream`: the job's status, None where it has none, and the chunks.

    Raises:
        APIResponseError: It is neither the envelope nor a list of chunks.
    """
    chunks = _json(answer, call)
    status: JobStatus | None = None
    # The operation reference shows a bare list; everything captured is the envelope.
    if isinstance(chunks, dict):
        envelope = cast("dict[str, Any]", chunks)
        text = envelope.get("status")
        # What is not printable, such as half of a surrogate pair, is no status: `/status` is asked then.
        status = JobStatus(text) if isinstance(text, str) and text and text.isprintable() else None
        if status is None and "stream" not in envelope:
            raise response_error(answer, call, _told_by(envelope) or "it has neither a status nor a stream")
        chunks = envelope.get("stream")
        if chunks is None:
            # Absent or null: nothing since the last look.
            return status, []
    if not isinstance(chunks, list):
        raise response_error(answer, call, "its stream is not a list")
    return status, [_chunk(item) for item in cast("Iterable[Any]", chunks)]


def _chunk(item: object) -> StreamChunk:
    if isinstance(item, dict):
        try:
            return StreamChunk.model_validate(item)
        except ValidationError:
            # A key that is not quite Unicode must not cost the chunk.
            fields = cast("dict[str, Any]", item)
            return StreamChunk(output=fields.get("output"), metrics=fields.get("metrics"))
    return StreamChunk(output=cast("Any", item))


def _json(answer: Answer, call: Call) -> Any:
    if answer.problem:
        raise response_error(answer, call, answer.problem)
    # Into plain values at once: `model_validate_json` builds a tree of its own first, which takes
    # twice the time and memory for an output of many objects. A model then looks at no more than
    # its own fields.
    with suppress(ValueError):
        return from_json(answer.body, cache_strings="keys")
    # It is stricter than Python's reader (lone surrogates, depth): an output that Python can read
    # must not be lost for that.
    with suppress(ValueError, RecursionError):
        return json.loads(answer.body)
    if not answer.body.strip():
        raise response_error(answer, call, "it is empty")
    kind = "HTML" if answer.body.lstrip()[:1] == b"<" else "not JSON, or cut short"
    raise response_error(answer, call, f"it is {kind}")


def response_error(answer: Answer, call: Call, problem: str) -> APIResponseError:
    """The error for a 2xx with a body that the protocol does not allow."""
    context = context_of(call, answer)
    context["retryable"] = not context["maybe_submitted"]
    msg = (
        f"{call} was answered with HTTP {answer.status}, but the body is not usable: "
        f"{problem.rstrip('.')}. Is base_url the address of the Runpod API?"
    )
    if context["maybe_submitted"] and call.operation not in {RUN, RUN_SYNC}:
        msg += " It may have been carried out all the same; sending it again may do it twice."
    elif context["maybe_submitted"]:
        known = f" with the id {context['job_id']!r}" if context["job_id"] else ""
        msg += f" A job may have been submitted{known}; submitting again may pay twice."
    return APIResponseError(
        msg,
        status_code=answer.status,
        body=answer.text,
        headers=answer.shown_headers,
        **context,
    )


def _name_of(type_: object) -> str:
    if isinstance(type_, type) and get_origin(type_) is None:
        return type_.__name__
    return readable(repr(type_), 80)


class OutputReader(Generic[OutputT]):
    """Makes the output of a completed job what `output_type` says.

    Raises:
        InvalidRequestError: pydantic cannot validate such a type.
    """

    def __init__(self, output_type: type[OutputT] | None) -> None:
        self.output_type = output_type
        self._adapter: TypeAdapter[OutputT] | None = None
        if output_type is None:
            return
        try:
            self._adapter = TypeAdapter(output_type)
            # A name that is not defined yet comes to light at the first use, so this is one.
            _ = self._adapter.validator.title
        except (
            PydanticSchemaGenerationError,
            PydanticUndefinedAnnotation,
            PydanticUserError,
            TypeError,
        ):
            name = _name_of(output_type)
        else:
            return
        msg = (
            f"output_type: pydantic cannot validate {name}. Use a pydantic model, a dataclass, "
            "a TypedDict or a builtin type (before Python 3.12, a TypedDict from typing_extensions)."
        )
        raise InvalidRequestError(msg)

    def __reduce__(self) -> tuple[Any, ...]:
        return OutputReader, (self.output_type,)

    def __call__(self, state: JobState[Any], endpoint_id: str) -> JobState[OutputT]:
        """The state with its output as `output_type`, if the job completed.

        Raises:
            JobOutputError: The output does not fit; the error carries the raw state.
        """
        if self._adapter is None or not state.succeeded:
            return state
        try:
            output = self._validated(state.output)
        except ValidationError as error:
            problem = describe(error, "The output")
        except Exception as error:  # noqa: BLE001 - a validator of the caller's raises anything
            problem = f"its validator raised {type(error).__name__}"
        else:
            # An absent output stays absent where the type takes None for it.
            return state.model_copy(update={"output": output}) if state.has_output else state
        job = f"Job {state.id!r} on endpoint {endpoint_id!r} completed"
        if state.has_output:
            msg = (
                f"{job}, but its output does not fit output_type: {problem.rstrip('.')}. "
                "The raw output is in error.state.output."
            )
        else:
            msg = (
                f"{job} without output, which does not fit output_type: there was none, or it was "
                "too large for the platform. A handler that yields may need `stream` instead."
            )
        raise JobOutputError(msg, state=state, endpoint_id=endpoint_id)

    def _validated(self, output: object) -> OutputT:
        assert self._adapter is not None
        try:
            return self._adapter.validate_python(output)
        except ValidationError:
            # A strict type takes from JSON what it does not take from Python: a date as text.
            return self._adapter.validate_json(json.dumps(output))
