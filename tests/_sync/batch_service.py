# Generated from tests/_async/batch_service.py by scripts/generate_sync.py. Do not edit.

"""A stand-in for the service's Batch API, which does differently what is undocumented, and loses responses."""

from __future__ import annotations

import json
import re
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx

from runpod import Runpod, RetryPolicy
from tests.clocks import VirtualClock
from tests.servers import BASE_URL, KEY

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUTE = re.compile(r"/v2/ep/batch(?:/(?P<batch>[^/]+)(?:/(?P<step>\w+)(?:/(?P<request>.+))?)?)?")

LOST = "lost"
"""In a script: the request is executed, but its response is lost."""

UNKNOWN = "unknown"
"""In a script: the request is not executed, but that is not known."""

DONE: Callable[[], httpx.Response] = lambda: httpx.Response(204)  # noqa: E731 - a fixed response


class BatchService:
    """One endpoint's batches.

    Attributes:
        requests: The request lines, such as `POST finalize`.
        bodies: The bodies of those that had one.
        script: For the next requests by operation: a status, a response, an exception, `LOST` or `UNKNOWN`.
        late: How many requests for a new batch get a 404.
        reply: What append, finalize, cancel and so on return.
        batches: The batches by ID.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.script: dict[str, deque[Any]] = {}
        self.late = 0
        self.reply: Any = DONE
        self.batches: dict[str, dict[str, Any]] = {}
        self.clock = VirtualClock()

    def client(self, **options: Any) -> Runpod:
        """A client whose retries have no delay, on the clock of the service."""
        http_client = httpx.Client(transport=httpx.MockTransport(self._respond))
        options = {"retry": RetryPolicy(initial_delay=timedelta(0)), **options}
        client = Runpod(KEY, base_url=BASE_URL, http_client=http_client, **options)
        client._session.clock = self.clock  # type: ignore[assignment]
        return client

    def next(self, operation: str, *responses: Any) -> None:
        """Set the responses to the next requests for an operation, such as `POST finalize`."""
        self.script.setdefault(operation, deque()).extend(responses)

    def inputs(self, batch_id: str = "b1") -> list[Any]:
        """The inputs in a batch."""
        return [request["input"] for request in self.batches[batch_id]["requests"].values()]

    def _respond(self, request: httpx.Request) -> httpx.Response:
        route = _ROUTE.fullmatch(request.url.path)
        assert route is not None, request.url.path
        step = route["step"] or ("batch" if route["batch"] else "batches")
        operation = f"{request.method} {step}"
        self.requests.append(operation)
        self.bodies += [request.content] if request.content else []
        scripted = self.script.get(operation)
        response = scripted.popleft() if scripted else None
        if response == UNKNOWN:
            raise httpx.ReadError("reset")
        if isinstance(response, BaseException):
            raise response
        if isinstance(response, int):
            return httpx.Response(response, json={"error": f"it is a {response}"})
        if isinstance(response, httpx.Response):
            return response
        if route["batch"] and self.late:
            self.late -= 1
            return httpx.Response(404, json={"error": "batch not found"})
        executed = self._execute(operation, request, route)
        if response == LOST:
            raise httpx.ReadError("reset")
        return executed

    def _execute(self, operation: str, request: httpx.Request, route: re.Match[str]) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        if operation == "POST batches":
            batch: dict[str, Any] = {"id": f"b{len(self.batches) + 1}", "status": "DRAFT", "requests": {}, "name": None}
            self.batches[batch["id"]] = batch
            self._add(batch, body)
            return httpx.Response(201, json={"id": batch["id"], "status": "DRAFT"})
        if operation == "GET batches":
            return httpx.Response(200, json={"data": [self._text(each) for each in self.batches.values()]})
        found = self.batches.get(route["batch"])
        if found is None:
            return httpx.Response(404, json={"error": "batch not found"})
        if operation == "GET batch":
            return httpx.Response(200, json=self._text(found))
        if operation == "GET requests":
            return self._page(found, request.url.params)
        if found["status"] != "DRAFT" and operation != "POST cancel":
            return httpx.Response(409, json={"error": "not a draft"})
        if operation == "POST requests":
            self._add(found, body["requests"])
        elif operation == "DELETE requests":
            del found["requests"][route["request"]]
        elif operation == "POST finalize":
            found["status"] = "FINALIZED"
        elif operation == "POST cancel":
            found["status"] = "CANCELLED"
        else:
            assert operation == "PUT batch"
            found["name"] = body["name"]
        return self.reply() if callable(self.reply) else httpx.Response(200, json=self.reply)

    @staticmethod
    def _add(batch: dict[str, Any], requests: list[Any]) -> None:
        for request in requests:
            assert ["input"] == list(request)
            number = len(batch["requests"]) + 1
            batch["requests"][f"{batch['id']}-r{number}"] = {**request, "status": "COMPLETED"}

    @staticmethod
    def _text(batch: dict[str, Any]) -> dict[str, Any]:
        done = len(batch["requests"]) if batch["status"] == "FINALIZED" else 0
        counts = {"requestTotal": len(batch["requests"]), "requestCompleted": done, "requestFailed": 0}
        return {"id": batch["id"], "status": batch["status"], "name": batch["name"], **counts}

    @staticmethod
    def _page(batch: dict[str, Any], params: httpx.QueryParams) -> httpx.Response:
        start, limit = int(params["offset"]), int(params["limit"])
        shown = list(batch["requests"].items())[start : start + limit]
        rows = [{"id": key, "status": each["status"], "output": each["input"]} for key, each in shown]
        return httpx.Response(200, json={"requests": rows, "hasMore": start + limit < len(batch["requests"])})
