"""The engines that the campaign attacks, and the sides of the library that each can serve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """A way to carry requests.

    Attributes:
        name: What it is called in the table.
        sides: The halves and event loops it serves: "sync", "asyncio", "trio".
        extra: Whether it is the one of the extra.
        whole: Whether it is httpx as a whole, as where a caller has patched it.
    """

    name: str
    sides: tuple[str, ...]
    extra: bool = False
    whole: bool = False


ENGINES = [
    Engine("own", ("sync", "asyncio", "trio")),
    Engine("aiohttp", ("asyncio",), extra=True),
    Engine("httpx", ("sync", "asyncio", "trio"), whole=True),
]
