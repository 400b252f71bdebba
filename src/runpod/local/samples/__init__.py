"""Look-alikes of popular workers and of a public endpoint, without a GPU.

They take the input and return the output of the originals, with the same keys and the same kinds of errors, so that
code for the originals can be tried. The pictures are drawings, always PNG, and the transcript is always the same text.

    comfyui        worker-comfyui, from version 5
    sdxl           worker-sdxl
    whisper        worker-faster_whisper
    vllm           worker-vllm, from version 2.24
    public_flux    the public endpoint black-forest-labs-flux-1-schnell

`ALL` has every sample by the ID to serve it under. `python -m runpod.local serve --samples` serves them.

Example:
    ```python
    from runpod.local import LocalServer, samples

    with LocalServer(samples.ALL) as server:
        print(server.base_url)
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod.local.samples.image_workers import comfyui, sdxl
from runpod.local.samples.public_endpoints import public_flux
from runpod.local.samples.speech_workers import whisper
from runpod.local.samples.text_workers import vllm
from runpod.local.settings import LocalEndpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod.local.settings import Handler

__all__ = ["ALL", "comfyui", "public_flux", "sdxl", "vllm", "whisper"]

ALL: Mapping[str, Handler | LocalEndpoint] = {
    "comfyui": comfyui,
    "sdxl": sdxl,
    "whisper": whisper,
    # As its original is started, and vLLM runs several requests at once.
    "vllm": LocalEndpoint(vllm, workers=4, return_aggregate_stream=True),
    "black-forest-labs-flux-1-schnell": public_flux,
}
"""Every sample, by the ID of its endpoint: the public endpoint by its slug."""
