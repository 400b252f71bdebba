"""A bell that any thread may ring and any number of listeners may hear."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Signal", "call_soon"]


class Signal:
    """Calls every connected listener, in the thread of whoever fires it.

    A listener must be short, must not raise, and must not call back into what fired it: it
    usually does nothing but `call_soon(loop, …)`.
    """

    __slots__ = ("_listeners", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[object, Callable[[], None]] = {}

    def connect(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Add a listener; gives the function that takes it away again."""
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
    """Run `callback` on `loop`, from any thread; does nothing once the loop is closed.

    A handler in a thread may outlive the server it belongs to: nobody is left to be told then.

    The context variables of whoever calls are none of the callback's business: a timer that it sets
    would keep them, and with them a job and its output, for as long as it runs.
    """
    try:
        loop.call_soon_threadsafe(callback, context=contextvars.Context())
    except RuntimeError:
        if not loop.is_closed():
            raise
