"""The text of outputs of language models, in all shapes that workers return."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import runpod
from runpod import JobState, NoTextError, StreamChunk
from runpod._protocol.error_bodies import error_in
from runpod.public import PublicOutput


def sse(*events: Any) -> str:
    return "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)


def chat(content: Any, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **more}, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": {"total_tokens": 3}}


def delta(index: int = 0, **fields: Any) -> dict[str, Any]:
    choices = [{"index": index, "delta": fields, "finish_reason": None}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices}


def completion(text: str) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": "text_completion", "choices": [{"index": 0, "text": text}]}


def batch(*tokens: str) -> dict[str, Any]:
    return {"choices": [{"tokens": list(tokens)}], "usage": {"input": 1, "output": 2}}


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "error": None,
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {
            "type": "message",
            "content": [{"type": "output_text", "text": "a "}, {"type": "output_text", "text": "horse"}],
        },
    ],
}
USAGE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": {"total_tokens": 3}}
STREAM = sse(delta(role="assistant", content=""), delta(content="a "), delta(content="horse"), USAGE, "[DONE]")
RESPONSE_EVENTS = "".join(
    f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
    for event in (
        {"type": "response.created", "response": {**RESPONSE, "output": []}},
        {"type": "response.output_text.delta", "delta": "a "},
        {"type": "response.output_text.delta", "delta": "horse"},
        {"type": "response.output_text.done", "text": "a horse"},
        {"type": "response.completed", "response": RESPONSE},
    )
)
MESSAGE_EVENTS = sse(
    {"type": "message_start", "message": {"content": []}},
    {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a horse"}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "message_stop"},
)

TEXTS: dict[str, Any] = {
    "worker-vllm to 2.23": [batch("a horse")],
    "worker-vllm to 2.23, several batches": [batch("a ", "ho"), batch("rse")],
    "hosted": [{**batch("a horse"), "cost": 0.0001}],
    "hosted, one object": {**batch("a horse"), "cost": 0.0001},
    "chat": chat("a horse"),
    "chat in a list": [chat("a horse")],
    "chat with parts": chat([{"type": "text", "text": "a "}, {"type": "text", "text": "horse"}]),
    "chat with reasoning": chat("a horse", reasoning_content="hm"),
    "the first of two choices": {"choices": [*chat("a horse")["choices"], {**chat("no")["choices"][0], "index": 1}]},
    "completion": completion("a horse"),
    "events as text": STREAM,
    "events as a list": [event + "\n\n" for event in STREAM.split("\n\n")],
    "events, cut anywhere": [STREAM[n : n + 7] for n in range(0, len(STREAM), 7)],
    "events with CRLF": STREAM.replace("\n", "\r\n"),
    "events without spaces": STREAM.replace("data: ", "data:"),
    "events of a completion": sse(completion("a "), completion("horse"), "[DONE]"),
    "chunks as objects": [[delta(role="assistant")], [delta(content="a "), delta(content="horse")]],
    "response": RESPONSE,
    "events of a response": RESPONSE_EVENTS,
    "message of Anthropic": {"type": "message", "content": [{"type": "text", "text": "a horse"}]},
    "events of a message of Anthropic": MESSAGE_EVENTS,
    "str": "a horse",
    "list of str": ["a ", "hor", "se"],
    "mixed": ["a ", batch("hor"), "se"],
    "text": {"text": "a horse", "segments": []},
    "result": {"result": "a horse", "cost": 1},
    "state": JobState(id="1", status="COMPLETED", output=[batch("a horse")]),
    "public output": JobState[PublicOutput](id="1", status="COMPLETED", output=PublicOutput([batch("a horse")])),
    "transcript": {"transcription": "a horse", "segments": []},
    "chunk": StreamChunk(output=sse(delta(content="a horse"))),
}


@pytest.mark.fact(
    "protocol-2 4: vLLM to 2.23",
    "protocol-2 4: vLLM from 2.24",
    "protocol-2 4: vLLM streams",
    "protocol-2 4: hosted models",
)
@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str) -> None:
    assert "a horse" == runpod.text(TEXTS[name])


@pytest.mark.fact("protocol-2 4: vLLM streams")
@pytest.mark.parametrize(
    ("chunk", "piece"),
    [
        (sse(delta(content=" horse")), " horse"),
        (sse(delta(content="a", reasoning_content="b"), delta(content="c")), "ac"),
        (batch("a", "b"), "ab"),
        (delta(content="a"), "a"),
        (delta(role="assistant"), ""),
        (delta(content=None, tool_calls=[{}]), ""),
        (delta(1, content="another choice"), ""),
        (USAGE, ""),
        (sse(USAGE), ""),
        (sse("[DONE]"), ""),
        # Ends of a line for `str.splitlines`, but not in events.
        ("data: " + json.dumps(delta(content="a\u2028b\x85c"), ensure_ascii=False) + "\n\n", "a\u2028b\x85c"),
        (sse(delta(content="a")) + ": ping", "a"),
        ('data: {"text":\r\ndata: "a"}\r\n\r\n', "a"),
        ('data: {"text":\rdata: "a"}\r\r', "a"),
        ("", ""),
        ("https://", "https://"),
        (delta(content="https://x/y.png"), "https://x/y.png"),
        (completion("data: {}"), "data: {}"),
        # Text that only mentions events.
        ("data: is plural", "data: is plural"),
        ('Send this:\ndata: {"a": 1}\n', 'Send this:\ndata: {"a": 1}\n'),
    ],
)
def test_chunks(chunk: Any, piece: str) -> None:
    assert piece == runpod.text(chunk)


class Horse(BaseModel):
    image: str


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "There is no output: the job has failed, or has not ended."),
        (3, "it is a number"),
        (True, "it is a boolean"),
        (b"a horse", "it is of type bytes"),
        ({}, "it is an empty object"),
        (
            {"image_url": "https://x/y.png?key=1", "cost": 1},
            "it is an object with the keys 'image_url', 'cost'. Read it",
        ),
        (dict.fromkeys("abcdefgh"), "the keys 'a', 'b', 'c', 'd', 'e', 'f', …"),
        (Horse(image="x"), "the keys 'image'"),
        ([batch("a"), 3], "it is a number"),
        ({"choices": [{"tokens": [1, 2]}]}, "the keys 'tokens'"),
        ({"choices": []}, "the keys 'choices'"),
        ([], "it is an empty list. If the worker streams"),
        (JobState(id="1", status="COMPLETED", output=[]), "it is an empty list"),
        (["https://x/y.png"], "it is a file. Read it with `media`"),
        ({"result": "https://x/y.png"}, "it is a file"),
        ({"message": "ok"}, "the keys 'message'"),
        ({"output": None}, "the keys 'output'"),
        (chat(None, tool_calls=[{"id": "1"}]), "the model calls tools. Read `tool_calls`"),
        ({"choices": [{"message": {"content": None}, "finish_reason": "length"}]}, "'length'. Raise `max_tokens`."),
        ({"choices": [{"message": {}}]}, "the message of the model is empty."),
        ({"error": "no GPU"}, "is an error instead of a text: no GPU"),
        ([{"error": {"message": "vLLM returned HTTP 400: x", "type": "worker_error"}}], "vLLM returned HTTP 400: x"),
        ({"object": "error", "message": "no model", "code": 404}, "no model"),
        (sse({"error": {"message": "no\x1b[2J memory"}}), r"no\x1b[2J memory"),
        ({"type": "response.failed", "response": {"error": {"message": "lost"}}}, "lost"),
        (JobState(id="1", status="FAILED", error="no GPU"), "no GPU"),
        ({**RESPONSE, "error": {"message": "lost"}, "output": None}, "lost"),
        ({**RESPONSE, "status": "failed", "error": {"message": "lost"}}, "lost"),
        (
            {**RESPONSE, "output": [{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}]},
            "only r",
        ),
        ({"type": "error", "message": "overloaded", "code": "x"}, "is an error instead of a text: overloaded"),
        ('data: {"choi', "is incomplete or not JSON: pass all chunks of the stream as one list"),
    ],
)
def test_what_has_no_text(output: Any, message: str) -> None:
    with pytest.raises(NoTextError) as caught:
        runpod.text(output)
    assert message in str(caught.value)
    assert "https://" not in caught.value.message
    assert isinstance(caught.value, ValueError)
    assert not caught.value.maybe_submitted


def test_a_chunk_that_ends_within_an_event_is_no_text() -> None:
    first, second = sse(delta(content="a ")), sse(delta(content="horse"))
    # After it, everything that is needed has been read.
    for end in range(1, len(second) - len("\n\n")):
        with pytest.raises(NoTextError, match="is incomplete or not JSON: pass all chunks"):
            runpod.text(first + second[:end])
        assert "a horse" == runpod.text([first + second[:end], second[end:]])
    assert "a horse" == runpod.text(first + second.rstrip())


def test_objects_of_the_openai_package() -> None:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk
    from openai.types.responses import Response

    # As the package makes them, without validation.
    assert "a horse" == runpod.text(ChatCompletion.construct(**chat("a horse")))
    assert "a horse" == runpod.text(
        [ChatCompletionChunk.construct(**delta(content=piece)) for piece in ("a ", "horse")]
    )
    failed = Response.construct(**{**RESPONSE, "output": [], "error": {"code": "server_error", "message": "lost"}})
    with pytest.raises(NoTextError, match="lost"):
        runpod.text(failed)


KEYS = ["choices", "delta", "message", "content", "text", "tokens", "output", "error", "object", "type", "status"]
KEYS += ["response", "id", "index", "usage", "finish_reason", "tool_calls", "result"]
WORDS = ["", "a", "text", "message", "error", "response.failed", "content_block_delta", "IN_QUEUE", "data: {}\n\n"]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text(max_size=5))
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=15,
)


@given(st.one_of(JSON, JSON.map(json.dumps).map(lambda text: f"data: {text}\n\n"), st.binary(max_size=5)))
def test_there_is_a_text_or_that_error(output: Any) -> None:
    with suppress(NoTextError):
        assert isinstance(runpod.text(output), str)


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"output": x}, lambda x: [{"result": [x]}]])
def test_deep_outputs(wrap: Any) -> None:
    output: Any = "a horse"
    for _ in range(5):
        output = wrap(output)
    assert "a horse" == runpod.text(output)
    for _ in range(10_000):
        output = wrap(output)
    with pytest.raises(NoTextError, match="nested more than 20 levels deep"):
        runpod.text(output)
    with pytest.raises(NoTextError, match="incomplete or not JSON"):
        runpod.text("data: {" + '"a":[' * 200_000)


# What the official worker sends if a handler raised.
REPORT = '{"error_type": "<class \'ValueError\'>", "error_message": "out of memory", "error_traceback": "Traceback …"}'


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (RESPONSE, None),
        # A resource with an error of its own, such as a failed response.
        ({**RESPONSE, "status": "failed", "error": {"message": "lost"}}, None),
        (chat("a horse"), None),
        ([1], None),
        ({"error": None}, None),
        ({"error": ""}, None),
        ({"error": {"code": 7}}, "no reason was given"),
        ({"error": {"message": REPORT, "type": "worker_error"}}, "ValueError: out of memory"),
        ({"error": "x" * 1000}, "x" * 500 + "… (1000 characters)"),
        ({"error": [1]}, "no reason was given"),
        ({"object": "error", "error": {"message": "m"}}, "m"),
        ({"object": "error"}, "no reason was given"),
        ({"id": "1", "status": "FAILED", "error": "no GPU"}, "no GPU"),
        ({"id": "1", "status": "IN_QUEUE"}, "job 1 is IN_QUEUE"),
        ({"id": "1", "status": "CANCELLED", "output": "a"}, "job 1 is CANCELLED"),
        ({"id": "1", "status": "FAILED", "error": None}, "job 1 is FAILED"),
        ({"id": "1", "status": "COMPLETED", "output": "a horse"}, None),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "later"}}, "later"),
    ],
)
def test_error_bodies(body: Any, found: str | None) -> None:
    assert found == error_in(body)
