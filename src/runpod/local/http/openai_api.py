"""The OpenAI-compatible API: passes a request to a worker as a job, and returns what the worker returns."""

from __future__ import annotations

import ast
import json
import logging
from typing import TYPE_CHECKING, Any, TypeGuard

from starlette.responses import Response, StreamingResponse

from runpod.local.http import validation
from runpod.local.http.validation import invalid_body
from runpod.local.jobs.policy import TTL
from runpod.local.json_text import JSONText, array_text, decode, object_text, to_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.types import Receive, Scope, Send

    from runpod.local.http.call import Call
    from runpod.local.jobs.job import Job

__all__ = ["EventStream", "read", "send"]

_logger = logging.getLogger("runpod.local")

_FIELDS = ("data:", "event:", "id:", "retry:", ":")
_DONE = "data: [DONE]\n\n"

# Characters of the end of a stream that are kept, to see how it ended.
_TAIL = 32


class EventStream(StreamingResponse):
    """Server-sent events, as they come from a worker."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers={"cache-control": "no-cache"})
        self.on_end: Callable[[], object] = bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        """Send the events. Starlette's own way would read from the connection besides `Call.hold`."""
        try:
            await self.stream_response(send)
        finally:
            self.on_end()

    async def complete(self) -> Response:
        """Return the response with all events."""
        try:
            parts = [bytes(part) async for part in self.body_iterator if not isinstance(part, str)]
        finally:
            self.on_end()
        return Response(b"".join(parts), media_type=self.media_type)


async def read(call: Call) -> JSONText | Response:
    """Ask a worker for an object of the OpenAI API, such as its models."""
    return await _run(call, None)


async def send(call: Call) -> JSONText | Response:
    """Send a request of the OpenAI API to a worker."""
    body: object = validation.parse_json(call.body) if call.body.strip() else None
    if body is not None and not _is_object(body):
        raise invalid_body("must be a JSON object")
    return await _run(call, body)


async def _run(call: Call, body: dict[str, Any] | None) -> JSONText | Response:
    # Without a body, workers find no `openai_input`, and take the request for a GET.
    job_input = {"openai_route": f"/v1/{call.ids['route']}"} | ({} if body is None else {"openai_input": body})
    payload = validation.parse_job({"input": job_input}, call.behavior)
    job = call.queue.submit(payload, sync=True)
    # The maximum wait is undocumented. Here it is that of a job.
    if body is not None and body.get("stream") is True:
        await call.hold(job.changed, lambda: bool(job.chunks) or job.done, TTL)
        if job.chunks:
            return EventStream(_events(call, job))
    await call.hold(job.changed, lambda: job.done, TTL)
    return _result(call, job)


def _result(call: Call, job: Job) -> JSONText | Response:
    """What the job returned, or yielded without a request for a stream."""
    chunks: list[JSONText] = []
    while taken := call.queue.drain(job)[1]:
        chunks += taken
    problem = _problem(job)
    if problem is None and chunks:
        return _joined(chunks)
    if problem is None and job.output not in {None, "[]"}:
        return JSONText(job.output)
    # What the service responds if there is no output is undocumented.
    error = _error_text(problem or "the worker returned no output")
    status = 200 if call.behavior.openai_errors_as_200 else 500
    return Response(to_bytes(error), status, media_type="application/json")


def _joined(chunks: list[JSONText]) -> JSONText | Response:
    values: list[Any] = [decode(chunk) for chunk in chunks]
    if not all(isinstance(value, str) for value in values):
        return chunks[0] if len(chunks) == 1 else array_text(chunks)
    # Text, or the pieces of a JSON object that is larger than a chunk may be.
    text = "".join(values)
    try:
        if _is_object(decode(text)):
            return JSONText(text)
    except ValueError:
        pass
    return Response(_bytes(text), media_type="text/event-stream" if text.startswith(_FIELDS) else "text/plain")


async def _events(call: Call, job: Job) -> AsyncIterator[bytes]:
    tail = ""
    add_end = False
    while True:
        await call.hold(job.changed, lambda: bool(job.chunks) or job.done, TTL)
        _, chunks = call.queue.drain(job)
        if not chunks:  # The job has ended, or the server stops.
            break
        for value in map(decode, chunks):
            # Workers that yield objects leave the format of the stream to the service.
            add_end = add_end or not isinstance(value, str)
            if not tail and isinstance(value, str) and not value.startswith(_FIELDS):
                _logger.warning(
                    "The handler of job %s yielded text that is no server-sent event, which OpenAI clients ignore. "
                    "Yield objects, or text such as 'data: {...}\\n\\n'.",
                    job.id,
                )
            for text in _as_events(value):
                tail = (tail + text)[-_TAIL:]
                yield _bytes(text)
    problem = _problem(job)
    if problem is not None:
        start = "" if tail.endswith("\n\n") else "\n\n"
        tail = f"{start}data: {_error_text(problem)}\n\n"
        add_end = True
        yield _bytes(tail)
    if add_end and not tail.rstrip().endswith(_DONE.rstrip()):
        yield _bytes(_DONE)


def _as_events(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        # Older vLLM workers yield several objects at once.
        for item in value:  # pyright: ignore[reportUnknownVariableType] - JSON
            yield from _as_events(item)
    else:
        yield f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _problem(job: Job) -> str | None:
    if job.status == "COMPLETED":
        return None
    return job.error or ("job not found" if job.deleted else f"job is {job.status}")


def _error_text(problem: str) -> JSONText:
    error: dict[str, Any] = {"message": problem, "type": "worker_error", "code": None}
    try:
        # A generator's yield of `{"error": {"message": …}}` was converted to text for the job.
        found: object = ast.literal_eval(problem)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    else:
        if _is_object(found) and isinstance(found.get("message"), str):
            error = found
    return object_text({"error": error})


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
