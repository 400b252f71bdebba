"""Background components, which the server starts and stops."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["AsyncStop", "Component"]


class Component(Protocol):
    """A background component. Its methods are called on the server's event loop."""

    def start(self) -> None:
        """Start."""

    def stop(self) -> None:
        """Stop, without waiting."""


@runtime_checkable
class AsyncStop(Protocol):
    """A component whose stop takes time and has to be awaited."""

    async def wait_stopped(self) -> None:
        """Wait until it has stopped; `stop` was called before."""
