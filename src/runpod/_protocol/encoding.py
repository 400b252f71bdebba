"""Encoding of job submissions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, RootModel
from pydantic_core import PydanticSerializationError, to_json

from runpod._logging import warn
from runpod.errors import InvalidRequestError
from runpod.models._base import suggestion
from runpod.models.requests import ExecutionPolicy, JobRequest, S3Config

# Maximum nesting depth of an input.
MAX_DEPTH = 64

# How pydantic serializes secrets.
_MASK = "**********"

_WIRE_FIELDS = {
    "input": "input",
    "policy": "policy",
    "webhook": "webhook",
    "webhookV2": "webhook_v2",
    "s3Config": "s3_config",
}

_KEYWORD_FORM = 'endpoint.run(input={"prompt": "…"})'


def submission(request: object, **keywords: Any) -> bytes:
    """Encodes the arguments of `run` as the body of a submission.

    Args:
        request: The positional request in the wire format, or None.
        keywords: Instead of it, the fields of a `JobRequest`; None for those that were not passed.

    Raises:
        InvalidRequestError: Both forms or neither were passed, or a field is unknown, missing or invalid.
    """
    job = _job_request(request, {name: value for name, value in keywords.items() if value is not None})
    if _is_mapping(job.input) and not job.input:
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
    if not _is_mapping(request):
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


def encode(request: JobRequest) -> bytes:
    """Encodes a job request as UTF-8 JSON.

    Raises:
        InvalidRequestError: The input is not JSON-serializable (the message names the place), or the webhook is not
            an http(s) URL.
    """
    if not _is_mapping(request.input) and not isinstance(request.input, BaseModel):
        raise _not_an_object(request.input)
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
    """Encodes an input alone, exactly as `encode` does within a request.

    Raises:
        InvalidRequestError: It is not an object, or not JSON-serializable (the message names the place).
    """
    if not _is_mapping(value) and not isinstance(value, BaseModel):
        raise _not_an_object(value)
    return _to_json({"input": value}, input_only=True)


def _to_json(body: dict[str, Any], *, input_only: bool = False) -> bytes:
    try:
        # The request object itself does not count as a level.
        ready = _jsonable(body, -1)
        if not isinstance(ready["input"], dict):  # a RootModel
            raise _not_an_object(ready["input"])
        return to_json(ready["input"] if input_only else ready)
    except _NotSerializableError as error:
        msg = f"{error.place} {error.problem}."
        raise InvalidRequestError(msg) from None
    except (PydanticSerializationError, TypeError, RuntimeError) as error:  # e.g. changed by another thread
        msg = f"The request cannot be serialized to JSON: {error}."
        raise InvalidRequestError(msg) from None


def _not_an_object(value: object) -> InvalidRequestError:
    kind = "None" if value is None else type(value).__name__
    return InvalidRequestError(
        f"input must be a mapping or a pydantic model, not {kind}: the platform accepts JSON objects only. "
        'Wrap it: {"input": {"value": …}}.'
    )


class _NotSerializableError(Exception):
    """A value is not JSON-serializable. `steps` is the path to it, innermost first."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[Any] = []

    @property
    def place(self) -> str:
        place = ""
        for step in reversed(self.steps):
            place += f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]"
        place = place.removeprefix(".")
        return place if len(place) <= 80 else place[:80] + "…"


def _jsonable(value: Any, depth: int, *, has_secret: bool = False) -> Any:
    """Converts a value to plain JSON types.

    Raises:
        _NotSerializableError: The value is not JSON-serializable.
    """
    kind = type(cast("object", value))
    if value is None or kind is int or kind is bool:
        return value
    if isinstance(value, str):
        _check_text(value, "contains a lone surrogate")
        if has_secret and value == _MASK:
            msg = f"is a secret, which would be sent as {_MASK}. Pass its get_secret_value() as a str"
            raise _NotSerializableError(msg)
        return str.__str__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = f"is {value}, which JSON does not support; use None or a number"
            raise _NotSerializableError(msg)
        return float(value)
    if isinstance(value, int):
        return int(value)
    if kind is not dict and kind is not list and isinstance(value, BaseModel):
        dumped, has_secret = _dump(value)
        return _jsonable(dumped, depth, has_secret=has_secret)
    if depth >= MAX_DEPTH:
        msg = f"is nested deeper than {MAX_DEPTH} levels"
        raise _NotSerializableError(msg)
    if kind is dict or _is_mapping(value):
        for key in value:
            if not isinstance(key, str):
                msg = f"has a key of type {type(key).__name__}; JSON keys must be str"
                raise _NotSerializableError(msg)
            _check_text(key, "has a key with a lone surrogate")
        step: Any = None
        fields: dict[str, Any] = {}
        try:
            for step, item in value.items():
                fields[step] = _jsonable(item, depth + 1, has_secret=has_secret)
        except _NotSerializableError as error:
            error.steps.append(step)
            raise
        return fields
    if not is_array(value):
        msg = f"has type {kind.__name__}, which is not JSON-serializable{_hint(value)}"
        raise _NotSerializableError(msg)
    items: list[Any] = []
    try:
        for item in value:
            items.append(_jsonable(item, depth + 1, has_secret=has_secret))  # noqa: PERF401 - its length is the failing index
    except _NotSerializableError as error:
        error.steps.append(len(items))
        raise
    return items


def _check_text(text: str, problem: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            msg = f"{problem}, which UTF-8 cannot encode"
            raise _NotSerializableError(msg) from None


def _hint(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "; encode it as base64 text"
    if isinstance(value, (set, frozenset)):
        return "; convert it to a list"
    if callable(getattr(value, "get_secret_value", None)):
        return "; pass its get_secret_value()"
    return ""


def _dump(model: BaseModel) -> tuple[Any, bool]:
    """A model as JSON types, without unset fields that are None; and whether it has a secret.

    As null, such fields would override the worker's defaults.
    """
    try:
        excluded, has_secret = _unset_fields(model)
        return model.model_dump(mode="json", by_alias=True, exclude=excluded), has_secret
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        # The pydantic error is not shown, since it can quote the input.
        msg = (
            f"has type {type(model).__name__}, which pydantic cannot serialize to JSON "
            f'({type(error).__name__}); call its model_dump(mode="json") for details'
        )
        raise _NotSerializableError(msg) from None


def _unset_fields(value: object) -> tuple[Any, bool]:
    """The `exclude` argument of `model_dump` for unset fields that are None, and whether there is a secret."""
    excluded: dict[Any, Any] = {}
    if isinstance(value, RootModel):
        return _unset_fields(cast("RootModel[object]", value).root)
    if isinstance(value, BaseModel):
        items: Iterable[tuple[Any, Any]] = list(value)
        excluded = {name: True for name, item in items if item is None and name not in value.model_fields_set}
    elif _is_mapping(value):
        items = value.items()
    elif is_array(value):
        items = enumerate(value)
    else:
        return None, callable(getattr(value, "get_secret_value", None))
    has_secret = False
    for name, item in items:
        nested, found = _unset_fields(item)
        has_secret = has_secret or found
        if nested:
            excluded[name] = nested
    return excluded or None, has_secret


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def is_array(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))


def _check_webhook(hook: str) -> None:
    try:
        parts = urlsplit(hook)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or any(c.isspace() or not c.isprintable() for c in hook):
        msg = "webhook must be an absolute URL that starts with https:// (or http://)."
        raise InvalidRequestError(msg)
