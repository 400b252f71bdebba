"""Where the data of a `File` comes from: a path, bytes, a file object, an image, media."""

from __future__ import annotations

import io
import os
import stat
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from typing_extensions import override

from runpod._base_errors import InvalidRequestError, MediaError
from runpod._text import readable
from runpod.media.file_source import LoadedSource, Source, explained, source_error
from runpod.media.item import Media
from runpod.media.kinds import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A multiple of 3, since base64 turns three bytes into four characters.
_CHUNK = 3 * 2**18


class Image(Protocol):
    """What a PIL image has."""

    format: str | None

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:
        """Writes it in a format."""


class PathSource(Source):
    """A file on disk. It is read when it is needed, and has to be the same file then."""

    def __init__(self, path: Path) -> None:
        self.what: str = f"the file {str(path)!r}"
        self.name: str | None = path.name
        # Versions of Python say this differently.
        if "\0" in str(path):
            raise source_error(self, "cannot be used: its path contains a null character")
        with explained(self, "cannot be used"):
            # The current folder can be another one when it is read.
            self.path: Path = path.absolute()
            found = self.path.stat()
            if stat.S_ISDIR(found.st_mode):
                raise source_error(self, "is a directory. Pass each of its files as a File, or one archive of them")
            if not stat.S_ISREG(found.st_mode):
                raise source_error(self, "is not a regular file. Pass a file object instead: File(open(…, 'rb'))")
            with self.path.open("rb") as file:
                self._head = file.read(HEAD)
                self._identity = _identity(file)
        if not self.size:
            raise source_error(self, "is empty")

    @property
    @override
    def size(self) -> int:
        return self._identity[0]

    @override
    def head(self) -> bytes:
        return self._head

    @override
    def open(self) -> BinaryIO:
        with explained(self, "cannot be read any more"):
            file = self.path.open("rb")
        if not self._is_same(file):
            file.close()
            raise self._changed()
        return file

    @override
    def chunks(self) -> Iterator[bytes]:
        size = 0
        with self.open() as file, explained(self, "cannot be read"):
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > self.size:
                    break
                yield chunk
            if size != self.size or not self._is_same(file):
                raise self._changed()

    def _is_same(self, file: BinaryIO) -> bool:
        return _identity(file)[: len(self._identity)] == self._identity

    def _changed(self) -> InvalidRequestError:
        return source_error(self, "has changed since its File was created. Create a new File(…) once it is complete")

    def __getstate__(self) -> dict[str, Any]:
        # Device and inode can differ where it is unpickled.
        return {**vars(self), "_identity": self._identity[:2]}


