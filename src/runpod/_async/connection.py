"""One connection straight to the server."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import httpcore

from runpod._exchange import CONNECT_TIMEOUT
from runpod._primitives import async_shield, async_time_limit
from runpod._protocol.http1 import AnswerReader

if TYPE_CHECKING:
    from runpod._exchange import Exchange
    from runpod._http import Route

# How much to read at once, in bytes.
_PIECE = 64 * 1024


class AsyncConnection:
    """Carries exchanges out one after the other. It is opened by the first of them."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._stream: httpcore.AsyncNetworkStream | None = None
        self._reusable = False

    async def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        self._reusable = False
        with async_time_limit(exchange):
            stream = self._stream or await self._open()
            reader = AnswerReader(exchange)
            stall = exchange.stall_timeout
            exchange.sent = True
            # A server that has no use for the rest of a request may answer all the same.
            with suppress(httpcore.WriteError):
                await stream.write(self._route.head(exchange), stall)
                await stream.write(exchange.content or b"", stall)
            while not reader.done:
                if data := await stream.read(_PIECE, stall):
                    reader.feed(data)
                else:
                    reader.end()
            exchange.complete = True
            self._reusable = reader.reusable

    async def _open(self) -> httpcore.AsyncNetworkStream:
        host, port = self._route.address
        backend = self._route.backend
        stream: httpcore.AsyncNetworkStream = await backend.connect_tcp(host, port, CONNECT_TIMEOUT)
        if self._route.tls is not None:
            stream = await stream.start_tls(self._route.tls, host, CONNECT_TIMEOUT)
        self._stream = stream
        return stream

    def is_reusable(self) -> bool:
        """Whether it waits for the next request, as far as one knows without a look."""
        return self._reusable

    def is_alive(self) -> bool:
        """Whether the server has not closed an idle one."""
        return self._stream is not None and not self._stream.get_extra_info("is_readable")

    async def aclose(self) -> None:
        if self._stream is not None:
            with async_shield():
                await self._stream.aclose()
