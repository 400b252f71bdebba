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


def is_same(text: str, other: str) -> bool:
    """Whether two valid JSON texts have the same value. The order of keys and the notation of numbers do not matter."""
    pairs: list[tuple[object, object]] = [(json.loads(text), json.loads(other))]
    while pairs:
        first, second = pairs.pop()
        if isinstance(first, dict) and isinstance(second, dict):
            fields, others = cast("dict[str, object]", first), cast("dict[str, object]", second)
            if fields.keys() != others.keys():
                return False
            pairs += [(value, others[name]) for name, value in fields.items()]
        elif isinstance(first, list) and isinstance(second, list):
            items, other_items = cast("list[object]", first), cast("list[object]", second)
            if len(items) != len(other_items):
                return False
            pairs += zip(items, other_items, strict=True)
        elif first != second or isinstance(first, bool) != isinstance(second, bool):  # in Python, True == 1
            return False
    return True


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
