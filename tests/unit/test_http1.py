"""Answers of HTTP/1.1: in examples, cut anywhere, and beside what h11 makes of the same bytes."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod._protocol.http1 import MAX_HEAD, AnswerReader, BadAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Fields = list[tuple[bytes, bytes]]

JOB = b'{"id": "job-1"}'
LENGTH = "Content-Length: 15"
CHUNKED = "Transfer-Encoding: chunked"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


class Taker:
    """A sink that keeps what it gets, and has no use for more than `enough` bytes."""

    def __init__(self, enough: int) -> None:
        self.status = 0
        self.headers: Fields = []
        self.body = b""
        self._enough = enough

    def began(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        assert self.status == 0, "an answer begins once"
        self.status, self.headers = status, list(headers)

    def received(self, piece: bytes) -> bool:
        self.body += piece
        return len(self.body) < self._enough


class Reading(NamedTuple):
    status: int
    headers: Fields
    body: bytes
    done: bool
    reusable: bool
    problem: str


def read(*pieces: bytes, closed: bool = True, enough: int = 2**30) -> Reading:
    """What comes of these pieces, after which the connection is `closed`."""
    sink = Taker(enough)
    reader = AnswerReader(sink)
    problem = ""
    try:
        for piece in pieces:
            if not reader.done:
                reader.feed(piece)
        if closed and not reader.done:
            reader.end()
    except BadAnswerError as error:
        problem = str(error)
    return Reading(sink.status, plain(sink.headers), sink.body, reader.done, reader.reusable, problem)


def plain(headers: Iterable[tuple[bytes, bytes]]) -> Fields:
    return [(name.lower(), value.strip(b" \t")) for name, value in headers]


def parts(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data, cut at these places."""
    return [data[start:end] for start, end in pairwise(sorted({0, len(data), *(n % (len(data) + 1) for n in places)}))]


def bytewise(data: bytes) -> list[bytes]:
    """The data byte by byte, but much of it only at its end."""
    return parts(data, range(max(0, len(data) - 300), len(data)))


def answer(body: bytes, *fields: str, line: str = "HTTP/1.1 200 OK") -> bytes:
    return "".join(f"{part}\r\n" for part in (line, *fields, "")).encode("latin-1") + body


# --- examples ---------------------------------------------------------------------------------

IN_CHUNKS = b'5\r\n{"id"\r\nA\r\n: "job-1"}\r\n0\r\n\r\n'

