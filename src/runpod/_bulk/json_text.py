"""Strict JSON: what is read is valid, and what is written can be read by everyone."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast


class InvalidJSONError(ValueError):
    """The text is not valid JSON. The message does not quote it."""


def parse(text: str) -> Any:
    """Parses JSON text.

    Raises:
        InvalidJSONError: It is invalid, names a key twice, or contains NaN or Infinity.
    """
    try:
        return _decoder.decode(text)
    except InvalidJSONError:
        raise
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        msg = f"{error.msg} at {place}"
        raise InvalidJSONError(msg) from None
    except RecursionError:
        msg = "it is nested too deeply"
        raise InvalidJSONError(msg) from None
    except ValueError:
        msg = "a number has too many digits"
        raise InvalidJSONError(msg) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                msg = f"the key {key[:60]!r} occurs twice in an object"
                raise InvalidJSONError(msg)
            seen.add(key)
    return fields


def _constant(name: str) -> NoReturn:
    msg = f"{name} is not valid in JSON; use null or a number"
    raise InvalidJSONError(msg)


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def encode(value: Any) -> str:
    """Encodes JSON values as compact text that UTF-8 can encode.

    Numbers that JSON does not support become null, as in JavaScript.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        value = _finite(value)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can express as an escape
        return json.dumps(value, separators=(",", ":"))
    return text


def _finite(value: object) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in cast("list[object]", value)]
    return value
