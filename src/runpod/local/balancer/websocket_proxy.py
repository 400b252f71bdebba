"""Passes WebSocket connections on to a worker process."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from runpod.local.balancer.host import WorkerConnectionError
from runpod.local.balancer.http_proxy import end_to_end

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send
    from websockets.asyncio.client import ClientConnection
    from websockets.http11 import Response
    from websockets.typing import Subprotocol

__all__ = ["forward_websocket"]

# Seconds. The worker listens on this machine, but may accept a connection only after some work.
_OPEN_TIMEOUT = 60.0
_CLOSE_TIMEOUT = 1.0

# It reports normal events of connections, too.
_logger = logging.getLogger("runpod.local.websocket")
_logger.setLevel(logging.ERROR)


async def forward_websocket(port: int, target: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    """Open the same connection to a worker, and pass on all messages until one side closes it.

    Raises:
        WorkerConnectionError: The worker does not accept connections.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException

    class Connect(connect):
        def process_redirect(self, exc: Exception) -> Exception | str:
            return exc  # Redirects are passed on, too.

    await receive()  # websocket.connect
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in end_to_end(scope["headers"])
        if name != b"host" and not name.startswith(b"sec-websocket-")
    ]
    try:
        connection = await Connect(
            f"ws://127.0.0.1:{port}{target.decode('ascii')}",
            additional_headers=headers,
            subprotocols=cast("list[Subprotocol]", scope["subprotocols"]) or None,
            user_agent_header=None,
            compression=None,
            proxy=None,
            max_size=None,
            ping_interval=None,
            open_timeout=_OPEN_TIMEOUT,
            close_timeout=_CLOSE_TIMEOUT,
            logger=_logger,
        )
    except InvalidStatus as error:
        await _refuse(error.response, send)
        return
    except (OSError, TimeoutError, asyncio.TimeoutError, WebSocketException) as error:
        raise WorkerConnectionError(type(error).__name__) from error
    async with connection:
        await send({"type": "websocket.accept", "subprotocol": connection.subprotocol})
        await _exchange(connection, receive, send)


async def _refuse(response: Response, send: Send) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.raw_items()
    ]
    start = {"type": "websocket.http.response.start", "status": response.status_code}
    await send({**start, "headers": end_to_end(headers)})
    await send({"type": "websocket.http.response.body", "body": bytes(response.body), "more_body": False})


async def _exchange(connection: ClientConnection, receive: Receive, send: Send) -> None:
    loop = asyncio.get_running_loop()
    to_worker = loop.create_task(_to_worker(connection, receive))
    to_client = loop.create_task(_to_client(connection, send))
    try:
        await asyncio.wait({to_worker, to_client}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        to_worker.cancel()
        to_client.cancel()
        await asyncio.gather(to_worker, to_client, return_exceptions=True)


async def _to_worker(connection: ClientConnection, receive: Receive) -> None:
    from websockets.exceptions import ConnectionClosed

    while (message := await receive())["type"] != "websocket.disconnect":
        text = message.get("text")
        try:
            await connection.send(text if text is not None else message["bytes"])
        except ConnectionClosed:
            # The other task passes this on to the client.
            await asyncio.Event().wait()
    code = message.get("code", 1005)
    # 1005 and 1006 say that there was no code; they cannot be sent.
    await connection.close(1000 if code in {1005, 1006} else code, message.get("reason") or "")


async def _to_client(connection: ClientConnection, send: Send) -> None:
    from websockets.exceptions import ConnectionClosed

    while True:
        try:
            data = await connection.recv()
        except ConnectionClosed:
            break
        kind = "text" if isinstance(data, str) else "bytes"
        await send({"type": "websocket.send", kind: data})
    code = connection.close_code
    if code is None or code == 1006:
        code = 1011  # The worker has gone; 1006 cannot be sent.
    await send(
        {"type": "websocket.close", "code": 1000 if code == 1005 else code, "reason": connection.close_reason or ""}
    )
