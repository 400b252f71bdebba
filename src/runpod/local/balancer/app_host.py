"""Workers that run an ASGI application in the server process."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runpod.local.balancer.lifespan import Lifespan
from runpod.local.workers.handler_records import copy_records, worker_book

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runpod.local.balancer.worker import Worker
    from runpod.local.clock import Clock
    from runpod.local.jobs.worker_logs import WorkerLogs

__all__ = ["AppHost"]

_logger = logging.getLogger("runpod.local")

_PROBE_INTERVAL = 0.1  # Seconds between two requests to an application that is initializing.


class AppHost:
    """Runs one application object for all workers of an endpoint, with one lifespan.

    Args:
        name: ID of the endpoint.
        app: The application.
        cold_start: Seconds a worker takes to boot.
        health_path: Path at which the application says whether it is healthy.
        logs: The logs of the workers, which get the log records of the application.
        clock: Clock for cold starts.
    """

    def __init__(
        self, name: str, app: ASGIApp, *, cold_start: float, health_path: str, logs: WorkerLogs, clock: Clock
    ) -> None:
        self._app = app
        self._name = name
        self._cold_start = cold_start
        self._health_path = health_path
        self._logs = logs
        self._clock = clock
        self._lifespan = Lifespan(self._call, self.subject)
        self._warned = False

    def __repr__(self) -> str:
        return f"<AppHost {self._name}>"

    @property
    def subject(self) -> str:
        """What it runs, for messages."""
        return f"The application of endpoint {self._name!r}"

    def start(self, lost: Callable[[str, str], None]) -> None:  # noqa: ARG002  # Applications do not exit.
        """Start the application."""
        copy_records()
        self._lifespan.start()

    def launch(self, worker: Worker) -> None:
        """Do nothing: the application is there already."""

    async def wait_ready(self, worker: Worker) -> None:
        """Wait for the cold start, the application's startup, and its health path."""
        await self._lifespan.started.wait()
        if self._cold_start:
            await self._clock.sleep(worker.launched_at + self._cold_start - self._clock())
        while (status := await self._probe()) == 204:  # noqa: ASYNC110  # Only requests can tell.
            await asyncio.sleep(_PROBE_INTERVAL)
        if status != 200 and not self._warned:
            # A test should not have to wait for a worker that never gets ready; worker processes do behave like
            # those of the service.
            self._warned = True
            _logger.warning(
                "%s answers GET %s with status %s. On Runpod, its workers would stay unhealthy: answer 200 there.",
                self.subject,
                self._health_path,
                status,
            )

    def end(self, worker: Worker) -> None:
        """Do nothing: the application serves the other workers."""

    def stop(self) -> None:
        """Do nothing: requests are still being served."""

    async def wait_stopped(self) -> None:
        """Shut the application down."""
        self._lifespan.stop()
        await self._lifespan.wait_stopped()

    async def serve(self, worker: Worker, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        worker_book.set(self._logs.get(worker.id))  # For the task of this request only.
        await self._call({**scope, "state": self._lifespan.state.copy()}, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except (SystemExit, KeyboardInterrupt) as error:
            # In a task, they would end the event loop, and the server with it.
            raise RuntimeError(f"the application raised {type(error).__name__}") from error

    async def _probe(self) -> int:
        statuses: list[int] = []
        messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        path, _, query = self._health_path.partition("?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost")],
            "client": None,
            "server": None,
            "state": self._lifespan.state.copy(),
        }
        try:
            await self._call(scope, receive, send)
        except Exception:  # noqa: BLE001  # It is an application of the user.
            return 500
        return statuses[0] if statuses else 500
