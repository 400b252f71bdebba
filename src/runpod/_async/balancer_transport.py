"""The transport of a load balancer's HTTP client: every request leaves through `send` of the client's own HTTP client."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Union

import httpx

from runpod._async.balancer_bodies import AsyncResponseBody, AsyncSingleUseBody, RepeatableBody
from runpod._http.exchange import Headers, SendState, current_send
from runpod._http.request_logs import without_queries
from runpod._http.transport_errors import NEVER_SENT, is_certificate_error, is_transport_error, may_have_been_sent
from runpod._logging import logger
from runpod._protocol.affinity import WORKER_HEADER
from runpod._protocol.balancing import (
    ForwardAttempts,
    check_size,
    is_rejection,
    may_be_refusal,
    refusal,
    refusal_error,
)
from runpod._protocol.operations import HEALTH, Call
from runpod._protocol.outcomes import Response
from runpod._protocol.retries import MAX_RETRY_AFTER

if TYPE_CHECKING:
    from typing import TypeAlias

    from runpod._async.session import AsyncSession
    from runpod._protocol.affinity import Affinity, Pin

Content: TypeAlias = Union[RepeatableBody, AsyncSingleUseBody]  # noqa: UP007 - evaluated on Python 3.10

# Seconds that stand for no timeout: the connections of the library's own client take None for a default.
_NO_TIMEOUT = 1e6


class AsyncBalancerTransport(httpx.AsyncBaseTransport):
    """Adds the key and the affinity to requests, and repeats those that provably were not executed.

    Closing it closes nothing: the connections belong to the client.

    Args:
        session: The session of the client.
        endpoint_id: The endpoint's ID.
        url: The endpoint's URL. Requests to other origins are passed on as they are, without the key.
        affinity: The worker to ask for; without one, any worker.
    """

    def __init__(self, session: AsyncSession, endpoint_id: str, url: str, affinity: Affinity | None) -> None:
        self._session = session
        # For errors: a request to a load balancer is no call.
        self._call = Call(HEALTH, endpoint_id)
        self._endpoint_id = endpoint_id
        self._origin = _origin(httpx.URL(url))
        self._client = session.engine.client_for(url)
        self._affinity = affinity

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request until it was executed, or may have been, or the retries are used up.

        Raises:
            InputTooLargeError: The request is larger than the service accepts.
            ClientClosedError: The client is closed.
            WorkerGoneError: The worker of a strict session does not exist any more.
            BadRequestError: It is a queue endpoint.
        """
        self._session.check_open(self._call)
        content = _content(request)
        if _origin(request.url) != self._origin:
            client = self._session.engine.client_for(str(request.url))
            response = await self._send(client, request, request.headers, None, content, SendState(_NO_TIMEOUT))
            return AsyncResponseBody(response).passed_on()
        check_size(request.headers.get("content-length", ""), self._endpoint_id)
        attempts = ForwardAttempts(self._session.retry, _patience(request))
        while True:
            outcome = await self._attempt(request, content, attempts)
            if isinstance(outcome, httpx.Response):
                return outcome
            await self._session.clock.sleep(outcome)

    async def _attempt(
        self, request: httpx.Request, content: Content, attempts: ForwardAttempts
    ) -> httpx.Response | float:
        """Sends a request once. Returns the response, or the delay before the next attempt."""
        pin = None if self._affinity is None else self._affinity.pin()
        sending = SendState(_NO_TIMEOUT)
        try:
            headers, cookies = self._headers(request, pin)
            response = await self._send(self._client, request, headers, cookies, content, sending)
        except Exception as error:
            if isinstance(error, NEVER_SENT) and not sending.traced:
                sending.sent = may_have_been_sent(error)
            is_unsent = is_transport_error(error) and not sending.sent and not is_certificate_error(error)
            delay = attempts.next_delay() if is_unsent and content.can_restart else None
            if delay is None:
                raise
            self._log_retry(request, delay, attempts, type(error).__name__)
            return delay
        if self._affinity is not None and pin is not None:
            self._affinity.served(pin, response.headers)
        body = AsyncResponseBody(response)
        try:
            delay = await self._delay_after(request, response, body, pin, content, attempts)
        except BaseException:
            await body.aclose()
            raise
        if delay is None:
            return body.passed_on()
        await body.aclose()
        return delay

    async def _delay_after(
        self,
        request: httpx.Request,
        response: httpx.Response,
        body: AsyncResponseBody,
        pin: Pin | None,
        content: Content,
        attempts: ForwardAttempts,
    ) -> float | None:
        """The delay before the next attempt after a response, or None if it is the last one."""
        key = self._session.engine.config.api_key
        seen = Response(response.status_code, Headers(response.headers.raw), secret=key)
        reason = "HTTP 429" if is_rejection(seen) else ""
        strict = pin is not None and pin.strict
        if may_be_refusal(seen, strict=strict) and (text := await body.peek()) is not None:
            seen = replace(seen, body=text)
            found = refusal(seen, strict=strict)
            error = refusal_error(found, seen, self._endpoint_id, None if pin is None else pin.worker_id)
            if error is not None:
                raise error
            reason = "" if found is None else found.value
        delay = attempts.next_delay(seen) if reason and content.can_repeat else None
        if delay is not None:
            self._log_retry(request, delay, attempts, reason)
        return delay

    def _headers(self, request: httpx.Request, pin: Pin | None) -> tuple[httpx.Headers, httpx.Cookies | None]:
        engine = self._session.engine
        headers, cookies = httpx.Headers(request.headers), None
        if not engine.owned:
            # The default headers and cookies of the caller's client.
            headers, cookies = httpx.Headers(self._client.headers), self._client.cookies
            headers.update(request.headers)
        # What the caller sets for one request stays.
        if "authorization" not in request.headers:
            headers["Authorization"] = f"Bearer {engine.config.api_key.get_secret_value()}"
        if pin is not None and pin.value:
            headers.setdefault(WORKER_HEADER, pin.value)
        return headers, cookies

    async def _send(
        self,
        client: httpx.AsyncClient,
        request: httpx.Request,
        headers: httpx.Headers,
        cookies: httpx.Cookies | None,
        content: Content,
        sending: SendState,
    ) -> httpx.Response:
        engine = self._session.engine
        # Between two attempts, it may have been closed.
        self._session.check_open(self._call)
        engine.check_loop()

        async def trace(event: str, info: dict[str, Any]) -> None:
            if not sending.traced:
                sending.traced, sending.sent = True, False
            if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
                sending.sent = True

        extensions = dict(request.extensions)
        if engine.owned:
            timeouts: dict[str, float | None] = extensions.get("timeout", {})
            extensions["timeout"] = {name: _NO_TIMEOUT if value is None else value for name, value in timeouts.items()}
        if not getattr(client, "reports_sending", False):
            extensions.setdefault("trace", trace)
        sent = httpx.Request(
            request.method, request.url, headers=headers, cookies=cookies, stream=content, extensions=extensions
        )
        if content.can_repeat:
            # For mocks and hooks.
            sent.read()
        start = self._session.clock.now()
        token = current_send.set(sending)
        try:
            # httpx logs the request of the caller, too.
            with without_queries():
                response = await client.send(sent, auth=None, stream=True, follow_redirects=False)
        except RuntimeError:
            # The client was closed meanwhile.
            self._session.check_open(self._call)
            raise
        finally:
            current_send.reset(token)
        if logger.isEnabledFor(logging.DEBUG):
            seconds = self._session.clock.now() - start
            msg = "%s to load-balancing endpoint %s: HTTP %d after %.3f s"
            logger.debug(msg, request.method, self._endpoint_id, response.status_code, seconds)
        return response

    def _log_retry(self, request: httpx.Request, delay: float, attempts: ForwardAttempts, reason: str) -> None:
        msg = "Retrying %s to load-balancing endpoint %s in %.2f s (attempt %d): %s"
        logger.info(msg, request.method, self._endpoint_id, delay, attempts.number, reason)


def _content(request: httpx.Request) -> Content:
    # The content of such a stream is in memory already.
    is_in_memory = isinstance(request.stream, httpx.ByteStream)
    return RepeatableBody(request.read()) if is_in_memory else AsyncSingleUseBody(request.stream)


def _patience(request: httpx.Request) -> float:
    """The longest pause that a request may take, in seconds: its caller does not expect to wait longer for anything."""
    read: float | None = request.extensions.get("timeout", {}).get("read")
    return MAX_RETRY_AFTER if read is None else min(read, MAX_RETRY_AFTER)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
