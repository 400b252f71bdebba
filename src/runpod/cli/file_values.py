"""Files in an input: "@horse.png" is the file, "@@horse" the text @horse."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runpod._text import readable
from runpod.cli.json_output import note
from runpod.cli.json_texts import place_text, with_texts
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from runpod import File
    from runpod.cli.json_texts import Place

_BASE64 = "base64:"


def with_files(value: Any) -> Any:
    """An input, with files in place of the texts that name them.

    `@PATH` is a file as a data URL, `@base64:PATH` as base64 alone, and `@@text` the text `@text`.

    Args:
        value: JSON.

    Raises:
        InvalidRequestError: A file cannot be read.
    """
    return with_texts(value, _file_or_text)


def note_names(value: Any) -> None:
    """Says that texts which begin with @ are sent as they are, if there are any."""
    names: list[str] = []

    def collect(text: str, _: object) -> None:
        if text.startswith("@") and len(text) > 1:
            names.append(text)

    with_texts(value, collect)
    if names:
        note("Values that begin with @ are sent as text. Pass --files to send the files that they name.")


def _file_or_text(text: str, place: Place) -> File | str:
    if not text.startswith("@"):
        return text
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
        raise InvalidRequestError(f"{readable(place_text(place), 80)}: {error.message} {advice}") from None
