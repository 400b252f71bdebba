"""Test servers: one with scripted responses and no network, and one on raw sockets that can misbehave."""

from __future__ import annotations

import contextlib
import gc
import re
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    import respx
    from typing_extensions import Self

KEY = "rpa_TESTKEYTESTKEYTESTKEY"
BASE_URL = "https://api.example.test/v2"

TEST_TIMEOUT = 10.0  # seconds, before a test gives up


@dataclass(frozen=True)
class Delayed:
    """A response that arrives after some seconds of virtual time."""

    seconds: float
    response: Any


class Wire:
    """Returns scripted responses in order, and records the requests.

    A response is a dict or list (sent as JSON with status 200), a status code (sent with an error message), an
    `httpx.Response`, an exception (raised by the transport), a `Delayed` response, or a function that returns one of
    these. Each is used once. A request without a response is an error, unless `always` set a default.
    """

    def __init__(self, router: respx.MockRouter, clock: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.unexpected: list[str] = []
        self.clock = clock
        self._script: deque[Any] = deque()
        self._default: Any = None
        router.route().mock(side_effect=self._handle)

    def respond(self, *responses: Any) -> None:
        """Append responses to the script."""
        self._script.extend(responses)

    def always(self, response: Any) -> None:
        """Set the response for requests after the end of the script."""
        self._default = response

    @property
    def sent(self) -> list[str]:
        """The request lines: `GET /v2/ep/status/job?wait=1000`."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    def check(self) -> None:
        """Fail on requests without a scripted response, and on responses left over."""
        assert not self.unexpected, f"no response scripted for {self.unexpected}"
        assert not self._script, f"{len(self._script)} scripted responses were not requested"

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._script:
            response = self._script.popleft()
        elif self._default is not None:
            response = self._default
        else:
            self.unexpected.append(self.sent[-1])
            response = 599
        return self._build(response)

    def _build(self, response: Any) -> httpx.Response:
        if isinstance(response, Delayed):
            self.clock.advance(response.seconds)
            return self._build(response.response)
        if callable(response):
            made = response()
            return made if isinstance(made, httpx.Response) else self._build(made)
        if isinstance(response, BaseException):
            raise response
        if isinstance(response, int):
            return httpx.Response(response, json={"error": f"it is a {response}"})
        if isinstance(response, httpx.Response):
            # A copy, since a response can be read only once.
            return httpx.Response(response.status_code, headers=response.headers, content=response.content)
        return httpx.Response(200, json=response)


class Connection:
    """One connection of a `RawServer`, with methods to misbehave."""

    def __init__(self, server: RawServer, peer: socket.socket) -> None:
        self._server = server
        self._peer = peer
        self._buffer = b""

    def read_request(self) -> bytes:
        """Read one request with its body. Empty if the client disconnected."""
        head, found, rest = self._read_until(b"\r\n\r\n")
        if not found:
            return b""
        length = re.search(rb"(?im)^content-length: (\d+)", head)
        missing = int(length[1]) if length else 0
        while len(rest) < missing and (more := self._receive()):
            rest += more
        self._buffer = rest[missing:]
        request = head + b"\r\n\r\n" + rest[:missing]
        self._server.requests.append(request)
        self._server.arrived.set()
        return request

    def see_request(self) -> None:
        """Wait for the first bytes without consuming them."""
        self._peer.recv(1, socket.MSG_PEEK)

    def read_slowly(self) -> None:
        """Read one byte at a time, with pauses, so that the client's send buffer stays full."""
        while self._receive(1) and not self.pause(0.05):
            pass

    def send(self, data: bytes) -> None:
        self._peer.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send byte by byte, and repeat the last byte until the test ends."""
        for byte in data:
            self.send(bytes([byte]))
            if self.pause(0.05):
                return
        while not self.pause(0.05):
            self.send(data[-1:])

    def respond(self, body: bytes, *, status: str = "200 OK", headers: str = "") -> None:
        """Send a complete response."""
        self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def pause(self, seconds: float) -> bool:
        """Wait. True if the server is stopping."""
        return self._server.closing.wait(seconds)

    def hang(self) -> None:
        """Block until the end of the test."""
        self._server.closing.wait(60)

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._peer.close()

    def _receive(self, limit: int = 65536) -> bytes:
        try:
            return self._peer.recv(limit)
        except OSError:
            return b""

    def _read_until(self, end: bytes) -> tuple[bytes, bytes, bytes]:
        data, self._buffer = self._buffer, b""
        while end not in data:
            more = self._receive()
            if not more:
                break
            data += more
        return data.partition(end)


class RawServer:
    """A server on loopback that runs `behave` for each connection, in its own thread.

    Args:
        behave: Handles a connection, which is closed when the function returns.

    Attributes:
        requests: The complete requests received.
        connections: The number of connections accepted.
        arrived: Set when a complete request has arrived.
        closed: Set when a connection has been closed.
    """

    def __init__(self, behave: Callable[[Connection], None]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.closing = threading.Event()
        self.arrived = threading.Event()
        self.closed = threading.Event()
        self._behave = behave
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port: int = self._listening.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v2"
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for sock in (self._listening, *self._peers):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(TEST_TIMEOUT)
            assert not thread.is_alive()
        gc.collect()  # so that a ResourceWarning is raised in the test that leaked the resource

    def times(self, target: str) -> int:
        """The number of complete requests for a method and path such as `POST /v2/ep/run`, with any query."""
        return sum(bool(re.match(rf"{re.escape(target)}[ ?]".encode(), request)) for request in self.requests)

    def _start(self, function: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._peers.append(peer)
            self._start(self._serve, peer)

    def _serve(self, peer: socket.socket) -> None:
        # The client disconnected, or the test is over.
        with peer, contextlib.suppress(OSError):
            self._behave(Connection(self, peer))
        self.closed.set()


def free_port() -> int:
    """A port on which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def fail_to_resolve(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Make name resolution of a host fail immediately; some resolvers take seconds to fail."""
    real = socket.getaddrinfo

    def getaddrinfo(name: Any, *args: Any, **kwargs: Any) -> Any:
        if host in str(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
