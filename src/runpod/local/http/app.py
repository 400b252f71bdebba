"""The ASGI application: dispatches requests to operations and sends their responses."""

from __future__ import annotations

import hmac
import logging
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

from runpod.local.http import validation
from runpod.local.http.call import Call, Endpoint
from runpod.local.http.long_poll import hold
from runpod.local.http.openapi import describe
from runpod.local.http.routing import Operation, RouteMatch, find_route, routes
from runpod.local.http.validation import Refusal
from runpod.local.http.worker_api import WORKER_BODY_LIMIT, WORKER_PATHS, WorkerCall, WorkerOperation
from runpod.local.jobs.queue import JobNotFoundError, JobNotRetryableError
from runpod.local.json_text import JSONText, object_text, to_bytes
from runpod.local.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from runpod.local.clock import Clock
    from runpod.local.faults import Faults
    from runpod.local.http.request_log import Recorder
    from runpod.local.jobs.job import Job
    from runpod.local.settings import Behavior

__all__ = ["App"]

logger = logging.getLogger("runpod.local")


class _ClientGoneError(Exception):
    """The client has disconnected."""


@dataclass(frozen=True)
class _Request:
    """A request with its body."""

    method: str
    path: bytes
    headers: Headers
    query: Mapping[str, str]
    body: bytes
    complete: bool
    match: RouteMatch[Operation] | None

    @property
    def operation(self) -> Operation | None:
        return self.match.path.operations.get(self.method) if self.match else None


