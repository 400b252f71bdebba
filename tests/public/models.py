"""The public endpoints as their documentation describes them (docs.runpod.io, August 2026), written by hand.

A line is: slug, kind, fields. `*` marks a required field.
"""

from __future__ import annotations

from typing import NamedTuple

_TABLE = """
black-forest-labs-flux-1-schnell image prompt* negative_prompt width height num_inference_steps guidance seed image_format
black-forest-labs-flux-1-dev image prompt* negative_prompt width height num_inference_steps guidance seed image_format
black-forest-labs-flux-1-kontext-dev image prompt* image* negative_prompt size num_inference_steps guidance seed output_format enable_safety_checker
z-image-turbo image prompt* image size strength seed output_format enable_safety_checker
p-image-t2i image prompt* aspect_ratio seed disable_safety_checker
p-image-edit image prompt* images* aspect_ratio seed disable_safety_checker
qwen-image-t2i image prompt* negative_prompt size seed enable_safety_checker
qwen-image-t2i-lora image prompt* negative_prompt loras size seed enable_safety_checker
qwen-image-edit image prompt* image* negative_prompt seed output_format enable_safety_checker
qwen-image-edit-2511 image prompt* images* size seed output_format
qwen-image-edit-2511-lora image prompt* images* loras size seed output_format
seedream-v4-t2i image prompt* negative_prompt size seed enable_safety_checker
seedream-v4-edit image prompt* images* size enable_safety_checker
wan-2-6-t2i image prompt* size seed enable_safety_checker
nano-banana-pro-edit image prompt* images* resolution aspect_ratio output_format enable_safety_checker
google-nano-banana-2-edit image images* prompt* resolution aspect_ratio output_format enable_base64_output
wan-2-1-i2v-720 video prompt* image* negative_prompt size num_inference_steps guidance duration flow_shift seed enable_prompt_optimization enable_safety_checker
wan-2-2-i2v-720 video prompt* image* negative_prompt size num_inference_steps guidance duration flow_shift seed enable_prompt_optimization enable_safety_checker
wan-2-2-t2v-720-lora video prompt* image* high_noise_loras low_noise_loras duration seed enable_safety_checker
wan-2-5 video prompt* image* negative_prompt size duration seed enable_prompt_expansion enable_safety_checker
wan-2-6-i2v video prompt* image* audio negative_prompt size duration shot_type seed enable_prompt_expansion enable_safety_checker
wan-2-6-t2v video prompt* negative_prompt duration size shot_type seed enable_prompt_expansion audio
kling-v2-1-i2v-pro video prompt* image* negative_prompt guidance_scale duration enable_safety_checker
kling-v2-6-std-motion-control video image* video* character_orientation* prompt negative_prompt keep_original_sound
kling-video-o1-r2v video prompt* images* video negative_prompt aspect_ratio duration seed enable_prompt_expansion enable_safety_checker
seedance-v1-5-pro-i2v video prompt* image* last_image duration resolution aspect_ratio camera_fixed generate_audio seed
sora-2-i2v video prompt* image* duration*
sora-2-pro-i2v video prompt* image* size duration*
p-video video prompt* image audio duration resolution fps aspect_ratio seed draft save_audio prompt_upsampling
vidu-q3-i2v video image* prompt* resolution duration movement_amplitude generate_audio bgm seed
vidu-q3-t2v video prompt* style resolution duration aspect_ratio movement_amplitude generate_audio bgm seed
infinitetalk video prompt* image* audio* size* enable_safety_checker
chatterbox-turbo audio prompt* voice voice_url format
minimax-speech-02-hd audio prompt* voice_id speed volume pitch emotion english_normalization default_audio_url
qwen3-32b-awq text prompt* max_tokens temperature top_p top_k stop
gpt-oss-120b text prompt* max_tokens temperature top_p top_k stop
cogito-671b-v2-1-fp8-dynamic text prompt* max_tokens temperature top_p top_k stop
granite-4-0-h-small text messages* sampling_params
moonshot-kimi text messages* model sampling_params
"""

_URL = "https://example.com/horse"

# A valid value for each field; for those that are not here, a text.
_VALUES: dict[str, object] = {
    **dict.fromkeys(("image", "last_image", "video", "audio", "voice_url", "default_audio_url"), _URL),
    "images": [_URL],
    "messages": [{"role": "user", "content": "hello"}],
    "sampling_params": {"max_tokens": 5, "top_p": 0.5},
    "loras": [{"path": _URL, "scale": 0.5}],
    "high_noise_loras": [{"path": _URL, "scale": 1.0}],
    "low_noise_loras": [{"path": _URL, "scale": 0.5}, {"path": _URL, "scale": 0.25}],
    "size": "1280*720",
    **dict.fromkeys(("width", "height"), 512),
    **dict.fromkeys(("seed", "num_inference_steps", "duration", "fps", "max_tokens", "top_k"), 4),
    **dict.fromkeys(("guidance", "guidance_scale", "strength", "temperature", "top_p", "flow_shift"), 0.5),
    **dict.fromkeys(("speed", "volume", "pitch"), 1.5),
    **dict.fromkeys(("camera_fixed", "generate_audio", "bgm", "draft", "save_audio", "keep_original_sound"), True),
    **dict.fromkeys(("english_normalization", "prompt_upsampling"), False),
}


class Row(NamedTuple):
    slug: str
    kind: str
    required: tuple[str, ...]
    fields: frozenset[str]

    def values(self, *names: str) -> dict[str, object]:
        """Valid values for these fields."""
        booleans = [name for name in names if name.startswith(("enable_", "disable_"))]
        return {**{name: _VALUES.get(name, "a horse") for name in names}, **dict.fromkeys(booleans, False)}

    def __str__(self) -> str:
        return self.slug


def _row(line: str) -> Row:
    slug, kind, *names = line.split()
    required = tuple(sorted(name[:-1] for name in names if name.endswith("*")))
    return Row(slug, kind, required, frozenset(name.rstrip("*") for name in names))


ROWS = [_row(line) for line in _TABLE.strip().splitlines()]
