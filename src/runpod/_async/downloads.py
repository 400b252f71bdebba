"""Downloads of media: with retries, within a deadline, and bounded."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

import httpx
from pydantic import SecretStr

from runpod._async.open_response import discard
from runpod._base_errors import ClientClosedError, InvalidRequestError, MediaError, RunpodError
from runpod._http.decoded_pieces import PieceDecoder, UndecodableError
from runpod._http.exchange import CONNECT_TIMEOUT, Exchange
from runpod._http.private_addresses import PrivateAddressError, RefusedURLError
from runpod._http.transport_errors import NEVER_SENT
from runpod._logging import logger
from runpod._protocol.failures import is_transient
from runpod._protocol.links import LinkCall, refusal
from runpod._protocol.outcomes import Response
from runpod._protocol.retries import Attempts
from runpod._text import readable
from runpod.errors import RunpodTimeoutError
from runpod.media.item import Media, shown_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod._async.session import AsyncSession
    from runpod._http.private_addresses import Reach
    from runpod._primitives import AsyncTimeLimit
    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.outcomes import Outcome

MAX_BYTES: int = 2 * 1024**3
"""The default of `max_bytes`."""

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COMPLETE = frozenset({200, 203})


class AsyncSink(Protocol):
    """Takes the pieces of a download."""

    async def start(self, total: int | None) -> None:
        """Begins a response of `total` bytes, if known; also again, after a response that was not complete."""

    async def write(self, piece: bytes) -> None:
        """Takes the next piece."""


@dataclass(frozen=True)
class DownloadOptions:
    """The options of a call that downloads.

    Attributes:
        deadline: The deadline of the whole call.
        max_bytes: The maximum size of a file.
        allow_private: Whether private addresses may be connected to.
        job_id: The job whose output it is, if known.
        endpoint_id: Its endpoint, if known.
        submitted_at: When the job was submitted, if known.
    """

    deadline: Deadline
    max_bytes: int
    allow_private: bool
    job_id: str | None = None
    endpoint_id: str | None = None
    submitted_at: datetime | None = None

    def __post_init__(self) -> None:
        if not _is_positive(self.max_bytes):
            msg = f"max_bytes must be a positive number of bytes, not {readable(repr(self.max_bytes), 60)}."
            raise InvalidRequestError(msg)

    def check_size(self, size: int, name: str) -> None:
        """Checks the size of a file.

        Raises:
            MediaError: It is larger than `max_bytes`.
        """
        if size > self.max_bytes:
            msg = f"{name} is larger than max_bytes, {self.max_bytes:,}. Pass a higher max_bytes if you expect it."
            raise MediaError(msg)

    def add_context(self, error: RunpodError) -> None:
        """Adds the job and its endpoint to an error."""
        error.job_id = error.job_id or self.job_id
        error.endpoint_id = error.endpoint_id or self.endpoint_id


class AsyncDownload:
    """One download. Its URL, and every URL that it is redirected to, must be allowed by the options.

    Args:
        session: The session of the client.
        url: The URL.
        options: The options of the call.
        sink: Takes the content.
    """

    def __init__(self, session: AsyncSession, url: str, options: DownloadOptions, sink: AsyncSink) -> None:
        self._session = session
        self._options = options
        self._sink = sink
        self._call = LinkCall(url=url)
        # The URL, or the one that it was last redirected to.
        self._current = url
        self._clients = session.engine.downloads
        self._reach: Reach = self._clients.reach(allow_private=options.allow_private)

    async def run(self) -> str:
        """Downloads it.

        Returns:
            The `Content-Type` of the response; empty if it has none.

        Raises:
            MediaError: It cannot be downloaded.
            RunpodTimeoutError: The deadline passed.
            ClientClosedError: The client is closed.
        """
        deadline, clock = self._options.deadline, self._session.clock
        attempts = Attempts(self._call, self._session.retry, deadline)
        shown = shown_url(self._call.url)
        while True:
            try:
                outcome = await self._attempt()
                if isinstance(outcome, Response) and outcome.status in _COMPLETE:
                    return outcome.headers.get("content-type", "")
                delay = attempts.next_delay(outcome, clock.now())
            except RefusedURLError as error:
                raise MediaError(self._refused(error)) from error
            except RunpodTimeoutError as error:
                msg = f"{shown} was not downloaded within the timeout of {deadline.span:g} s."
                raise RunpodTimeoutError(msg, maybe_submitted=False, retryable=True) from error
            except (MediaError, ClientClosedError):
                raise
            except RunpodError as error:
                # The body of an error status was not read.
                msg = error.message.replace(", without a reason", "")
                raise MediaError(msg, retryable=error.retryable) from error
            logger.info("Downloading %s again in %.2f s (attempt %d)", shown, delay, attempts.number)
            await clock.sleep(delay)

    async def _attempt(self) -> Outcome:
        """Requests the URL, and follows redirects.

        Raises:
            MediaError: A retry would have the same outcome.
            RefusedURLError: A URL must not be requested.
        """
        url = self._call.url
        for _ in range(_MAX_REDIRECTS + 1):
            self._current = url
            outcome = await self._request(self._reach.check_url(url))
            if not isinstance(outcome, Response) or outcome.status in _COMPLETE or is_transient(outcome):
                return outcome
            location = outcome.headers.get("location")
            if outcome.status not in _REDIRECTS or location is None:
                now = datetime.now(timezone.utc)
                since = self._options.submitted_at
                msg = refusal(url, outcome.status, job_age=None if since is None else now - since, now=now)
                raise MediaError(msg)
            try:
                # Some servers send characters that a URL cannot contain.
                url = str(httpx.URL(url).join(location.encode("latin-1").decode("utf-8", "replace")))
            except (httpx.InvalidURL, ValueError) as error:
                msg = f"{shown_url(url)} redirects to an address that is not a valid URL."
                raise MediaError(msg) from error
        msg = f"{shown_url(self._call.url)} was redirected more than {_MAX_REDIRECTS} times."
        raise MediaError(msg)

    def _refused(self, error: RefusedURLError) -> str:
        msg = f"{shown_url(self._current)} is not downloaded, since {error}."
        if self._current != self._call.url:
            msg += f" {shown_url(self._call.url)} redirects to it."
        if isinstance(error, PrivateAddressError):
            msg += " An output must not make this program read a private network. If you trust this one, pass"
            msg += " allow_private=True."
        return msg

    async def _request(self, url: httpx.URL) -> Outcome:
        session, deadline = self._session, self._options.deadline
        session.check_open(self._call)
        exchange = Exchange(self._call, deadline.remaining(session.clock.now()))

        async def transfer(exchange: Exchange, remaining: float, limit: AsyncTimeLimit) -> None:
            await self._transfer(url, exchange, remaining, limit)

        # Error messages of transports may quote the URL. With its question mark, since a query can be a single letter.
        query = url.query.decode("ascii")
        secret = SecretStr(query and f"?{query}")
        return await session.engine.attempt(self._call, exchange, deadline, session.clock, transfer, secret)

    async def _transfer(self, url: httpx.URL, exchange: Exchange, remaining: float, limit: AsyncTimeLimit) -> None:
        try:
            response = await self._clients.send(self._new_request(url, remaining, exchange.read_timeout), self._reach)
        except httpx.HTTPStatusError as error:
            # The caller's event hook raised for the status, so there is a response.
            exchange.start_response(error.response.status_code, error.response.headers.raw)
            exchange.complete = True
            return
        except NEVER_SENT:
            exchange.sending.sent = False
            raise
        exchange.start_response(response.status_code, response.headers.raw)
        # A response that is already read was decoded by the caller's transport.
        encoded = not response.is_stream_consumed
        pieces = response.aiter_raw() if encoded else response.aiter_bytes()
        try:
            # The body of other responses is not needed.
            exchange.complete = response.status_code not in _COMPLETE or await self._receive(
                response, pieces, encoded, limit
            )
        except BaseException:
            await discard(response, pieces)
            raise
        finally:
            await response.aclose()
            # Break a reference cycle.
            response.stream = httpx.ByteStream(b"")

    async def _receive(
        self, response: httpx.Response, pieces: AsyncIterator[bytes], encoded: bool, limit: AsyncTimeLimit
    ) -> bool:
        """Feeds the body to the sink. Returns whether it is complete."""
        shown, encoding = shown_url(self._call.url), response.headers.get("content-encoding", "")
        try:
            decoder = PieceDecoder(encoding if encoded else "")
            length = None if encoding else _content_length(response)
            self._options.check_size(length or 0, shown)
            await self._sink.start(length)
            received = 0
            async for piece in pieces:
                for decoded in decoder.feed(piece):
                    received += len(decoded)
                    self._options.check_size(received, shown)
                    await self._sink.write(decoded)
                if limit.passed():
                    # The caller's own client does not end single reads at the deadline.
                    await discard(response, pieces)
                    return False
            for decoded in decoder.finish():
                received += len(decoded)
                self._options.check_size(received, shown)
                await self._sink.write(decoded)
        except UndecodableError as error:
            msg = f"{shown} cannot be decoded: {error}."
            raise MediaError(msg) from error
        if length is not None and received != length:
            msg = f"the body has {received:,} bytes instead of {length:,}"
            raise httpx.RemoteProtocolError(msg)
        return True

    def _new_request(self, url: httpx.URL, remaining: float, read_timeout: float) -> httpx.Request:
        step = min(remaining, read_timeout)
        if self._session.engine.owned and step == remaining:
            # The library's own client keeps the deadline by itself; this must not end a read before.
            step += 1.0
        return httpx.Request(
            "GET",
            url,
            # Without the API key, and without the headers and cookies of the caller's client.
            headers={
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "User-Agent": self._session.engine.config.user_agent,
            },
            extensions={
                "timeout": {
                    "connect": min(remaining, CONNECT_TIMEOUT),
                    "read": step,
                    "write": step,
                    "pool": None if remaining == float("inf") else remaining,
                }
            },
        )


class _Memory:
    """Keeps a download in memory."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()

    async def start(self, total: int | None) -> None:  # noqa: ARG002 - shown by other sinks
        self._buffer = io.BytesIO()

    async def write(self, piece: bytes) -> None:
        self._buffer.write(piece)

    @property
    def content(self) -> bytes:
        """What was downloaded. It is not copied."""
        return self._buffer.getvalue()


async def fetch(session: AsyncSession, media: Media | str, options: DownloadOptions) -> bytes:
    """Returns the content of media. See `fetch` of the client."""
    url = _url_of(media)
    try:
        session.check_open(LinkCall())
        session.engine.check_loop()
        if url is None and isinstance(media, Media):
            options.check_size(media.size or 0, repr(media.name))
            return media.data or b""
        memory = _Memory()
        await AsyncDownload(session, url or "", options, memory).run()
    except RunpodError as error:
        options.add_context(error)
        raise
    return memory.content


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _url_of(media: object) -> str | None:
    if isinstance(media, str):
        return media
    if isinstance(media, Media):
        return media.url
    msg = f"media must be a Media or a URL, not {type(media).__name__}."
    raise InvalidRequestError(msg)


def _content_length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and "transfer-encoding" not in response.headers else None
