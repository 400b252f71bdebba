"""Look-alikes of workers that return text of speech."""

from __future__ import annotations

import base64
import io
import time
import wave
from typing import Any

from runpod.local.samples.input_schema import Field, check_input

__all__ = ["whisper"]

_MODELS = ("tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3", "turbo")

_SENTENCES = (
    "This is a photo of a horse.",
    "It is the size of a Boeing 787.",
    "It stands on the runway, and waits for its wings.",
)
_DEFAULT_DURATION = 9.0  # Seconds.

_INPUT = {
    "audio": Field(str),
    "audio_base64": Field(str),
    "model": Field(str, "base"),
    "transcription": Field(str, "plain_text"),
    "translate": Field(bool, default=False),
    "translation": Field(str, "plain_text"),
    "language": Field(str),
    "temperature": Field(float, 0.0),
    "best_of": Field(int, 5),
    "beam_size": Field(int, 5),
    "patience": Field(float, 1.0),
    "length_penalty": Field(float, 0.0),
    "suppress_tokens": Field(str, "-1"),
    "initial_prompt": Field(str),
    "condition_on_previous_text": Field(bool, default=True),
    "temperature_increment_on_fallback": Field(float, 0.2),
    "compression_ratio_threshold": Field(float, 2.4),
    "logprob_threshold": Field(float, -1.0),
    "no_speech_threshold": Field(float, 0.6),
    "enable_vad": Field(bool, default=False),
    "word_timestamps": Field(bool, default=False),
}


def whisper(job: dict[str, Any], *, seconds: float = 0.0) -> dict[str, Any]:
    """Return a transcript as worker-faster_whisper does.

    The text is always the same. An `audio` URL is not downloaded; the length of an `audio_base64` in WAV format sets
    the timestamps.

    Args:
        job: The job. Its input has either `audio`, a URL, or `audio_base64`, and may have the other keys of that worker,
            such as `transcription`: `"plain_text"`, `"formatted_text"`, `"srt"` or `"vtt"`.
        seconds: Time to take.

    Raises:
        ValueError: The audio is not base64, or there is no such model. The job is FAILED.
    """
    values, problem = check_input(job["input"], _INPUT)
    if problem is None and not values["audio"] and not values["audio_base64"]:
        problem = "Must provide either audio or audio_base64"
    elif problem is None and values["audio"] and values["audio_base64"]:
        problem = "Must provide either audio or audio_base64, not both"
    if problem is not None:
        return {"error": problem}
    if values["model"] not in _MODELS:
        raise ValueError(f"Invalid model name: {values['model']}. Available models are: {', '.join(_MODELS)}")
    duration = _duration(base64.b64decode(values["audio_base64"])) if values["audio_base64"] else _DEFAULT_DURATION
    time.sleep(seconds)
    segments = _segments(duration)
    output = {
        "segments": segments,
        "detected_language": values["language"] or "en",
        "transcription": _formatted(segments, values["transcription"]),
        "translation": _formatted(segments, values["translation"]) if values["translate"] else None,
        "device": "cpu",
        "model": values["model"],
    }
    if values["word_timestamps"]:
        output["word_timestamps"] = [word for segment in segments for word in _words(segment)]
    return output


def _duration(audio: bytes) -> float:
    """Return the length of a WAV file in seconds; of other formats, an assumed one."""
    try:
        with wave.open(io.BytesIO(audio)) as file:
            return float(file.getnframes() / file.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return _DEFAULT_DURATION


def _segments(duration: float) -> list[dict[str, Any]]:
    length = duration / len(_SENTENCES)
    return [
        {
            "id": number,
            "seek": 0,
            "start": round((number - 1) * length, 2),
            "end": round(number * length, 2),
            "text": f" {sentence}",
            "tokens": [50364, *sentence.encode("ascii")],
            "temperature": 0.0,
            "avg_logprob": -0.25,
            "compression_ratio": 1.1,
            "no_speech_prob": 0.01,
        }
        for number, sentence in enumerate(_SENTENCES, 1)
    ]


def _words(segment: dict[str, Any]) -> list[dict[str, Any]]:
    words: list[str] = segment["text"].split()
    length = (segment["end"] - segment["start"]) / len(words)
    return [
        {
            "word": f" {word}",
            "start": round(segment["start"] + i * length, 2),
            "end": round(segment["start"] + (i + 1) * length, 2),
        }
        for i, word in enumerate(words)
    ]


def _formatted(segments: list[dict[str, Any]], form: str) -> str:
    texts = [segment["text"].strip() for segment in segments]
    if form not in {"srt", "vtt"}:
        return ("\n" if form == "formatted_text" else " ").join(texts)
    mark = "," if form == "srt" else "."
    lines: list[str] = []
    for segment, text in zip(segments, texts, strict=True):
        # That worker writes no WEBVTT header.
        lines += [str(segment["id"])] if form == "srt" else []
        lines += [f"{_timestamp(segment['start'], mark)} --> {_timestamp(segment['end'], mark)}", text, ""]
    return "\n".join(lines) + "\n"


def _timestamp(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"
