"""Three handlers for the local server: one returns a picture, one streams several, and one changes a picture.

Like the handlers of a worker, they are functions that take a job and return its output, or yield it in chunks.
`quickstart.py` serves them: `LocalServer({"horse": horse, "horses": horses, "night": night})`.
"""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING, Any

from drawing import at_night, draw

from runpod.local import progress_update

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PICTURES = 50


def horse(job: dict[str, Any]) -> dict[str, str]:
    """Draw a picture for a prompt, and report progress.

    Drawing takes a tenth of a second. The pauses make the progress visible.
    """
    prompt = prompt_of(job)
    for percent in (25, 50, 75):
        time.sleep(0.3)
        progress_update(job, f"{percent}%")
    image = picture(prompt)
    time.sleep(0.3)
    return {"image": image, "prompt": prompt}


def horses(job: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the number of pictures at the start of the prompt ("7 photos of…")."""
    prompt = prompt_of(job)
    number = re.match(r"\s*(\d{1,4})\b", prompt)
    for i in range(1, min(int(number[1]), MAX_PICTURES) + 1 if number else 2):
        time.sleep(0.25)
        yield {"image": picture(f"{prompt} ({i})"), "prompt": prompt}


def night(job: dict[str, Any]) -> dict[str, str]:
    """Return the given picture, one of the above, as it looks at night."""
    image = job["input"].get("image")
    if not isinstance(image, str) or not image.startswith("data:image/png;base64,"):
        raise ValueError("the input needs an image, a PNG as a data URL")
    return {"image": data_url(at_night(base64.b64decode(image.partition(",")[2])))}


def prompt_of(job: dict[str, Any]) -> str:
    prompt = job["input"].get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError('the input needs a prompt: {"prompt": "a photo of a horse"}')
    return prompt


def picture(prompt: str) -> str:
    """Draw a picture and return it as a data URL."""
    return data_url(draw(prompt))


def data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
