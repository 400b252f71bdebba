"""Routes from path and method to operation.

Paths are matched with Starlette's routing, except that IDs may contain an encoded slash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Match, Route

from runpod.local.http import batch_api as batch
from runpod.local.http import client_api as jobs
from runpod.local.http import openai_api as openai
from runpod.local.http.validation import RUN_BODY_LIMIT, RUNSYNC_BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from starlette.responses import Response

    from runpod.local.http.call import Call
    from runpod.local.json_text import JSONText
    from runpod.local.settings import Behavior

__all__ = ["Operation", "Path", "RouteMatch", "find_route", "routes"]

OperationT = TypeVar("OperationT")


class _Segment(Convertor[str]):
    """One path segment, decoded after the path was split."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


class _Rest(_Segment):
    """The rest of the path."""

    regex = ".+"

    def to_string(self, value: str) -> str:
        return quote(value)


# Starlette's convertors are global in the process, hence the prefix.
register_url_convertor("runpod_segment", _Segment())
register_url_convertor("runpod_rest", _Rest())


class Path(Route, Generic[OperationT]):
    """A path below `/v2/{endpoint_id}/` and its operations.

    Only the matching of `Route` is used, not its calls of the endpoint: requests are recorded and
    authorized before their operation runs.

    Args:
        template: The path with parameters in braces: `status/{job_id}`.
        operations: The operations by HTTP method.
        rest: The name of the parameter that takes the rest of the path, with its slashes; the others
            take one segment.
    """

    def __init__(self, template: str, operations: Mapping[str, OperationT], *, rest: str = "") -> None:
        path = f"/v2/{{endpoint_id}}/{template}".replace(f"{{{rest}}}", f"{{{rest}:runpod_rest}}")
        path = re.sub(r"{(\w+)}", r"{\1:runpod_segment}", path)
        super().__init__(path, endpoint=operations.get)  # Never called; `Route` needs a callable.
        self.template = template
        self.operations = operations


@dataclass(frozen=True)
class RouteMatch(Generic[OperationT]):
    """The route of a request.

    Attributes:
        endpoint_id: The endpoint in the path, which may not exist.
        ids: Values of the other parameters in the route's template.
        operation: The operation, or None if the method is not allowed.
        methods: The allowed methods.
    """

    endpoint_id: str
    ids: Mapping[str, str]
    operation: OperationT | None
    methods: Collection[str]


@dataclass(frozen=True)
class Operation:
    """An operation of the client API.

    Attributes:
        name: Name for rate limits and faults: mostly the first segment of the path.
        function: The implementation.
        body_limit: Maximum bytes of a request body.
    """

    name: str
    function: Callable[[Call], Awaitable[JSONText | Response]]
    body_limit: int = RUN_BODY_LIMIT


def routes(behavior: Behavior) -> list[Path[Operation]]:
    """Return the routes of the client API."""
    run = Operation("run", jobs.run)
    run_sync = Operation("runsync", jobs.run_sync, RUNSYNC_BODY_LIMIT)

    def reads(operation: Operation) -> dict[str, Operation]:
        # Older documentation lists POST as an alternative, and one official client uses it.
        return {"GET": operation, "POST": operation} if behavior.post_reads else {"GET": operation}

    status_sync = [Path("status-sync/{job_id}", reads(Operation("status-sync", jobs.status_sync)))]
    return [
        Path("run", {"POST": run}),
        Path("runsync", {"POST": run_sync}),
        Path("status/{job_id}", reads(Operation("status", jobs.status))),
        *(status_sync if behavior.status_sync else []),
        Path("stream/{job_id}", reads(Operation("stream", jobs.stream))),
        Path("cancel/{job_id}", {"POST": Operation("cancel", jobs.cancel)}),
        Path("retry/{job_id}", {"POST": Operation("retry", jobs.retry)}),
        Path("purge-queue", {"POST": Operation("purge-queue", jobs.purge_queue)}),
        Path("health", {"GET": Operation("health", jobs.health)}),
        Path("batch", {"GET": Operation("batch", batch.show_all), "POST": Operation("batch", batch.create)}),
        Path("batch/{batch_id}", {"GET": Operation("batch", batch.show), "PUT": Operation("batch", batch.change)}),
        Path(
            "batch/{batch_id}/requests",
            {"GET": Operation("batch", batch.show_requests), "POST": Operation("batch", batch.add)},
        ),
        Path("batch/{batch_id}/requests/{request_id}", {"DELETE": Operation("batch", batch.remove)}),
        Path("batch/{batch_id}/finalize", {"POST": Operation("batch", batch.finalize)}),
        Path("batch/{batch_id}/cancel", {"POST": Operation("batch", batch.cancel)}),
        Path(
            "openai/v1/{route}",
            {
                "GET": Operation("openai", openai.read),
                "POST": Operation("openai", openai.send, RUNSYNC_BODY_LIMIT),
            },
            rest="route",
        ),
        # The service also has `GET /requests`. It is not implemented, because its query parameters and
        # its response are undocumented.
    ]


def find_route(raw_path: bytes, method: str, paths: Sequence[Path[OperationT]]) -> RouteMatch[OperationT] | None:
    """Find the route of a path, whether or not it allows the method."""
    scope = {"type": "http", "method": "GET", "path": raw_path.decode("ascii", "replace")}
    for path in paths:
        match, child_scope = path.matches(scope)
        if match is not Match.NONE:
            ids: dict[str, str] = child_scope["path_params"]
            return RouteMatch(ids.pop("endpoint_id"), ids, path.operations.get(method), path.operations.keys())
    return None
