"""The thread in which a worker runs what would block an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

from runpod.local.signals import call_soon

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WorkerThread"]

T = TypeVar("T")


class WorkerThread:
    """One daemon thread that runs one call at a time, always the same thread.

    Not an executor: those wait for their threads when the interpreter ends, and a handler that
    sleeps for an hour must keep nobody waiting. The same thread every time, because what handlers
    hold on to (database connections, GPU contexts) often belongs to the thread that made it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<WorkerThread {self._name}>"

    async def run(self, function: Callable[[], T]) -> T:
        """Call `function` in the thread and wait for what it gives. It must not raise.

        It sees the context variables of whoever waits.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def call() -> None:
            result = context.run(function)

            def deliver() -> None:
                if not done.done():
                    done.set_result(result)

            call_soon(loop, deliver)

        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._calls.put(call)
        return await done

    def close(self) -> None:
        """Let the thread end after the call it is in, if it is in one. Waits for nothing."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # Or what the last handler returned would live until the next job.
