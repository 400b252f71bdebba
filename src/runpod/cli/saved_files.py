"""Which files of a folder belong to which row of a bulk run, so that nothing is saved twice."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from runpod._text import readable
from runpod.cli.saving import Saved
from runpod.cli.threads import in_threads
from runpod.errors import RunFileError
from runpod.media.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runpod._bulk.results import BulkResult
    from runpod.cli.saving import Saver

NAME = "saved.jsonl"
_MAX_KEY = 60


class SavedFiles:
    """Saves the media of rows, and lists them in `saved.jsonl` in the same folder. Can be used by several threads.

    A row whose job is in the list, and whose files are there, is not saved again.

    Raises:
        RunFileError: The list cannot be read.
    """

    def __init__(self, saver: Saver) -> None:
        self.saver: Saver = saver
        self._path = saver.folder / NAME
        self._lock = threading.Lock()
        # The files of each job, by its ID.
        self._files: dict[str, list[str | None]] = self._read() if saver.is_on else {}
        # The jobs whose files could not all be saved by this process, which does not try again.
        self._failed: set[str] = set()

    def save(self, result: BulkResult) -> Saved:
        """Saves the media of a row, unless it was done before."""
        job_id = result.job_id
        if not result.succeeded or not result.has_output or job_id is None:
            return Saved(result.output)
        files = self._files.get(job_id, [])
        again = job_id not in self._failed
        saved = self.saver.save(result.output, f"{_prefix(result.key)}-", files=files, again=again)
        if saved.problems:
            self._failed.add(job_id)
        if saved.files != files:
            self._files[job_id] = saved.files
            self._add({"key": result.key, "job_id": job_id, "files": saved.files})
        return saved

    def save_all(self, results: Iterable[BulkResult], *, ordered: bool = False) -> Iterator[tuple[BulkResult, Saved]]:
        """Saves the media of many rows, several at once."""
        if self.saver.is_on:
            return in_threads(self.save, results, ordered=ordered)
        return ((result, Saved(result.output)) for result in results)

    def note(self, result: BulkResult, saved: Saved) -> None:
        """Says what could not be saved."""
        self.saver.note(saved, f"Row {readable(repr(result.key), 80)}: ")

    def _read(self) -> dict[str, list[str | None]]:
        files: dict[str, list[str | None]] = {}
        try:
            with self._path.open("rb") as lines:
                for line in lines:
                    try:
                        entry = json.loads(line)
                        files[str(entry["job_id"])] = [name and safe_name(name, default="_") for name in entry["files"]]
                    except (ValueError, TypeError, KeyError):  # the process ended while it was written
                        continue
        except FileNotFoundError:
            pass
        except OSError as error:
            raise RunFileError(f"{self._path} cannot be read: {error.strerror}.") from error
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
            except OSError as error:
                raise RunFileError(f"{self._path} cannot be written: {error.strerror}.") from error


def _prefix(key: str) -> str:
    """A key as the beginning of file names, another one for every key."""
    name = (
        safe_name(key.replace("/", "_").replace("\\", "_"), default="row").encode()[:_MAX_KEY].decode(errors="ignore")
    )
    return name if name == key else f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
