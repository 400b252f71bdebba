"""The engine: sends one request within a deadline and returns a response or a transport error."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx

from runpod._async.download_clients import AsyncDownloadClients
from runpod._async.open_response import AsyncOpenResponse, discard
from runpod._http.body_reader import ACCEPT_ENCODING
from runpod._http.environment import certificate_advice, proxies_for
from runpod._http.exchange import CONNECT_TIMEOUT, Exchange, current_send
from runpod._http.transport_errors import NEVER_SENT, is_certificate_error, is_transport_error, may_have_been_sent
from runpod._logging import logger
from runpod._primitives import AsyncLoopGuard, AsyncTimeLimit
from runpod._protocol.failures import closed_error, submitted_job
from runpod._protocol.operations import JOBS, MANAGEMENT
from runpod._protocol.outcomes import RequestNotSent
from runpod._text import readable
from runpod.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pydantic import SecretStr
    from typing_extensions import Self  # async-only

    from runpod._config import Config
    from runpod._primitives import AsyncClock
    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.operations import Call, Service
    from runpod._protocol.outcomes import Outcome

# Maximum length of a URL in httpx.
MAX_URL = 65536

# Request bodies are sent in pieces of this size, in bytes.
_PIECE = 256 * 1024  # async-only


class AsyncEngine:
    """Sends requests with `send` of an httpx client."""

    def __init__(self, config: Config, http_client: object | None) -> None:
        # The URLs of the services, and the headers of requests to them.
        self._addresses = {service: _Address(service, url, config) for service, url in _services(config).items()}
        self.config = config
        # Whether the httpx client was created by the library.
        self.owned: bool = http_client is None
        if http_client is None:
            http_client = _new_client(config.base_url)
        if not isinstance(http_client, httpx.AsyncClient):
            raise ConfigurationError(_wrong_client(http_client))
        self._client = http_client
        # Clients for addresses that another proxy of the environment is for, or none.
        self._others: dict[tuple[Any, ...], httpx.AsyncClient] = {}
        # The trace extension of httpcore shows when a request is sent. It costs 5 % of a call, so it is used only if the
        # network streams do not report that.
        self._traced = not getattr(http_client, "reports_sending", False)
        self._loop_guard = AsyncLoopGuard()
        self._closed = False
        self.downloads: AsyncDownloadClients = AsyncDownloadClients(
            None if self.owned else http_client, config.base_url, getattr(http_client, "tls", None)
        )

    def check_loop(self) -> None:
        """Warns if a sync client is used on a running event loop."""
        self._loop_guard.check()

    async def send(self, call: Call, deadline: Deadline, clock: AsyncClock) -> Outcome:
        """Makes one attempt of a call.

        Raises:
            InvalidRequestError: The URL is too long.
            ClientClosedError: The client is closed. Nothing was sent.
        """
        exchange = self._begin(call, deadline, clock)
        return await self.attempt(call, exchange, deadline, clock, self._exchange, self.config.api_key)

    async def open(
        self, call: Call, headers: Mapping[str, str], deadline: Deadline, clock: AsyncClock
    ) -> Outcome | AsyncOpenResponse:
        """Makes one attempt of a call whose response is read as it comes.

        Args:
            call: The call.
            headers: Headers of the request, besides those of every request.
            deadline: The deadline for the header of the response.
            clock: The clock of the deadline.

        Returns:
            The open response, if it is a successful one, which the caller has to close.

        Raises:
            InvalidRequestError: The URL is too long.
            ClientClosedError: The client is closed. Nothing was sent.
        """
        opened: list[AsyncOpenResponse] = []

        async def transfer(exchange: Exchange, remaining: float, limit: AsyncTimeLimit) -> None:
            response = await self._send(exchange, remaining, headers)
            if not response.is_success:
                await self._receive(exchange, response, limit)
                return
            opened.append(AsyncOpenResponse(response, self.config.api_key))
            exchange.start_response(response.status_code, response.headers.raw)
            exchange.complete = True

        exchange = self._begin(call, deadline, clock)
        outcome = await self.attempt(call, exchange, deadline, clock, transfer, self.config.api_key)
        return opened[0] if opened else outcome

    def _begin(self, call: Call, deadline: Deadline, clock: AsyncClock) -> Exchange:
        self.check_open(call)
        self._loop_guard.check()
        exchange = Exchange(call, deadline.remaining(clock.now()))
        if len(self._addresses[call.operation.service].url) + len(exchange.target) > MAX_URL:
            msg = f"The URL of {call.operation.name} is too long. Check the endpoint and job IDs."
            raise InvalidRequestError(msg, endpoint_id=call.endpoint_id, job_id=call.job_id)
        return exchange

    async def attempt(
        self,
        call: Call,
        exchange: Exchange,
        deadline: Deadline,
        clock: AsyncClock,
        transfer: Callable[[Exchange, float, AsyncTimeLimit], Awaitable[None]],
        secret: SecretStr,
    ) -> Outcome:
        """Sends a request and receives its response within the deadline.

        Args:
            call: The call.
            exchange: Its request.
            deadline: Its deadline.
            clock: The clock of the deadline.
            transfer: Sends the request, and feeds the response to the exchange. Transport errors that it raises
                become outcomes.
            secret: What the outcome must not quote: the API key.
        """
        remaining = deadline.remaining(clock.now())
        problem: Exception | None = None
        # If the deadline passed during the delay before an attempt, nothing is sent.
        if remaining > 0:
            token = current_send.set(exchange.sending)
            try:
                with AsyncTimeLimit(remaining) as limit:
                    await transfer(exchange, remaining, limit)
                exchange.late = limit.passed()
            except BaseException as error:
                if not is_transport_error(error):
                    if isinstance(error, RuntimeError):
                        # httpx raises it if the client was closed meanwhile.
                        self.check_open(call)
                    _log_interruption(call, exchange, error)
                    raise
                problem = error
            finally:
                current_send.reset(token)
        # With a tolerance, since timers are inexact.
        exchange.late = exchange.late or deadline.remaining(clock.now()) <= 0.005
        outcome = exchange.outcome(problem, secret)
        if isinstance(outcome, RequestNotSent) and is_certificate_error(problem):
            return RequestNotSent(f"{outcome.reason.rstrip('.')}. {certificate_advice()}", final=True)
        return outcome

    async def _exchange(self, exchange: Exchange, remaining: float, limit: AsyncTimeLimit) -> None:
        await self._receive(exchange, await self._send(exchange, remaining), limit)

    async def _send(
        self, exchange: Exchange, remaining: float, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Sends the request, and returns the response without reading its body."""
        sending = exchange.sending

        async def trace(event: str, info: dict[str, Any]) -> None:
            if not sending.traced:
                sending.traced, sending.sent = True, False
            # A CONNECT request to a proxy is not the actual request.
            if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
                sending.sent = True

        request = self._request(exchange, remaining)
        if headers:
            request.headers.update(headers)
        if self._traced:
            request.extensions["trace"] = trace
        try:
            return await self._client.send(request, auth=None, stream=True, follow_redirects=False)
        except httpx.HTTPStatusError as error:
            # The caller's event hook raised for the status, so there is a response.
            _record_closed(exchange, error.response)
            raise
        except NEVER_SENT as error:
            if not sending.traced:
                sending.sent = may_have_been_sent(error)
            raise

    async def _receive(self, exchange: Exchange, response: httpx.Response, limit: AsyncTimeLimit) -> None:
        """Reads the body of a response."""
        exchange.start_response(response.status_code, response.headers.raw)
        # A response that is already read was decoded by the caller's transport.
        encoded = not response.is_stream_consumed
        pieces = response.aiter_raw() if encoded else response.aiter_bytes()
        try:
            async for piece in pieces:
                if not exchange.feed(piece, encoded=encoded):
                    await discard(response, pieces)
                    break
                if limit.passed():
                    # The caller's own client does not end single reads at the deadline.
                    return
            exchange.complete = True
        finally:
            await response.aclose()
            # Break a reference cycle: with many concurrent calls, its garbage collection takes 20 % of a call.
            response.stream = httpx.ByteStream(b"")

    def _request(self, exchange: Exchange, remaining: float) -> httpx.Request:
        address, content = self._addresses[exchange.service], exchange.content or b""
        headers = httpx.Headers(address.json_headers if content else address.headers)
        if exchange.method in {"POST", "PUT", "PATCH"}:
            headers["Content-Length"] = str(len(content))
        cookies = None
        if not self.owned:
            # The default headers and cookies of the caller's client.
            headers, cookies = _merged(self._client.headers, headers), self._client.cookies
        step = min(remaining, exchange.read_timeout)
        if self.owned and step == remaining:
            # The library's own client keeps the deadline by itself; this must not end a read before.
            step += 1.0
        request = httpx.Request(
            exchange.method,
            _parsed(address.url + exchange.target),
            headers=headers,
            cookies=cookies,
            stream=RequestBody(content),
            extensions={
                "timeout": {
                    "connect": min(remaining, CONNECT_TIMEOUT),
                    "read": step,
                    "write": step,
                    "pool": None if remaining == float("inf") else remaining,
                }
            },
        )
        # Makes `content` available to mocks, hooks and transports.
        request.read()
        return request

    def client_for(self, url: str) -> httpx.AsyncClient:
        """The HTTP client through which requests to a URL leave: the caller's, or one with the right proxy."""
        if not self.owned:
            return self._client
        proxies = tuple(proxies_for(url))
        if proxies == tuple(proxies_for(self.config.base_url)):
            return self._client
        client = self._others.get(proxies)
        if client is None:
            client = self._others.setdefault(proxies, _new_client(url))
        return client

    def check_open(self, call: Call) -> None:
        if self._closed or self._client.is_closed:
            raise closed_error(call)

    async def aclose(self) -> None:
        self._closed = True
        await self.downloads.aclose()
        while self._others:
            _, client = self._others.popitem()
            await client.aclose()
        if self.owned:
            await self._client.aclose()


