"""HTTP/1.1 (RFC 9112) as a client reads it: from the bytes of a connection to one answer.

Written here for its speed: a call over h11 takes several times as long as all that the library
does with it. It reads what a client of one API meets: no upgrades, no HEAD, no pipelining. Where
the bytes can mean two things it gives up, and the connection with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# As much as h11 takes: the header of one answer, and of those with 1xx before it, in bytes.
MAX_HEAD = 100 * 1024

# The line with the size of a chunk, in bytes.
_MAX_LINE = 8 * 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n\0]*)?\r\n")
# In none of these can two parts that follow one another match the same: that would take time squared.
_FIELD = re.compile(rb"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\r\n\0]*)\r$", re.MULTILINE)
_FOLD = re.compile(rb"\r\n[ \t]+")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n\0]*)?\r\n")
_PART_OF_CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]{0,16}[ \t]*(?:;[^\r\n\0]*)?\r?")
_LENGTH = re.compile(rb"[0-9]{1,18}")

# What no answer with them has: a body.
BODILESS = frozenset({204, 304})


class BadAnswerError(ConnectionError):
    """What came is not an answer of HTTP, or not all of one."""


class Sink(Protocol):
    """What takes an answer; see `Exchange`."""

    def began(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None: ...
    def received(self, piece: bytes) -> bool: ...


class AnswerReader:
    """Reads one answer, and hands it on as it comes.

    Args:
        sink: Gets the header, and then the body piece by piece.

    Attributes:
        done: The answer is here as a whole, or as far as the sink had use for it.
        reusable: It is done, and the connection is good for another request.
    """

    __slots__ = ("_buffer", "_left", "_persistent", "_read", "_room", "_sink", "done", "reusable")

    def __init__(self, sink: Sink) -> None:
        self.done = False
        self.reusable = False
        self._sink = sink
        # Whether the server keeps the connection.
        self._persistent = False
        # What takes the next bytes, after what could not be used yet. Not bound to this reader: it would hold itself,
        # and with it the body, until the garbage is collected.
        self._read: Callable[[AnswerReader, bytes], None] = AnswerReader._head
        self._buffer = b""
        # How much of the body, or of the chunk, is still to come.
        self._left = 0
        # How many bytes of headers may still come.
        self._room = MAX_HEAD

    def feed(self, data: bytes) -> None:
        """Takes what came, none of which may be lost even where it cannot be read.

        Raises:
            BadAnswerError: It is not HTTP.
        """
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        self._read(self, data)

    def end(self) -> None:
        """The connection was closed.

        Raises:
            BadAnswerError: In the middle of an answer.
        """
        if self._read is AnswerReader._until_closed:
            self.done = True
            return
        began = self._read is not AnswerReader._head or self._buffer
        where = "in the middle of its answer" if began else "without an answer"
        msg = f"the server closed the connection {where}"
        raise BadAnswerError(msg)

    def _head(self, data: bytes) -> None:
        while (end := data.find(b"\r\n\r\n") + 2) >= 2:
            rest = data[end + 2 :]
            line = _STATUS_LINE.match(data, 0, end)
            if line is None:
                unlike = data if not data.startswith(b"HTTP/1.") else rest
                self._refuse(unlike, "the first line of the answer is not one of HTTP/1.1")
            fields = data[line.end() : end]
            if b"\n " in fields or b"\n\t" in fields:
                fields = _FOLD.sub(b" ", fields)
            headers = [(name, value.strip(b" \t")) for name, value in _FIELD.findall(fields)]
            if len(headers) != fields.count(b"\n"):
                self._refuse(rest, "the header of the answer is malformed")
            self._room -= end + 2
            if self._room < 0:
                self._refuse(rest, "the header of the answer is too long")
            status = int(line[2])
            if status >= 200 or status == 101:
                self._frame(status, headers, rest, persistent=line[1] == b"1")
                return
            # Not yet the answer.
            data = rest
        if not b"HTTP/1.".startswith(data[:7]):
            self._refuse(data, "what came is not HTTP/1.1")
        if b"\n\n" in data:
            self._refuse(data.partition(b"\n\n")[2], "the header of the answer is malformed")
        if len(data) > self._room:
            self._refuse(b"", "the header of the answer is too long")
        self._buffer = data

    def _frame(self, status: int, headers: list[tuple[bytes, bytes]], rest: bytes, *, persistent: bool) -> None:
        """Finds out how long the body is: RFC 9112, section 6.3."""
        lengths: list[bytes] = []
        codings: list[bytes] = []
        for name, value in headers:
            # Their lengths tell most names apart.
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                lengths.append(value)
            elif size == 17 and name.lower() == b"transfer-encoding":
                codings.append(value.lower())
            elif size == 10 and name.lower() == b"connection" and b"close" in value.lower():
                persistent = False
        self._sink.began(status, headers)
        self._persistent = persistent
        if len(lengths) > 1 or (lengths and b"," in lengths[0]):
            # The same one, said again, will do.
            lengths = list({part.strip(b" \t") for length in lengths for part in length.split(b",")})
        if status == 101 or len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
            self._refuse(rest, "the length of the answer cannot be told")
        if status in BODILESS:
            if status == 204 and (lengths or codings):
                # RFC 9112, 6.1 and RFC 9110, 8.6: it must not have them, so who knows what comes.
                self._persistent = False
            self._finish(rest)
        elif codings == [b"chunked"]:
            if lengths:
                self._persistent = False
            self._go_on(AnswerReader._chunk_line, rest)
        elif codings:
            self._refuse(rest, "the answer has a transfer encoding that was not asked for")
        elif lengths:
            self._left = int(lengths[0])
            if self._left:
                self._go_on(AnswerReader._of_known_length, rest)
            else:
                self._finish(rest)
        else:
            self._go_on(AnswerReader._until_closed, rest)

    def _go_on(self, read: Callable[[AnswerReader, bytes], None], data: bytes) -> None:
        self._read = read
        if data:
            read(self, data)

    def _of_known_length(self, data: bytes) -> None:
        piece = data[: self._left]
        self._left -= len(piece)
        if self._take(piece) and not self._left:
            self._finish(data[len(piece) :])

    def _until_closed(self, data: bytes) -> None:
        self._take(data)

    def _chunk_line(self, data: bytes) -> None:
        # In a loop from here on: a body can come in very many chunks.
        at = 0
        while True:
            line = _CHUNK_LINE.match(data, at)
            if line is None or line.end() - at > _MAX_LINE:
                rest = data[at:]
                if line is not None or len(rest) > _MAX_LINE or not _PART_OF_CHUNK_LINE.fullmatch(rest):
                    self._refuse(rest, "the answer is not in the chunks that it says")
                self._read, self._buffer = AnswerReader._chunk_line, rest
                return
            at, self._left = line.end(), int(line[1], 16)
            if not self._left:
                self._go_on(AnswerReader._trailer, data[at:])
                return
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if piece and not self._take(piece):
                return
            if self._left or len(data) < at + 2:
                self._read = AnswerReader._chunk
                if not self._left:
                    self._buffer = data[at:]
                return
            if data[at : at + 2] != b"\r\n":
                self._refuse(data[at:], "the answer is not in the chunks that it says")
            at += 2

    def _chunk(self, data: bytes) -> None:
        """Within a chunk, or before the end of its last line."""
        if self._left:
            piece = data[: self._left]
            self._left -= len(piece)
            if not self._take(piece):
                return
            data = data[len(piece) :]
            if self._left:
                return
        if len(data) < 2:
            self._buffer = data
        elif data[:2] != b"\r\n":
            self._refuse(data, "the answer is not in the chunks that it says")
        else:
            self._go_on(AnswerReader._chunk_line, data[2:])

    def _trailer(self, data: bytes) -> None:
        """Fields after the last chunk, for which there is no use."""
        if data[:2] == b"\r\n":
            self._finish(data[2:])
            return
        end = data.find(b"\r\n\r\n") + 2
        if (end + 2 if end >= 2 else len(data)) > self._room:
            self._refuse(b"", "the trailer of the answer is too long")
        if end < 2:
            self._buffer = data
            return
        fields = _FOLD.sub(b" ", data[:end])
        if len(_FIELD.findall(fields)) != fields.count(b"\n"):
            self._persistent = False
        self._finish(data[end + 2 :])

    def _take(self, piece: bytes) -> bool:
        if self._sink.received(piece):
            return True
        self.done = True
        return False

    def _finish(self, rest: bytes) -> None:
        self.done = True
        # Nothing was asked that the rest could be the answer to.
        self.reusable = self._persistent and not rest

    def _refuse(self, rest: bytes, problem: str) -> NoReturn:
        # The id of a job in it must not be lost.
        self._sink.received(rest)
        raise BadAnswerError(problem)
