"""Typed inputs of public endpoints that make and edit pictures."""

from __future__ import annotations

from runpod.public.inputs.base import Loras, PublicInput
from runpod.public.inputs.fields import FluxSide, MediaInput, MediaInputs, Size, ZImageSize


class _Image(PublicInput):
    kind = "image"

    prompt: str


class _Flux(_Image):
    negative_prompt: str | None = None
    width: FluxSide | None = None
    height: FluxSide | None = None
    num_inference_steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    image_format: str | None = None


class FluxSchnell(_Flux):
    """FLUX.1 [schnell]: a picture within seconds, and the cheapest first call.

    `width` and `height` are from 256 to 1536, in steps of 64.

    Defaults of the service: width 1024, height 1024, num_inference_steps 4, guidance 7.5, seed -1,
    image_format "jpeg" (or "png").

    Example:
        >>> client.public.run_sync(FluxSchnell(prompt="a horse", width=512, height=512))
    """

    slug = "black-forest-labs-flux-1-schnell"
    price = "$0.0024 per megapixel"


class FluxDev(_Flux):
    """FLUX.1 [dev]: a picture in more detail.

    `width` and `height` are from 256 to 1536, in steps of 64.

    Defaults of the service: width 1024, height 1024, num_inference_steps 28, guidance 7.5, seed -1,
    image_format "jpeg" (or "png").
    """

    slug = "black-forest-labs-flux-1-dev"
    price = "$0.02 per megapixel"


class FluxKontextDev(_Image):
    """FLUX.1 Kontext [dev]: edits a picture as the prompt says.

    Defaults of the service: size "1024*1024", num_inference_steps 28, guidance 2, seed -1,
    output_format "png" (or "jpeg"), enable_safety_checker True.
    """

    slug = "black-forest-labs-flux-1-kontext-dev"
    price = "$0.025 per image"

    image: MediaInput
    negative_prompt: str | None = None
    size: Size | None = None
    num_inference_steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    output_format: str | None = None
    enable_safety_checker: bool | None = None


class ZImageTurbo(_Image):
    """Z-Image Turbo: a fast picture from a prompt in English or Chinese, or from another picture.

    `size` is one of 512*512, 768*768, 1024*1024, 1280*1280, 1024*768, 768*1024, 1280*720, 720*1280.

    Defaults of the service: size "1024*1024", strength 0.8, seed -1, output_format "png" (or "jpeg",
    "webp"), enable_safety_checker True.
    """

    slug = "z-image-turbo"
    price = "$0.005 per image"

    image: MediaInput | None = None
    size: ZImageSize | None = None
    strength: float | None = None
    seed: int | None = None
    output_format: str | None = None
    enable_safety_checker: bool | None = None


class PImageT2I(_Image):
    """P-Image: a picture from a prompt.

    Defaults of the service: aspect_ratio "16:9", disable_safety_checker False.
    """

    slug = "p-image-t2i"
    price = "$0.005 per image"

    aspect_ratio: str | None = None
    seed: int | None = None
    disable_safety_checker: bool | None = None


class PImageEdit(_Image):
    """P-Image: edits one to five pictures.

    Defaults of the service: aspect_ratio "match_input_image", seed -1, disable_safety_checker False.
    """

    slug = "p-image-edit"
    price = "$0.01 per image"

    images: MediaInputs
    aspect_ratio: str | None = None
    seed: int | None = None
    disable_safety_checker: bool | None = None


class QwenImageT2I(_Image):
    """Qwen-Image: a picture from a prompt, which may contain text to show.

    Defaults of the service: size "1024*1024", seed -1, enable_safety_checker True.
    """

    slug = "qwen-image-t2i"
    price = "$0.02 per image"

    negative_prompt: str | None = None
    size: Size | None = None
    seed: int | None = None
    enable_safety_checker: bool | None = None


class QwenImageT2ILora(QwenImageT2I):
    """Qwen-Image with LoRAs.

    Defaults of the service: size "1024*1024", seed -1, enable_safety_checker True.
    """

    slug = "qwen-image-t2i-lora"
    price = "$0.025 per image"

    loras: Loras | None = None


class QwenImageEdit(_Image):
    """Qwen-Image-Edit: edits a picture.

    Defaults of the service: seed -1, output_format "jpeg" (or "png"), enable_safety_checker True.
    """

    slug = "qwen-image-edit"
    price = "$0.02 per image"

    image: MediaInput
    negative_prompt: str | None = None
    seed: int | None = None
    output_format: str | None = None
    enable_safety_checker: bool | None = None


class QwenImageEdit2511(_Image):
    """Qwen-Image-Edit 2511: edits or combines one to three pictures.

    Defaults of the service: size "1024*1024", seed -1, output_format "jpeg" (or "png", "webp").
    """

    slug = "qwen-image-edit-2511"
    price = "$0.02 per image"

    images: MediaInputs
    size: Size | None = None
    seed: int | None = None
    output_format: str | None = None


class QwenImageEdit2511Lora(QwenImageEdit2511):
    """Qwen-Image-Edit 2511 with LoRAs: edits or combines one to three pictures.

    Defaults of the service: size "1024*1024", seed -1, output_format "jpeg" (or "png", "webp").
    """

    slug = "qwen-image-edit-2511-lora"
    price = "$0.025 per image"

    loras: Loras | None = None


class SeedreamV4T2I(_Image):
    """Seedream 4: a picture from a prompt.

    Defaults of the service: size "1024*1024", seed -1, enable_safety_checker True.
    """

    slug = "seedream-v4-t2i"
    price = "$0.027 per image"

    negative_prompt: str | None = None
    size: Size | None = None
    seed: int | None = None
    enable_safety_checker: bool | None = None


class SeedreamV4Edit(_Image):
    """Seedream 4: edits or combines pictures.

    Defaults of the service: size "1024*1024", enable_safety_checker True.
    """

    slug = "seedream-v4-edit"
    price = "$0.027 per image"

    images: MediaInputs
    size: Size | None = None
    enable_safety_checker: bool | None = None


class Wan26T2I(_Image):
    """Wan 2.6: a picture from a prompt.

    Defaults of the service: size "1024*1024", seed -1, enable_safety_checker True.
    """

    slug = "wan-2-6-t2i"
    price = "$0.03 per image"

    size: Size | None = None
    seed: int | None = None
    enable_safety_checker: bool | None = None


class NanoBananaProEdit(_Image):
    """Nano Banana Pro: edits or combines up to 14 pictures.

    Defaults of the service: resolution "2k" (or "1k", "4k"), aspect_ratio "1:1", output_format "png"
    (or "jpeg"), enable_safety_checker True.
    """

    slug = "nano-banana-pro-edit"
    price = "$0.14-$0.24 per image"

    images: MediaInputs
    resolution: str | None = None
    aspect_ratio: str | None = None
    output_format: str | None = None
    enable_safety_checker: bool | None = None


class NanoBanana2Edit(_Image):
    """Nano Banana 2: edits or combines up to 14 pictures, best one to three.

    Defaults of the service: resolution "1k" (or "2k", "4k"), output_format "png" (or "jpeg"),
    enable_base64_output False.
    """

    slug = "google-nano-banana-2-edit"
    price = "$0.0875-$0.175 per image"

    images: MediaInputs
    resolution: str | None = None
    aspect_ratio: str | None = None
    output_format: str | None = None
    enable_base64_output: bool | None = None
