"""Two handlers for the local server: one returns a picture, the other streams several.

They are what a worker's handlers are: functions that take a job and return its output, or yield it piece by piece.
`quickstart.py` serves them: `LocalServer({"horse": horse, "horses": horses})`.
"""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING, Any

from drawing import draw

from runpod.local import progress_update

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 50


def horse(job: dict[str, Any]) -> dict[str, str]:
    """One picture for a prompt, with progress on the way.

    Drawing takes a tenth of a second. The pauses are there so that you can watch it.
    """
    prompt = prompt_of(job)
    for percent in (25, 50, 75):
        time.sleep(0.3)
        progress_update(job, f"{percent}%")
    image = picture(prompt)
    time.sleep(0.3)
    return {"image": image, "prompt": prompt}


def horses(job: dict[str, Any]) -> Iterator[dict[str, str]]:
    """As many pictures as the prompt says at its beginning ("7 photos of…"), one after the other."""
    prompt = prompt_of(job)
    number = re.match(r"\s*(\d{1,4})\b", prompt)
    for i in range(1, min(int(number[1]), MOST) + 1 if number else 2):
        time.sleep(0.25)
        yield {"image": picture(f"{prompt} ({i})"), "prompt": prompt}


def prompt_of(job: dict[str, Any]) -> str:
    prompt = job["input"].get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError('the input needs a prompt: {"prompt": "a photo of a horse"}')
    return prompt


def picture(prompt: str) -> str:
    """A picture as the text that browsers understand, too."""
    return "data:image/png;base64," + base64.b64encode(draw(prompt)).decode()
