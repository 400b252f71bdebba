"""Reads the body of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod.local.http.long_poll import ClientDisconnectedError

if TYPE_CHECKING:
    from starlette.types import Receive

__all__ = ["read_body"]


async def read_body(receive: Receive, limit: int) -> tuple[bytes, bool]:
    """Read a body to its end, keeping at most `limit` bytes; return it, and whether it is complete.

    A body that is too large is read to its end as well: a client that is still sending would
    otherwise see a connection reset instead of the response.
    """
    kept = bytearray()
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        part: bytes = message.get("body", b"")
        size += len(part)
        kept += part[: limit - len(kept)]
        if not message.get("more_body", False):
            return bytes(kept), size <= limit
