"""Display of untrusted text."""

from __future__ import annotations

import reprlib
import unicodedata
from typing import Any

_shortened = reprlib.Repr()
_shortened.maxlevel, _shortened.maxstring, _shortened.maxother = 3, 60, 60

# These join letters and emoji; other invisible characters can hide or reorder text.
_JOINERS = "\u200c\u200d"


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


def size_text(size: int) -> str:
    """A number of bytes for people: `812 kB`."""
    if size < 1000:
        return f"{size} B"
    if size < 999_500:
        return f"{size / 1000:.3g} kB"
    return f"{size / 1e6:.3g} MB" if size < 999.5e6 else f"{size / 1e9:,.2f} GB"


def printable(text: str) -> str:
    """Escapes characters that a terminal would obey or not show; line breaks remain."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return "\n".join(
        line if line.isprintable() else "".join(c if _is_shown(c) else _code(c) for c in line)
        for line in text.split("\n")
    )


def _is_shown(character: str) -> bool:
    # All spaces of the languages of the world are shown; Python calls only one of them printable.
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return " " if character in "\n\r\t" else _code(character)


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