class _Address:
    """The URL of a service, and the headers of requests to it.

    Raises:
        ConfigurationError: The HTTP library rejects the URL.
    """

    def __init__(self, service: Service, url: str, config: Config) -> None:
        problem = _url_problem(url)
        if problem:
            msg = f"{service.setting} cannot be used: {problem}."
            raise ConfigurationError(msg)
        self.url = url
        self.headers = httpx.Headers(
            {
                "Host": httpx.URL(url).netloc.decode("ascii"),
                "Accept": "application/json",
                "Accept-Encoding": ACCEPT_ENCODING,
                "User-Agent": config.user_agent,
                "Authorization": f"Bearer {config.api_key.get_secret_value()}",
            }
        )
        self.json_headers = httpx.Headers({**self.headers, "Content-Type": "application/json"})


def _services(config: Config) -> dict[Service, str]:
    return {JOBS: config.base_url, MANAGEMENT: config.management_url}


class RequestBody(httpx.ByteStream):
    """The body of a request."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    def __aiter__(self) -> _Pieces:  # async-only
        return _Pieces(self._body)


class _Pieces:  # async-only
    """The pieces of a body, each with a write timeout of its own.

    Not a generator as in httpx: a cancelled request would leave it to the garbage collector, and trio warns about that.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._start = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        start, self._start = self._start, self._start + _PIECE
        if start >= len(self._body):
            raise StopAsyncIteration
        # This does not copy a body in one piece.
        return self._body[start : self._start]


