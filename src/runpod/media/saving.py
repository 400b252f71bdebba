"""Writing media to files: whole or not at all, and never over another file."""

from __future__ import annotations

import errno
import mimetypes
import os
import secrets
import threading
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlsplit

from runpod._base_errors import InvalidRequestError
from runpod._text import readable
from runpod.media.kinds import HEAD, sniff
from runpod.media.names import numbered, safe_name

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from runpod.media.item import Media

# Windows would convert line endings. A program that is started meanwhile must not inherit the file.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

# Errors of `os.link` on file systems without hard links, such as exFAT, and where they are not permitted.
_NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EXDEV}
)

_ADVICE = {
    errno.ENOSPC: "Free some space, or save to another folder.",
    errno.EDQUOT: "Your disk quota is used up: free some space, or save to another folder.",
    errno.EFBIG: "It is larger than a file may be here.",
    errno.EACCES: "Check the permissions of the folder.",
    errno.EPERM: "Check the permissions of the folder.",
    errno.EROFS: "The file system is read-only: save to another folder.",
}


class FolderError(Exception):
    """A file cannot be saved. `cause` is the error of the operating system."""

    def __init__(self, message: str, cause: OSError) -> None:
        super().__init__(message)
        self.cause: OSError = cause


class Folder:
    """A folder in which files are saved.

    Args:
        path: Where it is. It is created with the first file.

    Raises:
        InvalidRequestError: It is not a path.
    """

    def __init__(self, path: object) -> None:
        try:
            text: object = os.fspath(cast("str", path))
        except TypeError:
            text = None
        if not isinstance(text, str) or "\0" in text:
            msg = f"folder must be a path, as str or pathlib.Path, not {readable(repr(path), 60)}."
            raise InvalidRequestError(msg)
        self.path: Path = Path(text)
        # The number that was last given to a name. With it, many files of one name take a constant time each.
        self._numbers: dict[str, int] = {}

    def create(self) -> None:
        """Creates it, with its parents, if it does not exist.

        Raises:
            FolderError: It cannot be created, or is a file.
        """
        with _explained("Files", self):
            self.path.mkdir(parents=True, exist_ok=True)

    def place(self, source: Path, name: str) -> Path:
        """Gives a complete file its name, or the first free one of `horse-2.png`, `horse-3.png` and so on.

        Another file is never overwritten, also if other programs save to this folder at the same time.
        """
        number = self._numbers.get(name, 0) + 1
        if number == 1:
            number = self._free(name)
        while not _moved(source, target := self.path / numbered(name, number)):
            number += 1
        self._numbers[name] = number
        return target

    def _free(self, name: str) -> int:
        """A number whose name is probably free. If there are n such files, it looks for about 2 log n of them."""
        high = 1
        while os.path.lexists(self.path / numbered(name, high)):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            if os.path.lexists(self.path / numbered(name, middle)):
                low = middle
            else:
                high = middle
        return high


class PartialFile:
    """A file that is being written, under a hidden temporary name. Call `discard` in the end, whatever happened.

    A cancelled task does not wait for the thread that writes, so the methods exclude each other.

    Args:
        folder: Where to write it.
        name: What it will probably be called, for messages.

    Attributes:
        size: Its size so far, in bytes.
        head: Its first bytes, for `sniff`.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = readable(name, 60)
        # Not to be guessed, and never an existing file, so that nobody else can read or replace it on the way.
        self._path = folder.path / f".runpod-{secrets.token_hex(16)}.part"
        self._file: BinaryIO | None = None
        self._is_over: bool = False
        # Reentrant, for interrupts.
        self._lock = threading.RLock()
        self.size: int = 0
        self.head: bytes = b""

    def write(self, pieces: Iterable[bytes]) -> None:
        """Appends pieces.

        Raises:
            FolderError: They cannot be written.
        """
        with self._lock, _explained(repr(self._name), self._folder):
            if self._is_over:
                return
            if self._file is None:
                # With the permissions of any new file, unlike those of `tempfile`.
                self._file = os.fdopen(os.open(self._path, _FLAGS, 0o666), "wb")
            for piece in pieces:
                self._file.write(piece)
                self.size += len(piece)
                if len(self.head) < HEAD:
                    self.head += piece[: HEAD - len(self.head)]

    def restart(self) -> None:
        """Removes what was written, for a download that starts again."""
        with self._lock:
            over = self._is_over
            self.discard()
            self._is_over, self.size, self.head = over, 0, b""

    def keep(self, name: str) -> Path:
        """Closes the file and gives it its name; see `Folder.place`.

        Raises:
            FolderError: It cannot be written.
        """
        with self._lock, _explained(f"{name!r}", self._folder):
            file, self._file = self._file, None
            if file is not None:
                file.close()
            try:
                return self._folder.place(self._path, name)
            finally:
                self.discard()

    def discard(self) -> None:
        """Closes the file and removes it, unless it was kept. Nothing is written any more."""
        with self._lock:
            self._is_over = True
            file, self._file = self._file, None
            with suppress(OSError):
                if file is not None:
                    file.close()  # it may have something left to write
            with suppress(OSError):
                self._path.unlink()


@contextmanager
def _explained(what: str, folder: Folder) -> Generator[None]:
    """Makes errors of the operating system into those of the folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        advice = _ADVICE.get(error.errno or 0, "Save to another folder.")
        msg = f"{what} cannot be saved in {readable(str(folder.path), 200)!r}: {reason}. {advice}"
        raise FolderError(msg, error) from error


def save_data(folder: Folder, media: Media) -> Path:
    """Saves media whose data is in the output.

    Raises:
        MediaError: The data cannot be decoded.
        FolderError: It cannot be written.
    """
    data = media.data or b""
    part = PartialFile(folder, media.name)
    try:
        part.write((data,))
        return part.keep(safe_name(media.name, default=media.kind))
    finally:
        part.discard()


def save_download(part: PartialFile, pieces: Iterable[bytes], media: Media, content_type: str) -> Path:
    """Completes a downloaded file, and names it by its content.

    Args:
        part: What is written already.
        pieces: The rest.
        media: The media, with a URL.
        content_type: The `Content-Type` of the response. It counts only if neither content nor URL say what it is.

    Raises:
        FolderError: It cannot be written.
    """
    part.write(pieces)
    return part.keep(_name(media, part.head, content_type))


def _name(media: Media, head: bytes, content_type: str) -> str:
    kind = sniff(head)
    # The name may have an extension only because every name has one.
    has_extension = "." in PurePosixPath(urlsplit(media.url or "").path).name.strip(".")
    extension = None
    if kind is not None and (kind.is_certain or not has_extension):
        extension = kind.extension
    elif not has_extension:
        extension = mimetypes.guess_extension(content_type.partition(";")[0].strip().lower())
        if extension == ".bin" and "." in media.name:
            extension = None
    return safe_name(media.name, default=media.kind, extension=extension)


def _moved(source: Path, target: Path) -> bool:
    """Gives a file another name unless that exists, and returns whether it did. The old name may remain."""
    try:
        # Unlike renaming, this never replaces a file, not even one that another program creates at this moment.
        os.link(source, target)
    except FileExistsError:
        return False
    except (OSError, AttributeError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LINKS:
            raise
    else:
        return True
    if os.path.lexists(target):
        return False
    try:
        # The name is reserved by an empty file, which is replaced.
        os.close(os.open(target, _FLAGS, 0o666))
        source.replace(target)
    except FileExistsError:
        return False
    except BaseException:
        # Also if an interrupt came before `open` returned.
        with suppress(OSError):
            if source.exists() and target.lstat().st_size == 0:
                target.unlink()
        raise
    return True
