"""What every kind of source of a `File` has in common."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from typing_extensions import override

from runpod._base_errors import InvalidRequestError
from runpod._text import readable
from runpod.media.kinds import HEAD
from runpod.media.process_lock import ProcessLock

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


class Source(ABC):
    """The data of a file.

    Attributes:
        what: The file in messages.
        name: Its name, if it has one.
        mime: Its media type, if it is known without its content.
    """

    what: str = "the file"
    name: str | None = None
    mime: str | None = None

    @property
    @abstractmethod
    def size(self) -> int:
        """The size in bytes."""

    @property
    def known_size(self) -> int | None:
        """The size, or None if it is not known before the data is read or made."""
        return self.size

    @abstractmethod
    def head(self) -> bytes:
        """The first bytes, as many as are needed to recognize its kind."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """Opens the data for reading."""

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """The data in pieces. The lengths of all but the last one are multiples of 3."""


class LoadedSource(Source):
    """Data that is read or made when it is first needed, and then kept."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._data: bytes | None = None

    @abstractmethod
    def _load(self) -> bytes:
        """Reads or makes the data.

        Raises:
            InvalidRequestError: It cannot be read or made.
        """

    @property
    def data(self) -> bytes:
        """The data, read or made at the first access."""
        # Threads that need it at the same time read or make it once.
        if self._data is None:
            with self._lock.here:
                if self._data is None:
                    self._data = self._load()
        if not self._data:
            raise source_error(self, "is empty")
        return self._data

    @property
    @override
    def size(self) -> int:
        return len(self.data)

    @property
    @override
    def known_size(self) -> int | None:
        return None if self._data is None else len(self._data)

    @override
    def head(self) -> bytes:
        return self.data[:HEAD]

    @override
    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)

    @override
    def chunks(self) -> Iterator[bytes]:
        yield self.data


def source_error(source: Source, problem: str) -> InvalidRequestError:
    """The error for a source that cannot be used."""
    return InvalidRequestError(f"{source.what[0].upper()}{source.what[1:]} {problem}.")


@contextmanager
def explained(source: Source, problem: str) -> Generator[None, None, None]:
    """Turns errors of the operating system into an `InvalidRequestError` that names the file."""
    try:
        yield
    except InvalidRequestError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise source_error(source, f"{problem}: {readable(reason, 120).rstrip('.')}") from error