# Each with the body that is in it, and whether the connection is good for another request.
READ = {
    "length": (answer(JOB, LENGTH), JOB, True),
    "no-reason": (answer(JOB, LENGTH, line="HTTP/1.1 200"), JOB, True),
    "empty": (answer(b"", "content-length:0"), b"", True),
    "length-twice": (answer(JOB, LENGTH, "CONTENT-LENGTH: \t15 "), JOB, True),
    "length-in-a-list": (answer(JOB, "Content-Length: 15 , 15"), JOB, True),
    "until-closed": (answer(JOB), JOB, False),
    "chunks": (answer(IN_CHUNKS, CHUNKED), JOB, True),
    "chunks-in-any-case": (answer(b"0" * 15 + b"F\r\n%b\r\n00\r\n\r\n" % JOB, "transfer-ENCODING:Chunked "), JOB, True),
    "chunk-extensions": (answer(b'1;a\r\na\r\n1 ; b="c"\r\nb\r\n1 \t\r\nc\r\n0;d\r\n\r\n', CHUNKED), b"abc", True),
    "many-chunks": (answer(b"1\r\na\r\n" * 5000 + b"0\r\n\r\n", CHUNKED), b"a" * 5000, True),
    "trailer": (answer(b"1\r\na\r\n0\r\nX-A: b\r\nX-C: d\r\n e\r\n\r\n", CHUNKED), b"a", True),
    "malformed-trailer": (answer(b"1\r\na\r\n0\r\n\nHTTP/1.1 200 OK\r\n\r\n", CHUNKED), b"a", False),
    "chunks-and-a-length": (answer(IN_CHUNKS, "Content-Length: 3", CHUNKED), JOB, False),
    "204": (answer(b"", line="HTTP/1.1 204 No Content"), b"", True),
    "204-with-a-length": (answer(b"", LENGTH, line="HTTP/1.1 204 No Content"), b"", False),
    "204-in-chunks": (answer(b"", CHUNKED, line="HTTP/1.1 204 No Content"), b"", False),
    "204-with-a-coding": (answer(b"", "Transfer-Encoding: gzip", line="HTTP/1.1 204"), b"", False),
    "304": (answer(b"", LENGTH, line="HTTP/1.1 304 Not Modified"), b"", True),
    "interim": (INTERIM + answer(b"", "Link: a", line="HTTP/1.1 103 Early Hints") + answer(JOB, LENGTH), JOB, True),
    "interim-close": (answer(b"", "Connection: close", line="HTTP/1.1 100") + answer(JOB, LENGTH), JOB, True),
    "many-interims": (INTERIM * 4000 + answer(JOB, LENGTH), JOB, True),
    "close": (answer(JOB, LENGTH, "Connection: Close"), JOB, False),
    "close-in-a-list": (answer(JOB, LENGTH, "Connection: a, close"), JOB, False),
    "keep-alive": (answer(JOB, LENGTH, "Connection: keep-alive"), JOB, True),
    "1.0": (answer(JOB, LENGTH, "Connection: keep-alive", line="HTTP/1.0 200 OK"), JOB, False),
    "1.0-in-chunks": (answer(IN_CHUNKS, CHUNKED, line="HTTP/1.0 200 OK"), JOB, False),
    "folded": (answer(JOB, "Content-Length:\r\n\t15"), JOB, True),
    "long-header": (answer(JOB, LENGTH, "A: " + "a" * (MAX_HEAD - 44)), JOB, True),
}

LENGTHS = ["", "-1", "+15", "1_5", "0xf", "15 3", "15, 3", "15,", "1.5", "\xb2", "\f15", "15,\f15", "9" * 19]
CODINGS = ["gzip", "gzip, chunked", "chunked, chunked", "identity", "", "xchunked", "\vchunked"]
FIELDS = ["A : b", "A", ": b", "A b: c", "A: \0", "A: b\nB: c", "A: b\n c", "A: b\rc", "A: b\r", "\xe4: b", "A\r\n : b"]
LINES = [*(f"HTTP/1.1 {status}" for status in ("20", "2000", "099", " 200", "200OK", "200 \0")), "HTTP/1.2 200"]

