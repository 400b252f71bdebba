"""The HTTP side: from a request to an operation on a queue, and back to an answer."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

from runpod.local import _request
from runpod.local._hold import hold
from runpod.local._json import JSONText, array_text, object_text, to_bytes
from runpod.local._queue import JobNotFoundError, JobNotRetryableError
from runpod.local._request import Refusal
from runpod.local._signal import Signal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from runpod.local._behavior import Behavior
    from runpod.local._clock import Clock
    from runpod.local._job import Job
    from runpod.local._pool import Pool
    from runpod.local._queue import JobQueue
    from runpod.local._record import Recorder

__all__ = ["App", "Endpoint"]

logger = logging.getLogger("runpod.local")

# Milliseconds. The default of /status-sync is documented nowhere; that of /runsync serves both.
_DEFAULT_WAIT = 90_000
_DEFAULT_STREAM_WAIT = 10_000


@dataclass(frozen=True)
class Endpoint:
    """What stands behind one endpoint id."""

    queue: JobQueue
    pool: Pool


@dataclass(frozen=True)
class _Call:
    """One request to one operation of one endpoint."""

    endpoint: Endpoint
    job_id: str
    query: Mapping[str, str]
    body: bytes
    receive: Receive

    @property
    def queue(self) -> JobQueue:
        return self.endpoint.queue


class _ClientGoneError(Exception):
    """Nobody is left to answer."""


class App:
    """An ASGI application that answers for the service.

    Routing is done here, on the path as it was sent, because an id may hold an encoded slash.

    Args:
        endpoints: What there is, by endpoint id.
        api_key: The one key that is let in.
        recorder: Gets every request that arrives.
        clock: How long requests are held.
        behavior: What it does where nobody knows for sure what the service does.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        api_key: str,
        recorder: Recorder,
        clock: Clock,
        behavior: Behavior,
    ) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._behavior = behavior
        self._routes = _routes(behavior)
        self._api_key = api_key.encode("ascii")
        self._recorder = recorder
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
            response = await self._answer(scope, receive)
        except _ClientGoneError:
            return
        except Refusal as refusal:
            text = object_text({"error": refusal.text})
            response = _respond(text, status=refusal.status, headers=refusal.headers)
        except Exception:
            logger.exception("The local server failed to answer a request.")
            response = _respond(object_text({"error": "internal server error"}), status=500)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        raw_path: bytes = scope["raw_path"]
        method: str = scope["method"]
        query = _first_values(QueryParams(scope["query_string"]))
        headers = Headers(scope=scope)
        endpoint_id, operation, job_id = _split(raw_path)
        route = self._routes.get(operation)
        limit = route.body_limit if route else _request.RUN_BODY_LIMIT

        body, complete = await _read(receive, limit)
        path = raw_path.decode("ascii", "backslashreplace")
        self._recorder.add(method, path, query, headers.items(), body)

        if endpoint_id is None or route is None or route.takes_id != (job_id is not None):
            raise Refusal(404, "not found")
        self._authorize(headers)
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is None:
            raise Refusal(404, "endpoint not found")
        if method not in route.methods:
            raise Refusal(405, "method not allowed", {"allow": ", ".join(sorted(route.methods))})
        if not complete:
            raise _request.body_too_large(limit)
        call = _Call(endpoint, job_id or "", query, body, receive)
        try:
            return _respond(await route.operation(self, call))
        except JobNotFoundError:
            raise Refusal(404, "job not found") from None
        except JobNotRetryableError as error:
            raise Refusal(400, str(error)) from None

    def _authorize(self, headers: Headers) -> None:
        # Documentation shows both the key after `Bearer` and the bare key.
        given = headers.get("authorization", "").strip()
        scheme, _, rest = given.partition(" ")
        key = rest.strip() if scheme.lower() == "bearer" else given
        # Starlette reads headers as latin-1, which gives every byte back.
        if not hmac.compare_digest(key.encode("latin-1"), self._api_key):
            raise Refusal(401, "unauthorized")

    # Operations

    async def run(self, call: _Call) -> JSONText:
        job = call.queue.submit(_request.payload(call.body, self._behavior))
        # By its name rather than by its state, which may have moved on.
        return object_text({"id": job.id, "status": "IN_QUEUE"})

    async def run_sync(self, call: _Call) -> JSONText:
        seconds = _request.wait(call.query, _DEFAULT_WAIT)
        job = call.queue.submit(_request.payload(call.body, self._behavior), sync=True)
        await self._hold(call, job, lambda: job.over, seconds)
        status = job.status  # Looked at first, so that the job cannot end between the two looks.
        if job.over:
            return _text(call.queue, job)
        # Captured from the service: 200 with {"id", "status"}, and nothing else.
        return object_text({"id": job.id, "status": status})

    async def status(self, call: _Call) -> JSONText:
        # "sets that job's time-to-live (example 6000); older text: lets you drop the result
        # sooner than the default retention. Exact effect UNKNOWN." It never lengthens anything.
        seconds = _request.ttl(call.query)
        if seconds is not None:
            return _text(call.queue, call.queue.remember(call.job_id, seconds))
        return _text(call.queue, call.queue.get(call.job_id))

    async def status_sync(self, call: _Call) -> JSONText:
        seconds = _request.wait(call.query, _DEFAULT_WAIT)
        job = call.queue.get(call.job_id)
        await self._hold(call, job, lambda: job.over, seconds)
        return _text(call.queue, job)

    async def stream(self, call: _Call) -> JSONText:
        seconds = _request.wait(call.query, _DEFAULT_STREAM_WAIT)
        job = call.queue.get(call.job_id)
        hold = self._behavior.stream_hold
        if hold == "always" or (hold == "started" and job.status != "IN_QUEUE"):
            await self._hold(call, job, lambda: bool(job.chunks) or job.over, seconds)
        _check_exists(job)
        # Of two polls released by the same chunk one gets it, the other one nothing. A final
        # status comes together with the last chunks, and never with an error text.
        status, chunks = call.queue.drain(job)
        items = array_text(object_text({"output": chunk}) for chunk in chunks)
        return object_text({"status": status, "stream": items})

    async def cancel(self, call: _Call) -> JSONText:
        # What the service says of a job that has ended is documented nowhere. Here it stays as
        # it is, and says so.
        return object_text({"id": call.job_id, "status": call.queue.cancel(call.job_id)})

    async def retry(self, call: _Call) -> JSONText:
        job = call.queue.retry(call.job_id)
        return object_text({"id": job.id, "status": "IN_QUEUE"})

    async def purge_queue(self, call: _Call) -> JSONText:
        # In lower case: it is the operation's status, not a job's.
        return object_text({"removed": call.queue.purge(), "status": "completed"})

    async def health(self, call: _Call) -> JSONText:
        return object_text({"jobs": call.endpoint.queue.counts(), "workers": call.endpoint.pool.counts()})

    async def _hold(self, call: _Call, job: Job, ready: Callable[[], bool], seconds: float) -> None:
        present = await hold(
            lambda: self._closed or ready(),
            seconds=seconds,
            clock=self._clock,
            changed=job.changed,
            closing=self._closing,
            receive=call.receive,
        )
        if not present:
            raise _ClientGoneError


