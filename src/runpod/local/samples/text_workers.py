"""Look-alikes of workers with a language model."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MODEL", "vllm"]

MODEL = "local/horse-1b"
"""The name of the model, which repeats what it is told."""

_CHAT = "/v1/chat/completions"
_COMPLETIONS = "/v1/completions"

_Object = dict[str, Any]


class _Request(NamedTuple):
    route: str
    method: str
    body: _Object


class _RefusedError(Exception):
    """What vLLM responds instead of a result."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        error = {"message": message, "type": kind, "param": None, "code": status}
        super().__init__(f"vLLM returned HTTP {status}: {json.dumps({'error': error})}")


def vllm(job: _Object, *, seconds: float = 0.0) -> Iterator[Any]:
    """Return what worker-vllm returns for chats, completions and the list of models.

    The text is what the last message or the prompt says, after "You said:"; a token is a word. With `stream`, it yields
    server-sent events as text, otherwise one object.

    Args:
        job: The job. Its input has `openai_route` and `openai_input`, as requests to `/openai/v1` do; or `route`, `body`
            and `method`; or `prompt` or `messages`, with `sampling_params` and `stream`.
        seconds: Time to take.
    """
    try:
        request = _request(job["input"])
        if (request.route, request.method) == ("/v1/models", "GET"):
            time.sleep(seconds)
            yield {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "vllm"}]}
            return
        answer = _Answer(request, job["id"])
    except (ValueError, _RefusedError) as error:
        yield {"error": {"message": str(error), "type": "worker_error", "code": None}}
        return
    if request.body.get("stream") is True:
        yield from answer.events(seconds)
    else:
        time.sleep(seconds)
        yield answer.result()


def _request(job_input: _Object) -> _Request:
    if job_input.get("openai_input"):
        return _Request(job_input.get("openai_route") or _CHAT, "POST", job_input["openai_input"])
    if job_input.get("openai_route"):
        return _Request(job_input["openai_route"], "GET", {})
    if job_input.get("route"):
        sent = job_input.get("body")
        method = str(job_input.get("method") or ("POST" if sent else "GET"))
        return _Request(job_input["route"], method.upper(), sent or {})
    body: _Object = {**(job_input.get("sampling_params") or {}), "stream": bool(job_input.get("stream"))}
    for name, route in (("messages", _CHAT), ("prompt", _COMPLETIONS)):
        if job_input.get(name) is not None:
            return _Request(route, "POST", {**body, name: job_input[name]})
    raise ValueError("Job input must contain one of: openai_input (+openai_route), route (+body), or prompt/messages.")


class _Answer:
    """The words of a reply, as one object or as events."""

    def __init__(self, request: _Request, job_id: str) -> None:
        if request.route not in {_CHAT, _COMPLETIONS} or request.method != "POST":
            raise _RefusedError(404, "NotFoundError", "Not Found")
        body = request.body
        model = body.get("model", MODEL)
        if model != MODEL:
            raise _RefusedError(404, "NotFoundError", f"The model `{model}` does not exist.")
        self._is_chat = request.route == _CHAT
        prompt = _last_message(body.get("messages")) if self._is_chat else body.get("prompt")
        if not isinstance(prompt, str):
            name = "messages" if self._is_chat else "prompt"
            raise _RefusedError(400, "BadRequestError", f"{name}: Field required")
        words = f"You said: {prompt}".split()
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        self._words = words[:limit] if isinstance(limit, int) else words
        self._finish_reason = "stop" if len(self._words) == len(words) else "length"
        self._usage = {
            "prompt_tokens": len(prompt.split()),
            "completion_tokens": len(self._words),
            "total_tokens": len(prompt.split()) + len(self._words),
        }
        options = body.get("stream_options")
        self._shows_usage = _is_object(options) and bool(options.get("include_usage"))
        self._id = f"{'chatcmpl' if self._is_chat else 'cmpl'}-{job_id}"

    def result(self) -> _Object:
        text = " ".join(self._words)
        content = {"message": {"role": "assistant", "content": text}} if self._is_chat else {"text": text}
        return self._object("", [self._choice(content, self._finish_reason)]) | {"usage": self._usage}

    def events(self, seconds: float) -> Iterator[str]:
        if self._is_chat:
            yield self._event([self._choice({"delta": {"role": "assistant", "content": ""}})])
        for number, word in enumerate(self._words):
            time.sleep(seconds / len(self._words))
            piece = f" {word}" if number else word
            content = {"delta": {"content": piece}} if self._is_chat else {"text": piece}
            is_last = number == len(self._words) - 1
            yield self._event([self._choice(content, self._finish_reason if is_last else None)])
        if self._shows_usage:
            yield self._event([], usage=self._usage)
        yield "data: [DONE]\n\n"

    def _event(self, choices: list[_Object], **more: Any) -> str:
        chunk = self._object(".chunk" if self._is_chat else "", choices) | more
        return f"data: {json.dumps(chunk, ensure_ascii=False, separators=(',', ':'))}\n\n"

    def _object(self, suffix: str, choices: list[_Object]) -> _Object:
        kind = "chat.completion" if self._is_chat else "text_completion"
        return {"id": self._id, "object": kind + suffix, "created": 0, "model": MODEL, "choices": choices}

    @staticmethod
    def _choice(content: _Object, finish_reason: str | None = None) -> _Object:
        return {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason}


def _last_message(messages: Any) -> str | None:
    message = messages[-1] if _is_list(messages) and messages else None
    content = message.get("content") if _is_object(message) else None
    if _is_list(content):
        return " ".join(str(part.get("text", "")) for part in content if _is_object(part))
    return content if isinstance(content, str) else None


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: Any) -> TypeGuard[_Object]:
    return isinstance(value, dict)
