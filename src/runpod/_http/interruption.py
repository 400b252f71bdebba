"""Ends a read of a response, in a pair like `runpod._primitives`."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


def async_interrupt(_response: httpx.Response) -> None:
    """Does nothing: the task that reads is cancelled."""


def interrupt(response: httpx.Response) -> None:
    """Ends the read of another thread, which finds that the connection has ended.

    Without effect if the transport of a caller's client does not give access to the connection.
    """
    stream: Any = response.extensions.get("network_stream")
    # Closing it would not wake the thread.
    with suppress(OSError, AttributeError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