@dataclass(frozen=True)
class _Route:
    operation: Callable[[App, _Call], Awaitable[JSONText]]
    methods: frozenset[str]
    takes_id: bool = False
    body_limit: int = _request.RUN_BODY_LIMIT


_GET = frozenset({"GET"})
_POST = frozenset({"POST"})

_with_id = partial(_Route, takes_id=True)


def _routes(behavior: Behavior) -> dict[str, _Route]:
    reads = _GET | _POST if behavior.post_reads else _GET
    routes = {
        "run": _Route(App.run, _POST),
        "runsync": _Route(App.run_sync, _POST, body_limit=_request.RUNSYNC_BODY_LIMIT),
        "status": _with_id(App.status, reads),
        "status-sync": _with_id(App.status_sync, reads),
        "stream": _with_id(App.stream, reads),
        "cancel": _with_id(App.cancel, _POST),
        "retry": _with_id(App.retry, _POST),
        "purge-queue": _Route(App.purge_queue, _POST),
        "health": _Route(App.health, _GET),
    }
    if not behavior.status_sync:
        del routes["status-sync"]
    return routes


def _split(raw_path: bytes) -> tuple[str | None, str, str | None]:
    """Take `/v2/{endpoint_id}/{operation}[/{job_id}]` apart, decoding only the parts."""
    empty, *segments = raw_path.decode("ascii", "replace").split("/")
    parts = [unquote(segment) for segment in segments]
    if empty or not 3 <= len(parts) <= 4 or not all(parts) or segments[0] != "v2":
        return None, "", None
    return parts[1], parts[2], parts[3] if len(parts) == 4 else None


def _first_values(params: QueryParams) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in params.multi_items():
        values.setdefault(name, value)
    return values


async def _read(receive: Receive, limit: int) -> tuple[bytes, bool]:
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


def _text(queue: JobQueue, job: Job) -> JSONText:
    _check_exists(job)
    return queue.text(job)


def _check_exists(job: Job) -> None:
    if job.deleted:  # While the request was held.
        raise JobNotFoundError(job.id)


def _respond(text: JSONText, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_bytes(text), status, headers, media_type="application/json")
