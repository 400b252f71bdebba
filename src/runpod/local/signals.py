"""Signals: thread-safe notifications for any number of listeners."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Signal", "call_soon"]


class Signal:
    """Calls every connected listener, in the thread that fires it.

    A listener must be short, must not raise, and must not call back into the object that fired
    the signal: usually it only does `call_soon(loop, …)`.
    """

    __slots__ = ("_listeners", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[object, Callable[[], None]] = {}

    def connect(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Add a listener, and return the function that removes it."""
        key = object()
        with self._lock:
            self._listeners[key] = listener

        def disconnect() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return disconnect

    def fire(self) -> None:
        """Call every listener once."""
        with self._lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener()


def call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Schedule `callback` on `loop` from any thread; does nothing if the loop is closed.

    The loop can be closed because a handler's thread may outlive its server.

    The callback runs in an empty context: a timer that it sets would otherwise keep the caller's
    context variables, and with them a job and its output, alive.
    """
    try:
        loop.call_soon_threadsafe(callback, context=contextvars.Context())
    except RuntimeError:
        if not loop.is_closed():
            raise
