"""Runpod's public endpoints: models that Runpod hosts, called by their slug, without an endpoint of your own.

Examples:
    >>> from runpod.public import FluxSchnell
    >>> client.public.run_sync(FluxSchnell(prompt="a horse", width=512, height=512))
"""

from typing import TYPE_CHECKING, Any

from runpod.public.catalogue import PublicModel, PublicModels
from runpod.public.inputs.audio import ChatterboxTurbo, MinimaxSpeech02HD
from runpod.public.inputs.base import Lora, PublicInput, SamplingParams
from runpod.public.inputs.images import (
    FluxDev,
    FluxKontextDev,
    FluxSchnell,
    NanoBanana2Edit,
    NanoBananaProEdit,
    PImageEdit,
    PImageT2I,
    QwenImageEdit,
    QwenImageEdit2511,
    QwenImageEdit2511Lora,
    QwenImageT2I,
    QwenImageT2ILora,
    SeedreamV4Edit,
    SeedreamV4T2I,
    Wan26T2I,
    ZImageTurbo,
)
from runpod.public.inputs.text import Cogito671B, GptOss120B, Granite4HSmall, MoonshotKimi, Qwen332B
from runpod.public.inputs.video import (
    InfiniteTalk,
    KlingV21I2VPro,
    KlingV26MotionControl,
    KlingVideoO1R2V,
    PVideo,
    SeedanceV15ProI2V,
    Sora2I2V,
    Sora2ProI2V,
    ViduQ3I2V,
    ViduQ3T2V,
    Wan21I2V,
    Wan22I2V,
    Wan22T2VLora,
    Wan25,
    Wan26I2V,
    Wan26T2V,
)
from runpod.public.output import PublicOutput

if TYPE_CHECKING:
    from runpod._async.public import AsyncPublic
    from runpod._sync.public import Public

__all__ = [
    "AsyncPublic",
    "ChatterboxTurbo",
    "Cogito671B",
    "FluxDev",
    "FluxKontextDev",
    "FluxSchnell",
    "GptOss120B",
    "Granite4HSmall",
    "InfiniteTalk",
    "KlingV21I2VPro",
    "KlingV26MotionControl",
    "KlingVideoO1R2V",
    "Lora",
    "MinimaxSpeech02HD",
    "MoonshotKimi",
    "NanoBanana2Edit",
    "NanoBananaProEdit",
    "PImageEdit",
    "PImageT2I",
    "PVideo",
    "Public",
    "PublicInput",
    "PublicModel",
    "PublicModels",
    "PublicOutput",
    "Qwen332B",
    "QwenImageEdit",
    "QwenImageEdit2511",
    "QwenImageEdit2511Lora",
    "QwenImageT2I",
    "QwenImageT2ILora",
    "SamplingParams",
    "SeedanceV15ProI2V",
    "SeedreamV4Edit",
    "SeedreamV4T2I",
    "Sora2I2V",
    "Sora2ProI2V",
    "ViduQ3I2V",
    "ViduQ3T2V",
    "Wan21I2V",
    "Wan22I2V",
    "Wan22T2VLora",
    "Wan25",
    "Wan26I2V",
    "Wan26T2I",
    "Wan26T2V",
    "ZImageTurbo",
]

# Imported on first use: mostly one of the twins is needed, and importing both would be slow.
_MODULES = {"AsyncPublic": "runpod._async.public", "Public": "runpod._sync.public"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        msg = f"module 'runpod.public' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
