"""Connections for programs on asyncio, without the layers that make one code fit all event loops.

What they share with those of other kinds: an `Exchange` notes what happens. What comes is read as
it comes, and the task that waits for the answer is woken once.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from runpod._exchange import CONNECT_TIMEOUT
from runpod._network import NO_DELAY, address_info, watched
from runpod._primitives import async_time_limit, is_trio
from runpod._protocol.http1 import AnswerReader, BadAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from runpod._exchange import Exchange
    from runpod._http import Route

# So long after an attempt to connect to one address the next one is tried as well, in seconds
# (RFC 8305).
_STAGGER = 0.25

# A body up to this size goes out in one write with its header.
_SMALL = 64 * 1024

# What is read at once, in bytes: at first, and of large answers.
_PIECE = 4 * 1024
_LARGE_PIECE = 256 * 1024


class Reader(Protocol):
    """What reads one answer; see `AnswerReader`."""

    done: bool
    reusable: bool

    def feed(self, data: bytes) -> None: ...
    def end(self) -> None: ...


# What makes, for a connection on a loop, what makes the readers of its answers.
Readers: TypeAlias = "Callable[[asyncio.AbstractEventLoop], Callable[[Exchange], Reader]]"


class _Watch:
    """Ends an exchange at its deadline, or where nothing moves for too long.

    It has one timer for all exchanges of a connection: most end long before it is due, so it is
    seldom set anew.
    """

    __slots__ = ("_due", "_exchange", "_guarded", "_loop", "_moved", "_timer", "_unsent")

    def __init__(self, guarded: _Conversation, loop: asyncio.AbstractEventLoop) -> None:
        self._guarded = guarded
        self._loop = loop
        self._exchange: Exchange | None = None
        self._moved = 0.0
        self._unsent = 0
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, exchange: Exchange) -> None:
        """Watches over an exchange, until `end`."""
        self._exchange = exchange
        self._moved = now = time.monotonic()
        self._unsent = 0
        self._wait(exchange, now)

    def moved(self) -> None:
        """Something came."""
        self._moved = time.monotonic()

    def end(self) -> None:
        self._exchange = None

    def close(self) -> None:
        self._exchange = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, exchange: Exchange, now: float) -> None:
        due = min(exchange.until, self._moved + exchange.patience)
        if self._timer is not None:
            if self._due <= due:
                # It looks again when it is due.
                return
            self._timer.cancel()
            self._timer = None
        if due < math.inf:
            self._due = due
            self._timer = self._loop.call_later(due - now, self._look)

    def _look(self) -> None:
        self._timer = None
        exchange = self._exchange
        if exchange is None:
            return
        now = time.monotonic()
        if (unsent := self._guarded.unsent) != self._unsent:
            # A large request is on its way.
            self._unsent, self._moved = unsent, now
        # Timers are not exact.
        if now >= exchange.until - 0.001:
            exchange.late = True
            self._guarded.fail(TimeoutError("the deadline passed"))
        elif now >= self._moved + exchange.patience - 0.001:
            self._guarded.fail(TimeoutError(f"nothing came for {exchange.patience:g} s"))
        else:
            self._wait(exchange, now)


class _Conversation(asyncio.BufferedProtocol):
    """One answer after another, each to one request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, readers: Readers) -> None:
        self._loop = loop
        self._new_reader = readers(loop)
        self._transport: asyncio.Transport | None = None
        self._reader: Reader | None = None
        self._answered: asyncio.Future[None] | None = None
        self._is_readable: Callable[[], bool] = bool
        self._watch = _Watch(self, loop)
        # asyncio's own way to read makes room for so much that it takes longer than to read it.
        self._buffer = memoryview(bytearray(_PIECE))
        # Why it is of no more use, where it is not.
        self._broken: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
        self._is_readable = watched(transport.get_extra_info("socket"))

    def ask(self, exchange: Exchange, head: bytes) -> asyncio.Future[None]:
        """Sends a request, and gives what is done once its answer is there."""
        assert self._transport is not None
        self._answered = answered = self._loop.create_future()
        if self._broken is not None:
            answered.set_exception(self._broken)
            return answered
        exchange.sent = True
        self._reader = self._new_reader(exchange)
        self._watch.begin(exchange)
        content = exchange.content or b""
        if len(content) < _SMALL:
            self._transport.write(head + content)
        else:
            self._transport.write(head)
            self._transport.write(content)
        return answered

    def finish(self) -> bool:
        """Ends the exchange; whether there can be another one."""
        reader, self._reader, self._answered = self._reader, None, None
        self._watch.end()
        if len(self._buffer) > _PIECE:
            self._buffer = memoryview(bytearray(_PIECE))
        return reader is not None and reader.reusable and self._broken is None and not self.unsent

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        if nbytes == len(self._buffer) < _LARGE_PIECE:
            self._buffer = memoryview(bytearray(8 * nbytes))
        reader = self._reader
        if reader is None or reader.done:
            self.fail(BadAnswerError("the server sent what nobody asked for"))
            return
        self._watch.moved()
        try:
            reader.feed(data)
        except BadAnswerError as error:
            self.fail(error)
            return
        if reader.done:
            self._wake()

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)

    def _ended(self, error: Exception | None) -> None:
        reader = self._reader
        if error is None and reader is not None and not reader.done:
            try:
                reader.end()
            except BadAnswerError as problem:
                error = problem
            else:
                self._wake()
        self.fail(error or ConnectionError("the connection was closed"))

    def _wake(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def fail(self, error: Exception) -> None:
        """Ends the exchange with an error, and every later one."""
        self._broken = self._broken or error
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(self._broken)

    @property
    def unsent(self) -> int:
        """How many bytes of the request are still here."""
        if self._transport is None or self._broken is not None:
            return 0
        try:
            return self._transport.get_write_buffer_size()
        except AttributeError:
            # Over TLS, asyncio tells of the end of a connection a moment after there is nothing left beneath it.
            return 0

    def is_alive(self) -> bool:
        """Whether the server has not closed it. The event loop may not have noticed yet."""
        return self._broken is None and not self._is_readable()

    def close(self, *, orderly: bool) -> None:
        self._watch.close()
        self._broken = self._broken or ConnectionError("the connection was closed")
        if self._transport is None:
            return
        if orderly:
            self._transport.close()
        else:
            # At once: to a peer that does not read, `close` would go on writing for ever.
            self._transport.abort()


class AsyncioConnection:
    """Carries exchanges out one after the other. It is opened by the first of them."""

    def __init__(self, route: Route, readers: Readers | None = None) -> None:
        self._route = route
        self._readers: Readers = readers or (lambda _: AnswerReader)
        self._conversation: _Conversation | None = None
        self._reusable = False

    @staticmethod
    def fits(route: Route) -> bool:
        """Whether it can be used here: on asyncio, and for what goes there directly."""
        return not route.proxied and not is_trio()

    async def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        self._reusable = False
        # Of a call that is cancelled already, nothing is sent; writing does not look.
        await checkpoint_if_cancelled()
        conversation = self._conversation
        if conversation is None:
            conversation = self._conversation = await self._opened(exchange)
            if conversation is None:
                return
        try:
            await conversation.ask(exchange, self._route.head(exchange))
            exchange.complete = True
        finally:
            self._reusable = conversation.finish()

    async def _opened(self, exchange: Exchange) -> _Conversation | None:
        """A new connection, None where the deadline passed before there was one."""
        loop = asyncio.get_running_loop()
        host, port = self._route.address
        with async_time_limit(exchange), anyio.fail_after(CONNECT_TIMEOUT):
            # One that is known needs no look-up, and no thread to wait in for it.
            known = address_info(host, port)
            found = [known] if known else await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            below = await _connected(found)
            try:
                below.setsockopt(*NO_DELAY)
                _, conversation = await loop.create_connection(
                    lambda: _Conversation(loop, self._readers),
                    sock=below,
                    ssl=self._route.tls,
                    server_hostname=host if self._route.tls else None,
                )
            except BaseException:
                below.close()
                raise
            return conversation
        return None

    def is_reusable(self) -> bool:
        """Whether it waits for the next request, as far as one knows without a look."""
        return self._reusable

    def is_alive(self) -> bool:
        """Whether the server has not closed an idle one."""
        return self._conversation is not None and self._conversation.is_alive()

    async def aclose(self) -> None:
        if self._conversation is not None:
            self._conversation.close(orderly=self._reusable)


async def _connected(addresses: list[Any]) -> socket.socket:
    """A socket that is connected to the first of these addresses that answers.

    asyncio's own way to try several leaves sockets open when it is cancelled.
    """
    if len(addresses) == 1:
        return await _connect(addresses[0])
    won: list[socket.socket] = []
    problems: list[OSError] = []

    async def attempt(address: Any, failed: anyio.Event) -> None:
        try:
            below = await _connect(address)
        except OSError as error:
            problems.append(error)
            failed.set()
            return
        if won:
            below.close()
        else:
            won.append(below)
            group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            for address in _by_turns(addresses):
                failed = anyio.Event()
                group.start_soon(attempt, address, failed)
                with anyio.move_on_after(_STAGGER):
                    await failed.wait()
    except BaseException:
        for below in won:
            below.close()
        raise
    if won:
        return won[0]
    raise problems[0] if problems else OSError("the host has no address")


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
