"""Which files of a folder belong to which row of a bulk run, so that nothing is saved twice."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from runpod._text import readable
from runpod.cli.exit_status import NOT_SAVED, SUCCESS
from runpod.cli.json_output import note
from runpod.cli.saving import Saved
from runpod.cli.threads import in_threads
from runpod.errors import RunFileError
from runpod.media.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runpod._bulk.results import BulkResult
    from runpod.cli.saving import MediaNumber, Saver

NAME = "saved.jsonl"
_MAX_KEY = 60


class SavedFiles:
    """Saves the media of rows, and lists each file in `saved.jsonl` in the same folder. Can be used by several threads.

    A file of a job that is in the list, and is there, is not saved again.

    Raises:
        RunFileError: The list cannot be read or written.
    """

    def __init__(self, saver: Saver) -> None:
        self.saver: Saver = saver
        self._path = saver.folder / NAME
        self._lock = threading.Lock()
        # The files of each job, by its ID.
        self._files: dict[str, dict[MediaNumber, str]] = self._read() if saver.is_on else {}
        # The jobs whose files could not all be saved by this process, which does not try again.
        self._failed: set[str] = set()
        # Why a file is not in the list.
        self._problem: str | None = None

    def save(self, result: BulkResult) -> Saved:
        """Saves the media of a row, unless it was done before."""
        key, job_id = result.key, result.job_id
        if not result.succeeded or not result.has_output or job_id is None:
            return Saved(result.output)
        files = _Files(
            self._files.get(job_id, {}),
            lambda number, name: self._add(
                {"key": key, "job_id": job_id, "file": name, "number": number[0], "of": number[1]}
            ),
        )
        again = job_id not in self._failed
        saved = self.saver.save(result.output, f"{_prefix(key)}-", files=files, again=again)
        if files:
            self._files[job_id] = dict(files)
        if saved.problems:
            self._failed.add(job_id)
        return saved

    def save_all(self, results: Iterable[BulkResult], *, ordered: bool = False) -> Iterator[tuple[BulkResult, Saved]]:
        """Saves the media of many rows, several at once."""
        if self.saver.is_on:
            return in_threads(self.save, results, ordered=ordered)
        return ((result, Saved(result.output)) for result in results)

    def note(self, result: BulkResult, saved: Saved) -> None:
        """Says what could not be saved."""
        self.saver.note(saved, f"Row {readable(repr(result.key), 80)}: ")

    def end(self) -> int:
        """Says how much was saved, and returns the exit status."""
        if self._problem is not None:
            note(f"{self._problem} The next command saves the files that are not in it again.")
        return self.saver.end() or (SUCCESS if self._problem is None else NOT_SAVED)

    def _read(self) -> dict[str, dict[MediaNumber, str]]:
        files: dict[str, dict[MediaNumber, str]] = {}
        try:
            with self._path.open("ab+") as lines:
                lines.seek(0)
                for line in lines:
                    try:
                        entry = json.loads(line)
                        name = safe_name(entry["file"], default="_")
                        files.setdefault(entry["job_id"], {})[entry["number"], entry["of"]] = name
                    # The process ended while it was written, or another program wrote it.
                    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                        continue
        except OSError as error:
            raise RunFileError(f"{self._path} cannot be read and written: {error.strerror}.") from error
        return files

    def _add(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode(errors="replace") + b"\n"
        with self._lock:
            try:
                with self._path.open("ab+") as file:
                    if file.tell():
                        file.seek(-1, os.SEEK_END)
                        if file.read(1) != b"\n":  # the process ended while the last line was written
                            line = b"\n" + line
                    file.write(line)
            except OSError as error:  # such as a full disk; the results are more important
                self._problem = f"{self._path} cannot be written: {error.strerror}."


class _Files(dict["MediaNumber", str]):
    """The files of a job. Each that is added is listed at once."""

    def __init__(self, known: dict[MediaNumber, str], add: Callable[[MediaNumber, str], object]) -> None:
        super().__init__(known)
        self._add = add

    def __setitem__(self, number: MediaNumber, name: str) -> None:
        super().__setitem__(number, name)
        self._add(number, name)


def _prefix(key: str) -> str:
    """A key as the beginning of file names, another one for every key."""
    name = (
        safe_name(key.replace("/", "_").replace("\\", "_"), default="row").encode()[:_MAX_KEY].decode(errors="ignore")
    )
    return name if name == key else f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
