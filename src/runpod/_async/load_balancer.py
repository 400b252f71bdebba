"""Load-balancing endpoints: an HTTP client for the application that their workers serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from runpod._async.balancer_transport import AsyncBalancerTransport
from runpod._async.closing import AsyncClosing
from runpod._protocol.affinity import WORKER_HEADER, Affinity
from runpod._protocol.balancing import balancer_url, websocket_url
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.decoding import parse
from runpod._protocol.operations import HEALTH, Call
from runpod.errors import ConfigurationError
from runpod.models.endpoints import EndpointHealth

if TYPE_CHECKING:
    from datetime import timedelta

    from runpod._async.session import AsyncSession
    from runpod._protocol.deadlines import ClientDefault

# Seconds. A request waits for a worker for about 2 minutes, for a certain one for about 5, and may take 5.5 minutes
# (docs.runpod.io, "Load balancing endpoints" and "Worker affinity").
_TIMEOUT = 480.0
_STRICT_TIMEOUT = 660.0
_CONNECT_TIMEOUT = 10.0


class AsyncLoadBalancer:
    """A load-balancing endpoint. Its workers serve HTTP with an application of yours; there is no queue and there are no jobs.

    It shares the connections of its client, and needs no closing.

    Attributes:
        id: The endpoint's ID.
        url: The URL of the application, without a slash at its end.
        http: An `httpx.AsyncClient` for the application: paths are relative to `url`. The API key is sent to
            that origin only, unless a request has an `Authorization` header of its own. Responses are
            returned as they are, with any status.

            A request is repeated only if it provably was not executed: it could not be sent, no worker
            was free (HTTP 400 with that message), or the service, not the application, rejected it with
            429; and only if its body is not a stream. The client's `RetryPolicy` says how often and how
            fast; then the last response is returned, and also if its `Retry-After` is longer than the read
            timeout, or than 5 minutes. No other 4xx, no 5xx and no lost response is repeated, whatever
            the method.

            Its read timeout is 8 minutes: a request may wait for a worker for 2 minutes, and take 5.5
            minutes.

            Besides the errors of httpx, it raises `InputTooLargeError` for a body over 30 MB, before
            anything is sent, `ClientClosedError`, and `BadRequestError` if it is a queue endpoint.

    Example:
        >>> balancer = client.load_balancer("ENDPOINT_ID")
        >>> response = await balancer.http.post("/generate", json={"prompt": "a horse"})
        >>> response.raise_for_status().json()
    """

    def __init__(self, session: AsyncSession, endpoint_id: str) -> None:
        self.id: str = endpoint_id
        self.url: str = _checked_url(session, endpoint_id)
        self._session = session
        self.http: httpx.AsyncClient = _new_http(session, endpoint_id, self.url, None)

    async def health(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> EndpointHealth:
        """Returns the number of workers by state. `GET /health` of the job API; `jobs` means nothing here.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: The request failed.

        Example:
            >>> (await balancer.health()).workers.ready
        """
        call = Call(HEALTH, self.id)
        return parse(EndpointHealth, await self._session.send(call, self._session.deadline(timeout)), call)

    async def wait_ready(self, workers: int = 1, *, timeout: float | timedelta | None = 300.0) -> EndpointHealth:
        """Waits until workers have started. Polls `GET /health`.

        It starts none: an endpoint whose minimum of workers is 0 starts one for a request.

        Args:
            workers: How many.
            timeout: Seconds or timedelta; None: no limit.

        Raises:
            RunpodTimeoutError: The timeout passed. The message says what the workers are doing.
            InvalidRequestError: An argument is invalid.
            RunpodError: A request failed.

        Example:
            >>> await balancer.wait_ready(2, timeout=600)
        """
        # Imported on first use: it needs the management API.
        from runpod._async.scaling import wait_ready

        return await wait_ready(self._session, self.id, workers, timeout)

    def session(
        self, *, strict: bool = False, resume: bool = False, worker_id: str | None = None
    ) -> AsyncLoadBalancerSession:
        """Returns a session, whose requests go to the worker that served the first one.

        Regular requests keep a worker from being scaled down, which costs money.

        Args:
            strict: Whether no other worker may serve them. While it is busy, a request waits for up to 5 minutes,
                and then gets a response with HTTP 400, which is not repeated. By default, another
                worker takes its place.
            resume: Whether to wake the worker if it was scaled down. It may have lost what it had in
                memory. Implies `strict`.
            worker_id: The worker of an earlier session, to continue that one.

        Raises:
            InvalidRequestError: `worker_id` is not the ID of a worker.

        Example:
            >>> async with balancer.session() as session:
            ...     await session.http.post("/chat", json={"text": "hello"})
            ...     await session.http.post("/chat", json={"text": "and again"})
        """
        affinity = Affinity(strict=strict, resume=resume, worker_id=worker_id)
        return AsyncLoadBalancerSession(self._session, self.id, affinity)

    def websocket_url(self, path: str = "/") -> str:
        """Returns the address of a WebSocket of the application: wss://, or ws:// where `url` is http://.

        Args:
            path: The path, with a query if needed.

        Raises:
            InvalidRequestError: It is not a path.

        Example:
            >>> from websockets.asyncio.client import connect
            >>> url, headers = balancer.websocket_url("/ws"), balancer.websocket_headers()
            >>> async with connect(url, additional_headers=headers, open_timeout=150) as websocket:
            ...     await websocket.send("hello")

        Pass an `open_timeout` of at least 60 s: the handshake waits for a worker to start. A worker with an idle
        WebSocket may be scaled down: send requests from time to time, or keep a minimum of one worker.
        """
        return websocket_url(self.url, path)

    def websocket_headers(self) -> dict[str, str]:
        """Returns the headers for the handshake of a WebSocket. They contain the API key."""
        return _websocket_headers(self._session, "")

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles it without `http`, which is created again."""
        return type(self), (self._session, self.id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, url={self.url!r})"


