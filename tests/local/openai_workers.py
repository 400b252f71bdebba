"""Handlers of endpoints with an OpenAI-compatible API, for tests of clients and of the server."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from runpod.local import samples
from tests.local.api import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod.local import Handler, LocalEndpoint

MODEL = "local/horse-1b"
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "a horse"}]}


def chunk(content: str, index: int = 0) -> dict[str, Any]:
    """A chunk of a chat, as an object."""
    choices = [{"index": index, "delta": {"content": content}, "finish_reason": None}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": choices}


def older(job: dict[str, Any]) -> Iterator[Any]:
    """Yields lists of objects, as vLLM workers before 2.24 do."""
    yield [chunk("a "), chunk("ho")]
    yield [chunk("rse")]


def inputs(job: dict[str, Any]) -> Any:
    """Returns its input as an object of the API."""
    return {"object": "list", "data": [{"id": "input", "object": "model", **job["input"]}]}


def infinity(job: dict[str, Any]) -> dict[str, Any]:
    """Returns an error as its output, as infinity workers do."""
    return {"object": "error", "message": "no such model", "type": "invalid_request_error", "param": None, "code": 404}


def text(job: dict[str, Any]) -> Iterator[str]:
    """Yields text that is neither JSON nor an event, as a page of a gateway."""
    yield "<p>Bad gateway</p>"


def fails(job: dict[str, Any]) -> Any:
    raise ValueError("out of memory")


def fails_late(job: dict[str, Any]) -> Iterator[Any]:
    yield chunk("a ")
    yield {"error": {"message": "out of memory", "type": "worker_error", "code": None}}


def object_error_late(job: dict[str, Any]) -> Iterator[Any]:
    yield chunk("a ")
    yield {"object": "error", "message": "out of memory", "code": 500}


def failed_response(job: dict[str, Any]) -> Iterator[str]:
    """Yields, as JSON, a resource of the Responses API that has an error, which is not one of the request."""
    response = {"id": "resp_1", "object": "response", "created_at": 0, "status": "failed", "model": MODEL, "output": []}
    yield json.dumps(response | {"error": {"code": "server_error", "message": "lost"}})


class Steps:
    """A generator that waits before each yield."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(0)
        self.ended = threading.Event()

    def handler(self, job: dict[str, Any]) -> Iterator[Any]:
        for text in ("a ", "ho", "rse"):
            assert self.allowed.acquire(timeout=TIMEOUT)
            yield chunk(text)
        self.ended.set()


HANDLERS: dict[str, Handler | LocalEndpoint] = {
    "llm": samples.vllm,
    "older": older,
    "inputs": inputs,
    "infinity": infinity,
    "text": text,
    "null": lambda job: None,
    "fails": fails,
    "fails-late": fails_late,
    "object-error-late": object_error_late,
    "failed-response": failed_response,
}
