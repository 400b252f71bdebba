"""A proxy on loopback that stands between a client and a server, and does to each connection what a fault says."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine

    from typing_extensions import Self

PATIENCE = 10.0  # seconds, before a test gives up


@dataclass
class Request:
    """One request that arrived whole."""

    method: str
    target: str
    head: bytes
    body: bytes
    # Refused with 429, by which the server says that it did nothing.
    refused: bool = False
    # The server behind the proxy did what was asked.
    done: bool = False

    @property
    def operation(self) -> str:
        """The step of the path that names the operation: `/v2/ep/run?wait=1` is `run`."""
        return self.target.partition("?")[0].split("/")[3]


@dataclass
class Reply:
    """What the server behind the proxy answered."""

    status: int
    head: bytes
    body: bytes

    @property
    def whole(self) -> bytes:
        return self.with_length(len(self.body))

    def with_length(self, length: int, body: bytes | None = None, headers: str = "") -> bytes:
        """The answer with a length that may be a lie, and a body of somebody else's."""
        kept = [line for line in self.head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        added = [f"Content-Length: {length}".encode(), *headers.encode().splitlines()]
        return b"\r\n".join([*kept, *added]) + b"\r\n\r\n" + (self.body if body is None else body)


class Link:
    """One connection of a client through the proxy, with all that a fault needs."""

    def __init__(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.line = line
        self._reader = reader
        self._writer = writer

    async def request(self) -> Request | None:
        """Read one request with its body; None where the client went away."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?im)^content-length: (\d+)", head)
            body = await self._reader.readexactly(int(length[1]) if length else 0)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        method, target, _ = head.split(b" ", 2)
        request = Request(method.decode(), target.decode(), head, body)
        self.line.requests.append(request)
        self.line.arrived.set()
        return request

    async def some_of_request(self) -> None:
        """Read the first bytes of a request, and no more."""
        await self._reader.read(10)

    async def forward(self, request: Request) -> Reply:
        """Let the server carry the request out."""
        parts = urlsplit(self.line.proxy.upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            head = re.sub(rb"(?im)^connection: .*\r\n", b"", request.head)
            writer.write(head[:-2] + b"Connection: close\r\n\r\n" + request.body)
            whole = await reader.read()
        finally:
            writer.close()
        head, _, body = whole.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        status = int(lines[0].split()[1])
        request.done = status < 300
        return Reply(status, b"\r\n".join(lines), body)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, request: Request, status: int, body: bytes = b"", headers: str = "") -> None:
        """Answer in the server's place."""
        request.refused = status == 429
        length = f"Content-Length: {len(body)}\r\n" if status >= 200 and status != 204 else ""
        await self.send(f"HTTP/1.1 {status} X\r\n{length}{headers}\r\n".encode() + body)

    async def drip(self, data: bytes, pause: float = 0.02) -> None:
        """Send byte by byte."""
        for byte in data:
            await self.send(bytes([byte]))
            await asyncio.sleep(pause)

    async def hang(self) -> None:
        """Do nothing until the client goes away."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass

    async def reset(self) -> None:
        """End the connection the hard way."""
        sock: Any = self._writer.get_extra_info("socket")
        # What was sent must arrive first: a reset throws away what waits.
        await asyncio.sleep(0.02)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.close()
            await self._writer.wait_closed()


@dataclass
class Line:
    """An address of the proxy, where one fault is at work.

    Attributes:
        requests: What arrived whole, in order.
        connections: How many connections there were.
        open: How many of them the client has not closed yet, nor the proxy.
        arrived: Set whenever a request arrived whole.
    """

    proxy: FaultProxy
    behave: Callable[[Link], Awaitable[None]]
    tls: ssl.SSLContext | None = None
    refusing: bool = False
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    # A place for what a fault counts.
    counts: Counter[str] = field(default_factory=Counter)
    arrived: threading.Event = field(default_factory=threading.Event)
    scheme: str = "http"
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v2"

    def reached(self, *operations: str) -> int:
        """How many requests for these operations arrived and were not refused with 429."""
        return sum(request.operation in operations and not request.refused for request in self.requests)

    def done(self, *operations: str) -> int:
        """How many of them the server behind the proxy carried out."""
        return sum(request.operation in operations and request.done for request in self.requests)

    async def start(self) -> None:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._tasks: set[asyncio.Task[Any]] = set()
        if not self.refusing:
            self._server = await asyncio.start_server(self._serve, sock=listening, ssl=self.tls, backlog=100)

    async def stop(self) -> None:
        if not self.refusing:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listening.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.open += 1
        link = Link(self, reader, writer)
        try:
            # The client went away in the middle.
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self.behave(link)
            with contextlib.suppress(asyncio.CancelledError):
                await link.close()
        finally:
            self.open -= 1


class FaultProxy:
    """Runs lines on an event loop in a thread of its own.

    Args:
        upstream: The base URL of the server behind it.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.lines: list[Line] = []
        self._loop = asyncio.new_event_loop()
        # A client that leaves in the middle of a handshake is the point of the exercise.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for line in self.lines:
            self._call(line.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._loop.close()

    def line(self, behave: Callable[[Link], Awaitable[None]], **options: Any) -> Line:
        """A new address with a fault. `tls`: a server's context; `refusing`: nobody listens; `scheme`."""
        line = Line(self, behave, **options)
        self._call(line.start())
        self.lines.append(line)
        return line

    def quiet(self, line: Line, seconds: float = 2.0) -> bool:
        """Whether every connection of a line came to its end, within some seconds."""

        async def wait() -> bool:
            end = self._loop.time() + seconds
            while line.open and self._loop.time() < end:  # noqa: ASYNC110 - a handful of times in a run
                await asyncio.sleep(0.01)
            return not line.open

        return bool(self._call(wait()))

    def _call(self, step: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(PATIENCE)
