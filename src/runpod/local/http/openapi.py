"""The OpenAPI 3.1 description of the server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from runpod.local.json_text import JSONText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpod.local.http.routing import Operation, Path

__all__ = ["describe"]

_Schema = dict[str, Any]


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


def _object(required: str = "", **properties: _Schema) -> _Schema:
    schema: _Schema = {"type": "object", "properties": properties}
    return schema | ({"required": required.split()} if required else {})


def _or_null(**schema: Any) -> _Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT: _Schema = {"type": "string"}
_COUNT: _Schema = {"type": "integer", "minimum": 0}
_STATUSES = ["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
_STATUS: _Schema = {"enum": _STATUSES}

_SCHEMAS: dict[str, _Schema] = {
    "Error": _object("error", error=_TEXT),
    "JobRequest": _object(
        "input",
        input={"type": "object"},
        webhook=_or_null(type="string"),
        webhookV2=_or_null(type="string"),
        policy=_or_null(
            type="object",
            properties={
                "executionTimeout": _or_null(type="integer"),
                "lowPriority": _or_null(type="boolean"),
                "ttl": _or_null(type="integer"),
            },
        ),
        s3Config=_or_null(type="object"),
    ),
    "Job": _object(
        "id status",
        id=_TEXT,
        status=_STATUS,
        delayTime=_COUNT,
        executionTime=_COUNT,
        workerId=_TEXT,
        output={},
        error=_TEXT,
        retries=_COUNT,
    ),
    "JobStatus": _object("id status", id=_TEXT, status=_STATUS),
    "Stream": _object("status stream", status=_STATUS, stream=_array(_object("output", output={}))),
    "Purge": _object("removed status", removed=_COUNT, status={"const": "completed"}),
    "Health": _object(
        "jobs workers",
        jobs={"type": "object", "additionalProperties": _COUNT},
        workers={"type": "object", "additionalProperties": _COUNT},
    ),
    "BatchStatus": _object("id status", id=_TEXT, status={"enum": ["DRAFT", "FINALIZED", "CANCELLED"]}),
    "Batch": _object(
        "id endpointId status requestTotal requestInProgress requestCompleted requestFailed createdAt",
        id=_TEXT,
        endpointId=_TEXT,
        name=_TEXT,
        status={"enum": ["DRAFT", "FINALIZED", "CANCELLED"]},
        requestTotal=_COUNT,
        requestInProgress=_COUNT,
        requestCompleted=_COUNT,
        requestFailed=_COUNT,
        createdAt={"type": "integer", "description": "Milliseconds since 1970."},
    ),
    "BatchList": _object("batches", batches=_array(_ref("Batch"))),
    "BatchPage": _object(
        "requests total offset limit hasMore",
        requests=_array(
            _object("id status", id=_TEXT, status=_STATUS, output={}, error=_TEXT, startedAt=_TEXT, completedAt=_TEXT)
        ),
        total=_COUNT,
        offset=_COUNT,
        limit=_COUNT,
        hasMore={"type": "boolean"},
    ),
    "BatchRequests": _object("requests", requests=_array(_ref("JobRequest"))),
    "OpenAIRequest": _object(stream={"type": "boolean"}),
    "OpenAIResponse": {"description": "What the worker returns; if the request has `stream`, server-sent events."},
    "BatchAttributes": _object(name=_or_null(type="string")),
}


def _milliseconds(name: str, lowest: int, highest: int) -> _Schema:
    schema = {"type": "integer", "minimum": lowest, "maximum": highest}
    return {"name": name, "in": "query", "schema": schema, "description": "Milliseconds."}


_WAIT = _milliseconds("wait", 1000, 300_000)
_TTL = _milliseconds("ttl", 0, 10**15 - 1)
_OFFSET = {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 10**9}}
_LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}}

# Query parameters, request body and response of each function, by its module and name.
_SHAPES: dict[str, tuple[list[_Schema], _Schema | None, str]] = {
    "run": ([], _ref("JobRequest"), "JobStatus"),
    "run_sync": ([_WAIT], _ref("JobRequest"), "Job"),
    "status": ([_TTL], None, "Job"),
    "status_sync": ([_WAIT], None, "Job"),
    "stream": ([_WAIT], None, "Stream"),
    "cancel": ([], None, "JobStatus"),
    "retry": ([], None, "JobStatus"),
    "purge_queue": ([], None, "Purge"),
    "health": ([], None, "Health"),
    "openai read": ([], None, "OpenAIResponse"),
    "openai send": ([], _ref("OpenAIRequest"), "OpenAIResponse"),
    "batch create": ([], _array(_ref("JobRequest")), "BatchStatus"),
    "batch add": ([], _ref("BatchRequests"), "BatchStatus"),
    "batch remove": ([], None, "BatchStatus"),
    "batch finalize": ([], None, "BatchStatus"),
    "batch cancel": ([], None, "BatchStatus"),
    "batch change": ([], _ref("BatchAttributes"), "Batch"),
    "batch show": ([], None, "Batch"),
    "batch show_all": ([], None, "BatchList"),
    "batch show_requests": ([_OFFSET, _LIMIT], None, "BatchPage"),
}


# Operations that create a resource, with the name of its ID. Operations that take this ID are linked to them.
_CREATORS = {"run": "job_id", "run_sync": "job_id", "batch create": "batch_id"}


def describe(routes: Sequence[Path[Operation]], endpoint_ids: Sequence[str]) -> JSONText:
    """Describe every route."""
    links: dict[str, dict[str, _Schema]] = {id_name: {} for id_name in _CREATORS.values()}
    for route in routes:
        for id_name in _ids(route):
            for method, operation in route.operations.items():
                if id_name in links and len(_ids(route)) == 1:
                    name = _operation_id(method, operation)
                    values = {f"path.{id_name}": "$response.body#/id", "path.endpoint_id": "$request.path.endpoint_id"}
                    links[id_name][name] = {"operationId": name, "parameters": values}
    paths = {
        f"/{{endpoint_id}}/{route.template}": {
            "parameters": [_endpoint_id(endpoint_ids), *(_id(name) for name in _ids(route))],
            **{method.lower(): _operation(method, operation, links) for method, operation in route.operations.items()},
        }
        for route in routes
    }
    document: _Schema = {
        "openapi": "3.1.0",
        "info": {"title": "Runpod serverless endpoints on a local server", "version": "2"},
        "servers": [{"url": "/v2"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
    return JSONText(json.dumps(document))


def _operation(method: str, operation: Operation, links: dict[str, dict[str, _Schema]]) -> _Schema:
    name = _name(operation)
    parameters, body, response = _SHAPES[name]
    error = {"description": "Refused.", "content": _json(_ref("Error"))}
    described: _Schema = {
        "operationId": _operation_id(method, operation),
        "summary": operation.function.__doc__,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "Done.",
                "content": _json(_ref(response)),
                "links": links.get(_CREATORS.get(name, ""), {}),
            },
            **{str(status): error for status in (400, 401, 404, 405, 429)},
        },
    }
    return described | ({"requestBody": {"required": True, "content": _json(body)}} if body else {})


def _name(operation: Operation) -> str:
    name = operation.function.__name__
    return f"{operation.name} {name}" if operation.name in {"batch", "openai"} else name


def _operation_id(method: str, operation: Operation) -> str:
    return f"{method.lower()}_{_name(operation).replace(' ', '_')}"


def _json(schema: _Schema) -> _Schema:
    return {"application/json": {"schema": schema}}


def _ids(route: Path[Operation]) -> list[str]:
    return re.findall(r"{(\w+)}", route.template)


def _id(name: str) -> _Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _endpoint_id(endpoint_ids: Sequence[str]) -> _Schema:
    return _id("endpoint_id") | {"schema": {"enum": sorted(endpoint_ids)}}
