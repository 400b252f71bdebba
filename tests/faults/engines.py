"""The engines that the campaign attacks, and the sides of the library that each can serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Engine:
    """A way to carry requests.

    Attributes:
        name: What it is called in the table.
        sides: The halves and event loops it serves: "sync", "asyncio", "trio".
        options: Arguments for the client that make it use this engine.
    """

    name: str
    sides: tuple[str, ...]
    options: Callable[[], dict[str, Any]] = dict


ENGINES = [
    Engine("httpx", ("sync", "asyncio", "trio")),
]
