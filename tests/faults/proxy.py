"""A proxy on loopback between a client and a server, which applies a fault to each connection."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.faults.certificates import ServerContext

_CONNECTION = re.compile(rb"(?i)\r\nconnection:[^\r]*")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass
class Request:
    """A complete request."""

    target: str
    head: bytes
    body: bytes
    rejected: bool = False  # with 429, so it was not processed
    done: bool = False  # processed by the server behind the proxy

    @property
    def operation(self) -> str:
        """The path segment of the operation: `run` in `/v2/ep/run?wait=1`."""
        return self.target.partition("?")[0].split("/")[3]


@dataclass
class Reply:
    """The response of the server behind the proxy."""

    head: bytes  # without `Connection` and `Content-Length`
    body: bytes

    def with_body(self, body: bytes, length: int | None = None, headers: str = "") -> bytes:
        """The response with another body, and a Content-Length that may be wrong."""
        length = len(body) if length is None else length
        return self.head + f"\r\nContent-Length: {length}\r\n{headers}\r\n".encode() + body

    @property
    def whole(self) -> bytes:
        return self.with_body(self.body)

    @property
    def cut(self) -> bytes:
        """The response without its last byte."""
        return self.whole[:-1]


class Link:
    """A client's connection through the proxy, with the operations of the faults."""

    def __init__(self, listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.listener = listener
        self._reader = reader
        self._writer = writer

    async def request(self) -> Request | None:
        """Read one request with its body. None if the client disconnected."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await self._reader.readexactly(int(length[1]) if length else 0)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        request = Request(head.split(b" ", 2)[1].decode(), head, body)
        self.listener.requests.append(request)
        return request

    async def partial_request(self) -> None:
        """Read only the first bytes of a request."""
        await self._reader.read(10)

    async def forward(self, request: Request, *, submit_only: bool = False) -> Reply:
        """Forward the request to the server. With `submit_only`, a `run_sync` becomes a `run`."""
        parts = urlsplit(self.listener.upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        with contextlib.closing(writer):
            head = _CONNECTION.sub(b"", request.head)
            if submit_only:
                head = re.sub(rb"/runsync\?\S*", b"/run", head)
            writer.write(head[:-2] + b"Connection: close\r\n\r\n" + request.body)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        request.done = int(head.split(b" ", 2)[1]) < 300
        return Reply(_LENGTH.sub(b"", _CONNECTION.sub(b"", head)), body)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def respond(self, request: Request, status: int, body: bytes = b"", headers: str = "") -> None:
        """Respond instead of the server."""
        request.rejected = status == 429
        length = f"Content-Length: {len(body)}\r\n" if status != 204 else ""
        await self.send(f"HTTP/1.1 {status} X\r\n{length}{headers}\r\n".encode() + body)

    async def drip(self, data: bytes) -> None:
        """Send byte by byte."""
        for byte in data:
            await self.send(bytes([byte]))
            await asyncio.sleep(0.02)

    async def hang(self) -> None:
        """Wait until the client disconnects."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass

    async def tunnel(self, port: int) -> None:
        """Forward all data to and from a local port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            await self.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pump(self._reader, writer), _pump(reader, self._writer))

    async def reset(self) -> None:
        """Close the connection with a TCP reset."""
        sock: Any = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.close()
            await self._writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass
class Listener:
    """A listening address of the proxy with one fault."""

    upstream: str
    behave: Callable[[Link], Awaitable[None]]
    tls: ServerContext | None = None
    refusing: bool = False  # connections are refused
    scheme: str = "http"
    host: str = "127.0.0.1"  # the host name in its base URL
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0  # without those whose handshake failed
    open: int = 0  # connections closed neither by the client nor by the proxy
    counts: Counter[str] = field(default_factory=Counter)  # counters for use by the fault

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/v2"

    @property
    def attempts(self) -> int:
        """The number of attempts of the client."""
        return max(self.connections, len(self.requests), self.tls.handshakes if self.tls else 0)

    async def start(self) -> None:
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._tasks: set[asyncio.Task[Any]] = set()
        if not self.refusing:
            self._server = await asyncio.start_server(self._serve, sock=self._listening, ssl=self.tls, backlog=100)

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
            # The client disconnected.
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self.behave(link)
            with contextlib.suppress(asyncio.CancelledError):
                await link.close()
        finally:
            self.open -= 1


@contextlib.contextmanager
def fault_proxy(upstream: str = "") -> Iterator[Callable[..., Listener]]:
    """Yield a function that creates listeners in front of a server. They run on an event loop in a separate thread."""
    listeners: list[Listener] = []

    def new_listener(*args: Any, **options: Any) -> Listener:
        listeners.append(listener := Listener(upstream, *args, **options))
        portal.call(listener.start)
        return listener

    async def set_up() -> None:
        # Ignore clients that disconnect during a handshake, as intended by some faults.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)

    with start_blocking_portal() as portal:
        portal.call(set_up)
        try:
            yield new_listener
        finally:
            for listener in listeners:
                portal.call(listener.stop)
