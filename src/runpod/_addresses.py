"""The addresses of a host."""

from __future__ import annotations

import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


async def async_look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, in the order in which to try them.

    Raises:
        OSError: It has none.
    """
    if _is_address(host):
        return [host]
    import anyio  # heavy, and only async programs need it

    try:
        return _in_turn(await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except RuntimeError:
        # No thread can start any more while the program ends: then everything waits for the look-up.
        return _look_up(host, port)
    except UnicodeError as error:  # a label that is too long
        raise OSError(str(error)) from error


def look_up(host: str, port: int, seconds: float) -> list[str] | OSError:
    """The addresses of a host, in the order in which to try them, or why there are none.

    A look-up takes no timeout, so a thread of its own makes it. One that hangs is left behind, and ends with the time
    limit of the resolver.

    Returns:
        An error, rather than raising it: what is raised here is a signal handler's. A `TimeoutError` where they were not
        found within so many seconds.
    """
    if _is_address(host):
        return [host]
    found: list[list[str] | OSError] = []

    def run() -> None:
        try:
            found.append(_look_up(host, port))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=run, name="runpod-resolver", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # No thread can start any more while the program ends.
        run()
    else:
        thread.join(min(seconds, threading.TIMEOUT_MAX))
    return found[0] if found else TimeoutError(f"the address of {host} was not found in time")


def _look_up(host: str, port: int) -> list[str]:
    try:
        return _in_turn(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError as error:
        raise OSError(str(error)) from error


def _is_address(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return False
    return True


def _in_turn(entries: Iterable[Any]) -> list[str]:
    """The addresses in their order, but the two families in turn: one of them may lead nowhere."""
    queues: dict[int, deque[str]] = {}
    for family, _, _, _, where in entries:
        queue = queues.setdefault(family, deque())
        if where[0] not in queue:
            queue.append(str(where[0]))
    found: list[str] = []
    while any(queues.values()):
        found += [queue.popleft() for queue in queues.values() if queue]
    return found
