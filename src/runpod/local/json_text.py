"""JSON text that is validated and encoded once, then concatenated.

A handler's output is encoded as soon as the handler returns it, and kept as text. Later changes to
the object have no effect, large outputs are encoded once however often they are read, and values
that cannot be encoded (nested too deeply, say) fail early, not while a response is sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["JSONText", "array_text", "decode", "encode", "object_text", "to_bytes"]

_COMPACT = (",", ":")


class JSONText(str):
    """Text that is known to be valid JSON."""

    __slots__ = ()


def encode(value: object) -> JSONText:
    """Encode a handler's value.

    Raises:
        TypeError: JSON has no such type.
        ValueError: The value holds NaN, an infinity or a circular reference.
        RecursionError: The value is nested too deeply.
    """
    # The official worker does not escape non-ASCII text either. NaN is not valid JSON.
    return JSONText(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=_COMPACT))


def decode(text: str) -> Any:
    """Decode a client's JSON; raises `ValueError` if it is invalid."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _refuse_constant(name: str) -> None:
    # `json` accepts NaN, Infinity and -Infinity, which are not valid JSON.
    raise ValueError(f"invalid literal {name}")


def object_text(fields: Mapping[str, object]) -> JSONText:
    """Encode an object; values of type `JSONText` are inserted unchanged.

    Keys are sorted, as in the bodies captured from the service.
    """
    members = (f"{json.dumps(key)}:{_member_text(fields[key])}" for key in sorted(fields))
    return JSONText("{" + ",".join(members) + "}")


def array_text(items: Iterable[JSONText]) -> JSONText:
    """Join JSON texts into an array."""
    return JSONText("[" + ",".join(items) + "]")


def _member_text(value: object) -> str:
    if isinstance(value, JSONText):
        return value
    return json.dumps(value, ensure_ascii=False, separators=_COMPACT)


def to_bytes(text: JSONText) -> bytes:
    r"""Encode JSON text as UTF-8.

    A lone surrogate has no UTF-8 form. `backslashreplace` writes `\ud800`, which is a valid escape
    inside a JSON string, the only place where it can occur.
    """
    return text.encode("utf-8", "backslashreplace")
