"""Where the results of a run file are written: to a file, or to standard output."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

from runpod._bulk.results import BulkResult
from runpod._bulk.run_file import RunFile
from runpod._bulk.sinks import check_target, write_results
from runpod.cli.json_output import at_terminal, flush_data, json_text, printable, write_data
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from runpod.cli.saved_files import SavedFiles
    from runpod.cli.saving import Saved


def check_output(out: str, format: str | None, db: str) -> None:
    """Checks that results can probably be written, before they are there.

    Raises:
        InvalidRequestError: The format is unknown, or the output cannot be used.
        ConfigurationError: It is Parquet, and pyarrow is not installed.
    """
    check_target(out, format, db)
    if out == "-" and format == "parquet" and at_terminal():
        raise InvalidRequestError("Parquet is no text. Pass a file to --out, or redirect the output.")


def write_output(
    db: str,
    out: str,
    format: str | None = None,
    *,
    statuses: Collection[str] = (),
    saved: SavedFiles,
) -> int:
    """Writes the results in a run file, all or those with some statuses; returns how many.

    It can be used while the file is being run.

    Args:
        db: The run file.
        out: A file, or - for standard output.
        format: The format; by default that of the suffix.
        statuses: Those of the rows, if not all are written.
        saved: Saves media, with the option --save.

    Raises:
        RunFileError: The run file cannot be read, or the results cannot be written to a file.
        OutputClosedError: Nobody reads standard output any more.
    """
    with RunFile(db, read_only=True) as file:
        results = file.results(inputs=False)
        if statuses:
            results = (each for each in results if each.status in statuses)
        if saved.saver.is_on:
            results = _saved(results, saved)
        if out != "-":
            return write_results(results, out, format, run_file=db)
        if format not in {None, "jsonl"}:
            written = write_results(results, cast("IO[bytes]", _StandardOutput()), format)
        else:
            written = 0
            for result in results:
                write_data(json_text(result.to_dict()).encode() + b"\n")
                written += 1
    flush_data()
    return written


def save_results(db: str, saved: SavedFiles) -> None:
    """Saves the media of all rows in a run file that are not saved yet."""
    with RunFile(db, read_only=True) as file:
        for _ in _saved(file.results(inputs=False), saved):
            pass


def _saved(results: Iterable[BulkResult], saved: SavedFiles) -> Iterator[BulkResult]:
    for result, found in saved.save_all(results, ordered=True):
        saved.note(result, found)
        yield result if found.paths is None else _SavedResult(**vars(result) | {"output": found.output}, saved=found)


@dataclass(frozen=True, repr=False)
class _SavedResult(BulkResult):
    """A result with paths in place of media."""

    saved: Saved = field(kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """The result as it is written to a JSONL file, with the paths."""
        return self.saved.added_to(super().to_dict())


class _StandardOutput(io.RawIOBase):
    """Standard output as a file for bytes. It is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self._is_terminal = at_terminal()

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def write(self, data: Any, /) -> int:
        """Writes bytes; at a terminal, with characters that it could interpret escaped."""
        content = bytes(data)
        write_data(printable(content) if self._is_terminal else content)
        return len(content)

    def flush(self) -> None:
        """Does nothing: `write_output` does it."""
