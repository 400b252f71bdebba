"""The address of the server that a handler runs for."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["server_address"]

server_address: ContextVar[str] = ContextVar("server_address")
"""Such as `http://127.0.0.1:8000`. Set while a handler runs in the server."""
