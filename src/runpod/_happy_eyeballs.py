"""How programs on asyncio come to a connection where a host has several addresses (RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

# So long after an attempt to connect to one address the next one is tried as well, in seconds.
_STAGGER = 0.25


async def connected(addresses: list[Any]) -> socket.socket:
    """A socket that is connected to the first of these addresses that answers.

    asyncio's own way to try several leaves sockets open when it is cancelled, and a task group that ends itself can
    swallow a cancellation on Python 3.10.
    """
    if len(addresses) == 1:
        return await _connect(addresses[0])
    left = _by_turns(addresses)
    attempts: set[asyncio.Task[socket.socket]] = set()
    problem: BaseException | None = None
    won: asyncio.Task[socket.socket] | None = None
    try:
        while won is None and (left or attempts):
            if left:
                attempts.add(asyncio.ensure_future(_connect(left.pop(0))))
            patience = _STAGGER if left else None
            ended, _ = await asyncio.wait(attempts, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for attempt in ended:
                error = attempt.exception()
                if error is None:
                    won = attempt
                else:
                    attempts.discard(attempt)
                    problem = problem or error
    finally:
        for attempt in attempts - {won}:
            attempt.add_done_callback(_give_up)
            attempt.cancel()
    if won is None:
        raise problem or OSError("the host has no address")
    return won.result()


def _give_up(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _connect(address: Any) -> socket.socket:
    family, kind, number, _, where = address
    below = socket.socket(family, kind, number)
    try:
        below.setblocking(False)
        await asyncio.get_running_loop().sock_connect(below, where)
    except BaseException:
        below.close()
        raise
    return below


def _by_turns(addresses: list[Any]) -> list[Any]:
    """The addresses in their order, but the two families by turns: one of them may lead nowhere."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    turns: list[Any] = []
    while first or others:
        turns += first[:1] + others[:1]
        first, others = first[1:], others[1:]
    return turns
