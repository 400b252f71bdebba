"""The lifespan of an ASGI application: its startup and its shutdown, each once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

__all__ = ["Lifespan"]

_logger = logging.getLogger("runpod.local")

_SHUTDOWN_GRACE = 2.0  # seconds


class Lifespan:
    """Runs the startup and the shutdown of `app`, which may have neither.

    Args:
        app: The application.
        subject: Describes it in the log.
    """

    def __init__(self, app: ASGIApp, subject: str) -> None:
        self.state: dict[str, Any] = {}
        """What the application keeps for its requests."""
        self.started: asyncio.Event = asyncio.Event()
        """Set after a successful startup."""
        self._app = app
        self._subject = subject
        self._stopping = asyncio.Event()
        self._messages_sent = 0
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Lifespan {'started' if self.started.is_set() else 'not started'}>"

    def start(self) -> None:
        """Begin the startup, without waiting."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Begin the shutdown, without waiting. Requests that are served meanwhile should have ended."""
        self._stopping.set()

    async def wait_stopped(self) -> None:
        """Wait until the shutdown has ended, for a limited time."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_SHUTDOWN_GRACE)
            self._task.cancel()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            if self.started.is_set() or self._failed:
                _logger.exception("%s raised an exception in its lifespan.", self._subject)
            elif self._messages_sent:
                self._report(f"{type(error).__name__}: {error}")
        if not self._failed:
            # An application without a lifespan raises an exception, or returns at once.
            self.started.set()

    async def _receive(self) -> Message:
        if not self._messages_sent:
            self._messages_sent = 1
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            self.started.set()
        elif message["type"] == "lifespan.startup.failed":
            self._report(str(message.get("message", "")))
        elif message["type"] == "lifespan.shutdown.failed":
            _logger.error("%s failed to shut down: %s", self._subject, message.get("message", ""))

    def _report(self, reason: str) -> None:
        self._failed = True
        last_line = (reason.strip().splitlines() or ["no reason given"])[-1]
        # The command line reports this and exits.
        _logger.error("%s failed to start: %s", self._subject, last_line, extra={"broken_endpoint": self._subject})
