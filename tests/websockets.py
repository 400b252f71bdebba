"""A server of WebSockets, and the clients of the `websockets` package, in pairs of an async and a sync one."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect as async_connect_websocket
from websockets.sync.client import connect as connect_websocket
from websockets.sync.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.server import ServerConnection

__all__ = ["async_connect_websocket", "connect_websocket", "echo_server"]


def _echo(connection: ServerConnection) -> None:
    """Sends the path and the headers that matter, then every message."""
    request = connection.request
    assert request is not None
    for text in (request.path, request.headers["Authorization"], request.headers.get("X-Runpod-Worker-Id", "any")):
        connection.send(text)
    for message in connection:
        connection.send(message)


@contextmanager
def echo_server() -> Iterator[int]:
    """Serves WebSockets on the port that it yields."""
    with serve(_echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()
