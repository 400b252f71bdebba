"""The INPUT of a job on the command line: JSON, @FILE, or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

from runpod.cli.file_values import note_names, with_files
from runpod.cli.json_output import at_terminal, note
from runpod.errors import InvalidRequestError

_FORMS = """Pass a JSON object such as '{"prompt": "a horse"}', @FILE, or - for standard input."""
_WRAPPER = {"input", "policy", "webhook", "webhookV2", "s3Config"}


def read_input(argument: str | None, *, files: bool = False) -> dict[str, Any]:
    """The input of a job.

    Args:
        argument: JSON, @FILE or -; None for standard input, unless it is a terminal.
        files: Whether values from standard input can name files, as others always can.

    Raises:
        InvalidRequestError: It cannot be read, or is not a JSON object.
    """
    if argument is None and (sys.stdin is None or at_terminal(sys.stdin)):
        raise InvalidRequestError(f"INPUT is missing. {_FORMS}")
    text, source = read_text(argument, "INPUT", f" {_FORMS}")
    if not text.strip():
        raise InvalidRequestError(f"{source} is empty. {_FORMS}")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequestError(f"{source} is not valid JSON ({where}: {error.msg}). {_FORMS}") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, or deep nesting
        raise InvalidRequestError(f"{source} cannot be read as JSON ({type(error).__name__}). {_FORMS}") from None
    if not isinstance(value, dict):
        kind = {"list": "an array", "str": "a string", "bool": "a Boolean", "NoneType": "null"}
        name = kind.get(type(value).__name__, "a number")  # pyright: ignore[reportUnknownArgumentType]
        raise InvalidRequestError(f"{source} must be a JSON object, not {name}. {_FORMS}")
    found = cast("dict[str, Any]", value)
    if "input" in found and found.keys() <= _WRAPPER and isinstance(found["input"], dict):
        note('INPUT looks like a whole request. It is passed to the handler as it is: as job["input"]["input"].')
    if files or argument not in {None, "-"}:
        return cast("dict[str, Any]", with_files(found))
    note_names(found)
    return found


def read_text(argument: str | None, name: str, hint: str = "") -> tuple[str, str]:
    """The text of an argument, and what to call it in messages.

    Args:
        argument: Text, @FILE or -; None for standard input.
        name: What to call it if it is text.
        hint: What to add to a message if a file cannot be read.

    Raises:
        InvalidRequestError: It cannot be read.
    """
    if argument is not None and argument != "-" and not argument.startswith("@"):
        return argument, name
    path = None if argument is None or argument == "-" else argument[1:]
    source = "Standard input" if path is None else f"The file {path!r}"
    if path is None and sys.stdin is None:
        raise InvalidRequestError(f"{source} is closed.{hint}")
    try:
        content = sys.stdin.buffer.read() if path is None else Path(path).expanduser().read_bytes()
        # utf-8-sig: Windows programs write a byte order mark.
        return content.decode("utf-8-sig"), source
    except UnicodeDecodeError:
        raise InvalidRequestError(f"{source} is not UTF-8. Convert it first.") from None
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: a null byte; RuntimeError: no home folder
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidRequestError(f"{source} cannot be read: {reason}.{hint}") from None
