"""Outputs of public endpoints, in every shape that is known of them."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from runpod import JobState
from runpod.public import PublicOutput

URL = "https://image.runpod.ai/abc123/output.png"
VIDEO = "https://video.runpod.ai/abc123/output.mp4"
AUDIO = "https://audio.runpod.ai/abc123/output.wav"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="

OLD_VLLM = [{"choices": [{"tokens": ["a ", "horse"]}], "usage": {"input": 3, "output": 2}, "cost": 0.0001}]
CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a horse"}}], "usage": {}}
EVENTS = [
    'data: {"choices":[{"delta":{"role":"assistant","content":"a "}}]}\n\n',
    'data: {"choices":[{"delta":{"content":"horse"}}]}\n\n',
    "data: [DONE]\n\n",
]
WHISPER = {"segments": [{"text": "a horse", "start": 0, "end": 1.5}], "language": "en", "duration": 1.5}


def parsed(output: Any) -> PublicOutput:
    return TypeAdapter(PublicOutput).validate_python(output)


@pytest.mark.fact("protocol-2 4: hosted models", "protocol-2 5: cost", "protocol-2 5: media outputs")
@pytest.mark.parametrize(
    ("output", "urls", "cost"),
    [
        ({"image_url": URL, "cost": 0.0006}, [URL], 0.0006),
        ({"video_url": VIDEO, "cost": 0.3}, [VIDEO], 0.3),
        ({"audio_url": AUDIO}, [AUDIO], None),
        ({"result": URL, "cost": 0.02}, [URL], 0.02),
        ({"url": VIDEO}, [VIDEO], None),
        (URL, [URL], None),
        ({"image_url": URL, "cost": "0.02", "message": "done", "status": "success"}, [URL], 0.02),
        ([{"image": URL, "seed": 1}, {"image": VIDEO, "seed": 2}], [URL, VIDEO], None),
        ({"image_url": URL, "cost": True}, [URL], None),
        ({"image_url": URL, "cost": -1}, [URL], None),
        ({"image_url": URL, "cost": float("nan")}, [URL], None),
        (OLD_VLLM, [], 0.0001),
        ({}, [], None),
        (None, [], None),
        (5, [], None),
        ([[]], [], None),
    ],
)
def test_media_and_cost(output: Any, urls: list[str], cost: float | None) -> None:
    found = parsed(output)
    assert (urls, cost) == ([media.url for media in found.media], found.cost)
    assert found.raw is output
    assert (None if output is not OLD_VLLM else "a horse") == found.text


@pytest.mark.fact("protocol-2 5: base64 outputs")
def test_a_base64_picture_is_media() -> None:
    [media] = parsed({"result": PIXEL, "cost": 0.0875}).media
    assert "image" == media.kind
    assert parsed({"result": PIXEL}).text is None


@pytest.mark.fact("protocol-2 4: vLLM to 2.23", "protocol-2 5: speech recognition")
@pytest.mark.parametrize(
    "output",
    [
        OLD_VLLM,
        OLD_VLLM[0],
        [CHAT],
        CHAT,
        {"choices": [{"text": "a horse"}]},
        [{"output": CHAT}],
        EVENTS,
        "".join(EVENTS),
        "a horse",
        ["a ", "horse"],
        {"text": "a horse", **WHISPER},
        {"result": "a horse", **WHISPER},
        {"transcription": "a horse", "detected_language": "en"},
    ],
)
def test_text(output: Any) -> None:
    assert ("a horse", []) == (parsed(output).text, parsed(output).media)


@pytest.mark.parametrize(
    "output",
    [
        {"choices": [{"tokens": ["see ", "https://", "example.com", " or data: {}"]}]},
        [{"choices": [{"message": {"content": "see https://example.com or data: {}"}}]}],
        {"text": "see https://example.com or data: {}"},
        [
            f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n"
            for piece in ("see ", "https://", "example.com or data: {}")
        ],
    ],
)
def test_links_in_an_answer_are_text(output: Any) -> None:
    assert "see https://example.com or data: {}" == parsed(output).text


def test_an_answer_that_is_a_link_is_text() -> None:
    assert URL == parsed({"choices": [{"text": URL}]}).text
    assert "data: {}" == parsed({"choices": [{"text": "data: {}"}]}).text


@pytest.mark.parametrize(
    "output",
    [{"choices": []}, {"choices": None}, {"choices": [{"tokens": 5}]}, ["data: {", "data: [1"], {"message": "ok"}],
)
def test_no_text(output: Any) -> None:
    assert parsed(output).text is None


def test_an_output_of_any_depth_is_read() -> None:
    deep: Any = "a horse"
    for _ in range(5000):
        deep = {"choices": [deep]}
    assert parsed(deep).text is None


def test_unknown_fields_are_kept_and_the_wire_shape_is_restored() -> None:
    output = {"image_url": URL, "cost": 0.1, "seed": 5, "nested": {"a": [1]}}
    found = parsed(output)
    assert output == found.raw
    assert output == json.loads(found.model_dump_json())
    assert found == pickle.loads(pickle.dumps(found)) == PublicOutput(output)
    state = JobState[PublicOutput].model_validate({"id": "job", "status": "COMPLETED", "output": output})
    assert state.output == found
    assert output == state.model_dump(mode="json", by_alias=True)["output"]


def test_an_output_is_frozen_and_its_repr_is_short() -> None:
    found = parsed({"image_base64": "A" * 1_000_000})
    with pytest.raises(ValidationError, match="frozen"):
        found.root = 5
    assert len(repr(found)) < 300
    assert repr(found).startswith("PublicOutput({'image_base64': 'AAA")


def test_an_output_shows_itself() -> None:
    output = parsed({"result": PIXEL, "cost": 0.0875})
    assert output.pretty().startswith("cost $0.0875\n\n{")
    assert "root" not in output.pretty()
    assert PIXEL[-20:] not in output.pretty()
    bundle = output._repr_mimebundle_()
    assert "<img src=" in bundle["text/html"]
    assert "client.save(output, folder)" not in bundle["text/html"]  # nothing is hidden
    state = JobState[PublicOutput](id="job", status="COMPLETED", output=output)
    assert "root" not in state.pretty()
    assert "cost $0.0875" in state.pretty()
