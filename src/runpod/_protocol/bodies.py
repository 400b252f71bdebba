"""How large the body of an answer may become, and how it may be packed."""

from __future__ import annotations

import io
import zlib

# What requests ask for. More packings could be undone, but with no bound on what comes of them.
ACCEPTED = "gzip"

# Bytes, unpacked. The service's own limit for an output is 20 MB.
MAX_BODY = 100 * 1024 * 1024

# What is kept of a body that is too large: an id in it must not be lost.
_KEPT = 64 * 1024

_INFLATED = frozenset({"gzip", "x-gzip", "deflate"})


class BodyReader:
    """Puts a body together from what arrives, and never from more than the limit.

    A small body can unpack to any size, so it is unpacked here, piece by piece, rather than by an
    HTTP library.

    Args:
        packing: The answer's `Content-Encoding`.
        limit: Bytes, unpacked; by default `MAX_BODY`.

    Attributes:
        problem: Why the body is not usable; empty while it is.
    """

    def __init__(self, packing: str = "", limit: int | None = None) -> None:
        self.problem = ""
        self._limit = MAX_BODY if limit is None else limit
        # A body in one piece stays as it came. More of them go into one buffer, which gives out its
        # content without a copy: a large body must not be here twice.
        self._body = b""
        self._buffer: io.BytesIO | None = None
        self._size = 0
        packing = packing.strip().lower()
        # 32: the header says whether it is gzip or zlib.
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if packing in _INFLATED else None
        if self._inflater is None and packing not in {"", "identity"}:
            self.problem = "it is packed in a way that was not asked for"

    @property
    def body(self) -> bytes:
        """What there is of it."""
        return self._body if self._buffer is None else self._buffer.getvalue()

    def feed(self, piece: bytes, *, packed: bool = True) -> bool:
        """Takes the next piece; False where there is no use for more."""
        if self.problem:
            return False
        if packed and self._inflater is not None:
            try:
                piece = self._inflater.decompress(piece, self._limit - self._size + 1)
            except zlib.error:
                # Kept as it came: it may be plain text, with the id of a job in it.
                self.problem = "it is not the gzip that it says it is"
        if self._size == 0:
            self._body = piece
        else:
            if self._buffer is None:
                self._buffer = io.BytesIO()
                self._buffer.write(self._body)
                self._body = b""
            self._buffer.write(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self.problem = f"it is larger than {self._limit // 2**20} MiB"
            self._body, self._buffer = self.body[:_KEPT], None
        return not self.problem
