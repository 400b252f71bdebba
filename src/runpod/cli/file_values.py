"""Files in an input: "@horse.png" is the file, "@@horse" the text @horse."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from runpod._text import readable
from runpod.cli.json_output import note
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from runpod import File

_BASE64 = "base64:"


def with_files(value: Any, place: str = "") -> Any:
    """A part of an input, with files in place of the texts that name them.

    `@PATH` is a file as a data URL, `@base64:PATH` as base64 alone, and `@@text` the text `@text`.

    Args:
        value: JSON.
        place: Where it is in the input, for messages.

    Raises:
        InvalidRequestError: A file cannot be read.
    """
    if isinstance(value, str):
        return _file_or_text(value, place) if value.startswith("@") else value
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {name: with_files(each, f"{place}.{name}" if place else name) for name, each in items}
    if isinstance(value, list):
        return [with_files(each, f"{place}[{index}]") for index, each in enumerate(value)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def note_names(value: Any) -> None:
    """Says that texts which begin with @ are sent as they are, if there are any."""
    if _has_name(value):
        note("Values that begin with @ are sent as text. Pass --files to send the files that they name.")


def _has_name(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_name, cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        return any(map(_has_name, value))  # pyright: ignore[reportUnknownArgumentType]
    return isinstance(value, str) and value.startswith("@") and len(value) > 1


def _file_or_text(text: str, place: str) -> File | str:
    from runpod import File  # not for every command

    if text.startswith("@@"):
        return text[1:]
    is_bare = text.startswith(f"@{_BASE64}")
    name = text[len(_BASE64) + 1 :] if is_bare else text[1:]
    try:
        return File(os.path.expanduser(name), form="base64" if is_bare else "data_url")  # noqa: PTH111 - it raises no errors
    except InvalidRequestError as error:
        shown = readable(text, 60)
        advice = f"To send the text {shown!r} itself, write {'@' + shown!r}."
        raise InvalidRequestError(f"{readable(place, 80)}: {error.message} {advice}") from None
