"""Faults on demand: what a network and a busy service do now and then, when a test says so."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from runpod.local.http.routing import routes
from runpod.local.json_text import object_text
from runpod.local.settings import Behavior, check_integer, check_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Exchange", "Faults"]

_ANY = "any"
_OPERATIONS = sorted({o.name for route in routes(Behavior()) for o in route.operations.values()})


class Exchange(Protocol):
    """One request, and what can be done about it."""

    async def answer(self) -> Response:
        """Process the request; gives what would be answered."""
        ...

    async def send(self, response: Response, *, size: int | None = None) -> None:
        """Send a response, or the head and the first bytes of one."""
        ...

    async def send_more(self, content: bytes) -> None:
        """Send more of a response that was begun."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait."""
        ...

    async def cut(self) -> None:
        """Close the connection."""
        ...


@dataclass
class _Fault:
    operation: str
    endpoint_id: str | None
    times: int
    happen: Callable[[Exchange], Awaitable[None]]

    def fits(self, operation: str, endpoint_id: str) -> bool:
        return self.operation in {_ANY, operation} and self.endpoint_id in {None, endpoint_id}


class Faults:
    """What goes wrong with the next requests to a `LocalServer`: `server.faults`.

    Each method takes the operation it is about, by its path or by the name of the client's
    method: `run`, `runsync` or `run_sync`, `status`, `status-sync` or `status_sync`, `stream`,
    `cancel`, `retry`, `purge-queue` or `purge_queue`, `health`, `batch`, or `any` for all of
    them. The next `times` requests to it have the fault, and none after that. With several
    faults for one operation, each has its turn. `endpoint=` limits a fault to one endpoint.

    Every fault of a request is recorded in `server.requests` as usual.

    Example:
        ```python
        server.faults.fail("run", times=2, status=429, retry_after=1)
        server.faults.cut("run_sync", processed=True)  # there is a job, but nobody gets its id
        ```
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []

    def __repr__(self) -> str:
        return f"<Faults pending={self.pending}>"

    @property
    def pending(self) -> int:
        """How many faults have not happened yet."""
        with self._lock:
            return sum(fault.times for fault in self._faults)

    def clear(self) -> None:
        """Forget the faults that have not happened yet."""
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
        """Answer with an error, without processing the request.

        Args:
            operation: Which operation; see `Faults`.
            times: How many requests.
            status: The HTTP status.
            retry_after: What the header `Retry-After` says: seconds, or a date as text.
            body: The body as HTML; by default it is a JSON object like those of the service.
            endpoint: The id of the endpoint; by default any.

        Raises:
            ValueError: There is no such operation, or an argument is out of range.
        """
        check_integer("status", status, 200, 599)
        headers = {} if retry_after is None else {"retry-after": f"{retry_after}"}

        async def happen(exchange: Exchange) -> None:
            content, kind = (body, "text/html") if body is not None else (_error(status), "application/json")
            if status in {204, 304}:  # HTTP allows them no body.
                content = ""
            await exchange.send(Response(content, status, headers, kind))

        self._add(operation, times, endpoint, happen)

    def delay(self, operation: str, seconds: float, *, times: int = 1, endpoint: str | None = None) -> None:
        """Process the request, and answer so many seconds later by the server's clock.

        Args:
            operation: Which operation; see `Faults`.
            seconds: How much later.
            times: How many requests.
            endpoint: The id of the endpoint; by default any.

        Raises:
            ValueError: There is no such operation, or an argument is out of range.
        """
        check_seconds("seconds", seconds)

        async def happen(exchange: Exchange) -> None:
            response = await exchange.answer()
            await exchange.pause(seconds)
            await exchange.send(response)

        self._add(operation, times, endpoint, happen)

    def cut(self, operation: str, *, processed: bool = False, times: int = 1, endpoint: str | None = None) -> None:
        """Close the connection without an answer.

        Args:
            operation: Which operation; see `Faults`.
            processed: Whether the request is processed before. The client cannot tell.
            times: How many requests.
            endpoint: The id of the endpoint; by default any.

        Raises:
            ValueError: There is no such operation, or an argument is out of range.
        """

        async def happen(exchange: Exchange) -> None:
            if processed:
                await exchange.answer()
            await exchange.cut()

        self._add(operation, times, endpoint, happen)

    def truncate(self, operation: str, *, times: int = 1, endpoint: str | None = None) -> None:
        """Process the request, and close the connection after half of the answer's body.

        Args:
            operation: Which operation; see `Faults`.
            times: How many requests.
            endpoint: The id of the endpoint; by default any.

        Raises:
            ValueError: There is no such operation, or an argument is out of range.
        """

        async def happen(exchange: Exchange) -> None:
            response = await exchange.answer()
            await exchange.send(response, size=len(response.body) // 2)
            await exchange.cut()

        self._add(operation, times, endpoint, happen)

    def drip(self, operation: str, interval: float = 0.1, *, times: int = 1, endpoint: str | None = None) -> None:
        """Process the request, and send the answer's body byte by byte.

        Args:
            operation: Which operation; see `Faults`.
            interval: Seconds between two bytes, by the server's clock.
            times: How many requests.
            endpoint: The id of the endpoint; by default any.

        Raises:
            ValueError: There is no such operation, or an argument is out of range.
        """
        check_seconds("interval", interval)

        async def happen(exchange: Exchange) -> None:
            response = await exchange.answer()
            await exchange.send(response, size=0)
            for number in bytes(response.body):
                await exchange.pause(interval)
                await exchange.send_more(bytes([number]))

        self._add(operation, times, endpoint, happen)

    def take(self, operation: str, endpoint_id: str) -> Callable[[Exchange], Awaitable[None]] | None:
        """Give what is to happen to a request that has arrived."""
        with self._lock:
            for fault in self._faults:
                if fault.fits(operation, endpoint_id):
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                    return fault.happen
        return None

    def _add(
        self, operation: str, times: int, endpoint: str | None, happen: Callable[[Exchange], Awaitable[None]]
    ) -> None:
        check_integer("times", times, 1, None)
        name = operation.replace("_", "-").replace("run-sync", "runsync")
        if name != _ANY and name not in _OPERATIONS:
            raise ValueError(f"There is no operation {operation!r}. Use one of {', '.join(_OPERATIONS)}, or {_ANY}.")
        with self._lock:
            self._faults.append(_Fault(name, endpoint, times, happen))


def _error(status: int) -> str:
    return object_text({"error": f"the local server was told to answer {status}"})
