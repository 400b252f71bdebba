"""Connections for programs on asyncio, without the layers that make one code fit all event loops.

What they share with those of other kinds: an `Exchange` notes what happens. What comes is read as
it comes, and the task that waits for the answer is woken once.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

import anyio
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from runpod._exchange import CONNECT_TIMEOUT
from runpod._happy_eyeballs import connected
from runpod._network import NO_DELAY, address_info, watched
from runpod._primitives import async_shield, async_time_limit, is_trio
from runpod._protocol.http1 import AnswerReader, BadAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from runpod._exchange import Exchange
    from runpod._http import Route

# A body from this size on goes out in pieces of it, and one below in one write with its header. In bytes.
_LARGE = 64 * 1024

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

    __slots__ = ("_due", "_exchange", "_fail", "_loop", "_moved", "_timer")

    def __init__(self, fail: Callable[[Exception], None], loop: asyncio.AbstractEventLoop) -> None:
        self._fail = fail
        self._loop = loop
        self._exchange: Exchange | None = None
        self._moved = 0.0
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, exchange: Exchange) -> None:
        """Watches over an exchange, until `end`."""
        self._exchange = exchange
        self._moved = now = time.monotonic()
        self._wait(exchange, now)

    def moved(self) -> None:
        """Something came, or went."""
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
        # Timers are not exact.
        if now >= exchange.until - 0.001:
            exchange.late = True
            self._fail(TimeoutError("the deadline passed"))
        elif now >= self._moved + exchange.patience - 0.001:
            self._fail(TimeoutError(f"nothing moved for {exchange.patience:g} s"))
        else:
            self._wait(exchange, now)


class _Conversation(asyncio.BufferedProtocol):
    """One answer after another, each to one request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, readers: Readers, below: socket.socket | None = None) -> None:
        self._loop = loop
        # Where what is read there is the answer: not over TLS.
        self._below = below
        self._new_reader = readers(loop)
        self._transport: asyncio.WriteTransport | None = None
        self._reader: Reader | None = None
        self._answered: asyncio.Future[None] | None = None
        self._is_readable: Callable[[], bool] = bool
        self._watch = _Watch(self.fail, loop)
        # asyncio's own way to read makes room for so much that it takes longer than to read it.
        self._buffer = memoryview(bytearray(_PIECE))
        # Whether the transport can take no more, and what wakes the one that waits for room in it.
        self._full = False
        self._room: asyncio.Future[None] | None = None
        # Whether the whole request was handed to the transport.
        self._whole = False
        # Why it is of no more use, where it is not.
        self._broken: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of other event loops are none by class.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._is_readable = watched(transport.get_extra_info("socket"))
        # TLS would keep more, and what is kept does not show whether anything moves.
        self._transport.set_write_buffer_limits(_LARGE)

    def ask(self, exchange: Exchange, head: bytes) -> asyncio.Future[None]:
        """Sends a request, a large body excepted, and gives what is done once its answer is there."""
        assert self._transport is not None
        self._answered = answered = self._loop.create_future()
        if self._broken is not None:
            answered.set_exception(self._broken)
            return answered
        exchange.sent = True
        self._reader = self._new_reader(exchange)
        self._watch.begin(exchange)
        content = exchange.content or b""
        self._whole = len(content) < _LARGE
        self._transport.write(head + content if self._whole else head)
        return answered

    async def send(self, content: bytes) -> None:
        """Sends a large body, as fast as it is taken and until there is an answer."""
        assert self._transport is not None
        assert self._answered is not None
        view = memoryview(content)
        for start in range(0, len(view), _LARGE):
            while self._full and not self._answered.done():
                self._room = self._loop.create_future()
                await self._room
            if self._answered.done():
                return
            self._transport.write(view[start : start + _LARGE])
            self._watch.moved()
        self._whole = True

    def finish(self) -> bool:
        """Ends the exchange; whether there can be another one."""
        reader, answered, self._reader, self._answered = self._reader, self._answered, None, None
        self._watch.end()
        if answered is not None and answered.done() and not answered.cancelled():
            # Nobody may have looked: a call that was cancelled while it was sending does not.
            answered.exception()
        if len(self._buffer) > _PIECE:
            self._buffer = memoryview(bytearray(_PIECE))
        return reader is not None and reader.reusable and self._whole and self._broken is None

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._watch.moved()
        self._look_again()

    def _look_again(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

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
        if self._broken is not None:
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
        if exc is not None:
            self._read_rest()
        self._ended(exc)

    def _read_rest(self) -> None:
        """Reads what came before the end. Where it cannot write, asyncio reads no more, not even why."""
        reader = self._reader
        if self._below is None or reader is None:
            return
        with suppress(OSError, BadAnswerError):
            while not reader.done and (data := self._below.recv(_LARGE)):
                reader.feed(data)
        if reader.done:
            self._wake()

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

    def _wake(self, error: Exception | None = None) -> None:
        if self._answered is not None and not self._answered.done():
            if error is None:
                self._answered.set_result(None)
            else:
                self._answered.set_exception(error)
        self._look_again()

    def fail(self, error: Exception) -> None:
        """Ends the exchange with an error, and every later one."""
        self._broken = self._broken or error
        self._wake(self._broken)

    def is_alive(self) -> bool:
        """Whether the server has not closed it. The event loop may not have noticed yet."""
        closing = self._transport is None or self._transport.is_closing()
        return self._broken is None and not closing and not self._is_readable()

    async def aclose(self) -> None:
        """Closes the connection at once.

        A farewell, as TLS has it, would take a peer that answers and a loop that goes on.
        """
        self._watch.close()
        self._broken = self._broken or ConnectionError("the connection was closed")
        if self._transport is not None:
            self._transport.abort()
        with async_shield():
            # The loop closes the socket in its next round, and this may be the last but for that.
            await asyncio.sleep(0)


class AsyncioConnection:
    """Carries exchanges out one after the other. It is opened by the first of them."""

    def __init__(self, route: Route, readers: Readers = lambda _: AnswerReader) -> None:
        self._route = route
        self._readers = readers
        self._conversation: _Conversation | None = None
        self._reusable = False

    @staticmethod
    def fits(route: Route) -> bool:
        """Whether it can be used here: on asyncio, and for what goes there directly."""
        return not route.proxied and not is_trio()

    async def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        self._reusable = False
        # Of a call that is cancelled already, nothing is sent; writing does not look. What asyncio itself cancels shows
        # in the next round of the loop only: that is waited for where sending costs money.
        if exchange.method == "GET":
            await checkpoint_if_cancelled()
        else:
            await checkpoint()
        conversation = self._conversation
        if conversation is None:
            conversation = self._conversation = await self._opened(exchange)
            if conversation is None:
                return
        try:
            answered = conversation.ask(exchange, self._route.head(exchange))
            if exchange.content is not None and len(exchange.content) >= _LARGE:
                await conversation.send(exchange.content)
            await answered
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
            below = await connected(found)
            below.setsockopt(*NO_DELAY)
            conversation: _Conversation | None = None

            def take() -> _Conversation:
                nonlocal conversation
                conversation = _Conversation(loop, self._readers, None if self._route.tls else below)
                return conversation

            try:
                await loop.create_connection(
                    take,
                    sock=below,
                    ssl=self._route.tls,
                    server_hostname=host if self._route.tls else None,
                )
            except BaseException:
                if conversation is None:
                    below.close()
                else:
                    # The socket is the event loop's, which must not find another one under its number.
                    await conversation.aclose()
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
            await self._conversation.aclose()
