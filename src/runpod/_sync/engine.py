# Generated from src/runpod/_async/engine.py by scripts/generate_sync.py. Do not edit.

"""The engine: the one place that knows the HTTP library."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import httpx

from runpod._http import Body, new_client
from runpod._primitives import Clock, time_limit
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, TooLate, Trouble
from runpod.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from runpod._config import Config
    from runpod._primitives import TimeLimit
    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.operations import Call

# How long to wait for a connection, and how long beyond its hold for the next bytes of an
# answer, in seconds, where the deadline leaves more. A stalled connection is found out by this.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0

# Errors of this kind are raised before the first byte of the request.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class Engine:
    """Sends bytes and brings bytes back, within a deadline."""

    def __init__(self, config: Config, http_client: object | None) -> None:
        problem = _url_problem(config.base_url)
        if problem:
            msg = f"base_url cannot be used: {problem}."
            raise ConfigurationError(msg)
        self._owned = http_client is None
        if http_client is None:
            http_client = new_client()
        if not isinstance(http_client, httpx.Client):
            msg = f"http_client must be an httpx.{httpx.Client.__name__}, not {type(http_client).__name__}."
            raise ConfigurationError(msg)
        self._client = http_client
        self._parents: httpx.Client | None = None
        self._pid = os.getpid()
        self._closed = False
        self._base_url = config.base_url
        self._key = config.api_key
        self._headers = httpx.Headers(
            {
                "Authorization": f"Bearer {config.api_key.get_secret_value()}",
                "Accept": "application/json",
                "User-Agent": config.user_agent,
            }
        )

    def send(self, call: Call, deadline: Deadline, clock: Clock) -> Answer:
        """Carries out a call, once.

        Raises:
            NotSent: The request provably never reached the server.
            NoAnswer: It may have, and no whole answer came back.
            TooLate: The deadline passed.
        """
        self.check_open()
        self._leave_parent()
        exchange = _Exchange(self._request(call, deadline, clock), self._key)
        problem: Exception | None = None
        with time_limit(deadline, clock.now()) as limit:
            try:
                exchange.run(self._client, limit)
            except Exception as error:  # noqa: BLE001 - transports of callers raise anything
                problem = error
        # Raised outside of any `except`, so that no error of the HTTP library hangs on to ours:
        # those hold the request, and with it the key and the input.
        answer = exchange.answer
        if answer is not None and (exchange.complete or not answer.good):
            return answer
        # Timers are not exact; what ends just before the deadline was ended by it.
        late = limit.expired or deadline.remaining(clock.now()) <= 0.005
        trouble = self._trouble(exchange, problem, late=late)
        # Its traceback and this frame would keep each other alive, and with them the request.
        problem = None
        raise trouble

    def check_open(self) -> None:
        if self._closed or self._client.is_closed:
            msg = "This client is closed; build a new one, or close it later."
            raise InvalidRequestError(msg)

    def _leave_parent(self) -> None:
        """In a forked child, takes new connections: on the old ones the parent goes on talking."""
        if self._pid != os.getpid() and self._owned:
            self._pid = os.getpid()
            # Kept, since closing or collecting it could speak on the parent's connections.
            self._parents = self._client
            self._client = new_client()

    def close(self) -> None:
        self._closed = True
        if self._owned:
            self._client.close()

    def _request(self, call: Call, deadline: Deadline, clock: Clock) -> httpx.Request:
        problem = _url_problem(self._base_url + call.target)
        if problem:
            msg = f"The address of {call.operation.name} cannot be used: {problem}. Check the ids."
            raise InvalidRequestError(msg)
        left = deadline.remaining(clock.now())
        headers = self._headers
        if call.body is not None:
            headers = httpx.Headers(headers)
            headers["Content-Type"] = "application/json"
        request = self._client.build_request(
            call.operation.method,
            self._base_url + call.target,
            headers=headers,
            content=call.body,
            timeout=httpx.Timeout(
                min(left, (call.hold or 0.0) + READ_TIMEOUT),
                connect=min(left, CONNECT_TIMEOUT),
                pool=left if deadline.limited else None,
            ),
        )
        if call.body is not None:
            request.stream = Body(call.body)
        return request

    def _trouble(self, exchange: _Exchange, problem: Exception | None, *, late: bool) -> Trouble:
        sent = exchange.sent(problem)
        partial = b"".join(exchange.body)
        if late:
            return TooLate("the deadline passed", sent=sent, partial=partial)
        reason = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
        reason = reason.replace(self._key.get_secret_value(), "[key]")
        return NoAnswer(reason, partial=partial) if sent else NotSent(reason)


def _url_problem(url: str) -> str | None:
    """Why the HTTP library takes no such URL; None where it does."""
    try:
        _ = httpx.URL(url).host
    except (httpx.InvalidURL, UnicodeError) as error:  # the latter is what idna raises
        return str(error)
    return None


class _Exchange:
    """One request and as much of its answer as came."""

    def __init__(self, request: httpx.Request, key: SecretStr) -> None:
        self.answer: Answer | None = None
        self.body: list[bytes] = []
        self.complete = False
        self._request = request
        self._key = key
        self._traced = False
        self._started = False

    def run(self, client: httpx.Client, limit: TimeLimit) -> None:
        self._request.extensions["trace"] = self._trace
        response = client.send(self._request, auth=None, stream=True, follow_redirects=False)
        headers = {name.lower(): value for name, value in response.headers.items()}
        # With the status line a refusal is known; its body only says why.
        key = self._key.get_secret_value()
        self.answer = Answer(response.status_code, headers, secret=key)
        try:
            for piece in response.iter_bytes():
                self.body.append(piece)
                if limit.passed():
                    # A client of a caller does not end single reads at the deadline.
                    return
            self.complete = True
        finally:
            self.answer = Answer(response.status_code, headers, b"".join(self.body), secret=key)
            response.close()

    def _trace(self, event: str, _info: dict[str, Any]) -> None:
        self._traced = True
        if event.endswith("send_request_headers.started"):
            self._started = True

    def sent(self, problem: Exception | None) -> bool:
        """Whether the request may have reached the server."""
        if isinstance(problem, _NEVER_SENT):
            return False
        # A transport that tells nothing of itself gets no benefit of the doubt.
        return self._started or not self._traced
