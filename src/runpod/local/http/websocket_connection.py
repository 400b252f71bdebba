"""A WebSocket connection of the local server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    import asyncio

    import uvicorn
    from uvicorn._types import ASGISendEvent
    from uvicorn.server import ServerState

__all__ = ["WebSocketConnection"]

# uvicorn logs each handshake with its query, which may contain secrets.
_logger = logging.getLogger("runpod.local.websocket")
_logger.setLevel(logging.ERROR)


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket that logs nothing but errors, and signals when the last connection was closed."""

    def __init__(
        self, config: uvicorn.Config, state: ServerState, app_state: dict[str, Any], all_closed: asyncio.Event
    ) -> None:
        super().__init__(config=config, server_state=state, app_state=app_state)
        self.logger: logging.Logger = _logger
        self.conn.logger = _logger
        self._all_closed = all_closed

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message of the application."""
        await super().send(message)
        if self.close_sent:
            # Also after a refusal, which uvicorn would otherwise report as a missing response.
            self.handshake_complete = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the end of the connection."""
        super().connection_lost(exc)
        if not self.connections:
            self._all_closed.set()
