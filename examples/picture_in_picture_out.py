"""Pictures and sound into jobs, and pictures out of them, with look-alikes of popular workers.

    python examples/picture_in_picture_out.py [FOLDER]

The local server answers like worker-comfyui, worker-sdxl, worker-faster_whisper and the public endpoint of FLUX.1
[schnell], so it needs no GPU and no account. For real endpoints remove the server, and use their IDs: `Runpod()` takes
the key from RUNPOD_API_KEY.
"""

from __future__ import annotations

import io
import sys
import wave
from pathlib import Path
from typing import Any

from runpod import File, Runpod
from runpod.local import LocalServer, samples
from runpod.public import FluxSchnell

# A workflow of ComfyUI in its API format, shortened: it loads a picture, and saves two.
WORKFLOW: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "horse.png"}},
    "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 384, "batch_size": 2}},
    "3": {"class_type": "SaveImage", "inputs": {"filename_prefix": "foal", "images": ["2", 0]}},
}


def silence(seconds: float) -> bytes:
    """Returns a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(b"\0\0" * int(16_000 * seconds))
    return file.getvalue()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
    with LocalServer(samples.ALL) as server, Runpod(server.api_key, base_url=server.base_url) as client:
        # sdxl returns data URLs, and the first one twice. It is saved once.
        job = client.endpoint("sdxl").run(input={"prompt": "a horse", "width": 512, "height": 384})
        (horse,) = job.save(folder)
        print(f"sdxl     {horse}")

        # A picture in, pictures out. ComfyUI names them. A File is read when the job is submitted.
        images = [{"name": "horse.png", "image": File(horse, form="base64")}]
        job = client.endpoint("comfyui").run(input={"workflow": WORKFLOW, "images": images})
        for path in job.save(folder):
            print(f"comfyui  {path}")

        # The public endpoint returns a URL, which expires: it is downloaded.
        state = client.public.run_sync(FluxSchnell(prompt="a horse", width=512, height=512))
        (path,) = client.save(state, folder)
        print(f"flux     {path}, for ${state.result().cost}")

        # Sound in, text out.
        output = client.endpoint("whisper").run_sync(input={"audio_base64": File(silence(1), form="base64")}).result()
        print(f"whisper  {output['transcription']}")


if __name__ == "__main__":
    main()
