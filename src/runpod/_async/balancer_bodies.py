"""Bodies of requests and responses that pass through a load balancer's HTTP client."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx

from runpod._async.engine import RequestBody
from runpod._async.open_response import discard
from runpod._http.byte_streams import AsyncByteStream
from runpod._protocol.balancing import MAX_REFUSAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class RepeatableBody(RequestBody):
    """A request body in memory."""

    can_restart = can_repeat = True


class AsyncSingleUseBody(AsyncByteStream):
    """A request body that can be read once, such as a generator or an open file.

    Until its second piece is read, it can be started again: httpcore does that if a connection turns out to be stale when
    the first piece is to be sent.
    """

    # Whether the request can be sent again.
    can_repeat = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pieces: AsyncIterator[bytes] | None = None
        self._first: bytes | None = None
        self._repeats = False
        self._taken = 0

    @property
    def can_restart(self) -> bool:
        """Whether the request can be sent again if nothing of it was sent."""
        return self._taken <= 1

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._pieces is None:
            self._pieces = self._stream.__aiter__()
        elif not self.can_restart:
            raise httpx.StreamConsumed
        self._repeats = self._taken == 1
        return self

    async def __anext__(self) -> bytes:
        if self._repeats and self._first is not None:
            self._repeats = False
            return self._first
        assert self._pieces is not None
        piece = await anext(self._pieces)
        self._taken += 1
        self._first = piece if self._taken == 1 else None
        return piece


class AsyncResponseBody(AsyncByteStream):
    """The body of a response that is passed on piece by piece, as it arrives, still encoded."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        # A mock or an event hook may have read it, which decodes it.
        self._was_read = response.is_stream_consumed
        self._pieces = response.aiter_raw()
        self._start = b""

    async def peek(self) -> bytes | None:
        """The whole body, decoded, if it is short; otherwise None, after its beginning was read."""
        if self._was_read:
            return self._response.content
        async for piece in self._pieces:
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

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._start:
            start, self._start = self._start, b""
            return start
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Closes the response that was received."""
        await discard(self._response, self._pieces)
