"""The extra `aiohttp`: its parser, which is written in C, in place of the library's own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp.http_parser import HttpResponseParser
from aiohttp.http_writer import HttpVersion11

from runpod._protocol.http1 import BODILESS, MAX_HEAD, AnswerReader, BadAnswerError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohttp.http_parser import RawResponseMessage
    from aiohttp.streams import StreamReader

    from runpod._protocol.http1 import Sink

if HttpResponseParser.__module__ != "aiohttp._http_parser":
    # The one in Python is slower than the library's own, and takes what it should not.
    msg = "aiohttp has no parser in C here"
    raise ImportError(msg)

# Bytes after which the parser asks for a pause. None is made: what it has is taken after every feed.
_LIMIT = 2**20


class _Unpaused:
    """What the parser takes for a connection that it can pause."""

    _reading_paused = False
    connected = True

    def pause_reading(self, *_: Any, **__: Any) -> None: ...
    def resume_reading(self, *_: Any, **__: Any) -> None: ...


def readers(loop: asyncio.AbstractEventLoop) -> Callable[[Sink], AiohttpReader]:
    """What reads the answers of one connection, one after another."""
    unpaused: Any = _Unpaused()
    parser = HttpResponseParser(
        unpaused,
        loop,
        _LIMIT,
        max_line_size=MAX_HEAD,
        max_field_size=MAX_HEAD,
        response_with_body=True,
        read_until_eof=True,
        auto_decompress=False,
    )

    def reader(sink: Sink) -> AiohttpReader:
        return AiohttpReader(parser, sink)

    return reader


class AiohttpReader:
    """Reads one answer, and hands it on as it comes; see `AnswerReader`."""

    __slots__ = ("_came", "_message", "_own", "_parser", "_payload", "_sink", "done", "reusable")

    def __init__(self, parser: Any, sink: Sink) -> None:
        self.done = False
        self.reusable = False
        self._parser = parser
        self._sink = sink
        # What came, until the header was read.
        self._came = b""
        # What goes on where that of aiohttp gave up.
        self._own: AnswerReader | None = None
        self._message: RawResponseMessage | None = None
        self._payload: StreamReader | None = None

    def feed(self, data: bytes) -> None:
        """Takes what came, none of which may be lost even where it cannot be read.

        Raises:
            BadAnswerError: It is not HTTP.
        """
        if self._own is not None:
            self._read_by_own(data)
            return
        if self._payload is None:
            self._came += data
        try:
            messages, _, _ = self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - it asserts as well
            # Its text quotes what came, and what came may quote the input and the key.
            problem = f"the answer cannot be read ({type(error).__name__})"
        else:
            self._take(messages, data)
            return
        if self._payload is None:
            # It keeps to itself what it could read, and the id of a job must not be lost: so it is read once more.
            self._own = AnswerReader(self._sink)
            self._read_by_own(self._came)
            return
        self._sink.received(self._payload.read_nowait())
        raise BadAnswerError(problem)

    def _read_by_own(self, data: bytes) -> None:
        assert self._own is not None
        self._own.feed(data)
        self.done = self._own.done

    def _take(self, messages: tuple[tuple[RawResponseMessage, StreamReader], ...], data: bytes) -> None:
        # What comes after an answer is the answer to nothing.
        head, more = 0, False
        for message, payload in messages:
            if 100 <= message.code < 200 and message.code != 101:
                continue
            if self._payload is not None:
                more = True
                continue
            self._message, self._payload = message, payload
            self._came = b""
            # Not where the header ends in several pieces: then this is not known.
            head = data.find(b"\r\n\r\n") + 4
            more = head < 4
            self._sink.began(message.code, message.raw_headers)
        if self._payload is None or self._message is None:
            return
        piece = self._payload.read_nowait()
        if piece and not self._sink.received(piece):
            self.done = True
        elif self._payload.at_eof():
            self.done = True
            whole = data.endswith(b"\r\n\r\n") if self._message.chunked else len(data) == head + len(piece)
            # It does not tell a 204 or 304 with a length, after which nobody knows what comes.
            usual = self._message.version == HttpVersion11 and self._message.code not in {101, *BODILESS}
            self.reusable = whole and usual and not more and not self._message.should_close

    def end(self) -> None:
        """The connection was closed.

        Raises:
            BadAnswerError: In the middle of an answer.
        """
        if self._payload is None:
            if self._own is None:
                self._own = AnswerReader(self._sink)
                self._own.feed(self._came)
            self._own.end()
            self.done = True
            return
        with suppress(Exception):  # as above
            self._parser.feed_eof()
            self.done = self._payload.at_eof()
        if not self.done:
            msg = "the server closed the connection in the middle of its answer"
            raise BadAnswerError(msg)