class AsyncLoadBalancerSession(AsyncClosing):
    """A session on a load-balancing endpoint: its requests ask for the worker that served the one before.

    Threads and tasks may share it. Closing it closes `http`; the worker goes on.

    Attributes:
        endpoint_id: The endpoint's ID.
        http: As that of the load balancer. In a strict session, its read timeout is 11 minutes, and it raises
            `WorkerGoneError` if the worker does not exist any more.

    Example:
        >>> async with balancer.session(strict=True) as session:
        ...     await session.http.post("/chat", json={"text": "hello"})
        ...     print(session.worker_id)
    """

    def __init__(self, session: AsyncSession, endpoint_id: str, affinity: Affinity) -> None:
        self.endpoint_id: str = endpoint_id
        self._session = session
        self._affinity = affinity
        self._url = _checked_url(session, endpoint_id)
        self.http: httpx.AsyncClient = _new_http(session, endpoint_id, self._url, affinity)

    @property
    def worker_id(self) -> str | None:
        """The ID of the worker; None before the first response, and after `release`."""
        return self._affinity.worker_id

    def release(self) -> None:
        """Lets go of the worker: any worker may serve the next request, and is kept then."""
        self._affinity.release()

    def websocket_url(self, path: str = "/") -> str:
        """Returns the address of a WebSocket; see `LoadBalancer.websocket_url`.

        Args:
            path: The path, with a query if needed.

        Raises:
            InvalidRequestError: It is not a path.
        """
        return websocket_url(self._url, path)

    def websocket_headers(self) -> dict[str, str]:
        """Returns the headers for the handshake of a WebSocket to the worker of the session. They contain the API key.

        While that worker is busy, the handshake can take minutes.
        """
        return _websocket_headers(self._session, self._affinity.pin().value)

    async def aclose(self) -> None:
        """Closes `http`, but not the connections, which belong to the client."""
        await self.http.aclose()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles it with its worker, but without `http`, which is created again."""
        return _restored, (type(self), self._session, self.endpoint_id, self._affinity.settings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_id={self.endpoint_id!r}, worker_id={self.worker_id!r})"


def _restored(
    kind: type[AsyncLoadBalancerSession], session: AsyncSession, endpoint_id: str, settings: dict[str, Any]
) -> AsyncLoadBalancerSession:
    return kind(session, endpoint_id, Affinity(**settings))


def _checked_url(session: AsyncSession, endpoint_id: str) -> str:
    url = balancer_url(session.engine.config.load_balancer_url, endpoint_id)
    try:
        _ = httpx.URL(url).host
    except (httpx.InvalidURL, UnicodeError) as error:  # UnicodeError is raised by idna
        msg = f"load_balancer_url cannot be used: {error}."
        raise ConfigurationError(msg, endpoint_id=endpoint_id) from None
    return url


def _new_http(session: AsyncSession, endpoint_id: str, url: str, affinity: Affinity | None) -> httpx.AsyncClient:
    is_strict = affinity is not None and affinity.strict
    balancer_transport = AsyncBalancerTransport(session, endpoint_id, url, affinity)

    # Defined here, since some tools replace `httpx.AsyncClient` with a subclass.
    class Client(httpx.AsyncClient):
        """Keeps its transport where a mock takes the place of all of them: it mocks the client behind it."""

        def _transport_for_url(self, url: httpx.URL) -> httpx.AsyncBaseTransport:  # noqa: ARG002 - a method of httpx
            return balancer_transport

    return Client(
        base_url=url,
        headers={"User-Agent": session.engine.config.user_agent},
        timeout=httpx.Timeout(_STRICT_TIMEOUT if is_strict else _TIMEOUT, connect=_CONNECT_TIMEOUT),
        transport=balancer_transport,
        trust_env=False,
    )


def _websocket_headers(session: AsyncSession, worker: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {session.engine.config.api_key.get_secret_value()}"}
    if worker:
        headers[WORKER_HEADER] = worker
    return headers
