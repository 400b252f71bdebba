"""Decoding of response bodies, with a size limit."""

from __future__ import annotations

import io
import zlib

# The Accept-Encoding of requests. Only encodings that can be decoded with a size limit.
ACCEPT_ENCODING = "gzip"

# In bytes, decoded. The service limits outputs to 20 MB.
MAX_BODY = 100 * 1024 * 1024

# How much is kept of a body that is too large, in bytes: enough to find the ID of a job.
_KEPT = 64 * 1024

_INFLATED = frozenset({"gzip", "x-gzip", "deflate"})


class BodyReader:
    """Assembles and decodes a body, up to a size limit.

    A small compressed body can expand to any size, so it is decoded here, incrementally, instead of by the HTTP
    library.

    Args:
        content_encoding: The `Content-Encoding` of the response.
        limit: Maximum size in bytes, decoded; by default `MAX_BODY`.

    Attributes:
        problem: Why the body is unusable; empty if it is usable.
    """

    def __init__(self, content_encoding: str = "", limit: int | None = None) -> None:
        self.problem = ""
        self._limit = MAX_BODY if limit is None else limit
        # A single piece is kept as is. More pieces go into a buffer, whose `getvalue` does not copy: a large body must
        # not be in memory twice.
        self._body = b""
        self._buffer: io.BytesIO | None = None
        self._size = 0
        content_encoding = content_encoding.strip().lower()
        # 32: detect gzip or zlib by the header.
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if content_encoding in _INFLATED else None
        if self._inflater is None and content_encoding not in {"", "identity"}:
            self.problem = "its Content-Encoding is not supported"

    @property
    def body(self) -> bytes:
        """The body received so far."""
        return self._body if self._buffer is None else self._buffer.getvalue()

    def feed(self, piece: bytes, *, encoded: bool = True) -> bool:
        """Adds the next piece. Returns False if more data is not needed."""
        if self.problem:
            return False
        if encoded and self._inflater is not None:
            try:
                piece = self._inflater.decompress(piece, self._limit - self._size + 1)
            except zlib.error:
                # Kept undecoded: it may be plain text that contains the ID of a job.
                self.problem = "it is not valid gzip"
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
