"""Outputs as popular workers and public endpoints send them, and the media that each contains.

The shapes are those of the workers' own handlers and of the documentation of public endpoints.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.media.samples import FLAC, GIF, GLB, JPEG, MP3, MP4, OGG, OTHER_PNG, PDF, PNG, WAV, WEBM, WEBP, ZIP
from tests.media.samples import data_url as _data_url
from tests.media.samples import text as _text


class Expected(NamedTuple):
    """A medium in an output."""

    mime: str
    name: str | None = None
    """None if the output has no name for it."""
    is_url: bool = False


_SIGNATURE = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20250101T000000Z&X-Amz-Expires=604800&X-Amz-Signature=0a1b2c"
_BUCKET = "https://horses.s3.eu-central-1.amazonaws.com"

_PNG = Expected("image/png")
_PNG_URL = Expected("image/png", is_url=True)
_JPEG_URL = Expected("image/jpeg", is_url=True)
_MP4_URL = Expected("video/mp4", is_url=True)
_WAV_URL = Expected("audio/wav", is_url=True)

_SEGMENT = {
    "id": 1,
    "seek": 0,
    "start": 0.0,
    "end": 2.5,
    "text": " A horse the size of a Boeing 787.",
    "tokens": [50364, 316, 6832, 264, 2744, 295, 257, 36352, 13],
    "temperature": 0.0,
    "avg_logprob": -0.21,
    "compression_ratio": 1.4,
    "no_speech_prob": 0.01,
}

# Name: the output, and the media in it, in order.
OUTPUTS: dict[str, tuple[Any, list[Expected]]] = {
    # worker-comfyui, from version 5
    "comfyui": (
        {"images": [{"filename": "ComfyUI_00001_.png", "type": "base64", "data": _text(PNG)}]},
        [Expected("image/png", "ComfyUI_00001_.png")],
    ),
    "comfyui, two images": (
        {
            "images": [
                {"filename": "ComfyUI_00001_.png", "type": "base64", "data": _text(PNG)},
                {"filename": "ComfyUI_00002_.png", "type": "base64", "data": _text(OTHER_PNG)},
            ]
        },
        [Expected("image/png", "ComfyUI_00001_.png"), Expected("image/png", "ComfyUI_00002_.png")],
    ),
    "comfyui, bucket": (
        {
            "images": [
                {
                    "filename": "ComfyUI_00001_.png",
                    "type": "s3_url",
                    "data": f"{_BUCKET}/job-1/1a2b3c4d.png{_SIGNATURE}",
                }
            ]
        },
        [Expected("image/png", "ComfyUI_00001_.png", is_url=True)],
    ),
    "comfyui, with errors": (
        {
            "images": [{"filename": "ComfyUI_00001_.png", "type": "base64", "data": _text(PNG)}],
            "errors": ["Node 12 produced unhandled output keys: ['gifs']."],
        },
        [Expected("image/png", "ComfyUI_00001_.png")],
    ),
    "comfyui, no image": ({"status": "success_no_images", "images": []}, []),
    "comfyui fork, video": (
        {"videos": [{"filename": "AnimateDiff_00001.mp4", "type": "base64", "data": _text(MP4)}]},
        [Expected("video/mp4", "AnimateDiff_00001.mp4")],
    ),
    "comfyui fork, gif": (
        {"gifs": [{"filename": "AnimateDiff_00001.gif", "type": "base64", "data": _text(GIF)}]},
        [Expected("image/gif", "AnimateDiff_00001.gif")],
    ),
    # worker-comfyui, before version 5
    "old comfyui": ({"message": _text(PNG), "status": "success"}, [_PNG]),
    "old comfyui, bucket": ({"message": f"{_BUCKET}/job-1/1a2b3c4d.png{_SIGNATURE}", "status": "success"}, [_PNG_URL]),
    # worker-sdxl: the first image is sent twice
    "sdxl": (
        {"images": [_data_url(PNG, "image/png")], "image_url": _data_url(PNG, "image/png"), "seed": 42},
        [_PNG],
    ),
    "sdxl, two images": (
        {
            "images": [_data_url(PNG, "image/png"), _data_url(OTHER_PNG, "image/png")],
            "image_url": _data_url(PNG, "image/png"),
            "seed": 42,
        },
        [_PNG, _PNG],
    ),
    "sdxl, bucket": (
        {
            "images": [f"{_BUCKET}/job-1/0.png{_SIGNATURE}"],
            "image_url": f"{_BUCKET}/job-1/0.png{_SIGNATURE}",
            "seed": 42,
        },
        [_PNG_URL],
    ),
    # worker-faster_whisper
    "whisper": (
        {
            "segments": [_SEGMENT],
            "detected_language": "en",
            "transcription": "A horse the size of a Boeing 787.",
            "translation": None,
            "device": "cuda",
            "model": "base",
        },
        [],
    ),
    "whisper, word timestamps": (
        {
            "segments": [_SEGMENT],
            "detected_language": "en",
            "transcription": "1\n00:00:00,000 --> 00:00:02,500\nA horse the size of a Boeing 787.\n\n",
            "translation": "A horse the size of a Boeing 787.",
            "device": "cuda",
            "model": "turbo",
            "word_timestamps": [{"word": " horse", "start": 0.2, "end": 0.5}],
        },
        [],
    ),
    # worker-infinity-embedding
    "embeddings": (
        {
            "object": "list",
            "data": [{"object": "embedding", "embedding": [0.01, -0.02, 0.03] * 128, "index": 0}],
            "model": "BAAI/bge-small-en-v1.5",
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        },
        [],
    ),
    "embeddings, base64": (
        {
            "object": "list",
            "data": [{"object": "embedding", "embedding": _text(b"\x0a\xd7\x23\x3c\x0a\xd7\xa3\xbc" * 96), "index": 0}],
            "model": "BAAI/bge-small-en-v1.5",
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        },
        [],
    ),
    "rerank": (
        {
            "model": "BAAI/bge-reranker-large",
            "results": [{"relevance_score": 0.98, "index": 1, "document": "A horse the size of a Boeing 787."}],
            "usage": {"prompt_tokens": 12, "total_tokens": 12},
        },
        [],
    ),
    # worker-vllm and hosted text models
    "vllm": (
        [{"choices": [{"tokens": ["A horse the size of a Boeing 787."]}], "usage": {"input": 9, "output": 11}}],
        [],
    ),
    "vllm, response object": (
        [
            {
                "id": "chatcmpl-0d5a2b8b9f3c4a0a",
                "object": "chat.completion",
                "created": 1735689600,
                "model": "qwen3",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "See https://example.com/horse.png for it."},
                        "finish_reason": "stop",
                    }
                ],
            }
        ],
        [],
    ),
    "vllm, server-sent events": (
        ['data: {"choices":[{"delta":{"content":"A horse"}}]}\n\n', "data: [DONE]\n\n"],
        [],
    ),
    "hosted text": ([{"choices": [{"tokens": ["A horse."]}], "usage": {"input": 9, "output": 3}, "cost": 0.00012}], []),
    # Fooocus-API worker
    "fooocus": ([{"base64": _text(PNG), "seed": "42", "finish_reason": "SUCCESS"}], [_PNG]),
    "fooocus, urls": (
        [{"url": f"{_BUCKET}/2025-01-01/1a2b.png", "seed": "42", "finish_reason": "SUCCESS"}],
        [_PNG_URL],
    ),
    # worker-a1111: `info` is JSON in a string
    "a1111": (
        {
            "images": [_text(PNG), _text(OTHER_PNG)],
            "parameters": {"prompt": "a horse", "steps": 20, "width": 512, "height": 512},
            "info": json.dumps({"prompt": "a horse", "seed": 42, "sd_model_hash": "6ce0161689"}),
        },
        [_PNG, _PNG],
    ),
    # Handlers that upload with the official package
    "upload": (f"{_BUCKET}/job-1/1a2b3c4d.png{_SIGNATURE}", [_PNG_URL]),
    "uploads": (
        [f"{_BUCKET}/job-1/1.png{_SIGNATURE}", f"{_BUCKET}/job-1/2.png{_SIGNATURE}"],
        [_PNG_URL, _PNG_URL],
    ),
    "upload without a bucket": ("simulated_uploaded/1a2b3c4d.png", []),  # a path on the worker
    # Public endpoints
    "public image": (
        {"image_url": "https://image.runpod.ai/2/abc/1a2b3c4d.jpeg", "cost": 0.0024},
        [_JPEG_URL],
    ),
    "public video": ({"video_url": "https://video.runpod.ai/2/abc/1a2b3c4d.mp4", "cost": 0.3}, [_MP4_URL]),
    "public speech": ({"audio_url": "https://audio.runpod.ai/2/abc/1a2b3c4d.wav", "cost": 0.001}, [_WAV_URL]),
    "public speech, no cost": ({"audio_url": "https://audio.runpod.ai/2/abc/1a2b3c4d.wav"}, [_WAV_URL]),
    "public result": ({"result": "https://video.runpod.ai/2/abc/1a2b3c4d.mp4", "cost": 0.5}, [_MP4_URL]),
    "public url": ({"url": "https://video.runpod.ai/2/abc/1a2b3c4d.mp4"}, [_MP4_URL]),
    "public bare url": ("https://video.runpod.ai/2/abc/1a2b3c4d.mp4", [_MP4_URL]),
    "public url without extension": (
        {"image_url": "https://image.runpod.ai/2/abc/1a2b3c4d", "cost": 0.0024},
        [Expected("application/octet-stream", is_url=True)],
    ),
    "public result and image_url": (
        {
            "image_url": "https://image.runpod.ai/2/abc/1a2b3c4d.png",
            "result": "https://image.runpod.ai/2/abc/1a2b3c4d.png",
            "cost": 0.02,
        },
        [_PNG_URL],
    ),
    "public, samples of 2025": (
        {
            "cost": 0.0024,
            "image_url": "https://image.runpod.ai/2/abc/1a2b3c4d.png",
            "message": "Image generated successfully",
            "status": "success",
        },
        [_PNG_URL],
    ),
    "public, before 2025": (
        [{"image": f"{_BUCKET}/2024-01-01/1.png{_SIGNATURE}", "seed": 42}],
        [_PNG_URL],
    ),
    "public base64": ({"image_url": _text(PNG), "cost": 0.0875}, [_PNG]),
    "public data url": ({"image_url": _data_url(JPEG, "image/jpeg"), "cost": 0.0875}, [Expected("image/jpeg")]),
    "public whisper": (
        {
            "text": "A horse the size of a Boeing 787.",
            "segments": [{"text": "A horse the size of a Boeing 787.", "start": 0.0, "end": 2.5}],
            "language": "en",
            "duration": 2.5,
        },
        [],
    ),
    "public whisper, result": (
        {"result": "A horse the size of a Boeing 787.", "segments": [], "language": "en", "duration": 2.5},
        [],
    ),
    # Bare values and handlers of one's own
    "bare base64": (_text(WEBP), [Expected("image/webp")]),
    "bare data url": (_data_url(GIF, "image/gif"), [Expected("image/gif")]),
    "chunks": ([{"image": _data_url(PNG, "image/png")}, {"image": _text(OTHER_PNG)}], [_PNG, _PNG]),
    "nested": ({"result": {"files": [{"image": _text(PNG)}], "took": 2.5}}, [_PNG]),
    "every kind of file": (
        {
            "image": [_text(JPEG), _text(GIF), _text(WEBP)],
            "video": [_text(MP4), _text(WEBM)],
            "audio": [_text(WAV), _text(MP3), _text(OGG), _text(FLAC)],
            "file": [_text(GLB), _text(ZIP), _text(PDF)],
        },
        [
            *map(Expected, ["image/jpeg", "image/gif", "image/webp"]),
            *map(Expected, ["video/mp4", "video/webm"]),
            *map(Expected, ["audio/wav", "audio/mpeg", "audio/ogg", "audio/flac"]),
            *map(Expected, ["model/gltf-binary", "application/zip", "application/pdf"]),
        ],
    ),
    "audio by b64_json": ({"data": [{"b64_json": _text(MP3)}], "created": 1735689600}, [Expected("audio/mpeg")]),
    "wrong type in the data url": ({"image": _data_url(JPEG, "image/png")}, [Expected("image/jpeg")]),
    # Text that is not media
    "nothing": (None, []),
    "text": ({"result": "A horse the size of a Boeing 787."}, []),
    "hashes": ({"data": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "id": "a1b2" * 32}, []),
    "base64 of text": ({"data": _text(b"a horse the size of a Boeing 787 " * 20)}, []),
}
