"""Typed inputs of public endpoints that make videos. A `duration` is in seconds."""

from __future__ import annotations

from runpod.public.inputs.base import Loras, PublicInput
from runpod.public.inputs.fields import MediaInput, MediaInputs, Size


class _Video(PublicInput):
    kind = "video"


class _FromText(_Video):
    prompt: str


class _FromImage(_FromText):
    image: MediaInput


class Wan21I2V(_FromImage):
    """Wan 2.1: animates a picture, in 720p.

    Defaults of the service: size "1280*720", num_inference_steps 30, guidance 5, duration 5,
    flow_shift 5, seed -1, enable_prompt_optimization False, enable_safety_checker True.
    """

    slug = "wan-2-1-i2v-720"
    price = "$0.30 per 5 seconds"

    negative_prompt: str | None = None
    size: Size | None = None
    num_inference_steps: int | None = None
    guidance: float | None = None
    duration: int | None = None
    flow_shift: float | None = None
    seed: int | None = None
    enable_prompt_optimization: bool | None = None
    enable_safety_checker: bool | None = None


class Wan22I2V(Wan21I2V):
    """Wan 2.2: animates a picture, in 720p.

    Defaults of the service: size "1280*720", num_inference_steps 30, guidance 5, duration 5,
    flow_shift 5, seed -1, enable_prompt_optimization False, enable_safety_checker True.
    """

    slug = "wan-2-2-i2v-720"
    price = "$0.30-$0.90 per video"


class Wan22T2VLora(_FromImage):
    """Wan 2.2 with LoRAs, in 720p. It needs a picture, although its slug says text to video.

    Defaults of the service: duration 5, seed -1, enable_safety_checker True.
    """

    slug = "wan-2-2-t2v-720-lora"
    price = "$0.35-$0.56 per video"

    high_noise_loras: Loras | None = None
    low_noise_loras: Loras | None = None
    duration: int | None = None
    seed: int | None = None
    enable_safety_checker: bool | None = None


class Wan25(_FromImage):
    """Wan 2.5: animates a picture.

    Defaults of the service: size "1280*720", duration 5, seed -1, enable_prompt_expansion False,
    enable_safety_checker True.
    """

    slug = "wan-2-5"
    price = "$0.25-$1.50 per video"

    negative_prompt: str | None = None
    size: Size | None = None
    duration: int | None = None
    seed: int | None = None
    enable_prompt_expansion: bool | None = None
    enable_safety_checker: bool | None = None


class Wan26I2V(Wan25):
    """Wan 2.6: animates a picture, with the sound of `audio` if you pass it.

    Defaults of the service: size "1280*720" (or "1920*1080"), duration 5 (or 10, 15), shot_type
    "single" (or "multi"), seed -1, enable_prompt_expansion False, enable_safety_checker True.
    """

    slug = "wan-2-6-i2v"
    price = "$0.10-$0.15 per second"

    audio: MediaInput | None = None
    shot_type: str | None = None


class Wan26T2V(_FromText):
    """Wan 2.6: a video from a prompt, with the sound of `audio` if you pass it.

    Defaults of the service: size "1280*720" (or "1920*1080", "720*1280", "1080*1920"), duration 5 (or
    10, 15), shot_type "single" (or "multi"), seed -1, enable_prompt_expansion False.
    """

    slug = "wan-2-6-t2v"
    price = "$0.50-$2.25 per video"

    negative_prompt: str | None = None
    duration: int | None = None
    size: Size | None = None
    shot_type: str | None = None
    seed: int | None = None
    enable_prompt_expansion: bool | None = None
    audio: MediaInput | None = None


class KlingV21I2VPro(_FromImage):
    """Kling 2.1 Pro: animates a picture.

    Defaults of the service: guidance_scale 0.5, duration 5, enable_safety_checker True.
    """

    slug = "kling-v2-1-i2v-pro"
    price = "$0.45 per 5 seconds"

    negative_prompt: str | None = None
    guidance_scale: float | None = None
    duration: int | None = None
    enable_safety_checker: bool | None = None


class KlingV26MotionControl(_Video):
    """Kling 2.6: moves the figure in `image` as the one in `video` moves.

    `character_orientation` says where its orientation is taken from: "video" or "image".

    Defaults of the service: keep_original_sound True.
    """

    slug = "kling-v2-6-std-motion-control"
    price = "$0.21-$0.63 per video"

    image: MediaInput
    video: MediaInput
    character_orientation: str
    prompt: str | None = None
    negative_prompt: str | None = None
    keep_original_sound: bool | None = None


class KlingVideoO1R2V(_FromText):
    """Kling O1: a video that shows what is in one to ten pictures, and in `video` if you pass it.

    Defaults of the service: aspect_ratio "16:9" (or "9:16", "1:1"), duration 5 (3 to 10), seed -1,
    enable_prompt_expansion False, enable_safety_checker True.
    """

    slug = "kling-video-o1-r2v"
    price = "$0.112 per second"

    images: MediaInputs
    video: MediaInput | None = None
    negative_prompt: str | None = None
    aspect_ratio: str | None = None
    duration: int | None = None
    seed: int | None = None
    enable_prompt_expansion: bool | None = None
    enable_safety_checker: bool | None = None


class SeedanceV15ProI2V(_FromImage):
    """Seedance 1.5 Pro: animates a picture, towards `last_image` if you pass it.

    Defaults of the service: duration 5 (4 to 12), resolution "720p" (or "480p"), aspect_ratio "16:9",
    camera_fixed False, generate_audio False, seed -1.
    """

    slug = "seedance-v1-5-pro-i2v"
    price = "$0.024-$0.052 per second"

    last_image: MediaInput | None = None
    duration: int | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None
    camera_fixed: bool | None = None
    generate_audio: bool | None = None
    seed: int | None = None


class Sora2I2V(_FromImage):
    """Sora 2: animates a picture, with sound. `duration` is 4, 8 or 12."""

    slug = "sora-2-i2v"
    price = "$0.40-$1.20 per video"

    duration: int


class Sora2ProI2V(Sora2I2V):
    """Sora 2 Pro: animates a picture, with sound. `duration` is 4, 8 or 12.

    Defaults of the service: size "720p" (or "1080p").
    """

    slug = "sora-2-pro-i2v"
    price = "$1.20-$6.00 per video"

    size: str | None = None


class PVideo(_FromText):
    """P-Video: a video from a prompt, a picture or a sound. `draft=True` costs a quarter.

    Defaults of the service: duration 5 (1 to 10; with `audio`, that of the sound), resolution "720p"
    (or "1080p"), fps 24 (or 48), aspect_ratio "16:9" (with `image`, that of the picture), draft False,
    save_audio True, prompt_upsampling True.
    """

    slug = "p-video"
    price = "$0.02-$0.04 per second"

    image: MediaInput | None = None
    audio: MediaInput | None = None
    duration: int | None = None
    resolution: str | None = None
    fps: int | None = None
    aspect_ratio: str | None = None
    seed: int | None = None
    draft: bool | None = None
    save_audio: bool | None = None
    prompt_upsampling: bool | None = None


class _ViduQ3(_FromText):
    resolution: str | None = None
    duration: int | None = None
    movement_amplitude: str | None = None
    generate_audio: bool | None = None
    bgm: bool | None = None
    seed: int | None = None


class ViduQ3I2V(_ViduQ3):
    """Vidu Q3: animates a picture, with sound and background music (`bgm`).

    Defaults of the service: resolution "720p" (or "540p", "1080p"), duration 5 (1 to 16),
    movement_amplitude "auto" (or "small", "medium", "large"), generate_audio True, bgm True, seed -1.
    """

    slug = "vidu-q3-i2v"
    price = "$0.15 per second"

    image: MediaInput


class ViduQ3T2V(_ViduQ3):
    """Vidu Q3: a video from a prompt, with sound and background music (`bgm`).

    Defaults of the service: style "general" (or "anime"), resolution "720p" (or "540p", "1080p"),
    duration 5 (1 to 16), aspect_ratio "4:3", movement_amplitude "auto" (or "small", "medium",
    "large"), generate_audio True, bgm True, seed -1.
    """

    slug = "vidu-q3-t2v"
    price = "$0.15 per second"

    style: str | None = None
    aspect_ratio: str | None = None


class InfiniteTalk(_FromImage):
    """InfiniteTalk: the figure in a picture says what is in `audio`. `size` is "480p" or "720p".

    Defaults of the service: enable_safety_checker True.
    """

    slug = "infinitetalk"
    price = "$0.25-$0.50 per video"

    audio: MediaInput
    size: str
    enable_safety_checker: bool | None = None
