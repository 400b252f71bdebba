"""What is uploaded."""

from __future__ import annotations

from typing import BinaryIO, Protocol


class UploadSource(Protocol):
    """A file to upload. It is hashable by identity, and can be the target of a weak reference.

    Attributes:
        name: The name of the file. Its extension becomes that of the object.
        mime: The media type, such as "image/png".
        size: The size in bytes.
    """

    @property
    def name(self) -> str: ...

    @property
    def mime(self) -> str: ...

    @property
    def size(self) -> int: ...

    def open(self) -> BinaryIO:
        """Opens the file at its beginning.

        Raises:
            InvalidRequestError: The file does not exist any more, or has changed.
        """
        ...
