"""The edge of load-balancing endpoints: checks requests, chooses a worker, and passes them on."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.datastructures import Headers, QueryParams

from runpod.local.balancer.affinity import WORKER_ID_HEADER, parse_affinity
from runpod.local.balancer.exchange import Exchange
from runpod.local.balancer.host import WorkerConnectionError
from runpod.local.balancer.inbox import Inbox
from runpod.local.balancer.pool import NoWorkerError
from runpod.local.balancer.reply import Reply
from runpod.local.clock import Timer
from runpod.local.http.long_poll import ClientDisconnectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from runpod.local.balancer.pool import BalancerPool
    from runpod.local.balancer.worker import Worker
    from runpod.local.clock import Clock
    from runpod.local.faults import Faults
    from runpod.local.http.call import Endpoint
    from runpod.local.http.request_log import Recorder

__all__ = ["PREFIX", "Edge"]

_logger = logging.getLogger("runpod.local")

PREFIX = b"/load-balancer/"
"""Beginning of the paths of load-balancing endpoints, followed by the ID of one."""

_OPERATION = "load-balancer"

# Documented: 30 MB in each direction, and 5.5 minutes of processing. The responses beyond them are undocumented.
_BODY_LIMIT = 30 * 1024 * 1024
_PROCESSING_LIMIT = 330.0


class _RefusedError(Exception):
    """The edge refuses a request."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Edge:
    """The ASGI application of all paths below `PREFIX`.

    Args:
        endpoints: The endpoints by ID.
        api_key: The API key of clients.
        recorder: Records every request.
        faults: Faults to inject.
        clock: Clock for the time limits.
    """

    def __init__(
        self, endpoints: Mapping[str, Endpoint], *, api_key: str, recorder: Recorder, faults: Faults, clock: Clock
    ) -> None:
        self._endpoints = endpoints
        self._api_key = api_key.encode("ascii")
        self._recorder = recorder
        self._faults = faults
        self._clock = clock

    def __repr__(self) -> str:
        return "<Edge>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or one WebSocket from its handshake to its end."""
        headers = Headers(scope=scope)

        def record(body: bytes) -> None:
            path = scope["raw_path"].decode("ascii", "backslashreplace")
            query = dict(reversed(QueryParams(scope["query_string"]).multi_items()))  # The first value of each.
            self._recorder.add(scope.get("method", "GET"), path, query, headers.items(), body)

        inbox = Inbox(receive, limit=_BODY_LIMIT, record=record)
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            inbox.complete()
        fault = self._faults.take(_OPERATION, _endpoint_id(scope))
        try:
            if fault is None:
                await self.handle(scope, inbox, send)
            else:
                await inbox.fill()
                await fault(Exchange(self, scope, inbox, send, self._clock))
        except (ClientDisconnectedError, asyncio.CancelledError):  # Only the end of the server cancels it.
            return
        finally:
            inbox.complete()

    async def handle(self, scope: Scope, inbox: Inbox, send: Send) -> None:
        """Handle a request without faults."""
        reply = Reply(send, limit=_BODY_LIMIT, websocket=scope["type"] == "websocket")
        headers = Headers(scope=scope)
        try:
            pool = self._check(scope, headers)
            worker = await self._acquire(pool, headers, inbox)
        except (_RefusedError, NoWorkerError) as error:
            await inbox.drain()
            await reply.refuse(error.status, error.body)
            return
        reply.worker_id = worker.id
        await self._relay(pool, worker, scope, inbox, reply)

    def _check(self, scope: Scope, headers: Headers) -> BalancerPool:
        """Return the pool of the endpoint, if the request is allowed."""
        scheme, _, key = headers.get("authorization", "").strip().partition(" ")
        if not scheme:
            raise _RefusedError(401, {"status": 401, "title": "Unauthorized", "detail": "no token provided"})
        # Starlette decodes headers as latin-1; this restores the bytes.
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode("latin-1"), self._api_key):
            raise _RefusedError(401, {"status": 401, "title": "Unauthorized", "detail": "invalid api key"})
        endpoint = self._endpoints.get(_endpoint_id(scope))
        if endpoint is None:
            raise _RefusedError(404, {"error": "endpoint not found"})
        if endpoint.balancer is None:
            raise _RefusedError(400, {"error": "not allowed for QB API"})
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > _BODY_LIMIT:
            raise _too_large()
        return endpoint.balancer

    @staticmethod
    async def _acquire(pool: BalancerPool, headers: Headers, inbox: Inbox) -> Worker:
        """Wait for a worker while the client is there."""
        found = pool.acquire(parse_affinity(headers.get(WORKER_ID_HEADER, "")))
        if found.done():
            return found.result()
        disconnect = asyncio.get_running_loop().create_task(inbox.watch())
        try:
            futures: set[asyncio.Future[Any]] = {found, disconnect}
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            if disconnect.done():
                pool.abandon(found)
                raise ClientDisconnectedError
            return found.result()
        except asyncio.CancelledError:
            pool.abandon(found)
            raise
        finally:
            disconnect.cancel()
            await asyncio.wait({disconnect})

    async def _relay(self, pool: BalancerPool, worker: Worker, scope: Scope, inbox: Inbox, reply: Reply) -> None:
        """Let a worker serve the request, within the limits, and return it to its pool."""
        work = pool.host.serve(worker, _scope_of_worker(scope), inbox, reply)
        task = asyncio.get_running_loop().create_task(work)
        inbox.on_overflow = reply.on_overflow = task.cancel
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            task.cancel()

        # How long a WebSocket may stay open is undocumented.
        timer = Timer(self._clock, self._clock() + _PROCESSING_LIMIT, expire) if scope["type"] == "http" else None
        worker.tasks.add(task)
        try:
            await asyncio.wait({task})
        finally:
            worker.tasks.discard(task)
            task.cancel()
            if timer is not None:
                timer.cancel()
            # Already here: a client that reads nothing can hold up what follows.
            pool.release(worker)
        error = None if task.cancelled() else task.exception()
        gone = inbox.disconnected or reply.disconnected
        if reply.ended or gone:
            if error is not None and not gone:
                _logger.error("%s raised an exception after its response.", pool.host.subject, exc_info=error)
        elif inbox.too_large and not reply.started:
            await inbox.drain()
            await reply.refuse(413, _too_large().body)
        elif error is not None and not isinstance(error, WorkerConnectionError):
            _logger.error("%s raised an exception.", pool.host.subject, exc_info=error)
            await (self.cut(scope, inbox) if reply.started and scope["type"] == "http" else reply.fail())
        elif reply.started:
            # A WebSocket whose application returned is closed by the server.
            if scope["type"] == "http" or task.cancelled():
                await self.cut(scope, inbox)
        elif expired:
            await reply.refuse(504, {"error": "request timed out"})
        elif reply.too_large:
            await reply.refuse(502, {"error": f"response exceeded max body size of {_BODY_LIMIT // 1024**2}MiB"})
        elif error is not None or task.cancelled():
            await reply.refuse(502, {"error": "bad gateway"})
        else:
            _logger.error("%s returned without a response.", pool.host.subject)
            await reply.fail()

    @staticmethod
    async def cut(scope: Scope, inbox: Inbox) -> None:
        """Close the connection without the rest of the response."""
        scope["state"]["close"]()
        # Returning earlier would make uvicorn send an error response.
        await inbox.wait_disconnected()


def _endpoint_id(scope: Scope) -> str:
    raw: bytes = scope["raw_path"].removeprefix(PREFIX).partition(b"/")[0]
    return unquote(raw.decode("ascii", "replace"))


def _scope_of_worker(scope: Scope) -> Scope:
    """Return the scope of an application that is mounted at the endpoint's path, and does not see the API key."""
    raw_path: bytes = scope["raw_path"]
    path: str = scope["path"]
    if b"/" not in raw_path.removeprefix(PREFIX):  # The root: the service's addresses have no path before it.
        raw_path, path = raw_path + b"/", path + "/"
    return {
        **scope,
        "path": path,
        "raw_path": raw_path,
        "root_path": f"{PREFIX.decode()}{_endpoint_id(scope)}",
        "headers": [(name, value) for name, value in scope["headers"] if name != b"authorization"],
    }


def _too_large() -> _RefusedError:
    return _RefusedError(413, {"error": f"bad request: body: exceeded max body size of {_BODY_LIMIT // 1024**2}MiB"})
