"""The text in an output of a language model, in all shapes that workers return."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, RootModel

from runpod._base_errors import NoTextError
from runpod._protocol.error_bodies import error_in, message_of
from runpod._text import readable
from runpod.media import find

if TYPE_CHECKING:
    from collections.abc import Sequence

# Outputs that are nested more deeply are not those of a language model.
_MAX_DEPTH = 20
# Keys that a message shows.
_MAX_SHOWN = 6

# What begins a line of server-sent events (html.spec.whatwg.org, "Server-sent events"), and one with JSON.
_FIELDS = ("data:", "event:", "id:", "retry:", ":")
_JSON_FIELD = re.compile(r"^data: ?(?:\{|\[DONE\])", re.MULTILINE)
_DONE = "[DONE]"

# Where objects have their text, besides `choices`: a list of parts, a nested object, or the text itself.
_TEXT_KEYS = ("content", "message", "text", "transcription", "output", "result")
# A str under these can be the URL or the data of a file instead.
_ANYTHING = frozenset({"output", "result"})


def text(output: object) -> str:
    """Returns the text that a language model generated, from the output of a job or a chunk of its stream.

    It knows what vLLM workers of all versions return, Runpod's own models, objects and events of the
    OpenAI API (chat completions, completions, responses) and of its Anthropic counterpart, and plain
    text. Items of a list are joined, and of several choices the first one is taken. Reasoning and
    tool calls are not part of the text; a chunk without text gives `""`.

    Args:
        output: `state.result()`, `chunk.output`, a list of such chunks, or an object of the `openai`
            package. If a worker streams server-sent events as raw text, a chunk can end within an
            event. Then pass all of them as one list.

    Raises:
        NoTextError: The output is an error, or has no text.

    Example:
        >>> state = endpoint.run_sync({"input": {"prompt": "a horse"}})
        >>> print(runpod.text(state.result()))
    """
    return _text_of(output, 0)


def _text_of(value: object, depth: int) -> str:
    if isinstance(value, RootModel):
        value = cast("RootModel[object]", value).root
    if isinstance(value, str):
        lines = _event_lines(value)
        return value if lines is None else _from_events(lines, depth)
    if depth > _MAX_DEPTH:
        msg = f"The output has no text: it is nested more than {_MAX_DEPTH} levels deep."
        raise NoTextError(msg)
    fields = _object(value)
    if fields is not None:
        return _from_object(fields, depth + 1)
    items = _list(value)
    if items:
        return _from_items(items, depth + 1)
    raise _no_text(value)


def _object(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, BaseModel):
        # Not `model_dump`, which fails for some values: the fields are read one level at a time.
        return {**dict(value), **(value.__pydantic_extra__ or {})}
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def _list(value: object) -> Sequence[object] | None:
    return cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else None


def _from_items(items: Sequence[object], depth: int) -> str:
    pieces: list[str] = []
    # Raw text is joined first, since an event can be cut anywhere.
    for is_raw, group in groupby(items, lambda item: isinstance(item, str)):
        if is_raw:
            pieces.append(_unless_file("".join(map(str, group)), depth))
        else:
            pieces += [_text_of(item, depth) for item in group]
    return "".join(pieces)


def _unless_file(value: str, depth: int) -> str:
    is_link = value.startswith(("https://", "http://", "data:")) and not any(map(str.isspace, value))
    if is_link or find(value):
        raise NoTextError("The output has no text: it is a file. Read it with `media` of the job's state.")
    return _text_of(value, depth)


def _event_lines(value: str) -> list[str] | None:
    """The lines of server-sent events; None for any other text."""
    # Only these end a line. `splitlines` knows more, which JSON may contain.
    unified = value.replace("\r\n", "\n").replace("\r", "\n")
    if not _JSON_FIELD.search(unified):
        return None
    *lines, last = unified.split("\n")
    # The last line may have been cut.
    are_fields = all(line.startswith(_FIELDS) for line in lines if line.strip())
    is_field = last.startswith(_FIELDS) or any(field.startswith(last.strip()) for field in _FIELDS)
    return [*lines, last] if are_fields and is_field else None


def _from_events(lines: list[str], depth: int) -> str:
    name, _, content = lines[-1].partition(":")
    if name.strip() and not (name == "data" and content.strip()):
        raise _incomplete()
    pieces: list[str] = []
    for _, event in groupby(lines, lambda line: bool(line.strip())):
        data = "\n".join(line.removeprefix("data:").removeprefix(" ") for line in event if line.startswith("data:"))
        if not data.strip() or data.strip() == _DONE:
            continue
        try:
            parsed: object = json.loads(data)
        except (ValueError, RecursionError):
            raise _incomplete() from None
        pieces.append(_text_of(parsed, depth + 1))
    return "".join(pieces)


def _incomplete() -> NoTextError:
    return NoTextError(
        "A server-sent event in the output is incomplete or not JSON: pass all chunks of the stream as one list."
    )


def _from_object(fields: Mapping[str, Any], depth: int) -> str:
    error: object = fields.get("error")
    problem = message_of(_object(error) or error) if error else error_in(fields)
    if problem is not None:
        raise _is_error(problem)
    choices = _list(fields.get("choices"))
    if choices is not None:
        return _from_choices(choices, fields)
    piece = _from_event(fields)
    if piece is not None:
        return piece
    for name in _TEXT_KEYS:
        found = fields.get(name)
        parts = _from_parts(found)
        if parts is not None:
            return parts
        if isinstance(found, str):
            # A message beside an output is about the job.
            if name == "message":
                continue
            return _unless_file(found, depth) if name in _ANYTHING else found
        # An empty list is the output of a generator whose yields were not collected.
        if _object(found) is not None or _list(found) is not None:
            return _text_of(found, depth)
    raise _no_text(fields)


def _from_choices(choices: Sequence[object], fields: Mapping[str, Any]) -> str:
    objects = [choice for choice in map(_object, choices) if choice is not None]
    first = next((choice for choice in objects if choice.get("index") in (None, 0)), None)
    if first is None:
        # A chunk of another choice, or the last one, which has the usage only.
        if objects or fields.get("object") == "chat.completion.chunk" or fields.get("usage"):
            return ""
        raise _no_text(fields)
    delta = _object(first.get("delta"))
    if delta is not None:
        content: object = delta.get("content")
        return content if isinstance(content, str) else _from_parts(content) or ""
    message = _object(first.get("message"))
    if message is not None:
        content = message.get("content")
        found = content if isinstance(content, str) else _from_parts(content)
        if found is None:
            raise _empty_message(message, first)
        return found
    tokens = _list(first.get("tokens"))
    if tokens is not None and all(isinstance(token, str) for token in tokens):
        return "".join(map(str, tokens))
    if isinstance(first.get("text"), str):
        return str(first["text"])
    raise _no_text(first)


def _from_event(fields: Mapping[str, Any]) -> str | None:
    """The text of an event or item of the Responses API or of Anthropic's Messages API; None if it is not one."""
    kind = fields.get("type")
    if not isinstance(kind, str):
        return None
    if kind == "response.output_text.delta":
        return _str(fields.get("delta"))
    if kind == "content_block_delta":
        return _str((_object(fields.get("delta")) or {}).get("text"))
    if kind == "response.failed":
        response = _object(fields.get("response")) or {}
        raise _is_error(message_of(_object(response.get("error"))))
    if kind == "error":
        raise _is_error(message_of(fields))
    if kind.startswith("reasoning"):
        raise NoTextError("The output has no text, only reasoning: the model may need a higher limit of tokens.")
    is_other = kind.startswith(("response.", "message_", "content_block_")) or kind == "ping"
    return "" if is_other else None


