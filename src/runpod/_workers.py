"""Background workers, and the iteration over inputs, in pairs like `runpod._primitives`."""

from __future__ import annotations

import atexit
import contextvars
import os
import sys
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runpod._primitives import async_connection_key, is_trio

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from anyio import CancelScope, Event
    from typing_extensions import Self


class AsyncWorkers:
    """Runs a function in background tasks, which belong to no task group.

    Args:
        work: The function. It must not raise errors.
        close: Ends all work. Called when the process exits, if that ends the workers.
    """

    # Every job can have a task of its own.
    MAX_SUBMITTING: int = sys.maxsize
    MAX_POLLING: int = sys.maxsize

    def __init__(self, work: Callable[[], Awaitable[None]], close: Callable[[], object]) -> None:  # noqa: ARG002
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._scopes: set[CancelScope] = set()
        self._count = 0
        self._ended: list[Event] = []
        self._home: tuple[int, Any] | None = None

    def add(self) -> None:
        """Starts one more worker."""
        self._count += 1
        self._home = async_connection_key()
        if is_trio():
            import trio

            trio.lowlevel.spawn_system_task(self._run_on_trio, context=contextvars.copy_context())
        else:
            import asyncio

            task = asyncio.get_running_loop().create_task(self._run())
            # The loop has only weak references.
            self._tasks.add(task)
            task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
        self._one_ended()

    async def _run_on_trio(self) -> None:
        try:
            await self._run()
        finally:
            self._one_ended()

    def _one_ended(self) -> None:
        self._count -= 1
        while self._ended and not self._count:
            self._ended.pop().set()

    async def _run(self) -> None:
        import anyio
        import anyio.lowlevel

        _workers_here.set(self)
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                # Not within the call that starts it, as with asyncio.eager_task_factory.
                await anyio.lowlevel.checkpoint()
                await self._work()
            finally:
                self._scopes.discard(scope)

    def abandon(self) -> None:
        """Cancels the workers that are busy."""
        # Each once: every worker that ends calls this.
        while self._scopes:
            self._scopes.pop().cancel()

    async def join(self) -> None:
        """Waits until the workers have ended. In a worker, which the inputs can call it in, it does not wait."""
        import anyio

        if self._count and _workers_here.get() is not self:
            event = anyio.Event()
            self._ended.append(event)
            await event.wait()

    def call_soon(self, function: Callable[[], object]) -> None:
        """Calls a function on the event loop of the workers. For other threads; does nothing in a forked process."""
        if self._home is None or self._home[0] != os.getpid():
            return
        loop = self._home[1]
        with suppress(RuntimeError):  # the loop has ended
            if hasattr(loop, "run_sync_soon"):
                loop.run_sync_soon(function)
            else:
                loop.call_soon_threadsafe(function)


# Whose worker this task is, or was started by.
_workers_here: contextvars.ContextVar[AsyncWorkers | None] = contextvars.ContextVar("runpod_workers", default=None)


class Workers:
    """Runs a function in background threads, at most 32.

    Args:
        work: The function. It must not raise errors.
        close: Ends all work. Called when the process exits, which ends the threads.
    """

    # Together with one that reads the inputs, 32 threads.
    MAX_SUBMITTING: int = 11
    MAX_POLLING: int = 20

    def __init__(self, work: Callable[[], None], close: Callable[[], object]) -> None:
        self._work = work
        self._close = close
        self._threads: list[threading.Thread] = []
        # Reentrant: the garbage collector can close an abandoned run in the middle of `add`.
        self._lock = threading.RLock()
        self._pid = os.getpid()
        _open_workers.add(self)

    def add(self) -> None:
        """Starts one more worker, unless there are 32."""
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) > self.MAX_SUBMITTING + self.MAX_POLLING:
                return
            # Daemon threads: the process can exit while a poll is held.
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(self._work,), name="runpod-map", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the limit of the system
                if not self._threads:
                    raise
            else:
                self._threads.append(thread)

    def abandon(self) -> None:
        """Does nothing: threads cannot be cancelled. They end after their request."""

    def join(self) -> None:
        """Does not wait: a thread can be in a long poll."""

    def call_soon(self, function: Callable[[], object]) -> None:
        """Does nothing: only in a forked process is it needed, which has no such threads."""

    def close_at_exit(self) -> None:
        """Ends all work, unless this is a forked process, which has no such threads."""
        if self._pid == os.getpid():
            self._close()


_open_workers: weakref.WeakSet[Workers] = weakref.WeakSet()


@atexit.register
def close_workers() -> None:
    """Ends all work of this process, as it exits."""
    for workers in list(_open_workers):
        # After a second Ctrl-C, the log has what is left.
        with suppress(Exception, KeyboardInterrupt):
            workers.close_at_exit()


class AsyncInputs:
    """Iterates over an iterable or async iterable."""

    ACCEPTS_ASYNC: bool = True

    def __init__(self, inputs: Any) -> None:
        is_async = hasattr(inputs, "__aiter__")
        self._async_iterator: AsyncIterator[Any] | None = aiter(inputs) if is_async else None
        self._iterator: Iterator[Any] = iter(()) if is_async else iter(inputs)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._async_iterator is not None:
            return await anext(self._async_iterator)
        for item in self._iterator:
            return item
        raise StopAsyncIteration


class Inputs:
    """Iterates over an iterable."""

    ACCEPTS_ASYNC: bool = False

    def __init__(self, inputs: Any) -> None:
        self._iterator: Iterator[Any] = iter(inputs)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._iterator)
