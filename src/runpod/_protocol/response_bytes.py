"""Detection of unsolicited bytes after an HTTP/1.1 response.

Bytes after a response would be parsed as the response to the next request on the same connection, so that a job could
get the id of another one. Such a connection is not reused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# The end of a header, as in h11.
_END = re.compile(rb"\n\r?\n")

# The end of a chunked body without trailers, and the start of any response.
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_BEGIN = b"HTTP/"


def is_interim(data: bytes) -> bool:
    """Whether a response is an interim one, such as 100 Continue, which is followed by the final response."""
    # HTTP/1.1 100
    return data[9:10] in {b"", b"1"}


class ResponseBytes:
    """Tracks the bytes after the header of a response."""

    __slots__ = ("_another", "_head", "_length", "_tail")

    def __init__(self) -> None:
        # The incomplete header.
        self._head = b""
        # Number of bytes after the header; -1 before its end.
        self._length = -1
        # The last of these bytes, and whether they may contain the start of another response.
        self._tail: bytes = b"\r\n"
        self._another = False

    def feed(self, data: bytes) -> None:
        """Adds received bytes."""
        if self._length < 0:
            self._head += data
            while (end := _END.search(self._head)) and is_interim(self._head):
                self._head = self._head[end.end() :]
            if end is None:
                return
            data = self._head[end.end() :]
            self._length = 0
            self._head = b""
        self._length += len(data)
        # Search for the start of a response without copying large data.
        seam = self._tail + data[: len(_BEGIN)]
        self._another = self._another or _BEGIN in seam or _BEGIN in data
        self._tail = (data if len(data) >= len(_LAST_CHUNK) else self._tail + data)[-len(_LAST_CHUNK) :]

    def is_exactly(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether no bytes follow a completely read response with these headers.

        False also for a chunked response with trailers, or with bytes that look like the start of another response.
        """
        length = b"0"
        for name, value in headers:
            lower = name.lower()
            if lower == b"transfer-encoding":
                return self._tail == _LAST_CHUNK and not self._another
            if lower == b"content-length":
                length = value
        return length.isdigit() and self._length == int(length)
