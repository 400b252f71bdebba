"""What a client sends: buffered while its request waits for a worker, measured, and recorded."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Receive

__all__ = ["Inbox"]

# Bytes.
_RECORDED = 64 * 1024
_BUFFERED = 64 * 1024


class Inbox:
    """The messages of one request; calling it returns the next one, as ASGI's `receive`.

    Args:
        receive: Returns the messages of the connection.
        limit: Maximum bytes of a request body. Beyond it, the request looks like one whose client has disconnected.
        record: Called once, with the beginning of the body, when it is complete.
    """

    def __init__(self, receive: Receive, *, limit: int, record: Callable[[bytes], None]) -> None:
        self.disconnected: bool = False
        """Whether the client has disconnected."""
        self.too_large: bool = False
        """Whether the body exceeds the limit."""
        self.on_overflow: Callable[[], object] | None = None
        """Called when the body exceeds the limit."""
        self._receive = receive
        self._limit = limit
        self._record: Callable[[bytes], None] | None = record
        self._messages: deque[Message] = deque()
        self._size = 0
        self._beginning = bytearray()
        self._ended = False

    def __repr__(self) -> str:
        return f"<Inbox {self._size} bytes>"

    async def __call__(self) -> Message:
        """Return the next message."""
        return self._messages.popleft() if self._messages else await self._next()

    async def watch(self) -> None:
        """Buffer messages until the client disconnects."""
        while not self.disconnected:
            if self._size >= _BUFFERED and not self._ended:
                # The rest stays in the connection; a client that disconnects now is noticed later.
                await asyncio.Event().wait()
            self._messages.append(await self._next())

    async def fill(self) -> None:
        """Buffer messages until the body has ended."""
        while not self._ended and not self.disconnected and not self.too_large:
            self._messages.append(await self._next())

    async def drain(self) -> None:
        """Discard the rest of the body: a client that is still sending would not see the response."""
        while not self._ended and not self.disconnected:
            self._inspect(await self._receive())

    async def wait_disconnected(self) -> None:
        """Wait until the client has disconnected."""
        while not self.disconnected:
            self._inspect(await self._receive())

    def complete(self) -> None:
        """Record the request, if it has not been recorded yet."""
        record, self._record = self._record, None
        if record is not None:
            record(bytes(self._beginning))

    async def _next(self) -> Message:
        if self.too_large:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._inspect(message)
        if self.too_large:
            if self.on_overflow is not None:
                self.on_overflow()
                await asyncio.sleep(0)  # Lets it cancel the application here, which could answer a disconnect.
            return {"type": "http.disconnect"}
        return message

    def _inspect(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.request":
            part: bytes = message.get("body", b"")
            self._size += len(part)
            self._beginning += part[: _RECORDED - len(self._beginning)]
            self.too_large = self._size > self._limit
            self._ended = not message.get("more_body", False)
        elif kind == "websocket.connect":
            self._ended = True
        elif kind in {"http.disconnect", "websocket.disconnect"}:
            self.disconnected = True
        if self._ended or self.disconnected:
            self.complete()
