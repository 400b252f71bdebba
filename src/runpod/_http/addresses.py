"""Host name resolution."""

from __future__ import annotations

import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


async def async_resolve(host: str, port: int) -> list[str]:
    """Resolves a host to its addresses, in the order in which to try them.

    Raises:
        OSError: The host cannot be resolved.
    """
    if _is_address(host):
        return [host]
    import anyio  # heavy, and only async programs need it

    try:
        return _interleaved(await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except RuntimeError:
        # No thread can be started at interpreter shutdown: resolve in this thread, which blocks the event loop.
        return _resolve(host, port)
    except UnicodeError as error:  # a label is too long
        raise OSError(str(error)) from error


def resolve(host: str, port: int, seconds: float) -> list[str] | OSError:
    """Resolves a host to its addresses, in the order in which to try them.

    `getaddrinfo` has no timeout, so it runs in a separate thread. A thread that hangs is abandoned, and ends with the
    timeout of the system's resolver.

    Returns:
        The addresses, or the error; a `TimeoutError` after `seconds`. Errors are not raised, so that they cannot be
        confused with exceptions raised by signal handlers.
    """
    if _is_address(host):
        return [host]
    found: list[list[str] | OSError] = []

    def run() -> None:
        try:
            found.append(_resolve(host, port))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=run, name="runpod-resolver", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # No thread can be started at interpreter shutdown.
        run()
    else:
        thread.join(min(seconds, threading.TIMEOUT_MAX))
    return found[0] if found else TimeoutError(f"resolving {host} timed out")


def _resolve(host: str, port: int) -> list[str]:
    try:
        return _interleaved(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError as error:
        raise OSError(str(error)) from error


def _is_address(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return False
    return True


def _interleaved(entries: Iterable[Any]) -> list[str]:
    """The addresses in their order, alternating between IPv6 and IPv4, since one of the families may not work."""
    queues: dict[int, deque[str]] = {}
    for family, _, _, _, where in entries:
        queue = queues.setdefault(family, deque())
        if where[0] not in queue:
            queue.append(str(where[0]))
    found: list[str] = []
    while any(queues.values()):
        found += [queue.popleft() for queue in queues.values() if queue]
    return found
