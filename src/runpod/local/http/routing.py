"""Which path and method lead to which operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from runpod.local.http import batch_api as batch
from runpod.local.http import client_api as jobs
from runpod.local.http.validation import RUN_BODY_LIMIT, RUNSYNC_BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from runpod.local.http.call import Call
    from runpod.local.json_text import JSONText
    from runpod.local.settings import Behavior

__all__ = ["Found", "Operation", "Route", "find", "routes"]


@dataclass(frozen=True)
class Operation:
    """What can be done at a path.

    Attributes:
        name: What its limits and its faults go by: mostly the first part of its path.
        function: What does it.
        body_limit: Bytes of a body.
    """

    name: str
    function: Callable[[Call], Awaitable[JSONText]]
    body_limit: int = RUN_BODY_LIMIT


@dataclass(frozen=True)
class Route:
    """A path below `/v2/{endpoint_id}/`, and what can be done there.

    Attributes:
        template: The path, with names in braces where there are ids: `status/{job_id}`.
        operations: What can be done, by HTTP method.
    """

    template: str
    operations: Mapping[str, Operation]

    def ids(self, parts: Sequence[str]) -> dict[str, str] | None:
        """Give the ids that `parts` have in place of the names in braces; None if they do not fit."""
        names = self.template.split("/")
        if len(names) != len(parts):
            return None
        ids: dict[str, str] = {}
        for name, part in zip(names, parts, strict=True):
            if name.startswith("{"):
                ids[name[1:-1]] = part
            elif name != part:
                return None
        return ids


@dataclass(frozen=True)
class Found:
    """Where a path leads."""

    endpoint_id: str
    route: Route
    ids: Mapping[str, str]


def routes(behavior: Behavior) -> list[Route]:
    """Give every route there is."""
    run = Operation("run", jobs.run)
    run_sync = Operation("runsync", jobs.run_sync, RUNSYNC_BODY_LIMIT)

    def reads(operation: Operation) -> dict[str, Operation]:
        # "POST alternatives for status, status-sync and stream": one of the official clients
        # uses them.
        return {"GET": operation, "POST": operation} if behavior.post_reads else {"GET": operation}

    status_sync = [Route("status-sync/{job_id}", reads(Operation("status-sync", jobs.status_sync)))]
    return [
        Route("run", {"POST": run}),
        Route("runsync", {"POST": run_sync}),
        Route("status/{job_id}", reads(Operation("status", jobs.status))),
        *(status_sync if behavior.status_sync else []),
        Route("stream/{job_id}", reads(Operation("stream", jobs.stream))),
        Route("cancel/{job_id}", {"POST": Operation("cancel", jobs.cancel)}),
        Route("retry/{job_id}", {"POST": Operation("retry", jobs.retry)}),
        Route("purge-queue", {"POST": Operation("purge-queue", jobs.purge_queue)}),
        Route("health", {"GET": Operation("health", jobs.health)}),
        Route("batch", {"GET": Operation("batch", batch.show_all), "POST": Operation("batch", batch.create)}),
        Route("batch/{batch_id}", {"GET": Operation("batch", batch.show), "PUT": Operation("batch", batch.change)}),
        Route(
            "batch/{batch_id}/requests",
            {"GET": Operation("batch", batch.show_requests), "POST": Operation("batch", batch.add)},
        ),
        Route("batch/{batch_id}/requests/{request_id}", {"DELETE": Operation("batch", batch.remove)}),
        Route("batch/{batch_id}/finalize", {"POST": Operation("batch", batch.finalize)}),
        Route("batch/{batch_id}/cancel", {"POST": Operation("batch", batch.cancel)}),
        # "`GET /requests`: query and response shape UNKNOWN", so there is none.
    ]


def find(raw_path: bytes, among: Sequence[Route]) -> Found | None:
    """Find where a path leads, decoding only its parts: an id may hold an encoded slash."""
    empty, *segments = raw_path.decode("ascii", "replace").split("/")
    parts = [unquote(segment) for segment in segments]
    if empty or len(parts) < 3 or not all(parts) or segments[0] != "v2":
        return None
    _, endpoint_id, *rest = parts
    for route in among:
        ids = route.ids(rest)
        if ids is not None:
            return Found(endpoint_id, route, ids)
    return None
