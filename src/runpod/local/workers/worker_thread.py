"""The thread in which a worker runs sync handlers."""

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
    """A daemon thread that runs one call at a time.

    Not an executor: executors wait for their threads at interpreter shutdown, and a handler that
    sleeps for an hour must not block it. All calls run in the same thread, because resources of
    handlers (database connections, GPU contexts) are often bound to the thread that created them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<WorkerThread {self._name}>"

    async def run(self, function: Callable[[], T]) -> T:
        """Call `function` in the thread and return its result. It must not raise.

        It runs in a copy of the caller's context.
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
        """End the thread after its current call, without waiting."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # Otherwise the last result stays alive until the next job.
