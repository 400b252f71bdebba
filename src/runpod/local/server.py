"""The local server."""

from __future__ import annotations

import atexit
import json
import secrets
import socket
import sys
import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread

from runpod.local.balancer.hosts import create_host
from runpod.local.balancer.pool import BalancerPool
from runpod.local.clock import Clock
from runpod.local.faults import Faults
from runpod.local.http.app import App
from runpod.local.http.call import Endpoint
from runpod.local.http.endpoint_settings import EndpointSettings
from runpod.local.http.rate_limits import RateLimiter
from runpod.local.http.request_log import Recorder
from runpod.local.http.server_thread import ServerThread
from runpod.local.http.worker_api import worker_environment
from runpod.local.jobs.batches import Batches
from runpod.local.jobs.expiry import ExpiryTimer
from runpod.local.jobs.queue import JobQueue
from runpod.local.jobs.webhooks import WebhookSender
from runpod.local.page.page import Page
from runpod.local.settings import (
    DEFAULT_EXECUTION_TIMEOUT,
    Behavior,
    LocalEndpoint,
    check_duration,
    check_endpoint_ids,
    check_integer,
    check_seconds,
)
from runpod.local.workers.handler_pool import HandlerPool
from runpod.local.workers.process_pool import ProcessPool
from runpod.local.workers.remote_workers import RemoteWorkers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from runpod.local.http.request_log import RequestRecord
    from runpod.local.jobs.worker_logs import WorkerLogs
    from runpod.local.settings import Handler
    from runpod.local.workers.pool import Pool

__all__ = ["LocalServer"]


