"""Pictures and players for notebooks.

Everything that a worker sent is escaped. There are no scripts, no external resources but the media themselves, and no
colours, so that it suits light and dark themes. SVG and HTML are never shown: they can contain scripts.
"""

from __future__ import annotations

import base64
import re
from html import escape
from typing import Protocol

from runpod._base_errors import MediaError
from runpod._text import printable, readable, size_text

# In one output of a notebook, which is stored in its file: of media with their data.
MAX_BYTES = 32_000_000

# What Jupyter shows by its media type, and what browsers show besides.
_JUPYTER_IMAGES = {"image/png", "image/jpeg", "image/gif"}
SHOWN = {
    **dict.fromkeys((*_JUPYTER_IMAGES, "image/webp", "image/avif", "image/bmp"), "img"),
    **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/mpeg", "audio/ogg", "audio/flac"), "audio"),
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/webm"), "audio"),
    **dict.fromkeys(("video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/x-matroska"), "video"),
}

# The browser must not send requests into the network of the reader because a worker says so. So no IP addresses, no
# user names, no characters that browsers read differently, and none of the names of local networks.
_PUBLIC_URL = re.compile(r"https://(?:[a-z0-9_-]+\.)+(?P<top>[a-z][a-z0-9-]+)(?::\d{1,5})?(?:[/?#]\S*)?", re.IGNORECASE)
_LOCAL_NAMES = {"localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "arpa"}

_FAINT = "opacity:.7;font-size:.9em"
_SAVE = "client.save(media, folder)"
EXPIRY = "Links expire. To keep the files: "


class Displayed(Protocol):
    """What is needed of `Media`, which imports this module."""

    @property
    def mime(self) -> str:
        """Its media type."""
        ...

    @property
    def name(self) -> str:
        """A safe file name."""
        ...

    @property
    def url(self) -> str | None:
        """The URL, instead of data."""
        ...

    @property
    def data(self) -> bytes | None:
        """The data."""
        ...

    @property
    def size(self) -> int | None:
        """Its size in bytes."""
        ...


def media_bundle(media: Displayed) -> dict[str, str]:
    """The representations of media in a notebook, by media type."""
    line = readable(repr(media), 400)
    try:
        if media.url is not None:
            return {"text/plain": line, "text/html": figure(media, media.url) + line_of(EXPIRY + _SAVE)}
        if media.mime not in SHOWN or (media.size or 0) > MAX_BYTES:
            return {"text/plain": f"{line}\nTo save it: {_SAVE}"}
        if media.mime in _JUPYTER_IMAGES:
            return {"text/plain": line, media.mime: _base64(media)}
        return {"text/plain": line, "text/html": figure(media, data_url(media))}
    except MediaError as error:
        return {"text/plain": f"{line}\n{readable(error.message)}"}


def data_url(media: Displayed) -> str:
    """A data URL of media; raises a `MediaError` if the data is broken."""
    return f"data:{media.mime};base64,{_base64(media)}"


def _base64(media: Displayed) -> str:
    return base64.b64encode(media.data or b"").decode("ascii")


def figure(media: Displayed, source: str | None) -> str:
    """A picture or a player with a caption; without a source, or of what browsers do not show, only the caption."""
    name, mime = escape(printable(media.name)), escape(printable(media.mime))
    size = "" if media.size is None else f" · {size_text(media.size)}"
    caption = f"{name} · {mime}{size}"
    link = source is not None and not source.startswith("data:")
    if source is not None and link and not _is_public(source):
        source = None
        caption += " · not shown, since its address is in a local network"
    if source is None:
        return line_of(caption, is_html=True)
    address = escape(source)
    if link:
        attributes = 'target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer"'
        caption = (
            f'<a href="{address}" style="color:inherit;text-decoration:underline" {attributes}>{name}</a> · {mime}'
        )
    style = 'style="max-width:min(100%,512px);max-height:512px"'
    element = {
        "img": f'<img src="{address}" alt="{name}" referrerpolicy="no-referrer" {style}>',
        "audio": f'<audio controls preload="metadata" src="{address}" {style}></audio>',
        "video": f'<video controls preload="metadata" src="{address}" {style}></video>',
    }.get(SHOWN.get(media.mime, ""))
    if element is None:
        return line_of(caption, is_html=True)
    return (
        f'<figure style="margin:0;max-width:100%">{element}<figcaption style="{_FAINT}">{caption}</figcaption></figure>'
    )


def _is_public(url: str) -> bool:
    match = _PUBLIC_URL.fullmatch(url)
    return match is not None and url.isprintable() and match["top"].lower() not in _LOCAL_NAMES


def line_of(text: str, *, is_html: bool = False) -> str:
    """A line of small text."""
    return f'<div style="{_FAINT}">{text if is_html else escape(text)}</div>'
