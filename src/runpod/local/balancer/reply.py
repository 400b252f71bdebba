"""What a worker, or the edge in front of it, sends to a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod.local.balancer.affinity import WORKER_ID_HEADER
from runpod.local.json_text import encode, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Message, Send

__all__ = ["Reply"]

_WORKER_ID = WORKER_ID_HEADER.encode()


class Reply:
    """The response to one request; calling it sends a message of the worker, as ASGI's `send`.

    Args:
        send: Sends messages to the client.
        limit: Maximum bytes of a response body.
        websocket: Whether the request is the handshake of a WebSocket.
    """

    def __init__(self, send: Send, *, limit: int, websocket: bool) -> None:
        self.worker_id = ""
        """The worker that serves the request."""
        self.started: bool = False
        self.ended: bool = False
        self.too_large: bool = False
        """Whether the body exceeds the limit. Nothing is sent after that."""
        self.on_overflow: Callable[[], object] | None = None
        """Called when the body exceeds the limit."""
        self.disconnected: bool = False
        """Whether a message could not be sent."""
        self._send = send
        self._limit = limit
        self._websocket = websocket
        self._size = 0

    def __repr__(self) -> str:
        return f"<Reply {self._size} bytes>"

    async def __call__(self, message: Message) -> None:
        """Send a message of the worker."""
        kind: str = message["type"]
        if kind == "websocket.close" and not self.started:
            # Like the server that the worker would run with, but with the header.
            await self(_start(403, [], websocket=True))
            await self({"type": "websocket.http.response.body", "body": b"", "more_body": False})
            return
        if kind.endswith("response.start") or kind == "websocket.accept":
            headers = [(name, value) for name, value in message.get("headers", []) if name.lower() != _WORKER_ID]
            length = next((value for name, value in headers if name.lower() == b"content-length"), b"0")
            self._measure(int(length) if length.isdigit() else 0)
            headers = [*headers, (_WORKER_ID, self.worker_id.encode())]
            message = {**message, "headers": _without_length(headers) if kind.startswith("websocket") else headers}
        elif kind.endswith("response.body"):
            self._size += len(message.get("body", b""))
            self._measure(self._size)
        if self.too_large:
            return
        self.started = True
        await self._pass_on(message)
        # Not if that raised an exception: the body may be shorter than its declared length.
        if kind == "websocket.close" or (kind.endswith("response.body") and not message.get("more_body", False)):
            self.ended = True

    async def refuse(self, status: int, body: Mapping[str, Any]) -> None:
        """Send a response of the edge, which names no worker."""
        await self._send_whole(status, to_bytes(encode(dict(body))), b"application/json", [])

    async def fail(self) -> None:
        """Send the response of a server whose application raised an exception."""
        if self._websocket and self.started:
            await self._pass_on({"type": "websocket.close", "code": 1011, "reason": ""})
            return
        content_type = b"text/plain; charset=utf-8"
        await self._send_whole(500, b"Internal Server Error", content_type, [(_WORKER_ID, self.worker_id.encode())])

    async def _send_whole(self, status: int, body: bytes, kind: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.started = self.ended = True
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *headers]
        start = _start(status, _without_length(headers) if self._websocket else headers, websocket=self._websocket)
        await self._pass_on(start)
        await self._pass_on({"type": start["type"].replace("start", "body"), "body": body, "more_body": False})

    async def _pass_on(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:  # Raised for a WebSocket whose client has disconnected.
            self.disconnected = True
            raise

    def _measure(self, size: int) -> None:
        if size > self._limit and not self.too_large:
            self.too_large = True
            if self.on_overflow is not None:
                self.on_overflow()


def _without_length(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a refused WebSocket: uvicorn adds the length, older versions a second one."""
    return [(name, value) for name, value in headers if name.lower() != b"content-length"]


def _start(status: int, headers: list[tuple[bytes, bytes]], *, websocket: bool) -> Message:
    kind = "websocket.http.response.start" if websocket else "http.response.start"
    return {"type": kind, "status": status, "headers": headers}