class App:
    """The ASGI application of a local server.

    Args:
        endpoints: The endpoints by ID.
        api_key: The API key of clients.
        worker_token: The token of workers.
        recorder: Records every request of a client.
        faults: Faults to inject.
        clock: Clock for held requests.
        behavior: Behavior where the service is undocumented.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        api_key: str,
        worker_token: str,
        recorder: Recorder,
        faults: Faults,
        clock: Clock,
        behavior: Behavior,
    ) -> None:
        self._endpoints = endpoints
        self._api_key = api_key.encode("ascii")
        self._worker_token = worker_token.encode("ascii")
        self._recorder = recorder
        self._faults = faults
        self._clock = clock
        self._behavior = behavior
        self._routes = routes(behavior)
        self._closing = Signal()
        self._closed = False

    def __repr__(self) -> str:
        return f"<App {sorted(self._endpoints)}>"

    def close(self) -> None:
        """Complete all held requests with the current state. Must be called on the event loop."""
        self._closed = True
        self._closing.fire()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            worker_match = find_route(scope["raw_path"], WORKER_PATHS)
            if worker_match is not None:
                response = await self._respond_to_worker(worker_match, scope, receive)
                await response(scope, receive, send)
                return
            exchange = _Exchange(self, await self._read(scope, receive), scope, receive, send)
            match, operation = exchange.request.match, exchange.request.operation
            fault = self._faults.take(operation.name, match.endpoint_id) if match and operation else None
            if fault is not None:
                await fault(exchange)
            else:
                await exchange.send(await exchange.process())
        except _ClientGoneError:
            return

    async def process(self, request: _Request, receive: Receive) -> Response:
        """Process a request and return the response, also on errors."""
        try:
            return _respond(await self._run_operation(request, receive))
        except _ClientGoneError:
            raise
        except Refusal as refusal:
            return _refuse(refusal)
        except Exception:
            logger.exception("The local server failed to process a request.")
            return _respond(object_text({"error": "internal server error"}), status=500)

    async def hold(self, receive: Receive, changed: Signal, ready: Callable[[], bool], seconds: float) -> None:
        """Keep a request open until `ready()`, or for `seconds` at most."""
        if not await self._hold(receive, changed, ready, seconds):
            raise _ClientGoneError

    async def _hold(self, receive: Receive, changed: Signal, ready: Callable[[], bool], seconds: float) -> bool:
        return await hold(
            lambda: self._closed or ready(),
            seconds=seconds,
            clock=self._clock,
            changed=changed,
            closing=self._closing,
            receive=receive,
        )

    async def _read(self, scope: Scope, receive: Receive) -> _Request:
        path: bytes = scope["raw_path"]
        method: str = scope["method"]
        query = _first_values(QueryParams(scope["query_string"]))
        headers = Headers(scope=scope)
        match = find_route(path, self._routes)
        operation = match.path.operations.get(method) if match else None
        limit = operation.body_limit if operation else validation.RUN_BODY_LIMIT
        body, complete = await _read_body(receive, limit)
        self._recorder.add(method, path.decode("ascii", "backslashreplace"), query, headers.items(), body)
        return _Request(method, path, headers, query, body, complete, match)

    async def _run_operation(self, request: _Request, receive: Receive) -> JSONText:
        # The only route that needs no API key.
        if request.path == b"/openapi.json" and request.method == "GET":
            return describe(self._routes, list(self._endpoints))
        match = request.match
        if match is None:
            raise Refusal(404, "not found")
        self._authorize(request.headers)
        endpoint = self._endpoints.get(match.endpoint_id)
        if endpoint is None:
            raise Refusal(404, "endpoint not found")
        operation = request.operation
        if operation is None:
            raise _method_not_allowed(match)

        async def hold_for(job: Job, ready: Callable[[], bool], seconds: float) -> None:
            await self.hold(receive, job.changed, ready, seconds)

        with endpoint.rate_limiter.admit(operation.name) if endpoint.rate_limiter else nullcontext():
            if not request.complete:
                raise validation.body_too_large(operation.body_limit)
            call = Call(endpoint, match.ids, request.query, request.body, self._behavior, hold_for)
            try:
                return await operation.function(call)
            except JobNotFoundError:
                raise Refusal(404, "job not found") from None
            except JobNotRetryableError as error:
                raise Refusal(400, str(error)) from None

    async def _respond_to_worker(self, match: RouteMatch[WorkerOperation], scope: Scope, receive: Receive) -> Response:
        # Requests of workers are not recorded and get no faults: only those of clients are.
        try:
            reply = await self._run_worker_operation(match, scope, receive)
        except Refusal as refusal:
            return _refuse(refusal)
        except JobNotFoundError:
            return _refuse(Refusal(404, "job not found"))
        return Response(status_code=204) if reply is None else _respond(reply)

    async def _run_worker_operation(
        self, match: RouteMatch[WorkerOperation], scope: Scope, receive: Receive
    ) -> JSONText | None:
        query = _first_values(QueryParams(scope["query_string"]))
        body, complete = await _read_body(receive, WORKER_BODY_LIMIT)
        if not hmac.compare_digest(query.get("token", "").encode(), self._worker_token):
            self._authorize(Headers(scope=scope))
        endpoint = self._endpoints.get(match.endpoint_id)
        if endpoint is None:
            raise Refusal(404, "endpoint not found")
        operation = match.path.operations.get(scope["method"])
        if operation is None:
            raise _method_not_allowed(match)
        hold_for = partial(self._hold, receive)
        worker_id, job_id = match.ids["worker_id"], match.ids.get("job_id", "")
        return await operation.run(WorkerCall(worker_id, job_id, endpoint.workers, query, body, complete, hold_for))

    def _authorize(self, headers: Headers) -> None:
        # Documentation shows both `Bearer KEY` and the bare key.
        given = headers.get("authorization", "").strip()
        scheme, _, rest = given.partition(" ")
        key = rest.strip() if scheme.lower() == "bearer" else given
        # Starlette decodes headers as latin-1; this restores the bytes.
        if not hmac.compare_digest(key.encode("latin-1"), self._api_key):
            raise Refusal(401, "unauthorized")


class _Exchange:
    """One request and its connection; implements `faults.Exchange`."""

    def __init__(self, app: App, request: _Request, scope: Scope, receive: Receive, send: Send) -> None:
        self.request = request
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._remaining = 0

    async def process(self) -> Response:
        return await self._app.process(self.request, self._receive)

    async def send(self, response: Response, *, size: int | None = None) -> None:
        if size is None:
            await response(self._scope, self._receive, self._send)
            return
        start = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        await self._send(start)
        self._remaining = len(response.body)
        await self.send_more(bytes(response.body[:size]))

    async def send_more(self, content: bytes) -> None:
        self._remaining -= len(content)
        await self._send({"type": "http.response.body", "body": content, "more_body": self._remaining > 0})

    async def pause(self, seconds: float) -> None:
        await self._app.hold(self._receive, Signal(), lambda: False, seconds)

    async def cut(self) -> None:
        self._scope["state"]["close"]()
        while (await self._receive())["type"] != "http.disconnect":
            pass  # Returning earlier would make uvicorn send an error response.


def _method_not_allowed(match: RouteMatch[Any]) -> Refusal:
    return Refusal(405, "method not allowed", {"allow": ", ".join(sorted(match.path.operations))})


def _first_values(params: QueryParams) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in params.multi_items():
        values.setdefault(name, value)
    return values


async def _read_body(receive: Receive, limit: int) -> tuple[bytes, bool]:
    """Read a body to its end, keeping at most `limit` bytes.

    A body that is too large is read to its end as well: a client that is still sending would
    otherwise see a connection reset instead of the response.
    """
    kept = bytearray()
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        part: bytes = message.get("body", b"")
        size += len(part)
        kept += part[: limit - len(kept)]
        if not message.get("more_body", False):
            return bytes(kept), size <= limit


def _refuse(refusal: Refusal) -> Response:
    return _respond(object_text({"error": refusal.text}), status=refusal.status, headers=refusal.headers)


def _respond(text: JSONText, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_bytes(text), status, headers, media_type="application/json")