class BytesSource(LoadedSource):
    """Data in memory."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        if not data:
            raise source_error(self, "is empty: it has no bytes")

    @override
    def _load(self) -> bytes:
        return self._data or b""  # it is there from the beginning


class StreamSource(LoadedSource):
    """A file object, read from its current position."""

    def __init__(self, stream: IO[Any]) -> None:
        super().__init__()
        self._stream: IO[Any] | None = stream
        name = getattr(stream, "name", None)
        if isinstance(name, str) and name:
            self.name: str | None = os.path.basename(name)  # noqa: PTH119 - not a path: sockets and archives have names, too
            self.what: str = f"the file object {readable(name, 200)!r}"
        else:
            self.what = "the file object"
        if getattr(stream, "closed", False):
            raise source_error(
                self, "is closed. Open it with open(…, 'rb'), and keep it open until the job is submitted"
            )
        self._start: int | None = None
        self._size: int | None = None
        self._head = b""
        with explained(self, "cannot be used"):
            if _is_seekable(stream):
                self._start = stream.tell()
                self._size = stream.seek(0, os.SEEK_END) - self._start
                stream.seek(self._start)
                if self._size <= 0:
                    raise source_error(
                        self, "has no data after its current position. If it was read before, call its seek(0)"
                    )
                self._head = self._bytes(stream.read(HEAD))
                stream.seek(self._start)

    @property
    @override
    def size(self) -> int:
        return super().size if self._size is None else self._size

    @property
    @override
    def known_size(self) -> int | None:
        return super().known_size if self._size is None else self._size

    @override
    def head(self) -> bytes:
        return self._head or super().head()

    @override
    def _load(self) -> bytes:
        stream = self._stream
        assert stream is not None
        with explained(self, "cannot be read"):
            if self._start is not None:
                stream.seek(self._start)
            data = self._bytes(stream.read())
        if self._size is not None and len(data) != self._size:
            raise source_error(self, "has changed since its File was created, or is not complete. Create a new File(…)")
        # Not closed: it is the caller's.
        self._stream = None
        return data

    def _bytes(self, data: object) -> bytes:
        if isinstance(data, str):
            raise source_error(self, "was opened in text mode. Open it with open(…, 'rb')")
        return bytes(cast("bytes", data or b""))

    def __reduce__(self) -> tuple[Any, ...]:
        msg = "A File of a file object cannot be pickled. Pass a path or bytes instead."
        raise TypeError(msg)


class ImageSource(LoadedSource):
    """A PIL image, encoded when it is needed."""

    def __init__(self, image: Any) -> None:
        super().__init__()
        self.what: str = "the image"
        self._image = image
        # A JPEG file keeps its own quantization, so that it loses next to nothing and does not grow to a multiple.
        self._is_jpeg = image.format == "JPEG"
        self.mime: str | None = "image/jpeg" if self._is_jpeg else "image/png"
        filename = getattr(image, "filename", None)
        extension = ".jpg" if self._is_jpeg else ".png"
        stem = os.path.basename(filename).rpartition(".")[0] if isinstance(filename, str) else ""  # noqa: PTH119
        self.name: str | None = f"{stem or 'image'}{extension}"

    @override
    def _load(self) -> bytes:
        buffer = io.BytesIO()
        options = {"format": "JPEG", "quality": "keep"} if self._is_jpeg else {"format": "PNG"}
        try:
            self._image.save(buffer, **options)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            problem = f"cannot be encoded as {options['format']} ({readable(str(error), 80)}). Convert it first: File(image.convert('RGB'))"
            raise source_error(self, problem) from error
        return buffer.getvalue()


class LinkSource(Source):
    """Media of an output that is at a URL: the URL is sent as it is."""

    def __init__(self, media: Media, url: str) -> None:
        self.name: str | None = media.name
        self.mime: str | None = media.mime
        self.what: str = f"the media {readable(media.name, 60)!r}"
        self.url = url

    @property
    @override
    def size(self) -> int:
        return 0

    @property
    @override
    def known_size(self) -> int | None:
        return None

    @override
    def head(self) -> bytes:
        return b""

    @override
    def open(self) -> BinaryIO:
        raise source_error(self, "is at a URL. Download it with client.fetch(media)")

    @override
    def chunks(self) -> Iterator[bytes]:
        raise source_error(self, "is at a URL. Download it with client.fetch(media)")


class MediaSource(LoadedSource):
    """Media of an output."""

    def __init__(self, media: Media) -> None:
        super().__init__()
        self.name: str | None = media.name
        self.mime: str | None = media.mime
        self.what: str = f"the media {readable(media.name, 60)!r}"
        self._media = media

    @property
    @override
    def size(self) -> int:
        return self._media.size or 0

    @property
    @override
    def known_size(self) -> int | None:
        return self.size

    @override
    def _load(self) -> bytes:
        try:
            return self._media.data or b""
        except MediaError as error:
            raise InvalidRequestError(error.message) from error


def source_of(value: object) -> Source:
    """The source for an argument of `File`.

    Raises:
        InvalidRequestError: It is none, or cannot be used.
    """
    from pathlib import Path

    if isinstance(value, str):
        scheme = value.partition(":")[0].lower() if ":" in value[:10] else ""
        if scheme == "data" or "://" in value[:12]:
            kind = "a data URL" if scheme == "data" else "a URL"
            msg = f"File takes data or a path, not {kind}. Put {kind} into the input as it is, as a str."
            raise InvalidRequestError(msg)
        return PathSource(Path(value))
    if isinstance(value, os.PathLike):
        return PathSource(Path(os.fsdecode(cast("os.PathLike[str]", value))))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return BytesSource(bytes(cast("bytes", value)))  # bytes themselves are not copied
    if isinstance(value, Media):
        return MediaSource(value) if value.url is None else LinkSource(value, value.url)
    if is_image(value):
        return ImageSource(value)
    if callable(getattr(value, "read", None)):
        return StreamSource(cast("IO[Any]", value))
    kind = "None" if value is None else type(value).__name__
    msg = f"File takes a path, bytes, a file object that is open for reading, a PIL image or Media, not {kind}."
    raise InvalidRequestError(msg)


def is_image(value: object) -> bool:
    """Whether it is a PIL image, without an import of PIL."""
    from_pil = any(cls.__module__.partition(".")[0] == "PIL" for cls in type(value).__mro__)
    return from_pil and callable(getattr(value, "save", None)) and hasattr(value, "format")


def _is_seekable(stream: IO[Any]) -> bool:
    return bool(callable(getattr(stream, "seekable", None)) and stream.seekable())


def _identity(file: BinaryIO) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino
