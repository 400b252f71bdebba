"""Files in inputs."""

from __future__ import annotations

import binascii
import re
import weakref
from collections import deque
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal

from pydantic_core import core_schema

from runpod._base_errors import InvalidRequestError
from runpod._text import readable
from runpod.media.file_sources import LinkSource, PathSource, source_of
from runpod.media.kinds import sniff
from runpod.media.names import safe_name
from runpod.media.process_lock import ProcessLock

if TYPE_CHECKING:
    import os

    from runpod.media.file_source import Source
    from runpod.media.file_sources import Image
    from runpod.media.item import Media

FileForm = Literal["data_url", "base64"]

_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:; ?[A-Za-z0-9_.+-]+=[A-Za-z0-9_.+-]+)*")

# How many bytes of base64 text are kept in memory, over all files of the process.
KEPT = 128 * 2**20


class File:
    """A file in an input: a picture, a sound or any other data, as base64 text. Put it anywhere into the input.

    The file is read when a job is submitted, not when the `File` is created. If it is gone or has changed by then, the
    submission fails. With `Runpod(uploads=…)`, large files are uploaded, and their URL is sent instead.

    The same `File` in many jobs is read and encoded once, as long as its base64 text is in memory: the texts of the
    files that were encoded last are kept, at most 128 MiB in a process, until their `File` is dropped.

    Args:
        source: A path, bytes, a file object that is open in binary mode, a PIL image, or `Media` of an output. A file
            object is read once, from its current position, into memory; pass the path of a large file. An image is
            encoded as PNG, or as JPEG if it was opened from a JPEG file. Of `Media` at a URL, the URL is sent.
        mime: The media type. By default, it is recognized by content, else by the extension of the name.
        form: What the worker receives: `data:image/png;base64,…`, or the base64 text alone. Uploaded files are a URL in
            both forms.
        name: The name of the file, in messages and for uploads. By default that of the source.

    Attributes:
        name: The name of the file, without folders.
        mime: The media type, or `application/octet-stream` if it is unknown.
        size: The size in bytes. Of an image or an unseekable file object, it is known once that is encoded or read,
            which the first access does.
        form: As passed.

    Raises:
        InvalidRequestError: The source is missing, empty, a directory or not readable; or an argument is invalid.

    Example:
        >>> job = endpoint.run(input={"prompt": "a horse", "image": File("horse.png")})
    """

    __slots__ = ("__weakref__", "_encoded", "_lock", "_mime", "_name", "_source", "form")

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image | Media,
        *,
        mime: str | None = None,
        form: FileForm = "data_url",
        name: str | None = None,
    ) -> None:
        if form not in ("data_url", "base64"):
            msg = f'form must be "data_url" or "base64", not {form!r:.40}.'
            raise InvalidRequestError(msg)
        if mime is not None and not (isinstance(mime, str) and _MIME.fullmatch(mime)):  # type: ignore[redundant-expr]  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = f"mime must be a media type such as 'image/png', not {mime!r:.40}."
            raise InvalidRequestError(msg)
        if name is not None and not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            msg = f"name must be a str such as 'horse.png', not {type(name).__name__}."
            raise InvalidRequestError(msg)
        self._restore(source_of(source), mime, form, name)

    def _restore(self, source: Source, mime: str | None, form: FileForm, name: str | None) -> None:
        self._source = source
        self._mime = mime
        self.form: FileForm = form
        self._name = name
        self._lock = ProcessLock()
        self._encoded: bytes | bytearray | None = None

    @property
    def name(self) -> str:
        """The name of the file, without folders."""
        given = self._name or self._source.name
        found = None if given and "." in given else sniff(self._source.head())
        return safe_name(given, default="file", extension=None if found is None else found.extension)

    @property
    def mime(self) -> str:
        """The media type, such as `image/png`."""
        if self._mime is None:
            self._mime = self._source.mime or self._guess()
        return self._mime

    def _guess(self) -> str:
        from mimetypes import guess_type

        found = sniff(self._source.head())
        by_name = guess_type(self._name or self._source.name or "")[0]
        # Many formats are ZIP files, and two bytes can be chance.
        if found is not None and (by_name is None or (found.is_certain and found.mime != "application/zip")):
            return found.mime
        return by_name or "application/octet-stream"

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._source.size

    def open(self) -> BinaryIO:
        """Opens the data at its beginning, for reading.

        Raises:
            InvalidRequestError: The file is gone or has changed since the `File` was created.
        """
        return self._source.open()

    def __repr__(self) -> str:
        size = self._source.known_size
        if size is None:  # its kind is not known either
            return f"{type(self).__name__}({readable(self._name or self._source.what, 60)!r})"
        return f"{type(self).__name__}({readable(self.name, 60)!r}, {self.mime!r}, size={size})"

    def __copy__(self) -> File:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> File:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._source, self._mime, self.form, self._name)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> core_schema.CoreSchema:
        """Lets fields of pydantic models have this type."""
        return core_schema.is_instance_schema(cls)


def _restored(source: Source, mime: str | None, form: FileForm, name: str | None) -> File:
    file = File.__new__(File)
    file._restore(source, mime, form, name)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return file


# What the encoder needs


def link_of(file: File) -> str | None:
    """The URL that is sent instead of the data, for media at a URL."""
    source = file._source  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return source.url if isinstance(source, LinkSource) else None


def prefix_of(file: File) -> str:
    """What precedes the base64 text."""
    return f"data:{file.mime};base64," if file.form == "data_url" else ""


def encoded_size(file: File) -> int:
    """The size of the text, without reading a file."""
    return len(prefix_of(file)) + (file.size + 2) // 3 * 4


def encoded(file: File) -> bytes | bytearray:
    """The base64 text of the data. Reads it, unless it is kept. Thread-safe.

    Raises:
        InvalidRequestError: The data cannot be read, or has changed.
    """
    # Threads that need the same file at the same time read it once.
    with file._lock.here:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        text = file._encoded  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if text is None:
            text = _encode(file._source)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            if len(text) <= KEPT:
                file._encoded = text  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                _kept.add(file, len(text))
        return text


def _encode(source: Source) -> bytes | bytearray:
    chunks = source.chunks()
    if not isinstance(source, PathSource):
        return binascii.b2a_base64(b"".join(chunks), newline=False)
    # Of a file on disk, there is only the text in memory, once.
    text = bytearray((source.size + 2) // 3 * 4)
    end = 0
    for chunk in chunks:
        start, end = end, end + (len(chunk) + 2) // 3 * 4
        text[start:end] = binascii.b2a_base64(chunk, newline=False)
    return text


class _Kept:
    """The files whose base64 text is kept, in the order in which they were encoded."""

    def __init__(self) -> None:
        self._files: deque[tuple[weakref.ref[File], int]] = deque()
        self._size = 0
        # The number of files from which on those that were dropped are looked for.
        self._many = 1000
        self._lock = ProcessLock()

    def add(self, file: File, size: int) -> None:
        with self._lock.here:
            self._files.append((weakref.ref(file), size))
            self._size += size
            if len(self._files) >= self._many:
                self._files = deque(kept for kept in self._files if kept[0]() is not None)
                self._size = sum(size for _, size in self._files)
                self._many = 2 * len(self._files) + 1000
            while self._size > KEPT or (self._files and self._files[0][0]() is None):
                reference, size = self._files.popleft()
                self._size -= size
                dropped = reference()
                if dropped is not None:
                    dropped._encoded = None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


_kept = _Kept()
