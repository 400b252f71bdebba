"""An output as text for people: indented JSON without the data of pictures, sound and video."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import BaseModel, RootModel

from runpod._text import printable, size_text
from runpod.media.item import Media

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WIDTH = 88
# Deeper levels are not indented further, so that the text of deeply nested values does not grow with the square of it.
_DEEPEST_INDENT = 40
# Longer base64 is not for people, whatever it is: embeddings, masks, files of unknown kinds.
LONGEST_BASE64 = 512
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]{60,}(?:\s{1,2}[A-Za-z0-9+/=_-]{60,})*")


class _Container(NamedTuple):
    items: Iterator[tuple[Any, Any]]  # pairs of key and value; the key of an item of a list is `_NO_KEY`
    end: str
    identity: int


_NO_KEY = object()


class OutputText:
    """Writes outputs as text.

    Args:
        media: The media of the outputs: each is replaced by its placeholder, such as `<image/png, 812 kB, horse.png>`.
    """

    def __init__(self, media: Iterable[Media] = ()) -> None:
        self._placeholders: dict[str | bytes, str] = {}
        for each in media:
            content = each._content  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - both belong to this package
            if content is not None:
                self._placeholders[content] = placeholder(each)

    def pieces(self, value: Any) -> Iterator[str]:
        """Yields the text in pieces. Without recursion, since a worker decides how deeply its output is nested."""
        value = _bare(value)
        if isinstance(value, str) and value not in self._placeholders:
            yield printable(_shortened(value))  # a plain text needs no quotes
            return
        opened: list[_Container] = []
        inside: set[int] = set()  # the identities of what is opened
        yield self._leaf(value, opened, inside)
        is_first = True
        while opened:
            container = opened[-1]
            indent = "\n" + "  " * min(len(opened), _DEEPEST_INDENT)
            for key, item in container.items:
                before = indent if is_first else "," + indent
                yield before if key is _NO_KEY else f"{before}{_quoted(str(key))}: "
                depth = len(opened)
                yield self._leaf(item, opened, inside)
                is_first = len(opened) > depth
                if is_first:
                    break
            else:
                opened.pop()
                inside.discard(container.identity)
                yield "\n" + "  " * min(len(opened), _DEEPEST_INDENT) + container.end
                is_first = False

    def _leaf(self, value: Any, opened: list[_Container], inside: set[int]) -> str:
        """The text of a value in whole; or the beginning of a container, which is added to `opened`."""
        depth = len(opened)
        value = _bare(value)
        text = self._scalar(value, depth)
        if text is not None:
            return text
        if id(value) in inside:
            return "<contains itself>"
        fields = _fields(value)
        if fields is None:
            items: list[Any] = list(value)
            numbers = _filled(items, depth)
            if numbers is not None:
                return numbers
            pairs: list[tuple[Any, Any]] = [(_NO_KEY, item) for item in items]
            start, end = "[", "]"
        else:
            pairs = list(fields.items())
            start, end = "{", "}"
        line = self._line(pairs)
        if line is not None and len(line) + 2 * min(depth, _DEEPEST_INDENT) < _WIDTH:
            return start + line + end
        opened.append(_Container(iter(pairs), end, id(value)))
        inside.add(id(value))
        return start

    def _line(self, pairs: list[tuple[Any, Any]]) -> str | None:
        """The items in one line, if they are few and short."""
        if len(pairs) > _WIDTH // 3:
            return None
        parts: list[str] = []
        for key, item in pairs:
            if isinstance(item, str) and len(item) > _WIDTH and item not in self._placeholders:
                return None
            text = self._scalar(item, 0)
            if text is None or "\n" in text:
                return None
            parts.append(text if key is _NO_KEY else f"{_quoted(str(key))}: {text}")
        return ", ".join(parts)

    def _scalar(self, value: Any, depth: int) -> str | None:
        """The text of a value that contains no others; None for a container."""
        value = _bare(value)
        if type(value) is int or type(value) is float:
            return _number(value)
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, (str, bytes, bytearray, memoryview)):
            return self._data(cast("Any", value), depth)
        if isinstance(value, Media):
            return placeholder(value)
        if value is None or isinstance(value, bool):
            return "null" if value is None else "true" if value else "false"
        if isinstance(value, (Mapping, list, tuple, AbstractSet, BaseModel)) or _is_dataclass(value):
            return None
        try:
            return printable(_shortened(repr(value)))
        except Exception:  # noqa: BLE001 - the repr of any class can fail, and this text must not
            return f"<{type(value).__name__}>"

    def _data(self, value: str | bytes | bytearray | memoryview, depth: int) -> str:
        if not isinstance(value, str):
            value = bytes(value)
            return self._placeholders.get(value) or f"<{size_text(len(value))} of bytes>"
        found = self._placeholders.get(value.strip() if value[:1].isspace() else value)
        if found is not None:
            return found
        if "\n" not in value:
            return _quoted(value)
        indent = "\n" + "  " * min(depth + 1, _DEEPEST_INDENT)
        lines = printable(_shortened(value.rstrip())).split("\n")
        return f'"""{"".join(indent + line if line else chr(10) for line in lines)}{indent[:-2]}"""'


def joined(pieces: Iterable[str], limit: int | None) -> str:
    """Joins pieces up to a number of characters."""
    if limit is None:
        return "".join(pieces)
    parts: list[str] = []
    size = 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size > limit:
            return f"{''.join(parts)[: max(0, limit)]}…\n(cut at {limit:,} characters; pretty(limit=None) shows all)"
    return "".join(parts)


def placeholder(media: Media) -> str:
    """What stands for media in a text, such as `<image/png, 812 kB, horse.png>`."""
    size = "" if media.size is None else f" {size_text(media.size)},"
    return printable(f"<{media.mime},{size} {media.name}>").replace("\n", " ")


_quote = json.JSONEncoder(ensure_ascii=False).encode


def _quoted(text: str) -> str:
    return printable(_quote(_shortened(text)))


def _shortened(text: str) -> str:
    """Replaces long base64 in a text by its beginning."""
    if len(text) <= LONGEST_BASE64:
        return text
    return _BASE64.sub(_beginning, text)


def _beginning(match: re.Match[str]) -> str:
    text = match[0]
    return text if len(text) <= LONGEST_BASE64 else f"{text[:40]}… ({len(text):,} characters)"


def _number(value: float) -> str:
    try:
        return repr(value)
    except ValueError:  # an integer with more digits than Python converts
        return hex(value) if isinstance(value, int) else str(value)


def _bare(value: Any) -> Any:
    """The value in a root model, which is written as that value."""
    while isinstance(value, RootModel):
        value = cast("Any", value).root
    return value


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _fields(value: Any) -> Mapping[Any, Any] | None:
    """What a mapping, a model or a dataclass contains, by name; None for lists and sets."""
    is_mapping = isinstance(value, Mapping)
    if is_mapping:
        return cast("Mapping[Any, Any]", value)
    if isinstance(value, BaseModel):
        return {**value.__dict__, **(value.model_extra or {})}
    if _is_dataclass(value):
        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
    return None


def _filled(items: list[Any], depth: int) -> str | None:
    """Many numbers, such as an embedding, in full lines; None for anything else."""
    if len(items) < 2 or not all(type(item) in {int, float} for item in items):
        return None
    indent = "\n" + "  " * min(depth + 1, _DEEPEST_INDENT)
    width = max(_WIDTH // 2, _WIDTH - len(indent))
    lines: list[str] = []
    line = ""
    for item in items:
        text = _number(item)
        if line and len(line) + len(text) + 2 > width:
            lines.append(line + ",")
            line = text
        else:
            line = f"{line}, {text}" if line else text
    lines.append(line)
    if len(lines) == 1:
        return f"[{line}]"
    return f"[{indent}{indent.join(lines)}{indent[:-2]}]"
