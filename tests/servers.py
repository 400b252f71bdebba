"""Servers that do what a test says: a scripted one without a network, and raw sockets that misbehave."""

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

PATIENCE = 10.0  # seconds, before a test gives up


@dataclass(frozen=True)
class Held:
    """An answer that takes seconds of virtual time to come."""

    seconds: float
    answer: Any


class Wire:
    """Answers what the client sends, in the order of a script, and keeps what was sent.

    An answer is a dict or list (200 with it as JSON), a status (with an error text), an `httpx.Response`, an
    exception (the transport raises it), a `Held` one, or a function that gives one. Unless a test says `always`,
    every answer is given once and every request must have one.
    """

    def __init__(self, router: respx.MockRouter, clock: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.unexpected: list[str] = []
        self.clock = clock
        self._script: deque[Any] = deque()
        self._for_ever: Any = None
        router.route().mock(side_effect=self._answer)

    def say(self, *answers: Any) -> None:
        """Give these answers next, one by one."""
        self._script.extend(answers)

    def always(self, answer: Any) -> None:
        """Give this answer whenever the script has none."""
        self._for_ever = answer

    @property
    def sent(self) -> list[str]:
        """Every request as one line: `GET /v2/ep/status/job?wait=1000`."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    def check(self) -> None:
        """Fail if the script and the requests did not go together."""
        assert not self.unexpected, f"nothing to answer: {self.unexpected}"
        assert not self._script, f"{len(self._script)} answers were not fetched"

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._script:
            answer = self._script.popleft()
        elif self._for_ever is not None:
            answer = self._for_ever
        else:
            self.unexpected.append(self.sent[-1])
            answer = 599
        return self._response(answer)

    def _response(self, answer: Any) -> httpx.Response:
        if isinstance(answer, Held):
            self.clock.advance(answer.seconds)
            return self._response(answer.answer)
        if callable(answer):
            made = answer()
            return made if isinstance(made, httpx.Response) else self._response(made)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, int):
            return httpx.Response(answer, json={"error": f"it is a {answer}"})
        if isinstance(answer, httpx.Response):
            # Anew each time: a response can be read once.
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, json=answer)


class Connection:
    """One connection of a raw server, with what a misbehaving server needs."""

    def __init__(self, server: RawServer, peer: socket.socket) -> None:
        self._server = server
        self._peer = peer
        self._buffer = b""

    def read_request(self) -> bytes:
        """Read one request with its body; empty where the client went away."""
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
        """Wait for the first bytes, and leave them where they are."""
        self._peer.recv(1, socket.MSG_PEEK)

    def read_slowly(self) -> None:
        """Take a byte now and then, so that the client's buffers stay full."""
        while self._receive(1) and not self.pause(0.05):
            pass

    def send(self, data: bytes) -> None:
        self._peer.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send byte by byte, the last one for ever."""
        for byte in data:
            self.send(bytes([byte]))
            if self.pause(0.05):
                return
        while not self.pause(0.05):
            self.send(data[-1:])

    def answer(self, body: bytes, *, status: str = "200 OK", headers: str = "") -> None:
        """Send a whole answer."""
        self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def pause(self, seconds: float) -> bool:
        """Wait; True once the server is to stop."""
        return self._server.closing.wait(seconds)

    def hang(self) -> None:
        """Do nothing until the end of the test."""
        self._server.closing.wait(60)

    def reset(self) -> None:
        """End the connection the hard way."""
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
    """Listens on loopback and lets `behave` loose on every connection, each in a thread of its own.

    Args:
        behave: What to do with a connection. When it returns, the connection is closed.

    Attributes:
        requests: The requests that arrived whole.
        connections: How many connections there were.
        arrived: Set whenever a request arrived whole.
        closed: Set whenever a connection was closed.
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
            thread.join(PATIENCE)
            assert not thread.is_alive()
        gc.collect()  # What was left open complains now, in the test that left it.

    def times(self, target: str) -> int:
        """How many whole requests for this method and path arrived, whatever their query: `POST /v2/ep/run`."""
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
        # The client went away, or the test is over.
        with peer, contextlib.suppress(OSError):
            self._behave(Connection(self, peer))
        self.closed.set()


def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def has_no_address(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Say at once that a host has no address, which some resolvers take seconds for."""
    real = socket.getaddrinfo

    def getaddrinfo(asked: Any, *args: Any, **kwargs: Any) -> Any:
        if host in str(asked):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(asked, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
