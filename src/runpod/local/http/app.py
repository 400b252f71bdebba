"""The HTTP side: from a request to an operation, and back to an answer."""

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
from runpod.local.http.routing import Found, Operation, find, routes
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
    """Nobody is left to answer."""


@dataclass(frozen=True)
class _Request:
    """A request that has been read."""

    method: str
    path: bytes
    headers: Headers
    query: Mapping[str, str]
    body: bytes
    complete: bool
    found: Found[Operation] | None

    @property
    def operation(self) -> Operation | None:
        return self.found.path.operations.get(self.method) if self.found else None


class App:
    """An ASGI application that answers for the service.

    Args:
        endpoints: What there is, by endpoint id.
        api_key: The one key that is let in.
        worker_token: What lets workers in besides.
        recorder: Gets every request that arrives.
        faults: What goes wrong.
        clock: How long requests are held.
        behavior: What it does where nobody knows for sure what the service does.
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
        """Answer everything that is held with what is known now. Call it on the event loop."""
        self._closed = True
        self._closing.fire()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            of_worker = find(scope["raw_path"], WORKER_PATHS)
            if of_worker is not None:
                response = await self._answer_worker(of_worker, scope, receive)
                await response(scope, receive, send)
                return
            exchange = _Exchange(self, await self._read(scope, receive), scope, receive, send)
            found, operation = exchange.request.found, exchange.request.operation
            fault = self._faults.take(operation.name, found.endpoint_id) if found and operation else None
            if fault is not None:
                await fault(exchange)
            else:
                await exchange.send(await exchange.answer())
        except _ClientGoneError:
            return

    async def answer(self, request: _Request, receive: Receive) -> Response:
        """Process a request, whatever comes of it."""
        try:
            return _respond(await self._process(request, receive))
        except _ClientGoneError:
            raise
        except Refusal as refusal:
            return _refuse(refusal)
        except Exception:
            logger.exception("The local server failed to answer a request.")
            return _respond(object_text({"error": "internal server error"}), status=500)

    async def hold(self, receive: Receive, changed: Signal, ready: Callable[[], bool], seconds: float) -> None:
        """Keep a request open."""
        if not await self._holds(receive, changed, ready, seconds):
            raise _ClientGoneError

    async def _holds(self, receive: Receive, changed: Signal, ready: Callable[[], bool], seconds: float) -> bool:
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
        found = find(path, self._routes)
        operation = found.path.operations.get(method) if found else None
        limit = operation.body_limit if operation else validation.RUN_BODY_LIMIT
        body, complete = await _read_body(receive, limit)
        self._recorder.add(method, path.decode("ascii", "backslashreplace"), query, headers.items(), body)
        return _Request(method, path, headers, query, body, complete, found)

    async def _process(self, request: _Request, receive: Receive) -> JSONText:
        # The description alone is for everyone.
        if request.path == b"/openapi.json" and request.method == "GET":
            return describe(self._routes, list(self._endpoints))
        found = request.found
        if found is None:
            raise Refusal(404, "not found")
        self._authorize(request.headers)
        endpoint = self._endpoints.get(found.endpoint_id)
        if endpoint is None:
            raise Refusal(404, "endpoint not found")
        operation = request.operation
        if operation is None:
            raise _not_allowed(found)

        async def hold_for(job: Job, ready: Callable[[], bool], seconds: float) -> None:
            await self.hold(receive, job.changed, ready, seconds)

        with endpoint.rates.admit(operation.name) if endpoint.rates else nullcontext():
            if not request.complete:
                raise validation.body_too_large(operation.body_limit)
            call = Call(endpoint, found.ids, request.query, request.body, self._behavior, hold_for)
            try:
                return await operation.function(call)
            except JobNotFoundError:
                raise Refusal(404, "job not found") from None
            except JobNotRetryableError as error:
                raise Refusal(400, str(error)) from None

    async def _answer_worker(self, found: Found[WorkerOperation], scope: Scope, receive: Receive) -> Response:
        # Not recorded, and nothing goes wrong on demand: what workers ask is not what a client did.
        try:
            reply = await self._process_worker(found, scope, receive)
        except Refusal as refusal:
            return _refuse(refusal)
        except JobNotFoundError:
            return _refuse(Refusal(404, "job not found"))
        return Response(status_code=204) if reply is None else _respond(reply)

    async def _process_worker(self, found: Found[WorkerOperation], scope: Scope, receive: Receive) -> JSONText | None:
        query = _first_values(QueryParams(scope["query_string"]))
        body, complete = await _read_body(receive, WORKER_BODY_LIMIT)
        if not hmac.compare_digest(query.get("token", "").encode(), self._worker_token):
            self._authorize(Headers(scope=scope))
        endpoint = self._endpoints.get(found.endpoint_id)
        if endpoint is None:
            raise Refusal(404, "endpoint not found")
        operation = found.path.operations.get(scope["method"])
        if operation is None:
            raise _not_allowed(found)
        hold_for = partial(self._holds, receive)
        worker_id, job_id = found.ids["worker_id"], found.ids.get("job_id", "")
        return await operation.answer(WorkerCall(worker_id, job_id, endpoint.workers, query, body, complete, hold_for))

    def _authorize(self, headers: Headers) -> None:
        # Documentation shows both the key after `Bearer` and the bare key.
        given = headers.get("authorization", "").strip()
        scheme, _, rest = given.partition(" ")
        key = rest.strip() if scheme.lower() == "bearer" else given
        # Starlette reads headers as latin-1, which gives every byte back.
        if not hmac.compare_digest(key.encode("latin-1"), self._api_key):
            raise Refusal(401, "unauthorized")


class _Exchange:
    """One request and its connection, in the hands of whoever decides what the client sees."""

    def __init__(self, app: App, request: _Request, scope: Scope, receive: Receive, send: Send) -> None:
        self.request = request
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._left = 0

    async def answer(self) -> Response:
        return await self._app.answer(self.request, self._receive)

    async def send(self, response: Response, *, size: int | None = None) -> None:
        if size is None:
            await response(self._scope, self._receive, self._send)
            return
        start = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        await self._send(start)
        self._left = len(response.body)
        await self.send_more(bytes(response.body[:size]))

    async def send_more(self, content: bytes) -> None:
        self._left -= len(content)
        await self._send({"type": "http.response.body", "body": content, "more_body": self._left > 0})

    async def pause(self, seconds: float) -> None:
        await self._app.hold(self._receive, Signal(), lambda: False, seconds)

    async def cut(self) -> None:
        self._scope["state"]["close"]()
        while (await self._receive())["type"] != "http.disconnect":
            pass  # Until the connection is closed, or the HTTP protocol would make up an answer.


def _not_allowed(found: Found[Any]) -> Refusal:
    return Refusal(405, "method not allowed", {"allow": ", ".join(sorted(found.path.operations))})


def _first_values(params: QueryParams) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in params.multi_items():
        values.setdefault(name, value)
    return values


async def _read_body(receive: Receive, limit: int) -> tuple[bytes, bool]:
    """Read a body to its end, keeping no more than `limit` bytes of it.

    To its end also where it is too large: a client that is still sending would see a reset
    connection instead of the answer.
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
