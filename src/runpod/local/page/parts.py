"""JSON values as the page gets them: small enough to be shown, and never wrong.

The text of a value is rewritten without decoding it, so that neither its size nor its depth matters:

- A string of more than 2,000 characters becomes `{"$string": "its beginning", "length": n}`, since most are base64.
- An integer that JavaScript would round becomes `{"$number": "its digits"}`, since seeds have 64 bits.
- A key that could be taken for one of these gets one more `$`.
- `Infinity`, which Python writes and JSON does not know, becomes `1e999`.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from runpod.local.json_text import JSONText, object_text, to_bytes

__all__ = ["PART_LIMIT", "indented", "part", "rewrite"]

PART_LIMIT = 256 * 1024
"""Characters of the rewritten text of a value. A larger one is a link."""

_LONGEST_STRING = 2000
_SHOWN_STRING = 120
_SHOWN_HEAD = 2000
_INDENTED = 20  # levels

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TOKEN = re.compile(rf"{_STRING.pattern}|\[\]|{{}}|[\[\]{{}},:]|[^\s\[\]{{}},:\"]+", re.DOTALL)
_RESERVED_KEY = re.compile(r'"\$+(?:string|number)"')
# An integer of 16 digits can be beyond 2^53.
_NUMBER = re.compile(r"(?<![^\[,: ])(-?\d{16,})(?![^\],} ])")


def part(text: JSONText, href: str, limit: int = PART_LIMIT) -> JSONText:
    """Return a value as the page gets it: with its JSON, or with a link if it is large.

    Args:
        text: The JSON text of the value.
        href: Path from which it can be downloaded.
        limit: Characters up to which the value itself is returned.
    """
    shown = rewrite(text, limit)
    if shown is not None:
        return object_text({"json": shown})
    return object_text({"size": len(to_bytes(text)), "href": href, "head": text[:_SHOWN_HEAD]})


def rewrite(text: str, limit: int, mode: Literal["short", "whole", "plain"] = "short") -> JSONText | None:
    """Rewrite the text of a value; None if the result has more than `limit` characters.

    Args:
        text: JSON text as Python writes it.
        limit: Maximum characters of the result.
        mode: `"short"` for all of the above, `"whole"` to keep long strings, `"plain"` for JSON without any marks.
    """
    pieces: list[str] = []
    size = position = 0

    def add(piece: str) -> bool:
        nonlocal size
        pieces.append(piece)
        size += len(piece)
        return size <= limit

    while position < len(text):
        start = text.find('"', position)
        start = len(text) if start < 0 else start
        # Checked first: what is too large is not searched for numbers.
        if start - position > limit - size or not add(_numbers(text[position:start], mode)):
            return None
        if start == len(text):
            break
        found = _STRING.match(text, start)
        assert found is not None, "the text is valid JSON"
        position = found.end()
        is_key = text.startswith(":", position)
        if is_key and mode != "plain" and _RESERVED_KEY.fullmatch(text, start, position):
            piece = f'"${text[start + 1 : position]}'
        elif mode == "short" and not is_key and position - start - 2 > _LONGEST_STRING:
            piece = _shortened(found[0])
        else:
            piece = found[0]
        if not add(piece):
            return None
    return JSONText("".join(pieces))


def indented(text: str) -> str:
    """Indent the text of a value for people. Beyond some levels, it is not indented further, as that would only grow it."""
    pieces: list[str] = []
    depth = 0
    for mark in _TOKEN.findall(text):
        if mark in ("[", "{"):
            depth += 1
            pieces += (mark, _line(depth))
        elif mark in ("]", "}"):
            # On a line of its own, if its content is on lines of their own.
            pieces += (_line(depth) and _line(depth - 1), mark)
            depth -= 1
        elif mark == ",":
            pieces += (",", _line(depth) or " ")
        else:
            pieces.append(": " if mark == ":" else mark)
    return "".join(pieces)


def _line(depth: int) -> str:
    return f"\n{'  ' * depth}" if depth <= _INDENTED else ""


def _numbers(text: str, mode: str) -> str:
    text = text.replace("Infinity", "1e999")
    return text if mode == "plain" else _NUMBER.sub(r'{"$number":"\1"}', text)


def _shortened(mark: str) -> str:
    content: str = mark[1:-1] if "\\" not in mark else json.loads(mark, strict=False)
    if len(content) <= _LONGEST_STRING:
        return mark
    return f'{{"$string":{json.dumps(content[:_SHOWN_STRING])},"length":{len(content)}}}'