@lru_cache(maxsize=1024)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


def _merged(theirs: httpx.Headers, ours: httpx.Headers) -> httpx.Headers:
    headers = httpx.Headers(theirs)
    headers.update(ours)
    return headers


def _record_closed(exchange: Exchange, response: httpx.Response) -> None:
    """Records a response that httpx has closed, with its body if a hook has read it."""
    exchange.start_response(response.status_code, response.headers.raw)
    with suppress(httpx.ResponseNotRead):
        exchange.feed(response.content, encoded=False)


def _log_interruption(call: Call, exchange: Exchange, error: BaseException) -> None:
    """Logs the job or the possible execution, since an exception from outside the library does not carry it."""
    job_id = call.job_id or submitted_job(call, exchange.partial)
    if job_id is not None:
        msg = "Job %s on endpoint %s: %s was interrupted by %s; the job keeps running"
        logger.info(msg, readable(job_id), call.endpoint_id, call.operation.name, type(error).__name__)
    elif not call.operation.repeatable and exchange.sending.sent:
        msg = "%s was interrupted by %s after it was sent; it may have been executed"
        logger.warning(msg, call, type(error).__name__)


def _new_client(base_url: str) -> httpx.AsyncClient:
    # Imported lazily: it is slow to import.
    try:
        from runpod._async.connection_pool import new_client
    except Exception as error:  # libraries that patch other modules can break an import in any way
        msg = f"The HTTP client cannot be created: importing httpcore failed with {type(error).__name__}: {error}."
        raise ConfigurationError(msg) from error
    return new_client(base_url)


def _wrong_client(given: object) -> str:
    kind = type(given)
    msg = f"http_client must be an httpx.{httpx.AsyncClient.__name__}, not "
    if kind.__module__.partition(".")[0] == "httpx2":
        return f"{msg}an httpx2 client: its errors and responses have other classes."
    return f"{msg}{kind.__name__}."


def _url_problem(url: str) -> str | None:
    """Why the HTTP library rejects a URL, or None."""
    try:
        _ = httpx.URL(url).host
    except (httpx.InvalidURL, UnicodeError) as error:  # UnicodeError is raised by idna
        return str(error)
    return None
