# Generated from src/runpod/_async/connection.py by scripts/generate_sync.py. Do not edit.

"""One connection straight to the server."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import httpcore

from runpod._exchange import CONNECT_TIMEOUT
from runpod._primitives import shield, time_limit
from runpod._protocol.http1 import AnswerReader

if TYPE_CHECKING:
    from runpod._exchange import Exchange
    from runpod._http import Route

# How much to read at once, in bytes.
_PIECE = 64 * 1024


class Connection:
    """Carries exchanges out one after the other. It is opened by the first of them."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._stream: httpcore.NetworkStream | None = None
        self._reusable = False

    def carry(self, exchange: Exchange) -> None:
        """Carries out one exchange within its deadline, and notes in it what happens."""
        self._reusable = False
        with time_limit(exchange):
            stream = self._stream or self._open()
            reader = AnswerReader(exchange)
            stall = exchange.stall_timeout
            exchange.sent = True
            # A server that has no use for the rest of a request may answer all the same.
            with suppress(httpcore.WriteError):
                stream.write(self._route.head(exchange), stall)
                stream.write(exchange.content or b"", stall)
            while not reader.done:
                if data := stream.read(_PIECE, stall):
                    reader.feed(data)
                else:
                    reader.end()
            exchange.complete = True
            self._reusable = reader.reusable

    def _open(self) -> httpcore.NetworkStream:
        host, port = self._route.address
        backend = self._route.backend
        stream: httpcore.NetworkStream = backend.connect_tcp(host, port, CONNECT_TIMEOUT)
        if self._route.tls is not None:
            stream = stream.start_tls(self._route.tls, host, CONNECT_TIMEOUT)
        self._stream = stream
        return stream

    def is_reusable(self) -> bool:
        """Whether it waits for the next request, as far as one knows without a look."""
        return self._reusable

    def is_alive(self) -> bool:
        """Whether the server has not closed an idle one."""
        return self._stream is not None and not self._stream.get_extra_info("is_readable")

    def close(self) -> None:
        if self._stream is not None:
            with shield():
                self._stream.close()
