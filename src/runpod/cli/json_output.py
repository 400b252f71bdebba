"""What is printed: results as JSON on standard output, everything else on standard error.

Output of workers can contain anything. As JSON, every character that a terminal could interpret is escaped, also in
a pipe, which can end at a terminal.
"""

from __future__ import annotations

import errno
import json
import re
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TextIO

from runpod._text import readable, size_text
from runpod.cli.json_texts import with_texts
from runpod.cli.media_texts import MediaTexts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from runpod import JobState

# Longer strings are shortened at a terminal: text later than data, which nobody reads.
_MAX_DATA = 200
_MAX_TEXT = 20_000
_SHOWN = 60
_NOT_ASCII = re.compile(r"[^\n -~]")
_DATA = re.compile(r"(?:data:[^,]{0,100},)?[A-Za-z0-9+/_=\r\n-]+")


class OutputClosedError(Exception):
    """The program that reads standard output has ended, such as `head`."""


class OutputError(OSError):
    """Standard output cannot be written, such as on a full disk."""


def at_terminal(file: TextIO | None = None) -> bool:
    """Whether a file, by default standard output, is a terminal."""
    return (sys.stdout if file is None else file).isatty()


def note(message: str) -> None:
    """Prints a line for people on standard error."""
    text = readable(message, 10_000)
    try:
        encoding = sys.stderr.encoding or "utf-8"
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # closed
        pass


def write_text(text: str) -> None:
    """Prints a line on standard output.

    Raises:
        OutputClosedError: Nobody reads it any more.
        OutputError: It cannot be written.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        raise _output_error(error) from None


def write_data(data: bytes) -> None:
    """Writes bytes to the buffer of standard output.

    Raises:
        OutputClosedError: Nobody reads it any more.
        OutputError: It cannot be written.
    """
    try:
        sys.stdout.buffer.write(data)
    except OSError as error:
        raise _output_error(error) from None


def flush_data() -> None:
    """Writes what is buffered, text or bytes.

    Raises:
        OutputClosedError: Nobody reads it any more.
        OutputError: It cannot be written.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _output_error(error) from None


def _output_error(error: OSError) -> OutputClosedError | OutputError:
    # Windows reports a closed pipe as an invalid argument.
    return OutputClosedError() if error.errno in {errno.EPIPE, errno.EINVAL} else OutputError(*error.args)


def printable(data: bytes) -> bytes:
    """Escapes the characters of a text that a terminal could interpret, except line breaks."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "\n".join("".join(map(_printable, line)) for line in text.split("\n")).encode()


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def write_json(value: Any, *, can_save: bool = False) -> None:
    """Prints a value on standard output: indented and shortened at a terminal, in full and on one line otherwise.

    Args:
        value: JSON.
        can_save: Whether the command has the option --save, and it was not passed.

    Raises:
        OutputClosedError: Nobody reads it any more.
        OutputError: It cannot be written.
    """
    if not at_terminal():
        write_text(json_text(value))
        return
    shortener = Shortener(can_save=can_save)
    write_text(json_text(shortener.shortened(value), indent=2))
    shortener.note()


def write_line(value: Any, shortener: Shortener) -> None:
    """Prints a value on one line of standard output, shortened at a terminal.

    Raises:
        OutputClosedError: Nobody reads it any more.
        OutputError: It cannot be written.
    """
    write_text(json_text(shortener.shortened(value) if at_terminal() else value))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON without characters that a terminal could interpret or the output cannot encode."""
    separators = (",", ":") if indent is None else None
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    except RecursionError:
        if indent is None:
            raise
        return json_text(value)  # with an indentation, fewer levels are possible
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if encoding.lower().replace("-", "") != "utf8":
        return json.dumps(value, indent=indent, separators=separators)
    # Only strings contain such characters, except for the line breaks of the indentation.
    return _NOT_ASCII.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]


class Shortener:
    """Shortens what is printed at a terminal: media and other long strings.

    Args:
        can_save: Whether the command has the option --save, and it was not passed.
    """

    def __init__(self, *, can_save: bool = False) -> None:
        self._can_save = can_save
        self._texts = self._media = 0

    def shortened(self, value: Any) -> Any:
        """A value with short strings only."""
        media = MediaTexts(value)
        # An output can have the same picture twice.
        hidden = set[int]()

        def value_of(text: str, _: object) -> str:
            number = media.number(text) if len(text) > _MAX_DATA else None
            if number is None or (size := media.media[number].size) is None:
                return self._text(text)
            hidden.add(number)
            return f"<{media.media[number].mime}, {size_text(size)}>"

        short = with_texts(value, value_of, self._text)
        self._media += len(hidden)
        return short

    def _text(self, text: str) -> str:
        if len(text) <= _MAX_DATA:
            return text
        if len(text) <= _MAX_TEXT and not _DATA.fullmatch(text):
            return text
        self._texts += 1
        return f"{text[:_SHOWN]}… ({len(text):,} characters)"

    def note(self) -> None:
        """Says what was shortened, if anything was."""
        redirect = "Redirect the output to a file or a program to get all of it."
        if self._media:
            which = "A file is not shown" if self._media == 1 else f"{self._media:,} files are not shown"
            note(f"{which}: {'add --save DIR to save what outputs contain.' if self._can_save else redirect}")
        if self._texts:
            which = "A long string is" if self._texts == 1 else f"{self._texts:,} long strings are"
            note(f"{which} shortened here. {redirect}")


def state_json(state: JobState[Any]) -> dict[str, Any]:
    """The state of a job in the wire format."""
    # The output and the error are JSON already, and can be nested too deeply for pydantic.
    fields = wire_json(state, exclude={"output", "error"})
    for name in ("output", "error"):
        if name in state.model_fields_set:
            fields[name] = getattr(state, name)
    return fields


def wire_json(model: BaseModel, *, exclude: set[str] | None = None, exclude_unset: bool = True) -> dict[str, Any]:
    """A model of a response in the wire format; by default with the fields that the server sent."""
    fields = model.model_dump(mode="json", by_alias=True, exclude_unset=exclude_unset, exclude=exclude)
    whole = {
        name: int(value)
        for name, value in fields.items()
        if isinstance(value, float) and isinstance(getattr(model, _snake(name), None), timedelta) and value.is_integer()
    }
    return fields | whole


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def write_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table at a terminal.

    In a narrow one, texts are broken and never shortened: IDs are copied, and half an amount is a wrong one. The first
    column is broken last.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(title=Text(readable(title)), title_justify="left")
    texts = [[Text(readable(cell), overflow="fold") for cell in row] for row in rows]
    is_short = all(2 * row[0].cell_len <= console.width for row in texts)
    for index, column in enumerate(columns):
        table.add_column(Text(column, overflow="fold"), overflow="fold", no_wrap=is_short and not index)
    for row in texts:
        table.add_row(*row)
    with console.capture() as capture:
        console.print(table)
    write_text(capture.get().rstrip("\n"))


def counts_rows(counts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of a table of numbers by name."""
    return [(name, str(value)) for name, value in counts.items()]
