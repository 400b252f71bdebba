"""The engine: bytes and a deadline in; an answer out, or one of three kinds of trouble."""

from __future__ import annotations

import os
from contextlib import suppress  # async-only
from functools import partial
from typing import TYPE_CHECKING

import httpx

from runpod._async.whole import AsyncWhole
from runpod._exchange import Exchange
from runpod._http import Route, is_patched, new_async_client
from runpod._logging import logger
from runpod._primitives import AsyncCaller, async_home
from runpod._protocol.bodies import ACCEPTED
from runpod._protocol.failures import submitted_job
from runpod._protocol.outcomes import Answer
from runpod.errors import ConfigurationError, InvalidRequestError
from runpod.models.jobs import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from runpod._async.pool import AsyncLine, AsyncPool
    from runpod._config import Config
    from runpod._primitives import AsyncClock
    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.operations import Call

# The longest URL that httpx takes.
MAX_URL = 65536


class AsyncEngine:
    """Sends bytes and brings bytes back, within a deadline.

    A caller's client is used as it is, and so is httpx where somebody has patched it. Otherwise
    only that part of httpx is used which opens connections; see `AsyncPool`.
    """

    # Whether to use what an extra brings, where it is installed.
    extra: bool = True  # async-only

    def __init__(self, config: Config, http_client: object | None) -> None:
        problem = _url_problem(config.base_url)
        if problem:
            msg = f"base_url cannot be used: {problem}."
            raise ConfigurationError(msg)
        self._owned = http_client is None
        if http_client is None:
            http_client = _new_client()
        if not isinstance(http_client, httpx.AsyncClient):
            msg = f"http_client must be an httpx.{httpx.AsyncClient.__name__}, not {type(http_client).__name__}."
            raise ConfigurationError(msg)
        self._base_url = config.base_url
        self._longest = MAX_URL - len(config.base_url)
        # Empty where the server asks for none.
        self._key = "" if config.api_key is None else config.api_key.get_secret_value()
        self._headers = httpx.Headers(
            {"Accept": "application/json", "Accept-Encoding": ACCEPTED, "User-Agent": config.user_agent}
        )
        if self._key:
            self._headers["Authorization"] = f"Bearer {self._key}"
        self._caller = AsyncCaller()
        self._closed = False
        self._pid = os.getpid()
        # Kept, since closing or collecting it could speak on the parent's connections.
        self._parents: object = None
        self._start(http_client)

    def _start(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._whole = AsyncWhole(client, self._base_url, self._headers)
        self._pools: dict[Hashable, AsyncPool] = {}

    async def send(self, call: Call, deadline: Deadline, clock: AsyncClock) -> Answer:
        """Carries out a call, once.

        Raises:
            NotSent: The request provably never reached the server.
            NoAnswer: It may have, and no whole answer came back.
            TooLate: The deadline passed.
        """
        self.check_open()
        self._leave_parent()
        self._caller.check()
        exchange = Exchange(call, deadline.remaining(clock.now()))
        if len(exchange.target) > self._longest:
            msg = f"The address of {call.operation.name} cannot be used: it is too long. Check the ids."
            raise InvalidRequestError(msg)
        problem: Exception | None = None
        try:
            # A deadline can pass in a pause before an attempt, and then nothing is sent any more.
            if exchange.left > 0:
                await self._carrier().carry(exchange)
        except Exception as error:  # noqa: BLE001 - transports of callers raise anything
            problem = error
        except BaseException as error:  # noqa: BLE001 - raised again
            # An interrupt or a cancellation. The frames of the HTTP library hold the key, and
            # what reports the end of a program may show their locals.
            _note_interrupted(call, exchange)
            raise error.with_traceback(None)  # noqa: B904 - the same error
        # Timers are not exact; what ends just before the deadline was ended by it.
        exchange.late = exchange.late or deadline.remaining(clock.now()) <= 0.005
        outcome = exchange.outcome(problem, self._key)
        if isinstance(outcome, Answer):
            return outcome
        # Raised outside of any `except`, and without what was caught, so that no error of the
        # HTTP library hangs on to ours: those hold the request, and with it the key and the input.
        problem = None
        raise outcome

    def check_open(self) -> None:
        if self._closed or self._client.is_closed:
            msg = "This client is closed; build a new one, or close it later."
            raise InvalidRequestError(msg)

    def _carrier(self) -> AsyncWhole | AsyncPool:
        if not self._owned or is_patched(httpx.AsyncClient):
            return self._whole
        where = async_home()
        return self._pools.get(where) or self._new_pool(where)

    def _new_pool(self, where: Hashable) -> AsyncPool:
        # They take their time to import, and not every program sends something.
        from runpod._async.connection import AsyncConnection
        from runpod._async.pool import AsyncPool
        from runpod._async.proxied import AsyncProxiedConnection
        from runpod._asyncio import AsyncioConnection  # async-only

        route = Route(self._client, self._base_url, self._headers)
        new_line: Callable[[], AsyncLine] = partial(AsyncProxiedConnection if route.proxied else AsyncConnection, route)
        if AsyncioConnection.fits(route):  # async-only
            new_line = partial(AsyncioConnection, route)
            if self.extra:
                with suppress(ImportError):
                    from runpod._aiohttp import readers

                    new_line = partial(AsyncioConnection, route, readers)
        # Connections of an event loop that has ended can be neither used nor closed.
        for key in list(self._pools):
            if getattr(key, "is_closed", bool)():
                self._pools.pop(key, None)
        pool = self._pools[where] = AsyncPool(new_line)
        return pool

    def _leave_parent(self) -> None:
        """In a forked child, takes new connections: on the old ones the parent goes on talking."""
        if self._pid != os.getpid() and self._owned:
            self._pid = os.getpid()
            self._parents = self._client, self._pools
            self._start(_new_client())

    async def aclose(self) -> None:
        self._closed = True
        pool = self._pools.pop(async_home(), None)
        if pool is not None:
            await pool.aclose()
        if self._owned:
            await self._client.aclose()


def _note_interrupted(call: Call, exchange: Exchange) -> None:
    job_id = submitted_job(call, exchange.partial)
    if job_id is not None:
        msg = "Job %s submitted to endpoint %s; the call was interrupted"
        logger.info(msg, readable(job_id), call.endpoint_id)


def _new_client() -> httpx.AsyncClient:
    try:
        return new_async_client()
    except Exception as error:  # noqa: BLE001 - what a bad environment raises is nowhere listed
        # Its text can hold the password of a proxy.
        problem = type(error).__name__
    msg = (
        f"The HTTP client cannot be built from the environment ({problem}). Check SSL_CERT_FILE, SSL_CERT_DIR, "
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, or pass an http_client= of yours."
    )
    raise ConfigurationError(msg)


def _url_problem(url: str) -> str | None:
    """Why the HTTP library takes no such URL; None where it does."""
    try:
        _ = httpx.URL(url).host
    except (httpx.InvalidURL, UnicodeError) as error:  # the latter is what idna raises
        return str(error)
    return None
