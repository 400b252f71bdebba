"""The parser of aiohttp: it reads what the library's own reads, and nothing that it does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from runpod._aiohttp import AiohttpReader, readers
from runpod._protocol.http1 import MAX_HEAD, BadAnswerError
from tests.unit.test_http1 import CUTS, JOB, LENGTH, READ, Reading, Taker, answer, answers, parts, read

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def read_by_aiohttp(loop: asyncio.AbstractEventLoop, *pieces: bytes, enough: int = 2**30) -> Reading:
    sink = Taker(enough)
    reader = readers(loop)(sink)
    problem = ""
    try:
        for piece in pieces:
            if not reader.done:
                reader.feed(piece)
        if not reader.done:
            reader.end()
    except BadAnswerError as error:
        problem = str(error)
    return Reading(sink.status, sink.headers, sink.body, reader.done, reader.reusable, problem)


@pytest.mark.parametrize("name", READ)
def test_it_reads_the_same(loop: asyncio.AbstractEventLoop, name: str) -> None:
    data, body, reusable = READ[name]
    found = read_by_aiohttp(loop, data)
    assert (body, True) == (found.body, found.done)
    assert reusable or not found.reusable


@given(drawn=answers(), cuts=CUTS)
def test_it_reads_the_same_however_it_is_cut(
    loop: asyncio.AbstractEventLoop, drawn: tuple[bytes, Reading], cuts: list[int]
) -> None:
    data = drawn[0]
    found = read_by_aiohttp(loop, *parts(data, cuts))
    # With a tab behind it, it does not know the word "chunked".
    if not found.problem and b"\t\r\n" not in data:
        expected = read(data)
        assert (expected.status, expected.body) == (found.status, found.body)
        assert expected.reusable or not found.reusable


@pytest.mark.parametrize("more", [b"H", b"HTTP/1.1 200 OK\r\n", answer(JOB, LENGTH), answer(JOB, LENGTH) * 2])
@pytest.mark.parametrize("name", ["length", "empty", "chunks", "204"])
def test_a_connection_is_of_no_more_use_where_something_comes_after_the_answer(
    loop: asyncio.AbstractEventLoop, name: str, more: bytes
) -> None:
    data, body, _ = READ[name]
    found = read_by_aiohttp(loop, data + more)
    assert not found.reusable
    assert found.problem or found.body == body


def test_one_parser_reads_the_answers_of_a_connection_one_after_another(loop: asyncio.AbstractEventLoop) -> None:
    new = readers(loop)
    for name in ("length", "chunks", "empty", "204", "interim", "length"):
        sink = Taker(2**30)
        reader: AiohttpReader = new(sink)
        reader.feed(READ[name][0])
        assert (READ[name][1], True) == (sink.body, reader.done)


@pytest.mark.parametrize("end", [0, 5, 30, len(answer(b"", LENGTH)) + 3])
def test_a_connection_that_ends_before_the_answer_is_whole_is_an_error(
    loop: asyncio.AbstractEventLoop, end: int
) -> None:
    found = read_by_aiohttp(loop, *([answer(JOB, LENGTH)[:end]] if end else []))
    assert found.problem.startswith("the server closed the connection")
    assert not found.done


@pytest.mark.parametrize(
    "data",
    [
        answer(JOB, "Content-Length: -1"),
        answer(b"F\r\n" + JOB + b"x", "Transfer-Encoding: chunked"),
        answer(b"F\r\n" + JOB + b"\r\nzz\r\n", "Transfer-Encoding: chunked"),
        answer(JOB, "A: job-1\0"),
        answer(JOB, "A: " + "job-1" * MAX_HEAD),
        answer(JOB, line="HTTP/1.1 2000 job-1"),
    ],
    ids=["length", "chunk", "next chunk", "NUL", "long", "status"],
)
@pytest.mark.parametrize("cut", [[], [10], [20]], ids=str)
def test_what_comes_is_kept_where_it_cannot_be_read(
    loop: asyncio.AbstractEventLoop, data: bytes, cut: list[int]
) -> None:
    found = read_by_aiohttp(loop, *parts(data, [place % len(data) for place in cut]))
    assert JOB in found.body or len(data) > MAX_HEAD
    assert not found.reusable
    # Its own text for it quotes what came.
    assert found.problem
    assert "job-1" not in found.problem


@pytest.mark.parametrize("more", [b"xyz", b"HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize("name", ["length", "chunks", "chunks-and-a-length"])
def test_a_whole_answer_is_one_whatever_follows(loop: asyncio.AbstractEventLoop, name: str, more: bytes) -> None:
    found = read_by_aiohttp(loop, READ[name][0] + more)
    assert (JOB, True, False) == (found.body, found.done, found.reusable)


def test_a_header_in_pieces_leaves_no_doubt_about_what_follows(loop: asyncio.AbstractEventLoop) -> None:
    data = answer(JOB, LENGTH)
    place = data.index(b"\r\n\r\n") + 3
    assert not read_by_aiohttp(loop, data[:place], data[place:] + b"HT").reusable


def test_an_upgrade_ends_a_connection(loop: asyncio.AbstractEventLoop) -> None:
    found = read_by_aiohttp(loop, answer(b"", "Upgrade: h2c", "Connection: upgrade", line="HTTP/1.1 101 Switching"))
    assert not found.reusable


def test_a_sink_with_no_use_for_more_ends_the_answer(loop: asyncio.AbstractEventLoop) -> None:
    found = read_by_aiohttp(loop, answer(JOB, LENGTH)[:-3], b"-1", enough=5)
    assert (True, False) == (found.done, found.reusable)
