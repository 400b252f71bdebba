# Generated from tests/_async/downloads.py by scripts/generate_sync.py. Do not edit.

"""Helpers for tests of downloads: media, responses and servers that have them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod.media import Media

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers import Connection

PNG = b"\x89PNG\r\n\x1a\n" + b"a horse the size of a Boeing 787"
URL = "https://files.example.test/horse.png"
SIGNED = f"{URL}?X-Amz-Signature=SECRET"

# The deadline of a sync call over a caller's client is kept between reads only.
own_all_loops = pytest.mark.parametrize("http_backend", ["own"], indirect=True)


def picture(url: str | None = None, name: str = "horse.png", data: bytes = PNG) -> Media:
    if url is not None:
        return Media("application/octet-stream", name, url)
    return Media("image/png", name, None, base64.b64encode(data).decode())


def ok(content: bytes = PNG, **headers: str) -> httpx.Response:
    return httpx.Response(200, content=content, headers=headers)


def moved(where: str) -> httpx.Response:
    return httpx.Response(302, headers={"Location": where})


def names(folder: Path) -> list[str]:
    """Every file in a folder, including hidden ones."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def serving(content: bytes, headers: str = "") -> Callable[[Connection], None]:
    def behave(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(content, headers=headers)

    return behave
