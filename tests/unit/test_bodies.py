"""Bodies: unpacked, whole, and never larger than the limit."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod._protocol.bodies import MAX_BODY, BodyReader

MEGABYTE = 2**20


@pytest.mark.parametrize(
    ("packing", "pack"), [("", bytes), ("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]
)
@given(body=st.binary(max_size=500), cut=st.integers(1, 50))
def test_a_body_is_what_was_packed_however_it_is_cut(packing: str, pack: type[bytes], body: bytes, cut: int) -> None:
    reader = BodyReader(packing)
    packed = pack(body)
    for start in range(0, len(packed), cut):
        assert reader.feed(packed[start : start + cut])
    assert (body, "") == (reader.body, reader.problem)


@pytest.mark.parametrize("packing", ["gzip, gzip", "br", "zstd", "compress", "gzip, identity"])
def test_a_packing_that_was_not_asked_for_is_not_undone(packing: str) -> None:
    reader = BodyReader(packing)
    assert not reader.feed(gzip.compress(b"a"))
    assert (b"", "it is packed in a way that was not asked for") == (reader.body, reader.problem)


def test_a_small_body_that_unpacks_to_a_large_one_takes_no_more_memory_than_the_limit() -> None:
    bomb = gzip.compress(b"0" * (64 * MEGABYTE))
    assert len(bomb) < MEGABYTE / 8
    reader = BodyReader("gzip", limit=MEGABYTE)
    tracemalloc.start()
    try:
        assert not reader.feed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert "it is larger than 1 MiB" == reader.problem
    assert not reader.feed(bomb)


def test_of_a_body_that_is_too_large_the_beginning_is_kept() -> None:
    reader = BodyReader("", limit=MEGABYTE)
    assert reader.feed(b'{"id": "job-1",')
    assert not reader.feed(b" " * MEGABYTE)
    assert reader.body.startswith(b'{"id": "job-1",')
    assert len(reader.body) < MEGABYTE / 8


def test_what_says_it_is_gzip_and_is_not_is_kept_as_it_came() -> None:
    reader = BodyReader("gzip")
    assert not reader.feed(b'{"id": "job-1"}')
    assert (b'{"id": "job-1"}', "it is not the gzip that it says it is") == (reader.body, reader.problem)


def test_the_limit_is_larger_than_what_the_service_allows() -> None:
    assert 2 * 20 * 10**6 < MAX_BODY


@given(st.lists(st.binary(max_size=100)), st.sampled_from(["", "gzip", "deflate", "gzip, gzip", "\x00"]))
def test_any_bytes_are_taken(pieces: list[bytes], packing: str) -> None:
    reader = BodyReader(packing, limit=200)
    while pieces and reader.feed(pieces.pop()):
        assert len(reader.body) <= 200
    assert isinstance(reader.problem, str)
