"""Tests of response framing and decompression."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod._http.body_reader import MAX_BODY, BodyReader
from runpod._http.response_bytes import ResponseBytes, is_interim

MEGABYTE = 2**20


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


anywhere = st.lists(st.integers(0, 20) | st.integers(0, 600), max_size=12)


PACK = {"": bytes, "identity": bytes, " GZIP ": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize(("encoding", "pack"), PACK.items())
@given(body=st.binary(max_size=500), cuts=anywhere)
def test_decompression_does_not_depend_on_the_chunking(encoding: str, pack: Any, body: bytes, cuts: list[int]) -> None:
    reader = BodyReader(encoding)
    assert all(reader.feed(piece) for piece in pieces(pack(body), cuts))
    assert (body, "") == (reader.body, reader.problem)
    unpacked = BodyReader(encoding)
    assert (True, body) == (unpacked.feed(body, encoded=False), unpacked.body)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "gzip, identity"])
def test_unsupported_encodings_are_not_decompressed(encoding: str) -> None:
    reader = BodyReader(encoding)
    assert not reader.feed(gzip.compress(b"a"))
    assert (b"", "its Content-Encoding is not supported") == (reader.body, reader.problem)


def test_a_compression_bomb_uses_bounded_memory() -> None:
    bomb = gzip.compress(b"0" * (64 * MEGABYTE))
    reader = BodyReader("gzip", limit=MEGABYTE)
    tracemalloc.start()
    try:
        assert not reader.feed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert "it is larger than 1 MiB" == reader.problem
    assert not reader.feed(bomb)


def test_the_beginning_of_an_unusable_body_is_kept() -> None:
    start = b'{"id": "job-1",'
    reader = BodyReader(limit=MEGABYTE)
    assert reader.feed(start)
    assert reader.feed(b" " * (MEGABYTE - len(start)))
    assert not reader.feed(b" ")
    assert (True, 2**16) == (reader.body.startswith(start), len(reader.body))
    reader = BodyReader("gzip")
    assert not reader.feed(start)
    assert (start, "it is not valid gzip") == (reader.body, reader.problem)
    assert 2 * 20 * 10**6 < MAX_BODY, "the limit is below that of the service"


@given(st.lists(st.binary(max_size=100)), st.sampled_from(["", "gzip", "deflate", "gzip, gzip", "\x00"]))
def test_any_bytes_are_accepted(came: list[bytes], encoding: str) -> None:
    reader = BodyReader(encoding, limit=200)
    while came and reader.feed(came.pop()):
        assert len(reader.body) <= 200
    assert isinstance(reader.problem, str)


# Bytes within a body that look like the end of a header, or like another response.
bodies = st.binary(max_size=60) | st.lists(st.sampled_from([b"\r\n", b"HTTP/1.1 100 x", b"0\r\n\r\n"])).map(b"".join)
INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"]
CHUNKED = (b"Transfer-Encoding", b"chunked")


@given(
    interim=st.lists(st.sampled_from(INTERIM), max_size=2),
    chunks=st.none() | st.lists(bodies.filter(bool), max_size=3),
    body=bodies,
    trailer=st.sampled_from([b"", b"X-Sum: 1\r\n"]),
    behind=st.sampled_from([b"", b"\n", b"0\r\n\r\n", b"\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
    | st.binary(min_size=1, max_size=30),
    cuts=anywhere,
    near=st.booleans(),  # split after the header
)
def test_data_after_a_response_is_detected_for_any_chunking(
    interim: list[bytes], chunks: Any, body: bytes, trailer: bytes, behind: bytes, cuts: list[int], near: bool
) -> None:
    header = (b"Content-Length", str(len(body)).encode())
    if chunks is not None:
        header = CHUNKED
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"
    response = ResponseBytes()
    head = b"HTTP/1.1 200 OK\r\nX-A: b\r\n%s: %s\r\n\r\n" % header
    before = len(b"".join(interim) + head)
    for piece in pieces(b"".join(interim) + head + body + behind, [cut + before for cut in cuts] if near else cuts):
        response.feed(piece)
    # Trailers cannot be distinguished from trailing data.
    assert (not behind and (chunks is None or not trailer)) == response.is_exactly(200, [(b"x-a", b"b"), header])


@pytest.mark.parametrize("end", [b"0\r\n\nx", b"0\r\n\r", b"0\r\n\n\n", b"g\r\n\r\n", b"0" * 300])
def test_an_unusual_end_of_a_chunked_response_is_not_exact(end: bytes) -> None:
    response = ResponseBytes()
    response.feed(IN_CHUNKS + end)
    assert not response.is_exactly(200, [CHUNKED])


def test_a_response_without_body_has_no_content() -> None:
    for status, body, expected in ((204, b"", True), (304, b"", True), (204, b"a", False), (200, b"a", True)):
        response = ResponseBytes()
        response.feed(b"HTTP/1.1 %d x\r\nContent-Length: 1\r\n\r\n" % status + body)
        assert expected == response.is_exactly(status, [(b"Content-Length", b"1")])


IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
OF_ONE = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b"000\r\n\r\n", b"0;x=1\r\n\r\n", b"0\r\nX: y\r\n\r\n"])
def test_a_second_chunked_response_is_detected(end: bytes) -> None:
    response = ResponseBytes()
    response.feed(IN_CHUNKS + end + IN_CHUNKS + b"0\r\n\r\n")
    assert not response.is_exactly(200, [CHUNKED])


@pytest.mark.parametrize("first", [OF_ONE.replace(b"\r", b""), OF_ONE.replace(b"\n\r\n", b"\n\n")])
def test_a_header_may_end_with_bare_newlines(first: bytes) -> None:
    for behind, expected in ((b"", True), (OF_ONE, False)):
        response = ResponseBytes()
        response.feed(first + behind)
        assert expected == response.is_exactly(200, [(b"content-length", b"1")])


def test_a_response_without_length_and_an_incomplete_header() -> None:
    for header, expected in ((b" 204 x\r\n\r\n", True), (b" 204 x\r\n\r\n0", False), (b" 20", False)):
        response = ResponseBytes()
        response.feed(b"HTTP/1.1" + header)
        assert expected == response.is_exactly(200, [(b"server", b"x")])
    assert not response.is_exactly(200, [(b"content-length", b"x")])
    assert [True, True, False, False] == [is_interim(b"HTTP/1.1 " + rest) for rest in (b"", b"103", b"200", b"500")]
