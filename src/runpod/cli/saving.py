"""The option --save: the media of outputs are saved into a folder, and their paths take their place in what is printed."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from runpod._text import readable
from runpod.cli.exit_status import NOT_SAVED, SUCCESS, message_of
from runpod.cli.json_output import at_terminal, note
from runpod.cli.media_texts import MediaTexts
from runpod.errors import InvalidRequestError, RunpodError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from runpod import Media
    from runpod.cli.connection import Connection

MediaNumber: TypeAlias = tuple[int, int]
"""Which of the media of an output: the index of it, and how many there are."""

# How many files that were not saved are named.
_MAX_NOTES = 20
_NO_BUCKET = (
    "The worker left its files on its own disk, such as {!r}, where they cannot be reached. Set a bucket in the "
    "environment variables of the endpoint, or let the handler return the data."
)


@dataclass(frozen=True)
class Saved:
    """What became of the media of an output.

    Attributes:
        output: The output, with paths in place of the media that were saved.
        paths: The paths of those that were saved; None without the option --save.
        problems: Why others were not saved.
        is_interrupted: Whether Ctrl-C was pressed.
    """

    output: Any
    paths: list[str] | None = None
    problems: list[str] = field(default_factory=list[str])
    is_interrupted: bool = False

    def added_to(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a result as they are printed: with the paths, also as a list `saved`."""
        if self.paths is None or "output" not in fields:
            return fields
        # Beside the output, where people look.
        return {
            name: each
            for key, value in fields.items()
            for name, each in ([("output", self.output), ("saved", self.paths)] if key == "output" else [(key, value)])
        }


class Saver:
    """Saves the media of outputs. Can be used by several threads.

    Args:
        connection: What they are downloaded with.
        folder: Where to save them. It is created before anything is submitted. None to save nothing.
        allow_private: Whether they can be downloaded from private addresses.

    Raises:
        InvalidRequestError: The folder cannot be created or written.
        ConfigurationError: No API key was found.
    """

    def __init__(self, connection: Connection, folder: Path | None, *, allow_private: bool) -> None:
        self.is_on: bool = folder is not None
        self.folder: Path = Path() if folder is None else _created(folder)
        # Not by the first thread that needs it: the others would create more.
        self._client = None if folder is None else connection.client
        self._allow_private = allow_private
        self._lock = threading.Lock()
        # Numbers of files, and of outputs without any.
        self._saved = self._failed = self._known = self._empty = 0

    def save(
        self,
        output: Any,
        prefix: str = "",
        *,
        files: MutableMapping[MediaNumber, str] | None = None,
        again: bool = True,
    ) -> Saved:
        """Saves the media of an output.

        Args:
            output: The output, JSON.
            prefix: What the names of the files begin with.
            files: The names of the files that were saved before: those that are there are not saved again. Each that
                is saved is added at once.
            again: Whether to try again to save the others.
        """
        if not self.is_on:
            return Saved(output)
        from runpod.media.finder import worker_paths

        texts = MediaTexts(output)
        files = {} if files is None else files
        names, known = dict[int, str](), 0
        problems, is_interrupted = list[str](), False
        try:
            for number, media in enumerate(texts.media):
                key = number, len(texts.media)
                if key in files and (self.folder / files[key]).exists():
                    names[number] = files[key]
                    known += 1
                elif again and (name := self._save(media, prefix, problems)) is not None:
                    names[number] = files[key] = name
        except KeyboardInterrupt:
            is_interrupted = True
        if again and not texts.media and (left := worker_paths(output)):
            problems.append(_NO_BUCKET.format(readable(left[0], 100)))
        paths = {number: str(self.folder / name) for number, name in names.items()}
        with self._lock:
            self._known += known
            self._saved += len(paths) - known
            self._empty += not texts.media
        return Saved(texts.replaced(output, paths), list(paths.values()), problems, is_interrupted)

    def _save(self, media: Media, prefix: str, problems: list[str]) -> str | None:
        """Saves one of the media, so that it is known which file it is. Returns the name of the file."""
        if self._client is None:
            return None
        named = media.with_name(prefix + media.name)
        try:
            [path] = self._client.save(named, self.folder, allow_private=self._allow_private)
        except RunpodError as error:
            problems.append(message_of(error))
            return None
        return path.name

    @property
    def rest(self) -> str:
        """What becomes of downloads after the first Ctrl-C of many jobs, as a sentence."""
        return " What is being saved is completed." if self.is_on else ""

    def note(self, saved: Saved, place: str = "") -> None:
        """Says what could not be saved, unless much was said."""
        for problem in saved.problems:
            self._failed += 1
            if self._failed <= _MAX_NOTES:
                note(f"{place}{problem}")

    def end(self) -> int:
        """Says how much was saved, and returns the exit status."""
        if self._failed > _MAX_NOTES:
            note(f"{self._failed - _MAX_NOTES:,} more files were not saved.")
        if self._empty and not (self._saved or self._known or self._failed):
            note("There were no files in the output to save.")
        if self._saved and at_terminal(sys.stderr):
            note(f"Saved {self._saved:,} {'file' if self._saved == 1 else 'files'} in {self.folder}.")
        return NOT_SAVED if self._failed else SUCCESS


def _created(folder: Path) -> Path:
    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as error:  # no home folder; a null byte
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InvalidRequestError(f"--save: the folder {str(folder)!r} cannot be created: {reason}.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidRequestError(f"--save: the folder {str(folder)!r} cannot be written: Permission denied.")
    return folder
