"""Reading rows from JSONL, CSV and Parquet files."""

from __future__ import annotations

import csv
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from runpod._bulk.formats import Format, format_of, import_pyarrow, name_of
from runpod._bulk.json_text import InvalidJSONError, parse
from runpod._bulk.rows import Row, RowSource, SkippedRow
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__all__ = ["read_rows"]

# The service accepts at most 10 MB for `run` and 20 MB for `run_sync`.
_MAX_MB = 20
_MAX_LENGTH = _MAX_MB * 1024 * 1024
_BOM = "\ufeff"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BATCH_ROWS = 256
_TOO_LONG = f"longer than {_MAX_MB} MB, which the service does not accept. Upload large data, and pass its URL."


def read_rows(source: str | os.PathLike[str] | IO[str] | IO[bytes], *, format: str | None = None) -> RowSource:
    """Reads rows lazily from a file: JSONL, CSV, TSV or Parquet.

    The rows of CSV and TSV files are named by the first line, and their values are text.

    Args:
        source: A path, `-` for standard input, or an open file.
        format: The format. By default that of the suffix, and JSONL for open files and standard input.

    Returns:
        The rows: dicts with a `place`. Iterating raises `InvalidRequestError` at the first row
        that cannot be used; `items()` yields a `SkippedRow` instead.

    Raises:
        InvalidRequestError: The format is unknown. While iterating: the file cannot be read.
        ConfigurationError: While iterating: the file is a Parquet file, and pyarrow is not installed.

    Example:
        >>> run.add(read_rows("captions.csv"), key="id")
    """
    return _FileSource(source, format_of(source, format))


class _FileSource(RowSource):
    def __init__(self, source: str | os.PathLike[str] | IO[str] | IO[bytes], format_: Format) -> None:
        self._source, self._format = source, format_
        self._name = name_of(source)
        self._short_name = self._name if source == "-" else os.path.basename(self._name)  # noqa: PTH119 - also of streams

    def items(self) -> Iterator[Row | SkippedRow]:
        try:
            if self._format == "parquet":
                yield from self._parquet()
                return
            with self._opened() as file:
                lines = _Lines(file, self._name)
                yield from self._jsonl(lines) if self._format == "jsonl" else self._csv(lines)
        except OSError as error:
            msg = f"{self._name} cannot be read: {error.strerror or error}."
            raise InvalidRequestError(msg) from error

    def __repr__(self) -> str:
        return f"read_rows({self._name!r}, format={self._format!r})"

    @contextmanager
    def _opened(self) -> Generator[IO[Any], None, None]:
        if isinstance(self._source, (str, os.PathLike)) and self._source != "-":
            with Path(self._source).open("rb") as file:
                yield file
        else:
            # Not closed: it belongs to the caller.
            yield sys.stdin.buffer if self._source == "-" else cast("IO[Any]", self._source)

    def _place(self, unit: str, number: int) -> str:
        return f"{unit} {number} of {self._short_name}"

    def _jsonl(self, lines: _Lines) -> Iterator[Row | SkippedRow]:
        for line in lines:
            place = self._place("line", lines.number)
            if problem := lines.take_problem(lines.number):
                yield SkippedRow(place, problem)
                continue
            text = line.strip()
            if not text:
                continue
            try:
                value = parse(text)
            except InvalidJSONError as error:
                hint = " Write each row as one JSON object on one line." if text in {"[", "{"} else ""
                yield SkippedRow(place, f"not valid JSON: {error}.{hint}")
                continue
            if not isinstance(value, dict):
                kind = _kind(cast("object", value))
                yield SkippedRow(
                    place, f"not a JSON object, but {kind}. Write each row as one JSON object on one line."
                )
                continue
            yield Row(cast("dict[str, Any]", value), place)

    def _csv(self, lines: _Lines) -> Iterator[Row | SkippedRow]:
        reader = csv.reader(iter(lines), delimiter="\t" if self._format == "tsv" else ",", strict=True)
        header: list[str] | None = None
        while True:
            begin = lines.number + 1
            fields: list[str] = []
            error = ""
            try:
                fields = _next_fields(reader)
            except StopIteration:
                break
            except csv.Error as found:
                error = str(found)
            unusable = lines.take_problem(begin)
            if problem := _csv_problem(error) or unusable:
                if header is None:
                    raise self._bad_header(problem)
                if "field larger than" in error:
                    # As long lines are refused before, a quote is probably not closed. What follows cannot be told
                    # from the text within it.
                    msg = f"{self._place('line', begin)}: {problem}"
                    raise InvalidRequestError(msg)
                yield SkippedRow(self._place("line", begin), problem)
                continue
            if not fields:  # a blank line
                continue
            if header is None:
                header = self._header(fields)
                continue
            place = self._place("line", begin)
            if len(fields) != len(header):
                yield SkippedRow(
                    place, f"{len(fields)} fields instead of {len(header)}. Quote fields that contain the separator."
                )
                continue
            yield Row(dict(zip(header, fields, strict=True)), place)
        if header is None:
            raise self._bad_header("it is empty.")

    def _header(self, fields: list[str]) -> list[str]:
        names = [field.strip() for field in fields]
        for index, name in enumerate(names):
            if not name:
                raise self._bad_header(f"column {index + 1} has no name.")
            if name in names[:index]:
                raise self._bad_header(f"two columns are named {name!r}.")
        return names

    def _bad_header(self, problem: str) -> InvalidRequestError:
        return InvalidRequestError(f"The first line of {self._name} must name the columns: {problem}")

    def _parquet(self) -> Iterator[Row | SkippedRow]:
        pyarrow, parquet = import_pyarrow()
        if self._source == "-" or (
            not isinstance(self._source, (str, os.PathLike)) and not cast("IO[Any]", self._source).seekable()
        ):
            msg = f"{self._name} cannot be read as Parquet, which is read from its end. Save it to a file first."
            raise InvalidRequestError(msg)
        with self._opened() as opened:
            try:
                file = parquet.ParquetFile(opened, pre_buffer=False, buffer_size=1024 * 1024)
                number = 0
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
                    for columns in batch.to_pylist():
                        number += 1
                        yield Row(columns, self._place("row", number))
            except pyarrow.ArrowException as error:
                msg = f"{self._name} cannot be read as Parquet: {error}."
                raise InvalidRequestError(msg) from error


