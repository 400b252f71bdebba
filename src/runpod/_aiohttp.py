"""Connections over aiohttp: the extra of that name, for async programs on asyncio."""

from __future__ import annotations

import asyncio
import math
import socket
from typing import TYPE_CHECKING, Any

import aiohappyeyeballs
import anyio
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from anyio.lowlevel import checkpoint_if_cancelled

from runpod._exchange import CONNECT_TIMEOUT
from runpod._network import address_info, watched
from runpod._primitives import async_time_limit, is_trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._exchange import Exchange
    from runpod._http import Route

# As much as httpcore takes, in bytes.
_MAX_HEADER = 100 * 1024

# A body up to this size goes out in one write with its header.
_SMALL = 64 * 1024

# asyncio's own leaves sockets open when it is cancelled.
_start_connection: Any = getattr(aiohappyeyeballs, "start_connection")  # noqa: B009 - of no known type
_HAPPY_EYEBALLS_DELAY = 0.25  # seconds


class BadAnswerError(ConnectionError):
    """What came is not HTTP."""


class _Protocol(ResponseHandler):
    """aiohttp's, which keeps what it could not read: the id of a job in it must not be lost."""

    unread: bytes = b""

    def data_received(self, data: bytes) -> None:
        known = self.exception()
        super().data_received(data)
        if known is None and isinstance(self.exception(), HttpProcessingError):
            self.unread = data


class AiohttpConnection:
    """Carries exchanges out one after the other. It is opened by the first of them.

    What aiohttp brings is its protocol, with a parser in C. A session of it on top would cost as
    much again, for what is not wanted here: another pool, cookies, redirects, requests that are
    sent again.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._loop = asyncio.get_running_loop()
        self._protocol: _Protocol | None = None
        self._reusable = False
        self._is_readable: Callable[[], bool] = bool

    @staticmethod
    def fits(route: Route) -> bool:
        """Whether it can be used here: on asyncio, and for what goes there directly."""
        return not route.proxied and not is_trio()

    async def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        self._reusable = False
        # Of a call that is cancelled already, nothing is sent; writing does not look.
        await checkpoint_if_cancelled()
        protocol = self._protocol
        if protocol is None:
            protocol = self._protocol = await self._opened(exchange)
            if protocol is None:
                return
            assert protocol.transport is not None
            self._is_readable = watched(protocol.transport.get_extra_info("socket"))

        def expire() -> None:
            exchange.late = True
            for waiting in (protocol, body):
                if waiting is not None:
                    waiting.set_exception(TimeoutError("the deadline passed"))

        body = None
        timer = self._loop.call_later(exchange.left, expire) if exchange.until < math.inf else None
        try:
            self._send(protocol, exchange)
            while True:
                message, body = await protocol.read()
                if not 100 <= message.code < 200:
                    break
            exchange.began(message.code, message.raw_headers)
            try:
                while piece := await body.readany():
                    if not exchange.received(piece):
                        break
            except BaseException:
                # What had come by then is not given out any more.
                exchange.received(b"".join(getattr(body, "_buffer", ())))
                raise
        except HttpProcessingError as error:
            exchange.received(protocol.unread.partition(b"\r\n\r\n")[2])
            # Its other lines quote what came, and what came may quote the input.
            said = error.message.strip().partition("\n")[0].rstrip(":")
            raise BadAnswerError(said) from None
        finally:
            if timer is not None:
                timer.cancel()
        # A body that was left in the middle would be in the way of the next answer.
        self._reusable = body.at_eof() and not protocol.should_close
        exchange.complete = True

    async def _opened(self, exchange: Exchange) -> _Protocol | None:
        """The protocol of a new connection, None where the deadline passed before there was one."""
        host, port = self._route.address
        with async_time_limit(exchange), anyio.fail_after(CONNECT_TIMEOUT):
            # One that is known needs no look-up, and no thread to wait in for it.
            known = address_info(host, port)
            addresses = [known] if known else await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            below: socket.socket = await _start_connection(
                addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY, interleave=1
            )
            try:
                _, protocol = await self._loop.create_connection(
                    lambda: _Protocol(self._loop),
                    sock=below,
                    ssl=self._route.tls,
                    server_hostname=host if self._route.tls else None,
                )
            except BaseException:
                below.close()
                raise
            return protocol
        return None

    def _send(self, protocol: ResponseHandler, exchange: Exchange) -> None:
        transport = protocol.transport
        assert transport is not None
        protocol.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=exchange.stall_timeout,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
        )
        head, content = self._route.head(exchange), exchange.content or b""
        exchange.sent = True
        if len(content) < _SMALL:
            transport.write(head + content)
        else:
            transport.write(head)
            transport.write(content)
        protocol.start_timeout()

    def is_reusable(self) -> bool:
        """Whether it waits for the next request, as far as one knows without a look."""
        return self._reusable

    def is_alive(self) -> bool:
        """Whether the server has not closed it. The event loop may not have noticed yet."""
        assert self._protocol is not None
        transport = self._protocol.transport
        if transport is None or transport.is_closing():
            return False
        return not self._is_readable()

    async def aclose(self) -> None:
        if self._protocol is None or self._protocol.transport is None:
            return
        if not self._reusable:
            # At once: to a peer that does not read, `close` would go on writing for ever.
            self._protocol.transport.abort()
        self._protocol.close()
