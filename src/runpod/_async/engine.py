"""The engine: bytes and a deadline in; a response or a transport error out."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx

from runpod._environment import certificate_advice
from runpod._exchange import CONNECT_TIMEOUT, Exchange, current
from runpod._logging import logger
from runpod._primitives import AsyncCaller, AsyncTimeLimit, async_shield
from runpod._protocol.bodies import ACCEPTED
from runpod._protocol.failures import closed_error, submitted_job
from runpod._protocol.outcomes import RequestNotSent
from runpod._transport_errors import NEVER_SENT, is_of_certificate, is_of_transport, may_have_been_sent
from runpod.errors import ConfigurationError, InvalidRequestError
from runpod.models._text import readable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod._config import Config
    from runpod._primitives import AsyncClock
    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Outcome

# The longest URL that httpx takes.
MAX_URL = 65536

# A body is sent in pieces of this size, in bytes.
_PIECE = 256 * 1024  # async-only


class AsyncEngine:
    """Sends bytes and brings bytes back, within a deadline. Every request is sent with `send` of an httpx client."""

    def __init__(self, config: Config, http_client: object | None) -> None:
        problem = _url_problem(config.base_url)
        if problem:
            msg = f"base_url cannot be used: {problem}."
            raise ConfigurationError(msg)
        self.config = config
        # Whether the httpx client is the library's own.
        self.owned: bool = http_client is None
        # Whether the network streams tell when a request leaves. Where they do not, the trace of httpcore does, for a
        # twentieth more of a call.
        tells = False
        if http_client is None:
            http_client, tells = _new_client(config.base_url)
        self._traced = not tells
        if not isinstance(http_client, httpx.AsyncClient):
            raise ConfigurationError(_wrong_client(http_client))
        self._client = http_client
        self._base_url = config.base_url
        self._key = config.api_key.get_secret_value()
        self._headers = httpx.Headers(
            {
                "Host": httpx.URL(config.base_url).netloc.decode("ascii"),
                "Accept": "application/json",
                "Accept-Encoding": ACCEPTED,
                "User-Agent": config.user_agent,
                "Authorization": f"Bearer {self._key}",
            }
        )
        self._headers_of_json = httpx.Headers({**self._headers, "Content-Type": "application/json"})
        self._caller = AsyncCaller()
        self._closed = False

    async def send(self, call: Call, deadline: Deadline, clock: AsyncClock) -> Outcome:
        """Makes one attempt of a call.

        Raises:
            InvalidRequestError: The URL is too long.
            ClientClosedError: The client is closed. Nothing was sent.
        """
        self.check_open(call)
        self._caller.check()
        left = deadline.remaining(clock.now())
        exchange = Exchange(call, left)
        if len(self._base_url) + len(exchange.target) > MAX_URL:
            msg = f"The address of {call.operation.name} cannot be used: it is too long. Check the ids."
            raise InvalidRequestError(msg, endpoint_id=call.endpoint_id, job_id=call.job_id)
        problem: Exception | None = None
        # A deadline can pass in a pause before an attempt, and then nothing is sent.
        if left > 0:
            token = current.set(exchange.sending)
            try:
                with AsyncTimeLimit(left) as limit:
                    await self._carry(exchange, left, limit)
                exchange.late = limit.passed()
            except BaseException as error:
                if not is_of_transport(error):
                    if isinstance(error, RuntimeError):
                        # So httpx says that somebody closed it a moment ago.
                        self.check_open(call)
                    _note_interrupted(call, exchange, error)
                    raise
                problem = error
            finally:
                current.reset(token)
        # Timers are not exact; what ends just before the deadline was ended by it.
        exchange.late = exchange.late or deadline.remaining(clock.now()) <= 0.005
        outcome = exchange.outcome(problem, self._key)
        if isinstance(outcome, RequestNotSent) and is_of_certificate(problem):
            return RequestNotSent(f"{outcome.reason.rstrip('.')}. {certificate_advice()}", final=True)
        return outcome

    async def _carry(self, exchange: Exchange, left: float, limit: AsyncTimeLimit) -> None:
        sending = exchange.sending

        async def trace(event: str, info: dict[str, Any]) -> None:
            if not sending.traced:
                sending.traced, sending.sent = True, False
            # A request by which a proxy is asked for a tunnel is not yet ours.
            if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
                sending.sent = True

        request = self._request(exchange, left)
        if self._traced:
            request.extensions["trace"] = trace
        try:
            response = await self._client.send(request, auth=None, stream=True, follow_redirects=False)
        except httpx.HTTPStatusError as error:
            # An event hook of the caller's raised for the status. With that, the outcome is known.
            _take_refused(exchange, error.response)
            raise
        except NEVER_SENT as error:
            if not sending.traced:
                sending.sent = may_have_been_sent(error)
            raise
        exchange.began(response.status_code, response.headers.raw)
        # A response that is read already was decoded by the transport of a caller.
        encoded = not response.is_stream_consumed
        pieces = response.aiter_raw() if encoded else response.aiter_bytes()
        try:
            async for piece in pieces:
                if not exchange.received(piece, encoded=encoded):
                    await _abandon(response, pieces)
                    break
                if limit.passed():
                    # A client of a caller does not end single reads at the deadline.
                    return
            exchange.complete = True
        finally:
            await response.aclose()
            # The two hold each other, which costs the garbage collector a fifth of a call where many are under way.
            response.stream = httpx.ByteStream(b"")

    def _request(self, exchange: Exchange, left: float) -> httpx.Request:
        content = exchange.content or b""
        headers = httpx.Headers(self._headers_of_json if content else self._headers)
        if exchange.method == "POST":
            headers["Content-Length"] = str(len(content))
        cookies = None
        if not self.owned:
            # A caller's client adds what it adds to every request.
            headers, cookies = _merged(self._client.headers, headers), self._client.cookies
        # The deadline ends it by other means, but for a client of a caller in sync code.
        patience = exchange.patience
        step = min(left, patience) if not self.owned else patience if patience < left else None
        request = httpx.Request(
            exchange.method,
            _parsed(self._base_url + exchange.target),
            headers=headers,
            cookies=cookies,
            stream=_Body(content),
            extensions={
                "timeout": {
                    "connect": min(left, CONNECT_TIMEOUT),
                    "read": step,
                    "write": step,
                    "pool": None if left == float("inf") else left,
                }
            },
        )
        # So that mocks, hooks and transports find its `content`.
        request.read()
        return request

    def check_open(self, call: Call) -> None:
        if self._closed or self._client.is_closed:
            raise closed_error(call)

    async def aclose(self) -> None:
        self._closed = True
        if self.owned:
            await self._client.aclose()


class _Body(httpx.ByteStream):
    """The body of a request."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:  # async-only
        return _Pieces(self._body)