class LocalServer:
    """An HTTP server that behaves like Runpod serverless endpoints.

    It queues jobs, runs your handlers on them, and serves every route from `/run` to `/health`,
    with the states, long polls, streams and errors of the service. Start it with `with` or
    `async with` (on asyncio and trio), or with `start()` and `stop()`. It runs in its own thread,
    picks a free port, and can be started once.

    Args:
        endpoints: Handlers by endpoint ID. A handler takes `{"id": …, "input": …}` and returns the
            output; it is a function, an `async def`, a generator or an async generator, as for
            a Runpod worker. Sync handlers run in threads, async ones on the server's event loop.
            Pass a `LocalEndpoint` instead of a handler to configure an endpoint, or for an
            application behind a load balancer.
        host: Address to listen on. The default is reachable from this machine only.
        port: Port to listen on; 0 picks a free one.
        api_key: API key that clients must send; by default a random one.
        workers: Number of workers of each endpoint that is passed as a handler. A worker runs one
            job at a time. With 0, jobs stay in the queue.
        cold_start: Time such a worker takes to boot before its first job.
        return_aggregate_stream: Whether the output of a generator handler is the list of its yields.
            If False, `output` is an empty list, as on the service.
        execution_timeout: Maximum run time of a job without its own `executionTimeout`.
        behavior: Behavior where the service is undocumented.
        external_webhooks: Whether to call webhooks on other machines. Off by default, so that a
            test with production payloads does not call production webhooks.
        page: Whether the server has a page for browsers, at `page_url`. It keeps the last chunks of streams in
            memory, also after a client has taken them.

    Raises:
        TypeError: A handler is not callable, or an argument has the wrong type.
        ValueError: An endpoint ID cannot be used in a URL, or an argument is out of range.

    Example:
        ```python
        import httpx
        from runpod.local import LocalServer

        def horse(job):
            return {"prompt": job["input"]["prompt"]}

        with LocalServer({"horse": horse}) as server:
            response = httpx.post(
                f"{server.base_url}/horse/runsync",
                headers={"Authorization": f"Bearer {server.api_key}"},
                json={"input": {"prompt": "a horse"}},
            )
            print(response.json()["output"])
        ```
    """

    def __init__(
        self,
        endpoints: Mapping[str, Handler | LocalEndpoint],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        workers: int = 1,
        cold_start: timedelta = timedelta(0),
        return_aggregate_stream: bool = False,
        execution_timeout: timedelta = DEFAULT_EXECUTION_TIMEOUT,
        behavior: Behavior | None = None,
        external_webhooks: bool = False,
        page: bool = False,
    ) -> None:
        check_endpoint_ids(endpoints)
        check_integer("port", port, 0, 65535)
        # Checked even if every endpoint is a `LocalEndpoint`, which does not use these defaults.
        check_integer("workers", workers, 0, None)
        check_duration("cold_start", cold_start)
        check_duration("execution_timeout", execution_timeout)
        self._behavior = Behavior() if behavior is None else behavior
        self._host = host
        self._port = port
        self._api_key = _check_api_key(api_key)
        self._worker_token = secrets.token_urlsafe(24)
        self._recorder = Recorder()
        self._faults = Faults()
        self._clock = Clock()
        self._webhooks = WebhookSender(self._clock, allow_external=external_webhooks)
        self._endpoints: dict[str, Endpoint] = {}
        self._page: Page | None = None
        if page:
            self._page = Page(
                self._endpoints, host=host, clock=self._clock, behavior=self._behavior, origin=lambda: self._origin
            )
        for endpoint_id, given in endpoints.items():
            settings = given
            if not isinstance(settings, LocalEndpoint):
                settings = LocalEndpoint(settings, workers, cold_start, return_aggregate_stream, execution_timeout)
            queue = JobQueue(
                clock=self._clock,
                behavior=self._behavior,
                execution_timeout=settings.execution_timeout.total_seconds(),
                name=endpoint_id,
                deliver=self._webhooks.deliver,
                history=None if self._page is None else self._page.new_history(),
            )
            remote_workers = RemoteWorkers(queue)
            rate_limiter = RateLimiter(self._clock, queue, settings.workers) if self._behavior.rate_limits else None
            balancer = self._create_balancer(endpoint_id, settings, queue.logs) if settings.is_load_balancer else None
            self._endpoints[endpoint_id] = Endpoint(
                queue,
                balancer or self._create_pool(endpoint_id, settings, queue, remote_workers),
                remote_workers,
                Batches(endpoint_id, queue, self._clock),
                EndpointSettings(
                    endpoint_id,
                    kind="QUEUE" if balancer is None else "LOAD_BALANCER",
                    # Without a cold start, all workers are ready from the start.
                    minimum=0 if settings.cold_start else settings.workers,
                    maximum=settings.workers,
                    execution_timeout=settings.execution_timeout,
                ),
                rate_limiter,
                balancer,
            )
        self._lock = threading.Lock()
        self._bound_port: int | None = None
        self._thread: ServerThread | None = None
        self._stopped = False

    def __repr__(self) -> str:
        state = "not started" if self._thread is None else "stopped" if self._stopped else "running"
        where = f" {self.base_url}" if self._bound_port is not None else ""
        return f"<LocalServer{where} endpoints={sorted(self._endpoints)} {state}>"

    @property
    def base_url(self) -> str:
        """The base URL that replaces `https://api.runpod.ai/v2`: `http://127.0.0.1:PORT/v2`.

        Raises:
            RuntimeError: The server has not been started, so it has no port yet.
        """
        return f"{self._origin}/v2"

    @property
    def management_url(self) -> str:
        """The URL that replaces `https://api.runpod.io`: `http://127.0.0.1:PORT/management`.

        Raises:
            RuntimeError: As for `base_url`.
        """
        return f"{self._origin}/management"

    @property
    def load_balancer_url(self) -> str:
        """The URL that replaces `https://{endpoint_id}.api.runpod.ai`, with the same placeholder.

        It is `http://127.0.0.1:PORT/load-balancer/{endpoint_id}`.

        Raises:
            RuntimeError: As for `base_url`.
        """
        return f"{self._origin}/load-balancer/{{endpoint_id}}"

    @property
    def page_url(self) -> str:
        """A new address of the server's page, which works once, for ten minutes.

        The browser that opens it stays signed in for as long as the server runs.

        Raises:
            RuntimeError: The server has no page, or has not been started.
        """
        if self._page is None:
            raise RuntimeError("The local server has no page. Pass page=True to LocalServer.")
        return self._page.address()

    @property
    def _origin(self) -> str:
        if self._bound_port is None:
            raise RuntimeError(
                "The local server has no address: it has not been started. "
                "Use it inside `with LocalServer(...) as server:`, or call start() first."
            )
        # Clients cannot connect to the wildcard address.
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._bound_port}"

    @property
    def api_key(self) -> str:
        """The API key that clients must send."""
        return self._api_key

    @property
    def jobs(self) -> dict[str, list[dict[str, Any]]]:
        """The jobs of each endpoint as `/status` returns them now, oldest first."""
        return {
            endpoint_id: [json.loads(text) for text in endpoint.queue.snapshot()]
            for endpoint_id, endpoint in self._endpoints.items()
        }

    @property
    def requests(self) -> list[RequestRecord]:
        """The latest requests, oldest first, including refused ones.

        Up to 10,000 are kept, fewer if their bodies are large.
        """
        return self._recorder.snapshot()

    @property
    def faults(self) -> Faults:
        """Faults to inject into the next requests."""
        return self._faults

    def advance(self, seconds: float) -> None:
        """Advance the server's clock, so that tests need not wait.

        The clock controls cold starts, waits for a worker, long polls, execution timeouts, TTLs, the retention of
        results, and the delays between webhook attempts. Sleeping handlers are not woken. When
        this returns, `jobs` reflects the new time; held requests complete soon after.

        Args:
            seconds: How far to advance the clock.

        Raises:
            TypeError: `seconds` is not a number.
            ValueError: `seconds` is negative or not finite.

        Example:
            ```python
            with LocalServer({"horse": horse}) as server:
                job_id = submit(server)
                server.advance(30 * 60)  # results of `/run` are kept for 30 minutes
            ```
        """
        check_seconds("seconds", seconds)
        self._clock.advance(seconds)
        for endpoint in self._endpoints.values():
            endpoint.queue.expire()

    def throttle(self, endpoint_id: str, *, throttled: bool = True) -> None:
        """Let no worker of an endpoint start, as if Runpod had no free GPU for it, or end that.

        Workers that run a job go on. All others are throttled, and jobs stay in the queue.

        Args:
            endpoint_id: The endpoint, whose jobs are run by a handler.
            throttled: Whether workers are throttled.

        Raises:
            KeyError: The endpoint does not exist.
            ValueError: Its jobs are not run by a handler.

        Example:
            ```python
            with LocalServer({"horse": horse}) as server:
                server.throttle("horse")
                ...  # what does your program do while no job starts?
                server.throttle("horse", throttled=False)
            ```
        """
        self._check_endpoint(endpoint_id)
        pool = self._endpoints[endpoint_id].pool
        if not isinstance(pool, HandlerPool):
            message = f"Endpoint {endpoint_id!r} cannot be throttled: its workers are not those of a handler."
            raise ValueError(message)  # noqa: TRY004 - the argument is the ID
        pool.throttle(throttled=throttled)

    def worker_environment(self, endpoint_id: str, worker_id: str) -> dict[str, str]:
        """Return the environment variables that connect a worker script to an endpoint.

        Use them for workers that you start by hand, in addition to their own variables.

        Args:
            endpoint_id: The endpoint whose jobs the worker takes.
            worker_id: ID of the worker; must be unique.

        Raises:
            RuntimeError: The server has not been started, so it has no address yet.
            KeyError: The endpoint does not exist.
        """
        self._check_endpoint(endpoint_id)
        return worker_environment(
            endpoint_id, worker_id, base_url=self.base_url, api_key=self._api_key, token=self._worker_token
        )

    def stop_worker(self, endpoint_id: str, worker_id: str, *, remove: bool = False) -> None:
        """Stop a worker of a load-balancing endpoint, as the service does when it scales down.

        Requests and WebSockets that it serves are cut. Requests that ask for it with `strict` then get a 404 with
        `affinity_worker_gone`; with `strict-resume`, they boot it again. It also boots when no other worker is free.

        Args:
            endpoint_id: The endpoint.
            worker_id: ID of the worker, as in the response header `X-Runpod-Worker-Id`.
            remove: Remove it for good, as the service does when it deploys again: a new worker, with an ID of its own,
                takes its place.

        Raises:
            RuntimeError: The server does not run.
            KeyError: There is no such endpoint, or it has no such worker.
            ValueError: It is an endpoint with a queue.
        """
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is None:
            raise KeyError(f"Unknown endpoint {endpoint_id!r}. Use one of {sorted(self._endpoints)}.")
        if endpoint.balancer is None:
            raise ValueError(
                f"Endpoint {endpoint_id!r} has a queue. Only workers of load-balancing endpoints can be stopped."
            )
        if self._thread is None or self._stopped:
            raise RuntimeError("The local server does not run, so it has no workers. Start it first.")
        if not self._thread.call(partial(endpoint.balancer.stop_worker, worker_id, remove=remove)):
            raise KeyError(f"Endpoint {endpoint_id!r} has no worker {worker_id!r}.")

    def _check_endpoint(self, endpoint_id: str) -> None:
        if endpoint_id not in self._endpoints:
            raise KeyError(f"Unknown endpoint {endpoint_id!r}. Use one of {sorted(self._endpoints)}.")

    def start(self) -> None:
        """Start the server, and return once it accepts requests.

        Raises:
            RuntimeError: The server was started before, cannot listen on its address, or a worker
                command cannot be run.
        """
        with self._lock:
            if self._thread is not None:
                raise RuntimeError(
                    "The local server was already started, and can be started only once. Create a new LocalServer."
                )
            listening = _listen(self._host, self._port)
            app = App(
                self._endpoints,
                api_key=self._api_key,
                worker_token=self._worker_token,
                recorder=self._recorder,
                faults=self._faults,
                clock=self._clock,
                behavior=self._behavior,
                base_url=lambda: self.base_url,
                page=self._page,
            )
            endpoints = self._endpoints.values()
            timers = [ExpiryTimer(endpoint.queue, self._clock) for endpoint in endpoints]
            self._thread = ServerThread(
                app, [self._webhooks, *timers, *(endpoint.pool for endpoint in endpoints)], listening
            )
            self._bound_port = bound_port = listening.getsockname()[1]
            if self._page is not None:
                self._page.open(bound_port)
            self._thread.start()
            # A daemon thread that still runs at interpreter shutdown can crash the process.
            atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the server, and return once every connection is closed.

        Held requests return the current state, async handlers are cancelled, and sync handlers
        that still run are abandoned. Worker processes are terminated with their child processes.
        Can be called more than once.
        """
        with self._lock:
            if self._thread is not None and not self._stopped:
                self._thread.stop()
                self._stopped = True
                atexit.unregister(self.stop)

    def _create_pool(
        self, endpoint_id: str, settings: LocalEndpoint, queue: JobQueue, remote_workers: RemoteWorkers
    ) -> Pool:
        if settings.handler is None:
            return ProcessPool(
                queue,
                remote_workers,
                endpoint_id,
                command=settings.command or (),
                size=settings.workers,
                environment=partial(self.worker_environment, endpoint_id),
                secrets=(self._worker_token, self._api_key),
            )
        return HandlerPool(
            queue,
            settings.handler,
            size=settings.workers,
            cold_start=settings.cold_start.total_seconds(),
            aggregate=settings.return_aggregate_stream,
            clock=self._clock,
            address=lambda: self.base_url.removesuffix("/v2"),
        )

    def _create_balancer(self, endpoint_id: str, settings: LocalEndpoint, logs: WorkerLogs) -> BalancerPool:
        return BalancerPool(
            endpoint_id,
            create_host(
                endpoint_id,
                settings,
                logs=logs,
                clock=self._clock,
                environment=partial(self.worker_environment, endpoint_id),
                secrets=(self._worker_token, self._api_key),
            ),
            size=settings.workers,
            eager=not settings.cold_start,
            concurrency=settings.concurrency,
            logs=logs,
            clock=self._clock,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self.start)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Shielded, so that the server stops even if the body was cancelled.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.stop)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise RuntimeError(
            f"Cannot resolve the local server's host {host!r}: {error}. Leave `host` out to listen on 127.0.0.1."
        ) from error
    try:
        if sys.platform == "win32":  # On Windows, SO_REUSEADDR would share a port in use.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise RuntimeError(
            f"The local server cannot listen on {host}:{port}: {error.strerror or error}. "
            "Stop the process that uses this port, or pass port 0 to pick a free one."
        ) from error
    return listening


def _check_api_key(api_key: str | None) -> str:
    if api_key is None:
        return f"local-{secrets.token_hex(16)}"
    if not isinstance(cast("object", api_key), str):
        raise TypeError(f"The API key must be str, not {type(api_key).__name__}. Leave it out to use a random key.")
    if not api_key or not all("!" <= character <= "~" for character in api_key):
        raise ValueError(
            "The API key cannot be sent in a header. "
            "Use visible ASCII characters without spaces, or leave it out to use a random key."
        )
    return api_key