def _kind(value: object) -> str:
    if isinstance(value, (str, list)):
        return "text" if isinstance(value, str) else "an array"
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    return "a number"


class _Lines:
    """The lines of a file as text. `number` is that of the last line, counted from 1.

    A line that cannot be used is text as well, with its quotes, so that a CSV record ends where it should.
    """

    def __init__(self, file: IO[Any], name: str) -> None:
        self._file, self._name = file, name
        self.number = 0
        self._problem: tuple[int, str] | None = None

    def take_problem(self, begin: int) -> str:
        """The first problem since the last call, or nothing. It names its line if that is not the line `begin`."""
        if self._problem is None:
            return ""
        (number, problem), self._problem = self._problem, None
        return problem if number == begin else f"line {number}: {problem}"

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(_MAX_LENGTH + 1):
            self.number += 1
            yield self._shortened(line) if len(line) > _MAX_LENGTH else self._decoded(line)

    def _add_problem(self, problem: str) -> None:
        if self._problem is None:
            self._problem = self.number, problem

    def _shortened(self, line: Any) -> str:
        """Reads the rest of a long line. Only what it means for the quotes is kept."""
        is_text = isinstance(line, str)
        quote: Any = '"' if is_text else b'"'
        newline: Any = "\n" if is_text else b"\n"
        quotes = line.count(quote)
        while line and not line.endswith(newline):
            line = self._file.readline(_MAX_LENGTH)
            quotes += line.count(quote)
        self._add_problem(_TOO_LONG)
        return '"\n' if quotes % 2 else "\n"

    def _decoded(self, line: str | bytes) -> str:
        if self.number == 1 and not isinstance(line, str) and line.startswith(_UTF16_MARKS):
            msg = f"{self._name} is UTF-16. Convert it to UTF-8."
            raise InvalidRequestError(msg)
        try:
            text = line if isinstance(line, str) else line.decode()
        except UnicodeDecodeError as error:
            self._add_problem(f"not UTF-8 at byte {error.start + 1}. Convert the file to UTF-8.")
            text = error.object.decode(errors="replace")
        return text.removeprefix(_BOM) if self.number == 1 else text


def _next_fields(reader: Iterator[list[str]]) -> list[str]:
    # The limit is one for all readers of the process: it is changed for each row only.
    previous = csv.field_size_limit(_MAX_LENGTH)
    try:
        return next(reader)
    finally:
        csv.field_size_limit(previous)


def _csv_problem(error: str) -> str:
    if not error:
        return ""
    if "field larger than" in error:
        return f"a field is longer than {_MAX_MB} MB. Close its quotes, and write quotes within a field twice."
    if "unexpected end" in error:
        return "the quotes of a field are not closed. Close them, and write quotes within a field twice."
    if "new-line" in error:
        return "the line ends with CR alone. Convert the file to LF or CR LF."
    return f"not valid CSV: {error}."
