"""Look-alikes of public endpoints."""

from __future__ import annotations

import secrets
import time
from typing import Any

from runpod.local.samples.picture import key_of
from runpod.local.samples.picture_urls import picture_url

__all__ = ["public_flux"]

# USD per million pixels, from the documentation of public endpoints.
_PRICE = 0.0024

_DEFAULTS = {"width": 1024, "height": 1024, "seed": -1}


def public_flux(job: dict[str, Any], *, seconds: float = 0.0) -> dict[str, Any]:
    """Return the URL and the cost of a picture, as the public endpoint black-forest-labs-flux-1-schnell does.

    The URL is one of the local server, and needs no API key. The picture is always PNG.

    Args:
        job: The job. Its input has `prompt`, and may have `negative_prompt`, `width`, `height`, `seed` and others.
        seconds: Time to take.
    """
    job_input: dict[str, Any] = job["input"]
    prompt = job_input.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        return {"error": "prompt is required, and must be a string"}
    width, height, seed = (job_input.get(key, default) for key, default in _DEFAULTS.items())
    for name, side in (("width", width), ("height", height)):
        if type(side) is not int or not 256 <= side <= 1536 or side % 64:
            return {"error": f"{name} must be a multiple of 64 from 256 to 1536"}
    if type(seed) is not int:
        return {"error": "seed must be an integer"}
    time.sleep(seconds)
    if seed == -1:
        seed = secrets.randbelow(2**32)
    key = key_of(prompt, job_input.get("negative_prompt"), seed)
    return {"image_url": picture_url(key, width, height), "cost": round(_PRICE * width * height / 1e6, 6)}
