"""A response whose body is read as it comes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import httpx

from runpod._http.decoded_pieces import PieceDecoder, UndecodableError
from runpod._http.exchange import Headers, SendState, current_send
from runpod._http.interruption import async_interrupt
from runpod._http.transport_errors import error_reason, is_transport_error
from runpod._primitives import AsyncTimeLimit, async_shield
from runpod._protocol.outcomes import DeadlineExceeded, ResponseLost, redacted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from pydantic import SecretStr

    from runpod._protocol.outcomes import TransportError


async def discard(response: httpx.Response, pieces: AsyncIterator[bytes]) -> None:
    """Closes a response whose remaining body is not needed."""
    # Read on, so that inner generators finish: trio warns about unfinished ones.
    with async_shield(), suppress(Exception):
        await response.aclose()
        for _ in range(100):
            await anext(pieces)


class AsyncOpenResponse:
    """A successful response whose body was not read yet.

    Args:
        response: The response.
        secret: The API key, which errors of transports may quote.

    Attributes:
        status: The HTTP status.
        headers: The headers, with names in lower case.
    """

    def __init__(self, response: httpx.Response, secret: SecretStr) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = Headers(response.headers.raw)
        self._response = response
        self._secret = secret
        # A response that is already read was decoded by the caller's transport.
        encoded = not response.is_stream_consumed
        self._pieces: AsyncIterator[bytes] = response.aiter_raw() if encoded else response.aiter_bytes()
        self._encoding = self.headers.get("content-encoding", "") if encoded else ""
        self._decoder: PieceDecoder | None = None

    def set_read_timeout(self, seconds: float) -> None:
        """Sets the timeout of reads before the first one, for HTTP clients that do not obey that of `read`."""
        timeout = self._response.request.extensions.get("timeout")
        if isinstance(timeout, dict):
            timeout["read"] = seconds

    async def read(self, seconds: float) -> bytes | TransportError:
        """Returns the next piece of the body, decoded.

        Args:
            seconds: How long to wait for it. After that, the response can only be closed.

        Returns:
            The piece; empty at the end of the body. Or `DeadlineExceeded` after `seconds`, or `ResponseLost`.
        """
        limit = AsyncTimeLimit(seconds)
        token = current_send.set(SendState(seconds))
        try:
            with limit:
                return await self._next_piece()
        except UndecodableError as error:
            return ResponseLost(str(error))
        except Exception as error:
            if not is_transport_error(error):
                raise
            if not limit.passed():
                return ResponseLost(redacted(error_reason(error), self._secret))
        finally:
            current_send.reset(token)
        return DeadlineExceeded("nothing was received in time", sent=True)

    async def _next_piece(self) -> bytes:
        if self._decoder is None:
            self._decoder = PieceDecoder(self._encoding)
        async for piece in self._pieces:
            decoded = b"".join(self._decoder.feed(piece))
            if decoded:
                return decoded
        return b""

    def interrupt(self) -> None:
        """Ends a read in another thread. A task that reads is cancelled instead."""
        async_interrupt(self._response)

    async def aclose(self) -> None:
        """Closes the response."""
        await discard(self._response, self._pieces)
        # Break a reference cycle.
        self._response.stream = httpx.ByteStream(b"")
