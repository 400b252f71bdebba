# Generated from src/runpod/_async/balancer_bodies.py by scripts/generate_sync.py. Do not edit.

"""Bodies of requests and responses that pass through a load balancer's HTTP client."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx

from runpod._sync.engine import RequestBody
from runpod._sync.open_response import discard
from runpod._http.byte_streams import ByteStream
from runpod._protocol.balancing import MAX_REFUSAL

if TYPE_CHECKING:
    from collections.abc import Iterator


class RepeatableBody(RequestBody):
    """A request body in memory."""

    can_restart = can_repeat = True


class SingleUseBody(ByteStream):
    """A request body that can be read once, such as a generator or an open file.

    Until its second piece is read, it can be started again: httpcore does that if a connection turns out to be stale when
    the first piece is to be sent.
    """

    # Whether the request can be sent again.
    can_repeat = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pieces: Iterator[bytes] | None = None
        self._first: bytes | None = None
        self._repeats = False
        self._taken = 0

    @property
    def can_restart(self) -> bool:
        """Whether the request can be sent again if nothing of it was sent."""
        return self._taken <= 1

    def __iter__(self) -> Iterator[bytes]:
        if self._pieces is None:
            self._pieces = self._stream.__iter__()
        elif not self.can_restart:
            raise httpx.StreamConsumed
        self._repeats = self._taken == 1
        return self

    def __next__(self) -> bytes:
        if self._repeats and self._first is not None:
            self._repeats = False
            return self._first
        assert self._pieces is not None
        piece = next(self._pieces)
        self._taken += 1
        self._first = piece if self._taken == 1 else None
        return piece


class ResponseBody(ByteStream):
    """The body of a response that is passed on piece by piece, as it arrives, still encoded."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        # A mock or an event hook may have read it, which decodes it.
        self._was_read = response.is_stream_consumed
        self._pieces = response.iter_raw()
        self._start = b""

    def peek(self) -> bytes | None:
        """The whole body, decoded, if it is short; otherwise None, after its beginning was read."""
        if self._was_read:
            return self._response.content
        for piece in self._pieces:
            self._start += piece
            if len(self._start) > MAX_REFUSAL:
                return None
        with suppress(httpx.DecodingError):
            return httpx.Response(200, headers=self._response.headers, content=self._start).content
        return None

    def passed_on(self) -> httpx.Response:
        """The response for the caller's request."""
        theirs = self._response
        headers = httpx.Headers(theirs.headers)
        stream: Any = self
        if self._was_read:
            stream = httpx.ByteStream(theirs.content)
            if headers.pop("content-encoding", None) is not None:
                headers.pop("content-length", None)
        return httpx.Response(theirs.status_code, headers=headers, stream=stream, extensions=theirs.extensions)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._start:
            start, self._start = self._start, b""
            return start
        return next(self._pieces)

    def close(self) -> None:
        """Closes the response that was received."""
        discard(self._response, self._pieces)