# Each with what the sink has of it: the id of a job in it must not be lost.
REFUSED = {
    **{f"length-{value!r}": (answer(JOB, f"Content-Length: {value}"), 200, JOB) for value in LENGTHS},
    "lengths-that-differ": (answer(JOB, LENGTH, "Content-Length: 3"), 200, JOB),
    "lengths-that-differ-and-chunks": (answer(JOB, LENGTH, "Content-Length: 3", CHUNKED), 200, JOB),
    **{f"coding-{value!r}": (answer(JOB, f"Transfer-Encoding: {value}"), 200, JOB) for value in CODINGS},
    "coding-twice": (answer(IN_CHUNKS, CHUNKED, CHUNKED), 200, IN_CHUNKS),
    "upgrade": (answer(JOB, "Upgrade: h2c", line="HTTP/1.1 101 Switching Protocols"), 101, JOB),
    **{f"field-{field!r}": (answer(JOB, LENGTH, field), 0, JOB) for field in FIELDS},
    "folded-first": (answer(JOB, " A: b", LENGTH), 0, JOB),
    **{f"line-{line!r}": (answer(JOB, LENGTH, line=line), 0, JOB) for line in LINES},
    "bare-line-feeds": (answer(JOB, LENGTH).replace(b"\r", b""), 0, JOB),
    "too-long-header": (answer(JOB, LENGTH, "A: " + "a" * (MAX_HEAD - 42)), 0, JOB),
    "endless-header": (answer(b"", "A: " + "a" * MAX_HEAD)[:-4], 0, b""),
    "too-many-interims": (INTERIM * 4000 + answer(JOB, LENGTH, "A: " + "a" * 15000), 0, JOB),
    "not-in-chunks": (answer(JOB, CHUNKED), 200, JOB),
    "size-not-hex": (answer(b"x\r\n" + JOB, CHUNKED), 200, b"x\r\n" + JOB),
    "size-missing": (answer(b"\r\n" + JOB, CHUNKED), 200, b"\r\n" + JOB),
    "size-of-17-digits": (answer(b"0" * 16 + b"1\r\na", CHUNKED), 200, b"0" * 16 + b"1\r\na"),
    "size-and-a-bare-line-feed": (answer(b"1\na\r\n", CHUNKED), 200, b"1\na\r\n"),
    "extension-with-a-line-feed": (answer(b"1;\na\r\n", CHUNKED), 200, b"1;\na\r\n"),
    "long-size-line": (answer(b"1;" + b"a" * 9000 + b"\r\na", CHUNKED), 200, b"1;" + b"a" * 9000 + b"\r\na"),
    "endless-size-line": (answer(b"1;" + b"a" * 9000, CHUNKED), 200, b"1;" + b"a" * 9000),
    "long-chunk": (answer(b"1\r\nabc0\r\n\r\n", CHUNKED), 200, b"abc0\r\n\r\n"),
    "chunk-and-a-bare-line-feed": (answer(b"1\r\na\n0\r\n\r\n", CHUNKED), 200, b"a\n0\r\n\r\n"),
    "long-trailer": (answer(b"1\r\na\r\n0\r\nA: " + b"a" * MAX_HEAD + b"\r\n\r\n", CHUNKED), 200, b"a"),
    "endless-trailer": (answer(b"1\r\na\r\n0\r\nA: " + b"a" * MAX_HEAD, CHUNKED), 200, b"a"),
    **{repr(data): (data, 0, data) for data in (b"\x15\x03\x03\0\2", b"<p>", b"HTTP/2 200\r\n", b"{}\r\n\r\n")},
}


@pytest.mark.parametrize(("data", "body", "reusable"), READ.values(), ids=READ)
def test_an_answer_is_read_in_one_piece_and_byte_by_byte(data: bytes, body: bytes, reusable: bool) -> None:
    found = read(data)
    assert (body, True, reusable, "") == (found.body, found.done, found.reusable, found.problem)
    assert found == read(*bytewise(data))


