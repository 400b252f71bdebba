"""Fault injection: network and service failures that a test requests."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from runpod.local.json_text import object_text
from runpod.local.settings import check_integer, check_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Exchange", "Faults"]

_ANY = "any"

# The names of the operations in `http.routing`, and that of all requests to load-balancing endpoints; a test compares
# them.
_OPERATIONS = (
    "batch",
    "cancel",
    "health",
    "load-balancer",
    "openai",
    "purge-queue",
    "retry",
    "run",
    "runsync",
    "status",
    "status-sync",
    "stream",
)


class Exchange(Protocol):
    """One request and its connection."""

    async def process(self) -> Response:
        """Process the request and return the response, without sending it."""
        ...

    async def send(self, response: Response, *, size: int | None = None) -> None:
        """Send a response, or its head and the first `size` bytes of its body."""
        ...

    async def send_more(self, content: bytes) -> None:
        """Send more of the body."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait on the server's clock."""
        ...

    async def cut(self) -> None:
        """Close the connection."""
        ...


@dataclass
class _Fault:
    operation: str
    endpoint_id: str | None
    times: int
    inject: Callable[[Exchange], Awaitable[None]]

    def matches(self, operation: str, endpoint_id: str) -> bool:
        return self.operation in {_ANY, operation} and self.endpoint_id in {None, endpoint_id}


class Faults:
    """Faults to inject into the next requests to a `LocalServer`: `server.faults`.

    Each method takes an operation, by its path or by the name of the client's method: `run`,
    `runsync` or `run_sync`, `status`, `status-sync` or `status_sync`, `stream`, `cancel`, `retry`,
    `purge-queue` or `purge_queue`, `health`, `batch`, `openai`, `load-balancer` for every request to
    an endpoint that has no queue, or `any` for all of them. The fault applies to the next `times`
    requests to that operation. Several faults for one operation apply one after another.
    `endpoint=` limits a fault to one endpoint.

    Requests with a fault are recorded in `server.requests` like all others.

    Example:
        ```python
        server.faults.fail("run", times=2, status=429, retry_after=1)
        server.faults.cut("run_sync", processed=True)  # the job is created, but its ID is lost
        ```
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []

    def __repr__(self) -> str:
        return f"<Faults pending={self.pending}>"

    @property
    def pending(self) -> int:
        """The number of faults that are still to be injected."""
        with self._lock:
            return sum(fault.times for fault in self._faults)

    def clear(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._faults.clear()

    def fail(
        self,
        operation: str,
        *,
        times: int = 1,
        status: int = 503,
        retry_after: float | str | None = None,
        body: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Respond with an error, without processing the request.

        Args:
            operation: The operation; see `Faults`.
            times: Number of requests.
            status: The HTTP status.
            retry_after: Value of the `Retry-After` header: seconds, or an HTTP date as str.
            body: An HTML body; by default a JSON object like those of the service.
            endpoint: ID of the endpoint; by default any.

        Raises:
            TypeError: A number has the wrong type.
            ValueError: The operation is unknown, or an argument is out of range.
        """
        check_integer("status", status, 200, 599)
        headers = {} if retry_after is None else {"retry-after": f"{retry_after}"}

        async def inject(exchange: Exchange) -> None:
            content, kind = (body, "text/html") if body is not None else (_error(status), "application/json")
            if status in {204, 304}:  # HTTP allows no body for them.
                content = ""
            await exchange.send(Response(content, status, headers, kind))

        self._add(operation, times, endpoint, inject)

    def delay(self, operation: str, seconds: float, *, times: int = 1, endpoint: str | None = None) -> None:
        """Process the request, and delay the response by `seconds` of the server's clock.

        Args:
            operation: The operation; see `Faults`.
            seconds: The delay.
            times: Number of requests.
            endpoint: ID of the endpoint; by default any.

        Raises:
            TypeError: A number has the wrong type.
            ValueError: The operation is unknown, or an argument is out of range.
        """
        check_seconds("seconds", seconds)

        async def inject(exchange: Exchange) -> None:
            response = await exchange.process()
            await exchange.pause(seconds)
            await exchange.send(response)

        self._add(operation, times, endpoint, inject)

    def cut(self, operation: str, *, processed: bool = False, times: int = 1, endpoint: str | None = None) -> None:
        """Close the connection without a response.

        Args:
            operation: The operation; see `Faults`.
            processed: Whether to process the request first. The client cannot tell.
            times: Number of requests.
            endpoint: ID of the endpoint; by default any.

        Raises:
            TypeError: A number has the wrong type.
            ValueError: The operation is unknown, or an argument is out of range.
        """

        async def inject(exchange: Exchange) -> None:
            if processed:
                await exchange.process()
            await exchange.cut()

        self._add(operation, times, endpoint, inject)

    def truncate(self, operation: str, *, times: int = 1, endpoint: str | None = None) -> None:
        """Process the request, and close the connection after half of the response body.

        Args:
            operation: The operation; see `Faults`.
            times: Number of requests.
            endpoint: ID of the endpoint; by default any.

        Raises:
            TypeError: A number has the wrong type.
            ValueError: The operation is unknown, or an argument is out of range.
        """

        async def inject(exchange: Exchange) -> None:
            response = await exchange.process()
            await exchange.send(response, size=len(response.body) // 2)
            await exchange.cut()

        self._add(operation, times, endpoint, inject)

    def drip(self, operation: str, interval: float = 0.1, *, times: int = 1, endpoint: str | None = None) -> None:
        """Process the request, and send the response body byte by byte.

        Args:
            operation: The operation; see `Faults`.
            interval: Seconds between two bytes, on the server's clock.
            times: Number of requests.
            endpoint: ID of the endpoint; by default any.

        Raises:
            TypeError: A number has the wrong type.
            ValueError: The operation is unknown, or an argument is out of range.
        """
        check_seconds("interval", interval)

        async def inject(exchange: Exchange) -> None:
            response = await exchange.process()
            await exchange.send(response, size=0)
            for number in bytes(response.body):
                await exchange.pause(interval)
                await exchange.send_more(bytes([number]))

        self._add(operation, times, endpoint, inject)

    def take(self, operation: str, endpoint_id: str) -> Callable[[Exchange], Awaitable[None]] | None:
        """Return the fault to inject into a request, if any. For use within the library."""
        with self._lock:
            for fault in self._faults:
                if fault.matches(operation, endpoint_id):
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                    return fault.inject
        return None

    def _add(
        self, operation: str, times: int, endpoint: str | None, inject: Callable[[Exchange], Awaitable[None]]
    ) -> None:
        check_integer("times", times, 1, None)
        name = operation.replace("_", "-").replace("run-sync", "runsync")
        if name != _ANY and name not in _OPERATIONS:
            raise ValueError(f"Unknown operation {operation!r}. Use one of {', '.join(_OPERATIONS)}, or {_ANY}.")
        with self._lock:
            self._faults.append(_Fault(name, endpoint, times, inject))


def _error(status: int) -> str:
    return object_text({"error": f"injected fault: HTTP {status}"})
