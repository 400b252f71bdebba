"""The routes of the page's data and actions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from runpod.local.http.validation import HTTPError, parse_job_body
from runpod.local.jobs.job import ENDED
from runpod.local.json_text import JSONText, object_text, to_bytes
from runpod.local.page.assets import HEADERS
from runpod.local.page.details import details, job_path, record_of, value_of
from runpod.local.page.downloads import attachment, media_response
from runpod.local.page.media_list import MediaLists, content_of, describe
from runpod.local.page.parts import PART_LIMIT, indented, part, rewrite
from runpod.local.page.rows import row_fields

if TYPE_CHECKING:
    from runpod.local.clock import Clock
    from runpod.local.http.call import Endpoint
    from runpod.local.page.details import JobRecord
    from runpod.local.settings import Behavior

__all__ = ["Operation", "PageCall", "check_method", "find_route"]

# Instead of the page's policy, for content of a handler: even if a browser took it for a document, nothing would run.
_SANDBOX = {**HEADERS, "content-security-policy": "sandbox; default-src 'none'"}


@dataclass(frozen=True)
class PageCall:
    """A request that is allowed.

    Attributes:
        endpoint_id: The endpoint in the path.
        endpoint: Its parts.
        rest: The other parameters of the path.
        version: The query parameter `v`.
        range: The header `Range`.
        body: The body of a POST request.
        clock: The server's clock.
        behavior: Behavior where the service is undocumented.
        media: The media of jobs.
        origin: The origin of the server.
    """

    endpoint_id: str
    endpoint: Endpoint
    rest: tuple[str, ...]
    version: str
    range: str
    body: bytes
    clock: Clock
    behavior: Behavior
    media: MediaLists
    origin: str

    def record(self) -> JobRecord:
        """Return the job in the path; raises `JobNotFoundError`."""
        return record_of(self.endpoint_id, self.endpoint, self.rest[0])

    def row(self, job_id: str) -> JSONText:
        """Return a job as a list shows it; raises `JobNotFoundError`."""
        record = record_of(self.endpoint_id, self.endpoint, job_id)
        return object_text(row_fields(self.endpoint_id, record.row, self.clock))


Operation = Callable[[PageCall], Awaitable[JSONText | Response]]


async def _show_job(call: PageCall) -> JSONText:
    record = call.record()

    def read() -> JSONText:
        return details(record, describe(record, call.media.of(record), call.origin), call.clock)

    # In a thread, since an output can have megabytes.
    return await asyncio.to_thread(read)


async def _show_last_input(call: PageCall) -> JSONText:
    return await asyncio.to_thread(_last_input, call)


def _last_input(call: PageCall) -> JSONText:
    with call.endpoint.queue.reading() as (jobs, _):
        newest = next(reversed(jobs.values()), None)
    if newest is None:
        return object_text({"json": JSONText("{}"), "text": "{}"})
    record = record_of(call.endpoint_id, call.endpoint, newest.id)
    text = record.row.payload.input
    shown = rewrite(text, PART_LIMIT, "whole")
    if shown is None:
        return part(text, f"{job_path(record)}/input", 0)
    # Indentation can take many times the size.
    form = rewrite(indented(text), 4 * PART_LIMIT, "plain") or rewrite(text, PART_LIMIT, "plain")
    return object_text({"json": shown, "text": str(form or text)})


async def _download(name: str, call: PageCall) -> Response:
    record = call.record()
    index = call.rest[1:]
    text = value_of(record, name, *index)
    if text is None:
        raise HTTPError(404, "The job has no such value, or not any more.")
    filename = "-".join([record.row.id, name, *index])
    return attachment(to_bytes(text), f"{filename}.json", "application/json", _SANDBOX)


async def _show_media(call: PageCall) -> Response:
    record = call.record()
    return await asyncio.to_thread(_media, call, record)


def _media(call: PageCall, record: JobRecord) -> Response:
    from runpod.media.figures import SHOWN

    number = call.rest[1]
    if call.version not in {"", str(record.row.version)}:
        raise HTTPError(404, "The job has changed since. Read it again.")
    found = call.media.of(record)
    if not number.isdecimal() or len(number) > 9 or int(number) >= len(found):
        raise HTTPError(404, "The job has no such file.")
    media = found[int(number)].media
    content = content_of(media, call.origin)
    headers = {**_SANDBOX, "cache-control": "private, max-age=3600"} if call.version else _SANDBOX
    if media.mime not in SHOWN:
        return attachment(content, media.name, "application/octet-stream", headers)
    return media_response(content, media.name, media.mime, call.range, headers)


async def _submit(call: PageCall) -> JSONText:
    if call.endpoint.balancer is not None:
        raise HTTPError(400, "A load-balancing endpoint has no queue, so it takes no jobs.")
    payload = parse_job_body(call.body, call.behavior)
    return call.row(call.endpoint.queue.submit(payload).id)


async def _cancel(call: PageCall) -> JSONText:
    status = call.record().row.status
    if status in ENDED:
        raise HTTPError(409, f"The job has ended already: it is {status}.")
    call.endpoint.queue.cancel(call.rest[0])
    return call.row(call.rest[0])


async def _retry(call: PageCall) -> JSONText:
    call.endpoint.queue.retry(call.rest[0])
    return call.row(call.rest[0])


async def _purge(call: PageCall) -> JSONText:
    return object_text({"removed": call.endpoint.queue.purge()})


@dataclass(frozen=True)
class Route:
    """A path below `/page/endpoints/{endpoint_id}/`, with `*` for parameters.

    Attributes:
        method: The HTTP method. GET includes HEAD.
        template: The segments of the path.
        operation: What is done.
    """

    method: str
    template: tuple[str, ...]
    operation: Operation

    def match(self, steps: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the parameters if the path is this one, else None."""
        if len(steps) != len(self.template):
            return None
        pairs = list(zip(self.template, steps, strict=True))
        if any(expected not in {"*", step} for expected, step in pairs):
            return None
        return tuple(step for expected, step in pairs if expected == "*")


_JOB = ("jobs", "*")
_ROUTES = (
    Route("GET", ("last-input",), _show_last_input),
    Route("GET", _JOB, _show_job),
    *(Route("GET", (*_JOB, name), partial(_download, name)) for name in ("input", "output", "progress")),
    Route("GET", (*_JOB, "chunks", "*"), partial(_download, "chunks")),
    Route("GET", (*_JOB, "media", "*"), _show_media),
    Route("POST", ("jobs",), _submit),
    Route("POST", (*_JOB, "cancel"), _cancel),
    Route("POST", (*_JOB, "retry"), _retry),
    Route("POST", ("purge-queue",), _purge),
)


def find_route(method: str, steps: tuple[str, ...]) -> tuple[Operation, tuple[str, ...]]:
    """Find the operation of a path below an endpoint, with its parameters; raises `HTTPError`."""
    found = [(route, rest) for route in _ROUTES if (rest := route.match(steps)) is not None]
    if not found:
        raise HTTPError(404, "There is no such address.")
    check_method(method, *(route.method for route, _ in found))
    wanted = "GET" if method == "HEAD" else method
    return next((route.operation, rest) for route, rest in found if route.method == wanted)


def check_method(method: str, *allowed: str) -> None:
    """Raise `HTTPError` if a method is not allowed. GET includes HEAD."""
    methods = [*allowed, *(["HEAD"] if "GET" in allowed else [])]
    if method not in methods:
        raise HTTPError(
            405, f"The method is not allowed here. Use {' or '.join(allowed)}.", {"allow": ", ".join(methods)}
        )