class _Pieces:  # async-only
    """The pieces of a body, each of which must move within the time that a stalled connection is given.

    No generator, as httpx has it: a cancelled request leaves that to the garbage collector, and trio warns of it.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._start = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        start, self._start = self._start, self._start + _PIECE
        if start >= len(self._body):
            raise StopAsyncIteration
        # No copy of a body in one piece.
        return self._body[start : self._start]


@lru_cache(maxsize=1024)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


def _merged(theirs: httpx.Headers, ours: httpx.Headers) -> httpx.Headers:
    headers = httpx.Headers(theirs)
    headers.update(ours)
    return headers


def _take_refused(exchange: Exchange, response: httpx.Response) -> None:
    """Takes a response that httpx closed, with its body where a hook read it."""
    exchange.began(response.status_code, response.headers.raw)
    with suppress(httpx.ResponseNotRead):
        exchange.received(response.content, encoded=False)


async def _abandon(response: httpx.Response, pieces: AsyncIterator[bytes]) -> None:
    """Ends a body that nobody wants the rest of."""
    # Generators within end with the next read; left in the middle, trio warns of them.
    with async_shield(), suppress(Exception):
        await response.aclose()
        for _ in range(100):
            await anext(pieces)


def _note_interrupted(call: Call, exchange: Exchange, error: BaseException) -> None:
    """Logs what a caller cannot learn from an error that is not ours."""
    job_id = call.job_id or submitted_job(call, exchange.partial)
    if job_id is not None:
        msg = "Job %s on endpoint %s: %s was interrupted by %s; the job goes on"
        logger.info(msg, readable(job_id), call.endpoint_id, call.operation.name, type(error).__name__)
    elif not call.operation.repeatable and exchange.sending.sent:
        msg = "%s was interrupted by %s after it was sent; it may have been carried out"
        logger.warning(msg, call, type(error).__name__)


def _new_client(base_url: str) -> tuple[httpx.AsyncClient, bool]:
    # It takes its time to import, and not every program builds a client.
    try:
        from runpod._async.connection_pool import new_client
    except Exception as error:  # what patches other modules can break an import in any way
        msg = f"The HTTP client cannot be built: importing httpcore failed with {type(error).__name__}: {error}."
        raise ConfigurationError(msg) from error
    return new_client(base_url)


def _wrong_client(given: object) -> str:
    kind = type(given)
    msg = f"http_client must be an httpx.{httpx.AsyncClient.__name__}, not "
    if kind.__module__.partition(".")[0] == "httpx2":
        return f"{msg}one of httpx2: its errors and responses are of other classes."
    return f"{msg}{kind.__name__}."


def _url_problem(url: str) -> str | None:
    """Why the HTTP library takes no such URL; None where it does."""
    try:
        _ = httpx.URL(url).host
    except (httpx.InvalidURL, UnicodeError) as error:  # the latter is what idna raises
        return str(error)
    return None
