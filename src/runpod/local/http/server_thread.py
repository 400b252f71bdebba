"""Serves an application on a socket, in a thread with its own event loop.

This uses uvicorn's HTTP protocol without `uvicorn.Server`, which polls for its shutdown ten times a
second and sleeps while it shuts down (a test suite starts hundreds of servers), and which configures
logging for the whole process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from runpod.local.balancer.edge import PREFIX
from runpod.local.component import AsyncStop
from runpod.local.signals import call_soon

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from runpod.local.component import Component
    from runpod.local.http.app import App

__all__ = ["ServerThread"]

T = TypeVar("T")

_logger = logging.getLogger("runpod.local")

# Seconds.
_KEEP_ALIVE = 300  # Long enough to keep connections open while stepping through a debugger.
_RESPONSE_GRACE = 0.25  # For responses in progress when the server stops.
_CANCEL_GRACE = 0.05  # For each round of cancelling tasks.
_CANCEL_ROUNDS = 4
_JOIN_GRACE = 2.0  # For an async handler that blocks the event loop.

_MAX_MESSAGE = 30 * 1024 * 1024  # Bytes of a WebSocket message; the service's limit is undocumented.

_ITERATIONS_TO_CONNECT = 8  # Iterations of the event loop; asyncio needs about four.


class ServerThread:
    """A daemon thread that serves `app` on a listening socket.

    Args:
        app: The application.
        components: Background components, started and stopped on the thread's event loop.
        listening: A listening socket; closed with the server.
    """

    def __init__(self, app: App, components: Sequence[Component], listening: socket.socket) -> None:
        self._app = app
        self._components = components
        self._listening = listening
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._started: Future[None] = Future()
        name = f"runpod-local-{listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __repr__(self) -> str:
        return f"<ServerThread {self._thread.name}>"

    def start(self) -> None:
        """Start, and wait until connections are accepted."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Stop, and wait until everything is closed."""
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "Cannot stop the local server from its own event loop. "
                "Stop it from the code that started it, not from an async handler."
            )
        call_soon(self._loop, self._stopping.set)
        self._thread.join(_JOIN_GRACE)
        if self._thread.is_alive():
            _logger.warning(
                "The local server did not stop: an async handler blocks its event loop. "
                "Make the handler a plain function, which runs in its own thread."
            )

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on the thread's event loop, and return its result."""
        if threading.current_thread() is self._thread:
            return function()
        result: Future[T] = Future()

        def call() -> None:
            try:
                result.set_result(function())
            except BaseException as error:  # noqa: BLE001  # Raised in the calling thread.
                result.set_exception(error)

        call_soon(self._loop, call)
        return result.result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException as error:  # Reported by start().
            if self._started.done():
                _logger.exception("The local server crashed.")
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
            ws="none",  # See `_Connection`.
            ws_max_size=_MAX_MESSAGE,
            lifespan="off",
            log_config=None,  # Leave the process-wide logging settings unchanged.
            log_level=None,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        config.load()

        def new_connection() -> _Connection:
            return _Connection(config, state, all_closed)

        server = await self._loop.create_server(new_connection, sock=self._listening, backlog=2048)
        try:
            for component in self._components:
                component.start()
        except BaseException:
            server.close()
            for component in self._components:
                component.stop()
            await self._wait_stopped()
            raise
        self._started.set_result(None)
        await self._stopping.wait()

        # Accept no more connections. asyncio needs a few loop iterations to hand over a connection
        # that was just accepted; closing the server earlier would leak it. Proactor loops have no
        # readers.
        with contextlib.suppress(NotImplementedError):
            self._loop.remove_reader(self._listening.fileno())
        for _ in range(_ITERATIONS_TO_CONNECT):
            await asyncio.sleep(0)
        # Before the socket is closed: a worker process would log an error if its next request for a
        # job were refused.
        for component in self._components:
            component.stop()
        server.close()
        # Completes held requests; after that, connections close by themselves.
        self._app.close()
        for connection in list(state.connections):
            connection.shutdown()
        for grace in (_RESPONSE_GRACE, _CANCEL_GRACE):
            if state.connections:
                all_closed.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(all_closed.wait(), grace)
            # Clients of the remaining connections have not sent a full request or do not read the response.
            for connection in list(state.connections):
                connection.transport.abort()
        if state.tasks:  # Their client has disconnected.
            await asyncio.wait(state.tasks, timeout=_CANCEL_GRACE)
        await self._wait_stopped()

    async def _wait_stopped(self) -> None:
        # Concurrently, as each of them may take time.
        await asyncio.gather(
            *(component.wait_stopped() for component in self._components if isinstance(component, AsyncStop))
        )


class _Connection(H11Protocol):
    """An HTTP connection that uses the server's logger, and signals when the last one was closed."""

    def __init__(self, config: uvicorn.Config, state: ServerState, all_closed: asyncio.Event) -> None:
        super().__init__(config=config, server_state=state, app_state={"close": self._close})
        self.logger = _logger
        self.access_log = False
        self._all_closed = all_closed

    def _should_upgrade(self) -> bool:
        # Only load-balancing endpoints have WebSockets.
        wanted = self.scope["raw_path"].startswith(PREFIX)
        self.ws_protocol_class = self._websocket if wanted else None  # type: ignore[assignment]
        return super()._should_upgrade()

    def _websocket(
        self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> asyncio.Protocol:
        # Imported for the first one, which takes a while.
        from runpod.local.http.websocket_connection import WebSocketConnection

        return WebSocketConnection(config, server_state, app_state, self._all_closed)

    def _close(self) -> None:
        # Flushes data that was already written.
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.connections:
            self._all_closed.set()


async def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel tasks that handlers left running, waiting a limited time for each round."""
    for _ in range(_CANCEL_ROUNDS):
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_CANCEL_GRACE)
    remaining = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in remaining:
        _logger.debug("A task of a handler did not end when it was cancelled: %r", task)
        # Destroyed with its loop on purpose. asyncio sets the same attribute on tasks that it
        # abandons, to suppress the warning.
        setattr(task, "_log_destroy_pending", False)  # noqa: B010
    if remaining:
        return  # They may still run async generators, which then cannot be closed.
    try:
        await asyncio.wait_for(loop.shutdown_asyncgens(), _CANCEL_GRACE)
    except asyncio.TimeoutError:
        _logger.debug("An async generator of a handler did not end when it was closed.")
