"""What `map` and `bulk` have in common: rows, options, and what they say about many jobs."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections import defaultdict
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from runpod._bulk.formats import Format
from runpod._bulk.sources import read_rows
from runpod._bulk.template import Template
from runpod._logging import logger
from runpod.cli.connection import seconds
from runpod.cli.file_values import note_names, with_files
from runpod.cli.job_input import read_text
from runpod.cli.json_output import at_terminal, note
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from runpod._bulk.rows import RowSource, SkippedRow
    from runpod._logging import JobFate
    from runpod.cli.connection import Connection
    from runpod.cli.progress_line import ProgressLine
    from runpod.models.reports import RunReport

InFlight = Annotated[
    int, typer.Option("--in-flight", min=1, metavar="N", help="How many jobs may be unfinished at once.")
]
InputTemplate = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="TEMPLATE",
        show_default=False,
        help="""Makes the input out of the columns of a row: '{"prompt": "{{caption}}"}', or @FILE. By default, the
        row is the input.""",
    ),
]
RowsFormat = Annotated[
    Format | None,
    typer.Option("--format", help="Format of ROWS; by default that of its suffix, or jsonl for -.", show_default=False),
]
OnError = Annotated[
    Literal["raise", "skip"],
    typer.Option(help="Whether a row that cannot be used ends the command, or is skipped and named."),
]
RunTimeout = Annotated[
    timedelta | None, seconds(help="Maximum time to wait for all jobs; no limit by default.", show_default=False)
]
JobTimeout = Annotated[
    timedelta | None,
    seconds(
        help="Maximum time to wait for each job, from its submission or, if that is later, the start of the run. Then "
        "it is cancelled.",
        show_default=False,
    ),
]

PricePerSecond = Annotated[
    float | None,
    typer.Option(
        metavar="PRICE", min=0.0, help="Price of a running second, for the cost in the report.", show_default=False
    ),
]

# How many rows are named on standard error.
MAX_LISTED = 20
_IDS_IN_LINE = 100


def rows_of(path: str, format: Format | None) -> RowSource:
    """Reads rows from a file, or from standard input.

    Raises:
        InvalidRequestError: The format is unknown, or standard input is closed.
    """
    if path != "-":
        return read_rows(path, format=format)
    if sys.stdin is None:
        raise InvalidRequestError("Standard input is closed. Pass a file, or pipe rows into the command.")
    try:
        stdin = _StandardInput(sys.stdin.fileno())
    except (OSError, ValueError):  # not a file, in a test
        return read_rows("-", format=format)
    return read_rows(stdin, format=format)


class _StandardInput(io.BufferedReader):
    """Standard input with a buffer of its own: a thread that reads `sys.stdin` would break the exit of the process."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(io.FileIO(descriptor, closefd=False))

    @property
    def name(self) -> str:
        """How messages know that it is standard input."""
        return "<stdin>"


def input_maker(argument: str | None, *, files: bool) -> Callable[[Any], dict[str, Any]] | None:
    """What makes the input of a row; None if the row is the input.

    Args:
        argument: The option `--input`.
        files: Whether values can name files.

    Raises:
        InvalidRequestError: It cannot be read or used.
    """
    if argument is None:
        return with_files if files else None
    if argument == "-":
        raise InvalidRequestError("The template cannot be read from standard input. Pass it, or @FILE.")
    text, _ = read_text(argument, "The template")
    template = Template(text)
    if files:
        return lambda row: with_files(template(row))
    note_names(json.loads(text))
    return template


def counted(number: int, what: str) -> str:
    """A number of things, such as `1 job` or `2,000 jobs`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


class SkippedNotes:
    """Names the rows that are skipped, the first of them."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line
        self._count = 0

    def add(self, row: SkippedRow) -> None:
        """Names a row, unless many were named."""
        self._count += 1
        if self._count <= MAX_LISTED:
            with self._line.hidden():
                note(f"Skipped {row.place}: {row.problem}")

    def end(self, count: int | None = None) -> None:
        """Says how many were not named.

        Args:
            count: How many were skipped, if not all were added here.
        """
        total = self._count if count is None else count
        if total > MAX_LISTED:
            with self._line.hidden():
                note(f"Skipped {counted(total - MAX_LISTED, 'more row')}.")


class LibraryLog(logging.Handler):
    """Prints the warnings of the library, and collects what becomes of the jobs that a run leaves unfinished."""

    def __init__(self, line: ProgressLine, *, is_shown: bool) -> None:
        super().__init__(logging.WARNING)
        self._line = line
        self._is_shown = is_shown
        # The IDs of jobs by their fate.
        self.jobs: defaultdict[str, list[str]] = defaultdict(list)
        # Why jobs could not be cancelled, each reason once.
        self.reasons: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a record."""
        found: JobFate | None = getattr(record, "runpod_fate", None)
        if found is not None:
            if found.fate != "returned":  # otherwise, a result says it
                self.jobs[found.fate].append(found.job_id)
            if found.reason:
                self.reasons[found.reason.replace(f" of job {found.job_id!r}", "")] = None
        elif not self._is_shown:
            with self._line.hidden():
                note(record.getMessage())


@contextmanager
def library_log(line: ProgressLine) -> Generator[LibraryLog, None, None]:
    """Handles the log of the library, unless it is shown already."""
    is_shown = any(type(each) is not logging.NullHandler for each in logger.handlers)
    handler = LibraryLog(line, is_shown=is_shown)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


def note_ids(message: str, ids: Iterable[str]) -> None:
    """Prints a message and the IDs of jobs, on several lines if there are many."""
    found = list(ids)
    for start in range(0, len(found), _IDS_IN_LINE):
        text = " ".join(found[start : start + _IDS_IN_LINE])
        note(f"{message}: {text}" if start == 0 else text)


def note_report(connection: Connection, report: Callable[[], RunReport]) -> None:
    """Prints the report for people: at a terminal, or with -v."""
    if at_terminal(sys.stderr) or connection.options.verbose:
        for text in str(report()).splitlines():
            note(text)


def option_words(**options: Any) -> list[str]:
    """Options as words of a command. Those that are None or False are left out."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if isinstance(value, timedelta):
            value = f"{value.total_seconds():.6f}".rstrip("0").rstrip(".")  # noqa: PLW2901
        if value is not True:
            words.append(str(value))
    return words
