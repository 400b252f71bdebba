"""Encoding of job submissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from runpod._logging import warn
from runpod._protocol.json_values import Converter, NotSerializableError
from runpod._protocol.request_body import DEFAULT_LIMIT, RequestBody
from runpod._protocol.value_kinds import is_mapping, is_record
from runpod.errors import InvalidRequestError
from runpod.models._base import suggestion
from runpod.models.requests import ExecutionPolicy, JobRequest, S3Config

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIRE_FIELDS = {
    "input": "input",
    "policy": "policy",
    "webhook": "webhook",
    "webhookV2": "webhook_v2",
    "s3Config": "s3_config",
}

_KEYWORD_FORM = 'endpoint.run(input={"prompt": "…"})'


def submission(request: object, **keywords: Any) -> RequestBody:
    """Encodes the arguments of `run` as the body of a submission. Its files are not read yet.

    Args:
        request: The positional request in the wire format, or None.
        keywords: Instead of it, the fields of a `JobRequest`; None for those that were not passed.

    Raises:
        InvalidRequestError: Both forms or neither were passed, or a field is unknown, missing or invalid.
    """
    job = _job_request(request, {name: value for name, value in keywords.items() if value is not None})
    if is_mapping(job.input) and not job.input:
        warn("input is empty: the platform drops it, and the job ends FAILED after about 30 s. Add any key to it.")
    return encode(job)


def _job_request(request: object, keywords: dict[str, Any]) -> JobRequest:
    if request is None:
        if "input" not in keywords:
            msg = f"input is missing. Pass it as {_KEYWORD_FORM}, or {{}} if it is empty."
            raise InvalidRequestError(msg)
        return JobRequest(**keywords)
    if keywords:
        msg = (
            "Pass either a positional request or keywords, not both: got a positional request and "
            f"{', '.join(keywords)}=."
        )
        raise InvalidRequestError(msg)
    if isinstance(request, JobRequest):
        return request
    if not is_mapping(request):
        msg = (
            f"A positional request must be a mapping or a JobRequest, not {type(request).__name__}. "
            f"To pass the input alone, use {_KEYWORD_FORM}."
        )
        raise InvalidRequestError(msg)
    return _from_mapping(request)


def _from_mapping(request: Mapping[Any, Any]) -> JobRequest:
    unknown = [name for name in request if name not in _WIRE_FIELDS]
    if "input" not in request:
        msg = (
            "The request has no 'input' key"
            + (f" (it has {', '.join(repr(name) for name in unknown[:3])})" if unknown else "")
            + '. The positional form is {"input": {…}, "policy": {…}}; '
            f"to pass the input alone, use {_KEYWORD_FORM}."
        )
        raise InvalidRequestError(msg)
    for name in unknown:
        msg = (
            f"The request has an unknown key {name!r}{suggestion(str(name), _WIRE_FIELDS)}. "
            f"Allowed keys are {', '.join(_WIRE_FIELDS)}. The platform would ignore it silently."
        )
        raise InvalidRequestError(msg)
    fields: dict[str, Any] = {_WIRE_FIELDS[name]: v for name, v in request.items() if v is not None or name == "input"}
    return JobRequest(**fields)


def encode(request: JobRequest) -> RequestBody:
    """Encodes a job request as UTF-8 JSON, except for its files, which are not read yet.

    Raises:
        InvalidRequestError: The input is not JSON-serializable (the message names the place), or the webhook is not
            an http(s) URL.
    """
    _check_input(request.input)
    body: dict[str, Any] = {"input": request.input}
    if request.webhook is not None:
        _check_webhook(request.webhook)
        body["webhook"] = request.webhook
    if request.webhook_v2 is not None:
        body["webhookV2"] = request.webhook_v2
    for name, part in (("policy", request.policy), ("s3Config", request.s3_config)):
        if isinstance(part, (ExecutionPolicy, S3Config)):
            body[name] = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    return _to_json(body)


def encode_input(value: object) -> bytes:
    """Encodes an input alone, exactly as `encode` does within a request. Reads its files.

    Raises:
        InvalidRequestError: It is not an object, or not JSON-serializable (the message names the place).
        InputTooLargeError: It has files, and is larger than `run` accepts by default.
    """
    _check_input(value)
    body = _to_json({"input": value}, input_only=True)
    return body.content(DEFAULT_LIMIT if body.files else None)


def _to_json(body: dict[str, Any], *, input_only: bool = False) -> RequestBody:
    converter = Converter()
    try:
        # The request object itself does not count as a level.
        ready = converter.convert(body, -1)
        if not isinstance(ready["input"], dict):  # a RootModel
            raise _not_an_object(ready["input"])
        return RequestBody(ready, converter.parts, input_only=input_only)
    except NotSerializableError as error:
        msg = f"{error.place} {error.problem}."
        raise InvalidRequestError(msg) from None
    # For example, it was changed by another thread, or a dataclass lacks the value of a field.
    except (PydanticSerializationError, TypeError, RuntimeError, AttributeError) as error:
        msg = f"The request cannot be serialized to JSON: {error}."
        raise InvalidRequestError(msg) from None


def _check_input(value: object) -> None:
    if not is_mapping(value) and not isinstance(value, BaseModel) and not is_record(value):
        raise _not_an_object(value)


def _not_an_object(value: object) -> InvalidRequestError:
    kind = "None" if value is None else type(value).__name__
    return InvalidRequestError(
        f"input must be a mapping, a dataclass or a pydantic model, not {kind}: the platform accepts JSON objects only. "
        'Wrap it: {"input": {"value": …}}.'
    )


def _check_webhook(hook: str) -> None:
    try:
        parts = urlsplit(hook)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or any(c.isspace() or not c.isprintable() for c in hook):
        msg = "webhook must be an absolute URL that starts with https:// (or http://)."
        raise InvalidRequestError(msg)
