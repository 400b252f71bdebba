"""One request to a load-balancing endpoint that gets a fault."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from runpod.local.http.long_poll import ClientDisconnectedError

if TYPE_CHECKING:
    from starlette.types import Message, Scope, Send

    from runpod.local.balancer.inbox import Inbox
    from runpod.local.clock import Clock

__all__ = ["Exchange"]


class _Edge(Protocol):
    async def handle(self, scope: Scope, inbox: Inbox, send: Send) -> None: ...

    @staticmethod
    async def cut(scope: Scope, inbox: Inbox) -> None: ...


class Exchange:
    """One request and its connection; implements `faults.Exchange`.

    A WebSocket cannot be processed before its response: a fault that processes it does so afterwards.

    Args:
        edge: Processes the request.
        scope: Scope of the request.
        inbox: The messages of the client.
        send: Sends messages to the client.
        clock: Clock for pauses.
    """

    def __init__(self, edge: _Edge, scope: Scope, inbox: Inbox, send: Send, clock: Clock) -> None:
        self._edge = edge
        self._scope = scope
        self._inbox = inbox
        self._send = send
        self._clock = clock
        self._remaining = 0

    async def process(self) -> Response:
        """Process the request and return the whole response."""
        if self._scope["type"] == "websocket":
            return Response(status_code=101)
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self._edge.handle(self._scope, self._inbox, collect)
        if not messages:
            raise ClientDisconnectedError
        start, *parts = messages
        response = Response(b"".join(part.get("body", b"") for part in parts), start["status"])
        response.raw_headers = list(start["headers"])
        return response

    async def send(self, response: Response, *, size: int | None = None) -> None:
        """Send a response, or its head and the first `size` bytes of its body."""
        if self._scope["type"] == "websocket":
            if response.status_code != 101:
                del response.headers["content-length"]  # As in `Reply`.
                await response(self._scope, self._inbox, self._send)
            elif size is None:
                await self._edge.handle(self._scope, self._inbox, self._send)
        elif size is None:
            await response(self._scope, self._inbox, self._send)
        else:
            start = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
            await self._send(start)
            self._remaining = len(response.body)
            await self.send_more(bytes(response.body[:size]))

    async def send_more(self, content: bytes) -> None:
        """Send more of the body."""
        self._remaining -= len(content)
        await self._send({"type": "http.response.body", "body": content, "more_body": self._remaining > 0})

    async def pause(self, seconds: float) -> None:
        """Wait on the server's clock, while the client is there."""
        loop = asyncio.get_running_loop()
        passed = loop.create_task(self._clock.sleep(seconds))
        disconnect = loop.create_task(self._inbox.watch())
        try:
            await asyncio.wait({passed, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            if disconnect.done():
                raise ClientDisconnectedError
        finally:
            passed.cancel()
            disconnect.cancel()
            await asyncio.wait({passed, disconnect})

    async def cut(self) -> None:
        """Close the connection."""
        await self._edge.cut(self._scope, self._inbox)