def _from_parts(value: object) -> str | None:
    """The text of a message's parts, or of the items of a response; None if there is none."""
    pieces: list[str] = []
    for part in map(_object, _list(value) or ()):
        kind = None if part is None else part.get("type")
        if part is None or not isinstance(kind, str):
            return None
        if kind in {"text", "output_text"} and isinstance(part.get("text"), str):
            pieces.append(part["text"])
        elif kind == "message":
            pieces.append(_from_parts(part.get("content")) or "")
    return "".join(pieces) if pieces else None


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_error(problem: str) -> NoTextError:
    return NoTextError(f"The output is an error instead of a text: {problem}")


def _empty_message(message: Mapping[str, Any], choice: Mapping[str, Any]) -> NoTextError:
    if message.get("tool_calls"):
        return NoTextError("The output has no text: the model calls tools. Read `tool_calls` of its message.")
    reason: object = choice.get("finish_reason")
    end = f"; its finish_reason is {readable(reason, 40)!r}" if isinstance(reason, str) else ""
    advice = " Raise `max_tokens`." if reason == "length" else ""
    return NoTextError(f"The output has no text: the message of the model is empty{end}.{advice}")


def _no_text(value: object) -> NoTextError:
    if _list(value) is not None:  # An empty one.
        return NoTextError(
            "The output has no text: it is an empty list. If the worker streams, read the chunks of the stream, or "
            "start it with return_aggregate_stream."
        )
    if value is None:
        return NoTextError("There is no output: the job has failed, or has not ended. Read `state.status`.")
    return NoTextError(f"The output has no text that is known: it is {_shape(value)}. Read it without `text`.")


def _shape(value: object) -> str:
    fields = _object(value)
    if fields is not None:
        names = ", ".join(repr(readable(str(name), 40)) for name in islice(fields, _MAX_SHOWN))
        more = ", …" if len(fields) > _MAX_SHOWN else ""
        return f"an object with the keys {names}{more}" if names else "an empty object"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    return f"of type {type(value).__name__}"
