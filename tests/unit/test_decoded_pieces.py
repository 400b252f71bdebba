"""Decoding of bodies in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod._http.decoded_pieces import PieceDecoder, UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterator


def decoded(encoding: str, *pieces: bytes) -> Iterator[bytes]:
    decoder = PieceDecoder(encoding)
    for piece in pieces:
        yield from decoder.feed(piece)
    yield from decoder.finish()


@given(content=st.binary(max_size=2000), step=st.integers(1, 500), times=st.sampled_from([1, 300]))
@settings(max_examples=60)
def test_a_body_in_pieces(content: bytes, step: int, times: int) -> None:
    content *= times
    for encoding, body in (
        ("gzip", gzip.compress(content)),
        (" X-GZIP ", gzip.compress(content[:100]) + gzip.compress(content[100:])),
        ("deflate", zlib.compress(content)),
        ("", content),
        ("identity", content),
    ):
        pieces = [body[start : start + step] for start in range(0, len(body), step)]
        assert content == b"".join(decoded(encoding, *pieces)), encoding


def test_a_bomb_is_decoded_in_small_pieces() -> None:
    sizes = [len(piece) for piece in decoded("gzip", gzip.compress(bytes(50_000_000)))]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 256 * 1024


@pytest.mark.parametrize(
    ("encoding", "body", "problem"),
    [
        ("br", b"", "not supported"),
        ("gzip, gzip", b"", "not supported"),
        ("gzip", b"not gzip", "not valid gzip"),
        ("gzip", b"", "incomplete"),
        ("gzip", gzip.compress(b"a horse")[:-1], "incomplete"),
        ("gzip", gzip.compress(b"a horse") + b"more", "not valid gzip"),
    ],
    ids=["br", "twice", "invalid", "empty", "incomplete", "followed"],
)
def test_a_body_that_cannot_be_decoded(encoding: str, body: bytes, problem: str) -> None:
    with pytest.raises(UndecodableError, match=problem):
        list(decoded(encoding, body))
