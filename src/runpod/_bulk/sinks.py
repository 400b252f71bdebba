"""Writing results to JSONL, CSV and Parquet files."""

from __future__ import annotations

import csv
import io
import os
import stat
import sys
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from runpod._bulk.formats import format_of, import_pyarrow, name_of
from runpod._bulk.json_text import encode
from runpod.errors import InvalidRequestError, RunFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from runpod._bulk.results import BulkResult

__all__ = ["check_target", "write_results"]

_COLUMNS = ("key", "status", "job_id", "output", "error", "queued_ms", "running_ms")
# A batch of a Parquet file is complete with so many results, or so many characters.
_BATCH_ROWS = 1000
_BATCH_TEXT = 8 * 1024 * 1024


class _Writer(Protocol):
    def __call__(self, results: Iterable[BulkResult], file: IO[bytes], /) -> int: ...


def write_results(
    results: Iterable[BulkResult],
    target: str | os.PathLike[str] | IO[str] | IO[bytes],
    format: str | None = None,
    *,
    run_file: str | os.PathLike[str] | None = None,
) -> int:
    """Writes results as JSONL, CSV, TSV or Parquet; returns how many.

    A file is replaced at once, when all results are written: an error leaves it as it was. A pipe or a device is
    written directly.
    In CSV, TSV and Parquet files, outputs and errors other than text are written as JSON.

    Args:
        results: The results.
        target: A path, `-` for standard output, or an open file.
        format: The format. By default that of the suffix, and JSONL for open files and standard output.
        run_file: The file of the run, which is not overwritten.

    Raises:
        InvalidRequestError: The format is unknown, or the target cannot be a file of results.
        ConfigurationError: A Parquet file is to be written, and pyarrow is not installed.
        RunFileError: The results cannot be written, for example because the disk is full.
    """
    found = format_of(target, format)
    writer: _Writer = {"jsonl": _write_jsonl, "csv": _write_csv, "tsv": _write_tsv, "parquet": _write_parquet}[found]
    if found == "parquet":
        import_pyarrow()  # before anything is created
    if not isinstance(target, (str, os.PathLike)):
        if not hasattr(target, "write"):
            msg = f"target must be a path or an open file, not {type(cast('object', target)).__name__}."
            raise InvalidRequestError(msg)
        return _write_stream(results, target, writer)
    if target == "-":
        return _write_stream(results, sys.stdout.buffer, writer)
    path = _checked(Path(target), run_file)
    written = -1
    try:
        with _replaced(path) as file:
            written = writer(results, file)
    except OSError as error:
        is_special = os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113 - they raise no errors
        kept = "" if is_special else " It was left as it was."
        msg = f"{name_of(target)} cannot be written: {error.strerror or error}.{kept}"
        raise RunFileError(msg) from error
    return written


def check_target(path: str, format: str | None, run_file: str) -> None:
    """Checks that results can probably be written to a file, or to `-`, before they are there.

    Raises:
        InvalidRequestError: The format is unknown, or the path cannot be a file of results.
        ConfigurationError: It is a Parquet file, and pyarrow is not installed.
    """
    if format_of(path, format) == "parquet":
        import_pyarrow()
    if path != "-":
        _checked(Path(path), run_file)


def _checked(path: Path, run_file: str | os.PathLike[str] | None) -> Path:
    real = Path(os.path.realpath(path))
    if real.is_dir():
        msg = f"{path} is a folder. Pass the path of a file."
        raise InvalidRequestError(msg)
    if not real.parent.is_dir():
        msg = f"{path} cannot be written: its folder does not exist. Create the folder first."
        raise InvalidRequestError(msg)
    if run_file is not None:
        run = os.path.realpath(run_file)
        same = real.exists() and os.path.exists(run) and real.samefile(run)  # noqa: PTH110 - as realpath
        if same or os.path.normcase(real) in {os.path.normcase(run + end) for end in ("", "-wal", "-shm", ".lock")}:
            msg = f"{path} is the file of the run itself, or belongs to it. Write the results to another file."
            raise InvalidRequestError(msg)
    return real


@contextmanager
def _replaced(path: Path) -> Generator[IO[bytes], None, None]:
    """A temporary file beside the path, which replaces it at the end."""
    mode = None
    with suppress(FileNotFoundError):
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a device or a pipe
            with path.open("wb") as file:
                yield file
            return
        mode = stat.S_IMODE(found.st_mode)
    # Not `tempfile`, whose files only their owner can read.
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # So that the name survives a power cut. Windows and some file systems cannot do it.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_stream(results: Iterable[BulkResult], stream: IO[str] | IO[bytes], writer: _Writer) -> int:
    is_text = isinstance(stream, io.TextIOBase) or hasattr(stream, "encoding")
    if is_text and writer is _write_parquet:
        msg = "Parquet cannot be written to a text stream. Open the file with mode 'wb'."
        raise InvalidRequestError(msg)
    written = writer(results, cast("IO[bytes]", _Encoded(stream.write) if is_text else stream))
    stream.flush()
    return written


class _Encoded:
    """Writes UTF-8 to a text stream."""

    def __init__(self, write: Callable[[Any], object]) -> None:
        self._write = write

    def write(self, data: bytes) -> None:
        self._write(data.decode())


def _write_jsonl(results: Iterable[BulkResult], file: IO[bytes]) -> int:
    written = 0
    for result in results:
        file.write(encode(result.to_dict()).encode() + b"\n")
        written += 1
    return written


def _cells(result: BulkResult) -> list[Any]:
    fields = result.to_dict()
    for name in ("output", "error"):
        if name in fields:
            fields[name] = _text(fields[name])
    return [fields.get(name) for name in _COLUMNS]


def _text(value: object) -> str:
    if not isinstance(value, str):
        return encode(value)
    return value.encode("utf-8", "replace").decode()  # a lone surrogate becomes a question mark


def _write_csv(results: Iterable[BulkResult], file: IO[bytes], delimiter: str = ",") -> int:
    line = io.StringIO(newline="")
    writer = csv.writer(line, delimiter=delimiter)
    written = -1
    for cells in _with_header(results):
        writer.writerow(cells)
        file.write(line.getvalue().encode())
        line.seek(0)
        line.truncate()
        written += 1
    return written


def _with_header(results: Iterable[BulkResult]) -> Iterator[list[Any]]:
    yield list(_COLUMNS)
    for result in results:
        yield _cells(result)


def _write_tsv(results: Iterable[BulkResult], file: IO[bytes]) -> int:
    return _write_csv(results, file, "\t")


def _write_parquet(results: Iterable[BulkResult], file: IO[bytes]) -> int:
    pyarrow, parquet = import_pyarrow()
    schema = pyarrow.schema(
        [(name, pyarrow.int64() if name.endswith("_ms") else pyarrow.large_string()) for name in _COLUMNS]
    )
    written = 0
    with parquet.ParquetWriter(file, schema) as writer:
        for rows in _batches(results):
            columns = [
                pyarrow.array(column, each.type) for column, each in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))
            written += len(rows)
    return written


def _batches(results: Iterable[BulkResult]) -> Iterator[list[list[Any]]]:
    rows: list[list[Any]] = []
    size = 0
    for result in results:
        rows.append(_cells(result))
        size += sum(len(cell) for cell in rows[-1] if isinstance(cell, str))
        if len(rows) >= _BATCH_ROWS or size >= _BATCH_TEXT:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows
