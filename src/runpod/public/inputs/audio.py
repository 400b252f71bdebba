"""Typed inputs of public endpoints that speak a text."""

from __future__ import annotations

from runpod.public.inputs.base import PublicInput
from runpod.public.inputs.fields import MediaInput


class _Speech(PublicInput):
    kind = "audio"

    prompt: str


class ChatterboxTurbo(_Speech):
    """Chatterbox Turbo: speaks the prompt, with a preset voice, or with that of a recording (`voice_url`).

    Defaults of the service: voice "lucy", format "wav" (or "flac", "ogg").
    """

    slug = "chatterbox-turbo"
    price = "$0.001 per second"

    voice: str | None = None
    voice_url: MediaInput | None = None
    format: str | None = None


class MinimaxSpeech02HD(_Speech):
    """MiniMax Speech 02 HD: speaks the prompt.

    Defaults of the service: voice_id "Wise_Woman", speed 1, volume 1, pitch 0, emotion "neutral",
    english_normalization False.
    """

    slug = "minimax-speech-02-hd"
    price = "$0.05 per 1,000 characters"

    voice_id: str | None = None
    speed: float | None = None
    volume: float | None = None
    pitch: float | None = None
    emotion: str | None = None
    english_normalization: bool | None = None
    default_audio_url: MediaInput | None = None
