"""Detection of unsolicited bytes after an HTTP/1.1 response.

Bytes after a response would be parsed as the response to the next request on the same connection, so that a job could
get the ID of another one. Such a connection is not reused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# The end of a header, as in h11.
_END = re.compile(rb"\n\r?\n")

# Between the data of two chunks: the end of the first, and the line with the size of the second, in hexadecimal. A longer
# line is not parsed.
_SIZE = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})(?:[ \t]*;[^\r\n]*)?[ \t]*\r\n")
_LONGEST_LINE = 256

_WITHOUT_BODY = frozenset({204, 304})


def is_interim(data: bytes) -> bool:
    """Whether a response is an interim one, such as 100 Continue, which is followed by the final response."""
    # HTTP/1.1 100
    return data[9:10] in {b"", b"1"}


class ResponseBytes:
    """Tracks the bytes after the header of a response."""

    __slots__ = ("_chunks", "_head", "_length")

    def __init__(self) -> None:
        # The incomplete header.
        self._head = b""
        # Number of bytes after the header; -1 before its end.
        self._length = -1
        self._chunks = _Chunks()

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
        self._chunks.feed(data)

    def is_exactly(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether no bytes follow a completely read response with this status and these headers.

        False also for a chunked response with trailers.
        """
        if status in _WITHOUT_BODY:
            return self._length == 0
        length = b"0"
        for name, value in headers:
            lower = name.lower()
            if lower == b"transfer-encoding":
                return self._chunks.complete
            if lower == b"content-length":
                length = value
        return length.isdigit() and self._length == int(length)


class _Chunks:
    """Finds the end of a body, if it is chunked. h11 does so as well, but httpcore does not expose its trailing data."""

    __slots__ = ("_last", "_line", "_remaining", "_valid")

    def __init__(self) -> None:
        # Bytes of the current chunk that are still to come.
        self._remaining = 0
        # The incomplete line before the next chunk. The first chunk does not follow the end of another one.
        self._line = b"\r\n"
        self._last = False
        self._valid = True

    @property
    def complete(self) -> bool:
        """Whether the last byte was that of a chunked body without trailers."""
        return self._valid and self._last and self._line == b"\r\n"

    def feed(self, data: bytes) -> None:
        position = 0
        while self._valid and position < len(data):
            if self._remaining:
                step = min(self._remaining, len(data) - position)
                self._remaining -= step
                position += step
                continue
            known = len(self._line)
            self._line += data[position : position + _LONGEST_LINE]
            size = None if self._last else _SIZE.match(self._line)
            if size is None:
                self._valid = len(self._line) < (len(b"\r\n") + 1 if self._last else _LONGEST_LINE)
                return
            position += size.end() - known
            self._line = b""
            self._remaining = int(size[1], 16)
            self._last = self._remaining == 0
