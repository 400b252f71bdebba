"""Decoding of a body piece by piece, in bounded memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The largest piece that is decoded at once, in bytes: a small piece of gzip can expand a thousandfold.
_PIECE = 256 * 1024

_INFLATED = frozenset({"gzip", "x-gzip", "deflate"})


class UndecodableError(Exception):
    """A body cannot be decoded. Its text completes "it cannot be decoded: …"."""


class PieceDecoder:
    """Decodes the pieces of a body.

    Downloads are requested without encoding, but stored files can have one of their own.

    Args:
        content_encoding: The `Content-Encoding` of the response.

    Raises:
        UndecodableError: The encoding is not supported.
    """

    def __init__(self, content_encoding: str) -> None:
        encoding = content_encoding.strip().lower()
        # 32: detect gzip or zlib by the header.
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in _INFLATED else None
        if self._inflater is None and encoding not in {"", "identity"}:
            msg = "its Content-Encoding is not supported"
            raise UndecodableError(msg)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yields the decoded bytes of a piece.

        Raises:
            UndecodableError: It is not in this encoding.
        """
        if self._inflater is None:
            yield piece
            return
        while piece:
            if self._inflater.eof:  # another member of a gzip file
                self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
            try:
                decoded = self._inflater.decompress(piece, _PIECE)
            except zlib.error as error:
                msg = "it is not valid gzip"
                raise UndecodableError(msg) from error
            piece = self._inflater.unconsumed_tail or self._inflater.unused_data
            if decoded:
                yield decoded

    def finish(self) -> Iterator[bytes]:
        """Yields what is left at the end of the body.

        Raises:
            UndecodableError: The body ended too early.
        """
        if self._inflater is None:
            return
        # A few bytes of input can be left in the inflater although it has consumed all of it.
        rest = self._inflater.flush()
        if rest:
            yield rest
        if not self._inflater.eof:
            msg = "it is incomplete"
            raise UndecodableError(msg)
