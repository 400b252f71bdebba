"""How to test your code that uses an endpoint, with a local server and without an account.

pytest examples/test_my_function.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod import JobFailedError, Runpod
from runpod.local import LocalServer

if TYPE_CHECKING:
    from collections.abc import Iterator


# Your code.


def caption(client: Runpod, picture: str) -> str:
    """Describe a picture in a sentence."""
    state = client.endpoint("captions").run_sync({"input": {"picture": picture}}, timeout=30)
    text: str = state.result()["text"]
    return text.capitalize() + "."


# A handler that replaces your worker.


def captions(job: dict[str, Any]) -> dict[str, str]:
    picture = job["input"]["picture"]
    if not picture.endswith(".png"):
        raise ValueError(f"{picture} is not a PNG file")
    return {"text": "a horse beside an airliner"}


@pytest.fixture(scope="module")
def client() -> Iterator[Runpod]:
    with (
        LocalServer({"captions": captions}) as server,
        Runpod(server.api_key, base_url=server.base_url) as client,
    ):
        yield client


def test_a_caption_is_a_sentence(client: Runpod) -> None:
    assert caption(client, "horse.png") == "A horse beside an airliner."


def test_a_failed_job_raises(client: Runpod) -> None:
    with pytest.raises(JobFailedError, match=r"horse\.txt is not a PNG file"):
        caption(client, "horse.txt")
