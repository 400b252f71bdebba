"""JSON as it travels: checked and encoded once, then only pasted together.

A handler's output is encoded when the handler hands it over and kept as text. So what a client
reads is what the handler meant at that moment, large outputs are encoded once however often they
are read, and nothing that is nested too deeply can fail later, in the middle of an answer.
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
    """Encode what a handler gave.

    Raises whatever the value makes the encoder raise: `TypeError` for a type JSON does not have,
    `ValueError` for NaN, infinities and circles, `RecursionError` for bottomless nesting.
    """
    # The worker does not escape non-ASCII text either. NaN is refused because no JSON parser on
    # the way would take it.
    return JSONText(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=_COMPACT))


def decode(text: str) -> Any:
    """Decode what a client sent; `ValueError` says that it is no JSON."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _refuse_constant(name: str) -> None:
    # `json` takes NaN, Infinity and -Infinity, which are not JSON.
    raise ValueError(f"invalid literal {name}")


def object_text(fields: Mapping[str, object]) -> JSONText:
    """Encode an object, with values that are already JSON text pasted in as they are.

    Keys are sorted: the bodies captured from the service are.
    """
    members = (f"{json.dumps(key)}:{_member_text(fields[key])}" for key in sorted(fields))
    return JSONText("{" + ",".join(members) + "}")


def array_text(items: Iterable[JSONText]) -> JSONText:
    """Make an array of items that are already JSON text."""
    return JSONText("[" + ",".join(items) + "]")


def _member_text(value: object) -> str:
    if isinstance(value, JSONText):
        return value
    return json.dumps(value, ensure_ascii=False, separators=_COMPACT)


def to_bytes(text: JSONText) -> bytes:
    r"""Encode JSON text as UTF-8.

    Half a surrogate pair has no UTF-8 form, but `backslashreplace` writes `\ud800`, which inside
    a JSON string (the only place it can stand) is the right escape.
    """
    return text.encode("utf-8", "backslashreplace")
