"""Display of untrusted text."""

from __future__ import annotations

import reprlib
from typing import Any

_shortened = reprlib.Repr()
_shortened.maxlevel, _shortened.maxstring, _shortened.maxother = 3, 60, 60


class Shortened:
    """Shortens the repr of a value, since outputs can have megabytes."""

    def __init__(self, value: Any) -> None:
        self._text = readable(_shortened.repr(value), 200)

    def __repr__(self) -> str:
        return self._text


def readable(text: str, limit: int = 500) -> str:
    """Truncates untrusted text for a message, and escapes terminal control characters."""
    cut = text if len(text) <= limit else text[:limit] + f"… ({len(text)} characters)"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else _escape(c) for c in cut)


def _escape(character: str) -> str:
    return " " if character in "\n\r\t" else character.encode("unicode_escape").decode("ascii")
