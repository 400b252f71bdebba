"""Passes HTTP requests on to a worker process."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import httpx

from runpod.local.balancer.host import WorkerConnectionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

__all__ = ["HTTPProxy", "end_to_end"]

# Headers of one connection, which are not passed on.
_CONNECTION_HEADERS = frozenset(
    (
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

_CONNECT_TIMEOUT = 5.0  # seconds
_PROBE_TIMEOUT = 5.0  # seconds


def end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers that a proxy passes on."""
    return [(name, value) for name, value in headers if name.lower() not in _CONNECTION_HEADERS]


class HTTPProxy:
    """Sends requests to ports of this machine, streaming bodies in both directions."""

    def __init__(self) -> None:
        # A connection per request: a worker may close an idle one at the very moment of the next request.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    def __repr__(self) -> str:
        return "<HTTPProxy>"

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def probe(self, port: int, path: str) -> int | None:
        """Return the status of a GET request, or None if there was no response."""
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), _PROBE_TIMEOUT)
        request = httpx.Request("GET", f"http://127.0.0.1:{port}{path}", extensions={"timeout": timeout})
        try:
            response = await self._transport.handle_async_request(request)
            await response.aclose()
        except httpx.TransportError:
            return None
        return response.status_code

    async def forward(self, port: int, target: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request, and its response; abandoned when the client disconnects.

        Raises:
            WorkerConnectionError: The worker does not accept connections, or broke this one.
        """
        loop = asyncio.get_running_loop()
        body_ended = asyncio.Event()
        body = None
        if any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"]):
            body = _body(receive, body_ended)
        else:
            body_ended.set()
        exchange = loop.create_task(self._exchange(port, target, scope, body, send))
        disconnect = loop.create_task(_wait_for_disconnect(receive, body_ended))
        try:
            await asyncio.wait({exchange, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            disconnect.cancel()
            if not exchange.done():
                exchange.cancel()
            await asyncio.gather(exchange, disconnect, return_exceptions=True)
        if not exchange.cancelled():
            exchange.result()

    async def _exchange(
        self, port: int, target: bytes, scope: Scope, body: AsyncIterator[bytes] | None, send: Send
    ) -> None:
        request = httpx.Request(
            scope["method"],
            f"http://127.0.0.1:{port}/",
            headers=end_to_end(scope["headers"]),
            content=body,
            extensions={
                "target": target,
                "timeout": {"connect": _CONNECT_TIMEOUT, "read": None, "write": None, "pool": None},
            },
        )
        try:
            response = await self._transport.handle_async_request(request)
            try:
                await _pass_on(response, send, bodiless=scope["method"] == "HEAD")
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise WorkerConnectionError(type(error).__name__) from error


async def _pass_on(response: httpx.Response, send: Send, *, bodiless: bool) -> None:
    start = {"type": "http.response.start", "status": response.status_code}
    await send({**start, "headers": end_to_end(response.headers.raw)})
    # The response ends with its last byte, as it does for the client, not with the worker's end of the connection.
    bodiless = bodiless or response.status_code in {204, 304}
    length = "0" if bodiless else response.headers.get("content-length", "")
    remaining = int(length) if length.isdigit() else None
    if remaining != 0:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for chunk in response.stream:
            remaining = None if remaining is None else remaining - len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": remaining != 0})
            if remaining == 0:
                return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class _ClientDisconnectedError(Exception):
    """The client has disconnected before the end of its request."""


async def _body(receive: Receive, ended: asyncio.Event) -> AsyncIterator[bytes]:
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientDisconnectedError
            yield message.get("body", b"")
            if not message.get("more_body", False):
                return
    finally:
        ended.set()


async def _wait_for_disconnect(receive: Receive, body_ended: asyncio.Event) -> None:
    await body_ended.wait()
    with contextlib.suppress(_ClientDisconnectedError):
        while (await receive())["type"] != "http.disconnect":
            pass
