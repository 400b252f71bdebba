"""The ASGI application: dispatches requests to operations and sends their responses."""

from __future__ import annotations

import asyncio
import hmac
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

from runpod.local.balancer import edge
from runpod.local.http import long_poll, validation
from runpod.local.http.call import Call
from runpod.local.http.long_poll import ClientDisconnectedError
from runpod.local.http.management_api import MANAGEMENT_PREFIX, ManagementAPI
from runpod.local.http.openai_api import EventStream
from runpod.local.http.openapi import describe
from runpod.local.http.request_body import read_body
from runpod.local.http.routing import find_route, routes
from runpod.local.http.validation import HTTPError
from runpod.local.http.worker_api import WORKER_BODY_LIMIT, WORKER_PATHS, WorkerCall
from runpod.local.jobs.batches import BatchError, BatchNotFoundError
from runpod.local.jobs.job import JobNotFoundError, JobNotRetryableError
from runpod.local.json_text import object_text, to_bytes
from runpod.local.samples.picture_urls import PictureURL
from runpod.local.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from runpod.local.clock import Clock
    from runpod.local.faults import Faults
    from runpod.local.http.call import Endpoint
    from runpod.local.http.request_log import Recorder
    from runpod.local.http.routing import Operation, RouteMatch
    from runpod.local.http.worker_api import WorkerOperation
    from runpod.local.json_text import JSONText
    from runpod.local.page.page import Page
    from runpod.local.settings import Behavior

__all__ = ["App"]

_logger = logging.getLogger("runpod.local")


