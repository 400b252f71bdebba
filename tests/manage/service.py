"""A small stand-in for the management API, which keeps what it is told: for the command line and the pages."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self

# Collections, and the field of a list that has their items.
PLURALS = {"serverless": "endpoints", "templates": "templates", "registries": "registries"}

# What the service adds to a new object.
_ADDED: dict[str, dict[str, Any]] = {
    "serverless": {
        "workers": {"min": 0, "max": 3, "idleTimeout": 10},
        "createdAt": "2026-06-01T12:00:00Z",
        "flashboot": "OFF",
    },
    "templates": {"serverless": False, "public": False, "category": "NVIDIA"},
    "registries": {},
}


class ManagementService:
    """A server on loopback.

    Attributes:
        url: Its address, as `management_url`.
        objects: What there is, by collection and ID.
        answers: Responses to GET of other paths.
        requests: The requests: method, path and body.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in PLURALS}
        self.answers: dict[str, Any] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # It looks that often whether it was shut down.
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def clear(self) -> None:
        """Forgets everything."""
        self.requests.clear()
        self.answers.clear()
        for objects in self.objects.values():
            objects.clear()

    def add(self, collection: str, object_id: str, **fields: Any) -> None:
        """Adds an object."""
        self.objects[collection][object_id] = {"id": object_id, **_ADDED[collection], **fields}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """The status and the body of a response."""
        self.requests.append((method, path, body))
        if method == "GET" and path in self.answers:
            return 200, self.answers[path]
        found = re.fullmatch(r"/v2/([\w-]+)(?:/([^/]+))?", path)
        if found is None or found[1] not in self.objects:
            return problem(404, f"there is no path {path}")
        collection, object_id = found[1], found[2]
        objects = self.objects[collection]
        if object_id is None and method == "POST":
            if "workersMin" in body:
                return problem(422, "Request validation failed", ["unexpected field 'workersMin'"])
            object_id = f"new-{len(objects) + 1}"
            self.add(collection, object_id, **{name: each for name, each in body.items() if name != "password"})
            return 201, objects[object_id]
        if object_id is None:
            return 200, {PLURALS[collection]: list(objects.values())}
        if object_id not in objects:
            return problem(404, "resource not found")
        if method == "PATCH":
            objects[object_id].update(body)
        if method == "DELETE":
            del objects[object_id]
            return 204, None
        return 200, objects[object_id]


def problem(status: int, detail: str, errors: list[str] | None = None) -> tuple[int, Any]:
    """An error."""
    return status, {"title": "A problem", "status": status, "detail": detail, "errors": errors or []}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: ClassVar[ManagementService]

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        status, answer = self.service.answer(self.command, self.path.partition("?")[0], body)
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _respond  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: Any) -> None:
        pass
