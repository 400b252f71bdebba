"""The clients of the `websockets` package, as a pair of an async and a sync one."""

from websockets.asyncio.client import connect as async_connect_websocket
from websockets.sync.client import connect as connect_websocket

__all__ = ["async_connect_websocket", "connect_websocket"]