@pytest.mark.parametrize(("data", "status", "body"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_an_error_and_what_it_says_is_kept(data: bytes, status: int, body: bytes) -> None:
    found = read(data, closed=False)
    assert (status, body, False) == (found.status, found.body, found.done)
    assert found.problem
    assert read(*bytewise(data), closed=False).problem


def test_a_header_is_handed_on_without_the_spaces_around_its_values() -> None:
    sink = Taker(1)
    fields = ["Content-Length: 0", "X-a: b:  c \t", "X-A:", "x!#$%&'*+.^_`|~9: \xff", "F: a\r\n \tb"]
    AnswerReader(sink).feed(answer(b"", *fields, line="HTTP/1.1 404 "))
    expected = [(b"Content-Length", b"0"), (b"X-a", b"b:  c"), (b"X-A", b""), (b"x!#$%&'*+.^_`|~9", b"\xff")]
    assert (404, [*expected, (b"F", b"a b")]) == (sink.status, sink.headers)


@pytest.mark.parametrize("name", ["length", "empty", "chunks", "204"])
def test_a_connection_is_of_no_more_use_where_something_comes_after_the_answer(name: str) -> None:
    assert read(READ[name][0])._replace(reusable=False) == read(READ[name][0] + b"H")


@pytest.mark.parametrize(
    "data", [answer(JOB, LENGTH)[:-1], answer(IN_CHUNKS, CHUNKED)[:-1], REFUSED["lengths-that-differ"][0]]
)
def test_a_connection_is_of_no_use_before_the_whole_answer_is_read(data: bytes) -> None:
    assert not read(data, closed=False).reusable


@pytest.mark.parametrize("data", [b"", INTERIM])
def test_a_connection_that_ends_before_the_answer_is_an_error(data: bytes) -> None:
    assert "the server closed the connection without an answer" == read(data).problem


@pytest.mark.parametrize("name", ["length", "trailer"])
def test_a_connection_that_ends_within_an_answer_is_an_error(name: str) -> None:
    whole = READ[name][0]
    for size in range(1, len(whole)):
        found = read(whole[:size])
        assert (False, "the server closed the connection in the middle of its answer") == (found.done, found.problem)


@pytest.mark.parametrize("name", ["length", "chunks", "until-closed"])
def test_a_sink_with_no_use_for_more_ends_the_answer(name: str) -> None:
    data = READ[name][0]
    for found in read(data, enough=5, closed=False), read(*bytewise(data), enough=5, closed=False):
        assert (True, False, "") == (found.done, found.reusable, found.problem)
        assert JOB.startswith(found.body)


@pytest.mark.parametrize("end", ["\0", "\rb", "\nb"])
def test_many_spaces_take_no_longer_than_other_bytes(end: str) -> None:
    assert "the header of the answer is malformed" == read(answer(JOB, f"A:{' ' * 100_000}{end}")).problem


# --- what hypothesis finds --------------------------------------------------------------------

NAMES = st.sampled_from([b"A", b"x-b", b"Content-Type", b"Content-Lengths", b"!#$%&'*+-.^_`|~9"])
TEXTS = st.text("az09,:;=\"'\t \xff", max_size=12).map(lambda text: text.strip().encode("latin-1"))
VALUES = TEXTS | st.sampled_from([b"chunked", b"close", b"a\r\n b", b"a \r\n\t \tb", b"15"])
SPACES = st.sampled_from([b"", b" ", b"\t", b"  "])
SIZES = st.sampled_from([b"%x", b"%X", b"0%x"])
EXTENSIONS = st.sampled_from([b"", b";a", b';a="b"', b" ; a=b", b" ", b"\t"])
TRAILERS = st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nContent-Length: 9\r\n"])
CUTS = st.lists(st.integers(0, 2**16), max_size=8)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Reading]:
    """An answer that every client can read, and what it means."""
    status = draw(st.sampled_from([200, 204, 205, 304]) | st.integers(200, 599))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    fields = draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    connection = draw(st.sampled_from([b"", b"close", b"keep-alive", b"a, CLOSE"]))
    if connection:
        fields.append((b"Connection", connection))
    body, framing = b"", "header"
    if status not in {204, 304}:
        body, framing = draw(st.binary(max_size=30)), draw(st.sampled_from(["length", "chunks", "close"]))
    content = body
    if framing == "length":
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunks":
        fields.append((b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"]))))
        chunks = [(draw(SIZES) % len(chunk), draw(EXTENSIONS), chunk) for chunk in parts(body, draw(CUTS))]
        content = b"".join(b"%b%b\r\n%b\r\n" % chunk for chunk in chunks)
        content += b"0%b\r\n%b\r\n" % (draw(EXTENSIONS), draw(TRAILERS))
    fields = draw(st.permutations(fields))
    head = draw(st.sampled_from([b"", b"", INTERIM, INTERIM + b"HTTP/1.1 103 \r\nLink: a\r\n\r\n"]))
    head += b"HTTP/%b %d%b\r\n" % (version, status, draw(st.sampled_from([b"", b" ", b" OK \xff"])))
    head += b"".join(b"%b:%b%b%b\r\n" % (name, draw(SPACES), value, draw(SPACES)) for name, value in fields)
    headers = plain((name, re.sub(rb"\r\n[ \t]+", b" ", value)) for name, value in fields)
    reusable = framing != "close" and version == b"1.1" and b"close" not in connection.lower()
    return head + b"\r\n" + content, Reading(status, headers, body, True, reusable, "")


BITS = st.sampled_from([*(bytes([byte]) for byte in b"\r\n \t\0\f:;,01aH"), b"\r\n", b"\r\n\r\n"])
HOSTILE = st.sampled_from(
    [
        *(f"\r\nContent-Length: {value}".encode("latin-1") for value in ["0", "5", "05", "5, 5", "5\r\n 0", *LENGTHS]),
        *(f"\r\nTransfer-Encoding: {value}".encode() for value in ["chunked", *CODINGS]),
        *(f"\r\n{field}".encode("latin-1") for field in ["Connection: close", "A: b\fc", " folded", *FIELDS]),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An answer, or more, in which something is changed, left out, put in or doubled."""
    data = draw(answers())[0] + draw(st.sampled_from([b"", b"", INTERIM, answer(JOB, LENGTH)]))
    for _ in range(draw(st.integers(1, 3))):
        ends = [found.start() for found in re.finditer(rb"\r\n", data)]
        start = draw(st.integers(0, len(data)) | st.sampled_from([0, *ends]))
        end = start + draw(st.integers(0, 4))
        put_in = draw(st.just(b"") | BITS | HOSTILE | st.just(data[start:end] * 2) | st.binary(max_size=2))
        data = data[:start] + put_in + data[draw(st.sampled_from([start, end])) :]
    return data


@given(answers(), CUTS)
def test_an_answer_is_read_the_same_however_it_is_cut(drawn: tuple[bytes, Reading], cuts: list[int]) -> None:
    data, expected = drawn
    assert expected == read(data)
    assert expected == read(*parts(data, cuts))


def oracle(data: bytes) -> Reading:
    """What h11 reads there, or as much of it as it reads before it gives up."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    status, headers, body, problem = 0, Fields(), b"", ""
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                body += event.data
    except h11.RemoteProtocolError as error:
        problem = str(error)
    reusable = connection.their_state is h11.DONE and not connection.trailing_data[0]
    return Reading(status, headers, body, not problem, reusable, problem)


def is_too_strict(there: Reading, here: Reading, data: bytes) -> bool:
    """Whether h11 refuses what may be read."""
    # RFC 9110, 5.5: control characters other than CR, LF and NUL may be kept.
    if re.match(r"illegal (header|status) line: .*\\x0[bc]", there.problem):
        return True
    # RFC 9112, 7.1.1: there may be spaces before the semicolon.
    if re.match(r"illegal chunk header: \S*'[0-9A-Fa-f]{1,16}( |\\t)+;", there.problem):
        return True
    # RFC 9112, 6.3: these end with their header, whatever it says of a length.
    about_length = "Transfer-Encoding" in there.problem or "Content-Length" in there.problem
    if about_length and (here.status in {204, 304} or data[9:10] == b"1"):
        return True
    # RFC 9112, 7.1.2: a trailer may be discarded. Fields after the header can only be there.
    malformed = "line" in there.problem and not here.reusable
    return there.status > 0 and (about_length or malformed)


def without_framing(headers: Fields) -> Fields:
    """h11 makes one of equal lengths, and lower-cases the coding; the body tells whether they are understood."""
    return [field for field in headers if field[0] not in {b"content-length", b"transfer-encoding"}]


@given(answers().map(lambda drawn: drawn[0]) | mutated(), CUTS)
def test_what_is_read_h11_reads_the_same(data: bytes, cuts: list[int]) -> None:
    here, in_parts, there = read(data), read(*parts(data, cuts)), oracle(data)
    assert here.done == in_parts.done == (not here.problem)
    if here.problem:
        return
    assert here[:3] == in_parts[:3]
    assert there.done or is_too_strict(there, here, data), there.problem
    if there.status:
        assert (there.status, without_framing(there.headers)) == (here.status, without_framing(here.headers))
        assert there.body == (here.body if there.done else here.body[: len(there.body)])
    if there.done:
        assert there.reusable or not here.reusable


@given(st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", answer(b"", CHUNKED)]), st.binary(), CUTS)
def test_of_any_bytes_comes_an_answer_or_one_kind_of_error(start: bytes, rest: bytes, cuts: list[int]) -> None:
    found = read(*parts(start + rest, cuts))
    assert found.done == (not found.problem)
