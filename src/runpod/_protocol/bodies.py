"""How large the body of an answer may become, and how it may be packed."""

from __future__ import annotations

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
        self._pieces: list[bytes] = []
        self._size = 0
        packing = packing.strip().lower()
        # 32: the header says whether it is gzip or zlib.
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if packing in _INFLATED else None
        if self._inflater is None and packing not in {"", "identity"}:
            self.problem = "it is packed in a way that was not asked for"

    @property
    def body(self) -> bytes:
        """What there is of it."""
        if len(self._pieces) > 1:
            # Kept as one piece, so that a large body is not here twice while it is read.
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

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
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self.problem = f"it is larger than {self._limit // 2**20} MiB"
            self._pieces = [self.body[:_KEPT]]
        return not self.problem
