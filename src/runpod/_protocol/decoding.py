"""Parsing of successful responses."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_origin

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic_core import from_json

from runpod import _observer
from runpod._protocol.failures import context_of, created, error_in, hidden
from runpod._protocol.operations import RUN, RUN_SYNC
from runpod._text import readable
from runpod.errors import APIResponseError, InvalidRequestError, JobOutputError
from runpod.models._base import describe
from runpod.models.jobs import JobState, OutputT, StreamChunk
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Response

ModelT = TypeVar("ModelT", bound=BaseModel)


def parse(model: type[ModelT], response: Response, call: Call) -> ModelT:
    """Parses a successful response.

    Raises:
        APIResponseError: The body is invalid.
    """
    value = parse_json(response, call)
    problem = gateway_error(value)
    try:
        parsed = model.model_validate(value)
    except ValidationError as error:
        raise response_error(response, call, problem or f"Invalid {model.__name__}: {describe(error, model)}") from None
    # A model without required fields accepts any object.
    if problem is not None and "error" in value:
        raise response_error(response, call, problem)
    return parsed


def check_json(response: Response, call: Call) -> None:
    """Checks a successful response of which nothing is needed.

    Raises:
        APIResponseError: It is not JSON, or an error, so it is not from the API.
    """
    value = parse_json(response, call)
    problem = gateway_error(value)
    if problem is not None and "error" in value:
        raise response_error(response, call, problem)


def gateway_error(value: object) -> str | None:
    """The problem of a 2xx body that contains an error, as some gateways send; otherwise None."""
    error = error_in(value)
    return None if error is None or "id" in cast("dict[str, Any]", value) else f"it is an error: {readable(error)!r}"


def parse_job(response: Response, call: Call) -> JobState[Any]:
    """Parses a successful response as the state of a job.

    Raises:
        APIResponseError: The body is not a JSON object, has no ID or status, or is about another job.
    """
    state = parse(JobState, response, call)
    if call.job_id is not None and state.id != call.job_id:
        problem = f"it is about another job, {readable(state.id, 80)!r}"
        raise response_error(response, call, problem)
    _observer.received(call, state)
    return state


def is_status_only(state: JobState[Any]) -> bool:
    """Whether a response has only a final status, as of a cancel request: `/status` has the output and the error."""
    ended = state.completed and state.status != JobStatus.CANCELLED
    return ended and not state.has_output and state.error is None


def parse_stream(response: Response, call: Call) -> tuple[JobStatus | None, list[StreamChunk[Any]]]:
    """Parses a successful response of `/stream`: the status of the job, or None, and the chunks.

    Raises:
        APIResponseError: The body is neither the envelope nor a list of chunks.
    """
    chunks = parse_json(response, call)
    status: JobStatus | None = None
    # The operation reference shows a bare list; all captured responses have the envelope.
    if isinstance(chunks, dict):
        envelope = cast("dict[str, Any]", chunks)
        text = envelope.get("status")
        # An unprintable status, such as one with a lone surrogate, is ignored: `/status` is polled instead.
        status = JobStatus(text) if isinstance(text, str) and text and text.isprintable() else None
        if status is None and "stream" not in envelope:
            raise response_error(response, call, gateway_error(envelope) or "it has neither a status nor a stream")
        chunks = envelope.get("stream")
        if chunks is None:
            # Absent or null: no chunks since the last poll.
            return status, []
    if not isinstance(chunks, list):
        raise response_error(response, call, "its stream is not a list")
    return status, [_chunk(item) for item in cast("Iterable[Any]", chunks)]


def _chunk(item: object) -> StreamChunk[Any]:
    if isinstance(item, dict):
        try:
            return StreamChunk.model_validate(item)
        except ValidationError:
            # A key with a lone surrogate must not lose the chunk.
            fields = cast("dict[str, Any]", item)
            return StreamChunk(output=fields.get("output"), metrics=fields.get("metrics"))
    return StreamChunk(output=cast("Any", item))


def parse_json(response: Response, call: Call) -> Any:
    """The JSON of a successful response.

    Raises:
        APIResponseError: It is something else.
    """
    if response.problem:
        raise response_error(response, call, response.problem)
    # Parsed to plain values: `model_validate_json` builds an intermediate tree first, which takes twice the time and
    # memory for an output of many objects. The models validate only their own fields.
    with suppress(ValueError):
        return from_json(response.body, cache_strings="keys")
    # `from_json` is stricter than the json module (lone surrogates, depth). Outputs that only the latter accepts must
    # not be lost.
    with suppress(ValueError, RecursionError):
        return json.loads(response.body)
    if not response.body.strip():
        raise response_error(response, call, "it is empty")
    kind = "HTML" if response.body.lstrip()[:1] == b"<" else "not valid JSON, or truncated"
    raise response_error(response, call, f"it is {kind}")


def response_error(response: Response, call: Call, problem: str) -> APIResponseError:
    """The error for a 2xx response with an invalid body."""
    context = context_of(call, response)
    context["retryable"] = not context["maybe_submitted"]
    # It can quote the response, which can quote the request.
    problem = response.redacted(hidden(call, problem.encode("utf-8", "replace")).decode())
    msg = (
        f"{call} got HTTP {response.status} with an unusable body: {problem.rstrip('.')}. "
        f"Check that {call.operation.service.setting} is the address of the {call.operation.service.name}."
    )
    if context["maybe_submitted"] and call.operation not in {RUN, RUN_SYNC}:
        msg += f"{created(call, response)} {call.doubt_advice}"
    elif context["maybe_submitted"]:
        known = f" with the ID {context['job_id']!r}" if context["job_id"] else ""
        msg += f" A job may have been submitted{known}; submitting again may run it twice."
    return APIResponseError(
        msg,
        status_code=response.status,
        body=replace(response, body=hidden(call, response.body)).text,
        headers=response.redacted_headers,
        **context,
    )


def _name_of(type_: object) -> str:
    if isinstance(type_, type) and get_origin(type_) is None:
        return type_.__name__
    return readable(repr(type_), 80)


class OutputReader(Generic[OutputT]):
    """Validates outputs against `output_type` or `chunk_type`.

    Raises:
        InvalidRequestError: pydantic cannot validate such a type.
    """

    def __init__(self, output_type: type[OutputT] | None, name: str = "output_type") -> None:
        self.output_type = output_type
        self._name = name
        self._adapter: TypeAdapter[OutputT] | None = None
        if output_type is None:
            return
        try:
            self._adapter = TypeAdapter(output_type)
            # Forward references are resolved on first use: fail here rather than at the first output.
            _ = self._adapter.validator.title
        except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeError):
            msg = (
                f"{name}: pydantic cannot validate {_name_of(output_type)}. Use a pydantic model, a dataclass, "
                "a TypedDict or a builtin type (before Python 3.12, a TypedDict from typing_extensions)."
            )
            raise InvalidRequestError(msg) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return OutputReader, (self.output_type, self._name)

    def __call__(self, state: JobState[Any], endpoint_id: str) -> JobState[OutputT]:
        """Validates the output of a completed job; other states are returned unchanged.

        Raises:
            JobOutputError: The output does not match; the error has the raw state.
        """
        if self._adapter is None or not state.succeeded:
            return state
        output, problem = self._validated(state.output)
        if problem is None:
            # A missing output stays missing if the type accepts None.
            return state.model_copy(update={"output": output}) if state.has_output else state
        job = f"Job {state.id!r} on endpoint {endpoint_id!r} completed"
        if state.has_output:
            msg = (
                f"{job}, but its output does not match {self._name}: {problem}. "
                "The raw output is in error.state.output."
            )
        else:
            msg = (
                f"{job} without output, which does not match {self._name}: the handler returned none, or it was too "
                "large for the platform. If the handler yields, use `stream`."
            )
        raise JobOutputError(msg, state=state, endpoint_id=endpoint_id)

    def chunk(self, chunk: StreamChunk[Any], job_id: str, endpoint_id: str) -> StreamChunk[OutputT]:
        """Validates the output of a chunk.

        Raises:
            JobOutputError: The output does not match; `error.state.output` has the raw output.
        """
        if self._adapter is None:
            return chunk
        output, problem = self._validated(chunk.output)
        if problem is None:
            return chunk.model_copy(update={"output": output})
        msg = (
            f"A chunk of job {job_id!r} on endpoint {endpoint_id!r} does not match {self._name}: {problem}. "
            "The raw chunk is in error.state.output."
        )
        state: JobState[Any] = JobState(id=job_id, status=JobStatus.IN_PROGRESS, output=chunk.output)
        raise JobOutputError(msg, state=state, endpoint_id=endpoint_id)

    def _validated(self, output: object) -> tuple[OutputT | None, str | None]:
        """The validated output and None, or None and the problem."""
        assert self._adapter is not None
        try:
            try:
                return self._adapter.validate_python(output), None
            except ValidationError:
                # Strict types accept more from JSON than from Python values, such as a date as text.
                return self._adapter.validate_json(json.dumps(output)), None
        except ValidationError as error:
            return None, describe(error)
        except Exception as error:  # noqa: BLE001 - the caller's validators can raise anything
            return None, f"its validator raised {type(error).__name__}"