OperationT = TypeVar("OperationT")


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
        base_url: Returns the base URL of jobs.
        page: The server's page; None without one.
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
        base_url: Callable[[], str],
        page: Page | None = None,
    ) -> None:
        self._page = page
        self._endpoints = endpoints
        self._api_key = api_key.encode("ascii")
        self._worker_token = worker_token.encode("ascii")
        self._recorder = recorder
        self._faults = faults
        self._clock = clock
        self._behavior = behavior
        self._routes = routes(behavior)
        self._edge = edge.Edge(endpoints, api_key=api_key, recorder=recorder, faults=faults, clock=clock)
        self._closing = Signal()
        self._closed = False
        self._management = ManagementAPI(
            endpoints,
            authorize=self._authorize,
            clock=clock,
            enforces_limits=behavior.rate_limits,
            is_closing=lambda: self._closed,
            address=base_url,
        )

    def __repr__(self) -> str:
        return f"<App {sorted(self._endpoints)}>"

    def close(self) -> None:
        """Complete all held requests with the current state. Must be called on the event loop."""
        self._closed = True
        self._closing.fire()
        if self._page is not None:
            self._page.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["raw_path"].startswith(edge.PREFIX):
            await self._edge(scope, receive, send)
            return
        if self._page is not None and self._page.has(scope["raw_path"]):
            # Neither recorded, nor limited, nor subject to faults: these are no requests of clients.
            await self._page(scope, receive, send)
            return
        try:
            worker_match = find_route(scope["raw_path"], scope["method"], WORKER_PATHS)
            if worker_match is not None:
                # Only requests of clients are recorded and get faults.
                response = await _respond(self._run_worker_operation(worker_match, scope, receive))
                await response(scope, receive, send)
                return
            request = await self._read(scope, receive)
            if request.path.startswith(MANAGEMENT_PREFIX):
                await self._manage(request, receive)(scope, receive, send)
                return
            exchange = _Exchange(self, request, scope, receive, send)
            match = exchange.request.match
            fault = self._faults.take(match.operation.name, match.endpoint_id) if match and match.operation else None
            if fault is not None:
                await fault(exchange)
            else:
                await exchange.send(await self.process(exchange.request, receive))
        except ClientDisconnectedError:
            return

    async def process(self, request: _Request, receive: Receive) -> Response:
        """Process a request and return the response, also on errors."""
        picture = PictureURL.parse(request.path) if request.method in {"GET", "HEAD"} else None
        if picture is not None:
            # Without an API key, as the service serves the pictures of public endpoints. In a thread, since drawing
            # takes milliseconds.
            return Response(await asyncio.to_thread(picture.draw), media_type="image/png")
        return await _respond(self._run_operation(request, receive))

    def _manage(self, request: _Request, receive: Receive) -> Response:
        hold = partial(self.hold, receive)
        return self._management.respond(
            request.method, request.path, request.headers, request.query, request.body, hold
        )

    async def hold(self, receive: Receive, changed: Signal, ready: Callable[[], bool], seconds: float) -> None:
        """Keep a request open until `ready()`, or for `seconds` at most."""
        await long_poll.hold(
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
        match = find_route(path, method, self._routes)
        limit = match.operation.body_limit if match and match.operation else validation.RUN_BODY_LIMIT
        body, complete = await read_body(receive, limit)
        self._recorder.add(method, path.decode("ascii", "backslashreplace"), query, headers.items(), body)
        return _Request(method, path, headers, query, body, complete, match)

    async def _run_operation(self, request: _Request, receive: Receive) -> JSONText | Response:
        # The only operation that needs no API key.
        if request.path == b"/openapi.json" and request.method == "GET":
            return describe(self._routes, list(self._endpoints))
        if request.match is None:
            raise HTTPError(404, "not found")
        self._authorize(request.headers)
        endpoint, operation = self._resolve(request.match)
        if endpoint.balancer is not None and operation.name != "health":
            raise HTTPError(400, f"/{operation.name} is not allowed for LB API, use load balancer endpoint")
        with ExitStack() as admission:
            if endpoint.rate_limiter is not None:
                admission.enter_context(endpoint.rate_limiter.admit(operation.name))
            if not request.complete:
                raise validation.body_too_large(operation.body_limit)
            hold = partial(self.hold, receive)
            call = Call(endpoint, request.match.ids, request.query, request.body, self._behavior, hold)
            reply = await operation.function(call)
            if isinstance(reply, EventStream):  # It is open until it has been sent.
                reply.on_end = admission.pop_all().close
            return reply

    async def _run_worker_operation(
        self, match: RouteMatch[WorkerOperation], scope: Scope, receive: Receive
    ) -> JSONText | None:
        query = _first_values(QueryParams(scope["query_string"]))
        body, complete = await read_body(receive, WORKER_BODY_LIMIT)
        if not hmac.compare_digest(query.get("token", "").encode(), self._worker_token):
            self._authorize(Headers(scope=scope))
        endpoint, operation = self._resolve(match)
        worker_id, job_id = match.ids["worker_id"], match.ids.get("job_id", "")
        hold = partial(self.hold, receive)
        return await operation(WorkerCall(worker_id, job_id, endpoint.remote_workers, query, body, complete, hold))

    def _resolve(self, match: RouteMatch[OperationT]) -> tuple[Endpoint, OperationT]:
        """Return the endpoint and the operation of a request; raises `HTTPError` if one does not exist."""
        endpoint = self._endpoints.get(match.endpoint_id)
        if endpoint is None:
            raise HTTPError(404, "endpoint not found")
        if match.operation is None:
            raise HTTPError(405, "method not allowed", {"allow": ", ".join(sorted(match.methods))})
        return endpoint, match.operation

    def _authorize(self, headers: Headers) -> None:
        # Documentation shows both `Bearer KEY` and the bare key.
        given = headers.get("authorization", "").strip()
        scheme, _, rest = given.partition(" ")
        key = rest.strip() if scheme.lower() == "bearer" else given
        # Starlette decodes headers as latin-1; this restores the bytes.
        if not hmac.compare_digest(key.encode("latin-1"), self._api_key):
            raise HTTPError(401, "unauthorized")


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
        response = await self._app.process(self.request, self._receive)
        return await response.complete() if isinstance(response, EventStream) else response

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


def _first_values(params: QueryParams) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in params.multi_items():
        values.setdefault(name, value)
    return values


async def _respond(reply: Awaitable[JSONText | Response | None]) -> Response:
    """Return the response for a reply, or for the error that it raises."""
    try:
        text = await reply
        if isinstance(text, Response):
            return text
    except ClientDisconnectedError:
        raise
    except HTTPError as error:
        return _error_response(error.status, error.text, error.headers)
    except JobNotFoundError:
        return _error_response(404, "job not found")
    except BatchNotFoundError as error:
        return _error_response(404, str(error))
    except JobNotRetryableError as error:
        return _error_response(400, str(error))
    except BatchError as error:
        return _error_response(400, f"bad request: {error}")
    except Exception:
        _logger.exception("The local server failed to process a request.")
        return _error_response(500, "internal server error")
    return Response(status_code=204) if text is None else _json_response(text)


def _error_response(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json_response(object_text({"error": text}), status, headers)


def _json_response(text: JSONText, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_bytes(text), status, headers, media_type="application/json")
