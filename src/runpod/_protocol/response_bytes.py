"""The bytes of one HTTP/1.1 response as they came, to tell whether anything came behind it.

What a server sends behind a response would be taken for the response to the next request on that connection: a job
would get the id of another. So such a connection is not used again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# The end of a header, as h11 sees it.
_END = re.compile(rb"\n\r?\n")

# How a body in chunks ends that has no trailers, and how any response begins.
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_BEGIN = b"HTTP/"


def is_interim(data: bytes) -> bool:
    """Whether these bytes begin an interim response, such as 100 Continue: the final one is still to come."""
    # HTTP/1.1 100
    return data[9:10] in {b"", b"1"}


class ResponseBytes:
    """Counts the bytes behind the header of a response."""

    __slots__ = ("_another", "_head", "_length", "_tail")

    def __init__(self) -> None:
        # What there is of the header, while it is incomplete.
        self._head = b""
        # How many bytes came behind the header; -1 before its end.
        self._length = -1
        # The last of them, and whether there may be the beginning of another response among them.
        self._tail: bytes = b"\r\n"
        self._another = False

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
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
        # Large ones are not copied for that.
        seam = self._tail + data[: len(_BEGIN)]
        self._another = self._another or _BEGIN in seam or _BEGIN in data
        self._tail = (data if len(data) >= len(_LAST_CHUNK) else self._tail + data)[-len(_LAST_CHUNK) :]

    def is_exactly(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether nothing came behind a response that was read to its end, given its headers.

        A response in chunks with trailers, or with what could begin another response, counts as followed by something.
        """
        length = b"0"
        for name, value in headers:
            lower = name.lower()
            if lower == b"transfer-encoding":
                return self._tail == _LAST_CHUNK and not self._another
            if lower == b"content-length":
                length = value
        return length.isdigit() and self._length == int(length)
