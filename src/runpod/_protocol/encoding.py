"""From what a caller passed to the bytes of a submission."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, RootModel
from pydantic_core import PydanticSerializationError, to_json

from runpod.errors import InvalidRequestError
from runpod.models._base import nearest
from runpod.models.requests import ExecutionPolicy, JobRequest, S3Config

MAX_DEPTH = 64

_BINARY = (bytes, bytearray, memoryview)

_WIRE_FIELDS = {
    "input": "input",
    "policy": "policy",
    "webhook": "webhook",
    "webhookV2": "webhook_v2",
    "s3Config": "s3_config",
}

_KEYWORD_FORM = 'endpoint.run(input={"prompt": "…"})'


def submission(request: object, *, input: Any, policy: Any, webhook: Any, s3_config: Any) -> bytes:
    """The body of a submission, out of what a caller passed to `run`.

    Raises:
        InvalidRequestError: It cannot be sent.
    """
    if policy is webhook is s3_config is None:
        # Nearly all are like this, and this takes a fifth of the time of what follows.
        plain = _plainly_encoded({"input": input} if request is None else request if input is None else None)
        if plain is not None:
            return plain
    job = job_request(request, input=input, policy=policy, webhook=webhook, s3_config=s3_config)
    if is_empty_input(job):
        warnings.warn(
            "input is empty: the platform strips it, and the job ends FAILED after about 30 s. Give it any key.",
            UserWarning,
            stacklevel=3,
        )
    return encode(job)


def job_request(
    request: object,
    *,
    input: Any,
    policy: Any,
    webhook: Any,
    s3_config: Any,
) -> JobRequest:
    """One request out of either form: positional in the shape of the wire, or by keyword.

    Raises:
        InvalidRequestError: Both forms at once or neither, an unknown or missing field, or a
            field that does not fit.
    """
    keywords: dict[str, Any] = {"input": input, "policy": policy, "webhook": webhook, "s3_config": s3_config}
    given = {name: value for name, value in keywords.items() if value is not None}
    if request is None:
        if input is None:
            msg = f"There is no input. Pass it as {_KEYWORD_FORM}; an empty one is {{}}."
            raise InvalidRequestError(msg)
        return _built(given)
    if given:
        msg = (
            f"Pass one form only: a request, or keywords. There are both: a positional request and {', '.join(given)}=."
        )
        raise InvalidRequestError(msg)
    if isinstance(request, JobRequest):
        return request
    if not _is_mapping(request):
        msg = (
            f"A positional request is a mapping or a JobRequest, not {type(request).__name__}. "
            f"By keyword it is {_KEYWORD_FORM}."
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
            f"to pass the input alone, write {_KEYWORD_FORM}."
        )
        raise InvalidRequestError(msg)
    for name in unknown:
        msg = (
            f"The request has an unknown key {name!r}{nearest(str(name), _WIRE_FIELDS)}. "
            f"Known are {', '.join(_WIRE_FIELDS)}. The platform would drop it in silence."
        )
        raise InvalidRequestError(msg)
    fields: dict[str, Any] = {_WIRE_FIELDS[name]: v for name, v in request.items() if v is not None or name == "input"}
    return _built(fields)


def _built(fields: dict[str, Any]) -> JobRequest:
    for name in ("policy", "s3_config"):
        part = fields.get(name)
        if _is_mapping(part) and not all(isinstance(key, str) for key in part):
            msg = f"{name} has a key that is not a str."
            raise InvalidRequestError(msg)
    return JobRequest(**fields)


def encode(request: JobRequest) -> bytes:
    """The body of a submission, as UTF-8 JSON.

    Raises:
        InvalidRequestError: JSON cannot hold the input, or the webhook is not an http(s) URL.
            It says where.
    """
    body: dict[str, Any] = {"input": _input(request.input)}
    for name, hook in (("webhook", request.webhook), ("webhookV2", request.webhook_v2)):
        if hook is not None:
            if name == "webhook":
                _check_webhook(hook)
            body[name] = hook
    for name, part in (("policy", request.policy), ("s3Config", request.s3_config)):
        if isinstance(part, (ExecutionPolicy, S3Config)):
            body[name] = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    try:
        return _ENCODER.encode(body).encode()
    except UnicodeEncodeError:
        msg = "The request holds text with a lone surrogate, which UTF-8 cannot carry."
    except (TypeError, ValueError, RecursionError) as error:  # e.g. changed by another thread
        msg = f"The request cannot be written as JSON: {error}."
    # With its place, if it is in the input; here, since the caught error holds the whole text.
    _check(request.input, "input", ())
    raise InvalidRequestError(msg)


def _plainly_encoded(request: object) -> bytes | None:
    """The body of a request that has nothing but an input of plain values; None for every other."""
    if type(request) is not dict:
        return None
    fields = cast("dict[Any, Any]", cast("object", request))
    given: object = fields.get("input")
    if len(fields) != 1 or type(given) is not dict or not given or not _fits(cast("object", given), 0):
        return None
    try:
        return to_json(fields)
    except (PydanticSerializationError, RuntimeError):  # a lone surrogate; changed by another thread
        return None


def is_empty_input(request: JobRequest) -> bool:
    return _is_mapping(request.input) and not request.input


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_array(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, (str, *_BINARY))


def _input(value: object) -> object:
    if isinstance(value, BaseModel):
        value = _dumped(value, "input")
    if not _is_mapping(value):
        kind = "None" if value is None else type(value).__name__
        msg = (
            f"input must be a mapping or a pydantic model, not {kind}: the platform takes JSON "
            'objects only. Wrap it: {"input": {"value": …}}.'
        )
        raise InvalidRequestError(msg)
    if not _fits(value, 0):
        _check(value, "input", ())
    return value


def _dumped(model: BaseModel, where: str) -> object:
    try:
        absent, secret = _absent(model)
        data = model.model_dump(mode="json", by_alias=True, exclude=absent)
        masked = _masked(data, where) if secret else None
        if masked is None:
            return data
        msg = f"{masked} is a secret, which would arrive as {_MASK}. Pass its get_secret_value(), as a str."
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        # The text of the error can quote the input; `model_dump` shows it to who needs it.
        msg = (
            f"{where} is a {type(model).__name__} that pydantic cannot write as JSON "
            f'({type(error).__name__}); call its model_dump(mode="json") to see why.'
        )
    raise InvalidRequestError(msg)


# What pydantic writes in the place of a secret.
_MASK = "**********"


def _absent(value: object) -> tuple[Any, bool]:
    """What of a value not to send, in the way that pydantic wants to be told, and whether there is a secret in it.

    A field of a model that nobody set and that is None would arrive as null, and so hide the default that the worker
    has for it.
    """
    if isinstance(value, RootModel):
        return _absent(cast("RootModel[object]", value).root)
    if isinstance(value, BaseModel):
        fields: Iterable[tuple[Any, Any]] = (
            (name, item) for name, item in value if item is not None or name in value.model_fields_set
        )
        absent: dict[Any, Any] = {
            name: True for name, item in value if item is None and name not in value.model_fields_set
        }
    elif _is_mapping(value):
        fields, absent = value.items(), {}
    elif _is_array(value):
        fields, absent = enumerate(value), {}
    else:
        return None, callable(getattr(value, "get_secret_value", None))
    secret = False
    for name, item in fields:
        within, found = _absent(item)
        secret = secret or found
        if within:
            absent[name] = within
    return absent or None, secret


def _masked(value: object, where: str) -> str | None:
    """Where in what pydantic wrote a secret is masked."""
    if value == _MASK:
        return where
    if _is_mapping(value):
        steps: Iterable[tuple[str, Any]] = ((_below(where, key), item) for key, item in value.items())
    elif _is_array(value):
        steps = ((f"{where}[{index}]", item) for index, item in enumerate(value))
    else:
        return None
    return next((found for place, item in steps if (found := _masked(item, place))), None)


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if key.isidentifier() else f"{where}[{key!r}]"


def _plain(value: object) -> object:
    # What json.dumps does not know but `_check` let pass.
    if isinstance(value, BaseModel):
        return _dumped(value, "a value of the input")
    return dict(value) if _is_mapping(value) else list(cast("Sequence[Any]", value))


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


def _fits(value: object, depth: int) -> bool:
    # The quick look that nearly every input passes; json.dumps alone would turn a key 1 into
    # "1" without a word. What it does not know at sight, `_check` looks at with its place.
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return True
    if kind is float:
        return math.isfinite(cast("float", value))
    if depth >= MAX_DEPTH:
        return False
    if kind is dict:
        items = cast("dict[Any, Any]", value).items()
        return all(type(key) is str and _fits(item, depth + 1) for key, item in items)
    if kind is list or kind is tuple:
        return all(_fits(item, depth + 1) for item in cast("Sequence[Any]", value))
    return False


def _check(value: object, where: str, above: tuple[int, ...]) -> None:
    """Finds what JSON cannot hold, and says where."""
    if value is None or isinstance(value, (bool, int)):
        return
    if isinstance(value, str):
        if not _is_unicode(value):
            _refuse(where, "holds a lone surrogate, which UTF-8 cannot carry")
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            _refuse(where, f"is {value}, which JSON does not have; use None or a number")
        return
    if isinstance(value, BaseModel):
        value = _dumped(value, where)
    if _is_mapping(value):
        inside = above + _step(value, where, above)
        for key, item in value.items():
            if not isinstance(key, str):
                _refuse(where, f"has a key of type {type(key).__name__}; JSON keys are str")
            if not _is_unicode(key):
                _refuse(where, "has a key with a lone surrogate, which UTF-8 cannot carry")
            _check(item, _below(where, key), inside)
        return
    if _is_array(value):
        inside = above + _step(value, where, above)
        for index, item in enumerate(value):
            _check(item, f"{where}[{index}]", inside)
        return
    kind = type(value).__name__
    hint = ""
    if isinstance(value, _BINARY):
        hint = "; encode it as base64 text"
    elif isinstance(value, (set, frozenset)):
        hint = "; make it a list"
    elif callable(getattr(value, "get_secret_value", None)):
        hint = "; pass its get_secret_value()"
    _refuse(where, f"is a {kind}, which JSON cannot hold{hint}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _step(value: object, where: str, above: tuple[int, ...]) -> tuple[int]:
    if id(value) in above:
        _refuse(where, "contains itself")
    if len(above) >= MAX_DEPTH:
        _refuse(_short(where), f"is nested deeper than {MAX_DEPTH} levels")
    return (id(value),)


def _short(where: str) -> str:
    return where if len(where) <= 80 else where[:80] + "…"


def _refuse(where: str, problem: str) -> None:
    msg = f"{_short(where)} {problem}."
    raise InvalidRequestError(msg)


def _check_webhook(hook: str) -> None:
    try:
        parts = urlsplit(hook)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or any(c.isspace() or not c.isprintable() for c in hook):
        msg = "webhook must be a whole URL that starts with https:// (or http://)."
        raise InvalidRequestError(msg)
