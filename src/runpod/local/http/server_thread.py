"""Serving on a socket, in a thread with an event loop of its own.

This drives uvicorn's HTTP protocol itself instead of running `uvicorn.Server`, which looks for
its end ten times a second and sleeps while it shuts down (a test suite starts hundreds of
servers), and which logs and sets up logging for the whole process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from runpod.local.signals import call_soon

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from runpod.local.http.app import App

__all__ = ["ServerThread"]

logger = logging.getLogger("runpod.local")

# Seconds.
_KEEP_ALIVE = 300  # Long enough that nobody who steps through a program loses a connection.
_ANSWER_GRACE = 0.25  # For answers that are on their way when the server stops.
_CANCEL_GRACE = 0.05  # For one round of cancelling what runs; there are a few rounds.
_CANCEL_ROUNDS = 4
_JOIN_GRACE = 2.0  # For an async handler that blocks the event loop itself.

_TURNS_TO_CONNECT = 8  # Turns of the event loop; asyncio takes about four.


class Part(Protocol):
    """Something that goes on beside requests."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, without waiting for anything."""


@runtime_checkable
class Lasting(Protocol):
    """A part that must not be left running, and takes a moment to end."""

    async def stopped(self) -> None:
        """Wait until it has ended, which it was told before."""


class ServerThread:
    """A daemon thread that serves `app` on a listening socket, and runs what goes on besides.

    Args:
        app: What answers requests.
        parts: What is started with it and stopped with it, on its event loop.
        listening: A socket that listens; it is closed with the server.
    """

    def __init__(self, app: App, parts: Sequence[Part], listening: socket.socket) -> None:
        self._app = app
        self._parts = parts
        self._listening = listening
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._started: Future[None] = Future()
        name = f"runpod-local-{listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __repr__(self) -> str:
        return f"<ServerThread {self._thread.name}>"

    def start(self) -> None:
        """Start, and wait until connections are taken."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Stop, and wait until everything is closed."""
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "A local server cannot be stopped from inside its own event loop. "
                "Stop it from the code that started it, not from an async handler."
            )
        call_soon(self._loop, self._stopping.set)
        self._thread.join(_JOIN_GRACE)
        if self._thread.is_alive():
            logger.warning(
                "The local server did not stop: an async handler blocks its event loop. "
                "Make the handler a plain function, which runs in a thread of its own."
            )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException as error:  # For the caller of start(), who waits.
            if self._started.done():
                logger.exception("The local server broke down.")
            else:
                self._started.set_exception(error)
        finally:
            try:
                self._loop.run_until_complete(_end_tasks(self._loop))
            finally:
                asyncio.set_event_loop(None)
                self._loop.close()
                self._listening.close()

    async def _main(self) -> None:
        state = ServerState()
        all_closed = asyncio.Event()
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,  # None of the process-wide settings is touched.
            log_level=None,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        config.load()

        def new_connection() -> _Connection:
            return _Connection(config, state, all_closed)

        server = await self._loop.create_server(new_connection, sock=self._listening, backlog=2048)
        try:
            for part in self._parts:
                part.start()
        except BaseException:
            server.close()
            for part in self._parts:
                part.stop()
            await self._parts_stopped()
            raise
        self._started.set_result(None)
        await self._stopping.wait()

        # No connection is taken any more. One that was taken a moment ago is a task of asyncio's
        # that needs a few turns to become one of ours; if the server were closed before that,
        # it would be dropped without being closed. Proactor loops have no readers.
        with contextlib.suppress(NotImplementedError):
            self._loop.remove_reader(self._listening.fileno())
        for _ in range(_TURNS_TO_CONNECT):
            await asyncio.sleep(0)
        # Before the address is closed: a worker process that asks for its next job in between would
        # be refused, and say so.
        for part in self._parts:
            part.stop()
        server.close()
        # Whatever is held is answered now; after that, connections close by themselves.
        self._app.close()
        for connection in list(state.connections):
            connection.shutdown()
        for grace in (_ANSWER_GRACE, _CANCEL_GRACE):
            if state.connections:
                all_closed.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(all_closed.wait(), grace)
            # Those left are of clients that neither send all of a request nor read an answer.
            for connection in list(state.connections):
                connection.transport.abort()
        if state.tasks:  # They have been told that their client is gone.
            await asyncio.wait(state.tasks, timeout=_CANCEL_GRACE)
        await self._parts_stopped()

    async def _parts_stopped(self) -> None:
        # Together, since each of them may take its time.
        await asyncio.gather(*(part.stopped() for part in self._parts if isinstance(part, Lasting)))


class _Connection(H11Protocol):
    """An HTTP connection that logs where the server does, and says when it was the last one."""

    def __init__(self, config: uvicorn.Config, state: ServerState, all_closed: asyncio.Event) -> None:
        super().__init__(config=config, server_state=state, app_state={"close": self._close})
        self.logger = logger
        self.access_log = False
        self._all_closed = all_closed

    def _close(self) -> None:
        # What was sent before goes out, and nothing after.
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.connections:
            self._all_closed.set()


async def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what handlers left running, without waiting long for those that refuse."""
    for _ in range(_CANCEL_ROUNDS):
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_CANCEL_GRACE)
    stubborn = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in stubborn:
        logger.debug("A task of a handler did not end when it was cancelled: %r", task)
        # It goes down with its loop, as intended. asyncio gives its own abandoned tasks the same
        # attribute, so that nothing is printed about them.
        setattr(task, "_log_destroy_pending", False)  # noqa: B010
    if stubborn:
        return  # They may still be inside their async generators, which cannot be closed then.
    try:
        await asyncio.wait_for(loop.shutdown_asyncgens(), _CANCEL_GRACE)
    except asyncio.TimeoutError:
        logger.debug("An async generator of a handler did not end when it was closed.")
