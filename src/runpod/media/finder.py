"""Finds the media in an output."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from runpod.media.base64_text import data_start, head, is_base64_url, looks_like_base64
from runpod.media.item import Media
from runpod.media.keys import ANYTHING, GENERIC, MEDIA
from runpod.media.kinds import BEGINNINGS, HEAD, Kind, extension_of, mime_by_extension, sniff
from runpod.media.links import Link, parse_link
from runpod.media.names import safe_name
from runpod.media.walk import BASE64, Found, declared, key_in, walk

_UNKNOWN = "application/octet-stream"

_DEFAULTS = frozenset(["image", "audio", "video", "file"])

# In characters of base64. The smallest GIF has 35 bytes.
_SHORTEST = 40
_SHORTEST_UNCERTAIN = 128

_MIME = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")

# Extensions by what a worker says, for content that has no magic number.
_TEXT_EXTENSIONS = {
    "image/svg+xml": ".svg",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "text/vtt": ".vtt",
    "application/json": ".json",
    "application/x-subrip": ".srt",
    "audio/l16": ".pcm",
    "audio/pcm": ".pcm",
}


def _text_beginnings() -> frozenset[str]:
    """The first three characters of all text that can be media, also if one whitespace character precedes it."""
    texts = {"htt", "Htt", "HTT", "dat", "Dat", "DAT"}
    for magic in BEGINNINGS:
        # Of two bytes, three characters depend on the third byte as well.
        thirds = [magic[2:3]] if len(magic) > 2 else [b"\0", b"\x40", b"\x80", b"\xc0"]
        texts |= {b64encode(magic[:2] + third, altchars).decode()[:3] for third in thirds for altchars in (None, b"-_")}
    return frozenset(texts | {f"{space}{text[:2]}" for space in " \n\r\t" for text in texts})


_BEGINNINGS = _text_beginnings()


def find(output: Any) -> list[Media]:
    """Finds pictures, sound, video and other files in the output of a job, however its worker returns them.

    It knows objects with `type`, `data` and `filename` (worker-comfyui) or a media type, URLs under the usual keys (such
    as `image_url` or `result`), data URLs, and base64 whose content is that of a known kind, at any depth. A URL under a
    key that says little, such as `url`, is media only if it is a file with a known extension, presigned, or on a host of
    the service's public endpoints. Links within text are not media. Nothing is decoded or downloaded.

    Args:
        output: Any value: decoded JSON, pydantic models, dataclasses.

    Returns:
        The media in the order of the output, each once, even if the output repeats it.

    Example:
        >>> from runpod.media import find
        >>> find({"image_url": "https://image.runpod.ai/2/abc/horse.png", "cost": 0.0024})
        [Media('horse.png', 'image/png', url='https://image.runpod.ai/2/abc/horse.png')]
    """
    media = list[Media]()
    urls = set[str]()
    contents = _Contents()
    for found in walk(output, _BEGINNINGS):
        each = _media(found)
        if each is None:
            continue
        if each.url is not None:
            if each.url not in urls:
                urls.add(each.url)
                media.append(each)
        elif contents.add(each):
            media.append(each)
    return media


def worker_paths(output: Any) -> list[str]:
    """Paths on the worker's own disk in an output, each once; the files cannot be downloaded.

    The upload functions of the official package return `simulated_uploaded/…` if the worker has no bucket. Other paths
    count only under the usual keys, and with the extension of media.
    """
    paths = [found[0] for found in walk(output, _Paths()) if isinstance(found[0], str) and _is_path(found)]
    return list(dict.fromkeys(paths))


class _Paths:
    """The first three characters of paths."""

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and (text[:1] == "/" or text in {"sim", "fil"})


def _is_path(found: Found) -> bool:
    text, name, parent, _ = found
    if not isinstance(text, str) or len(text) > 4096 or not text.isprintable():
        return False
    if text.startswith("simulated_uploaded/"):
        return True
    if not text.startswith(("/", "file:///")) or text.startswith("//"):
        return False
    return mime_by_extension(extension_of(text)) is not None and key_in(name, parent).role > ANYTHING


class _Contents:
    """The data found so far, to find each once. Megabytes are compared only if their size and their middle agree."""

    def __init__(self) -> None:
        self._first = dict[tuple[int, str | bytes], Media]()
        self._others = set[str | bytes]()

    def add(self, media: Media) -> bool:
        """Adds data; False if it is there already."""
        content, start = _content(media)
        size = len(content) - start
        middle = len(content) - size // 2
        first = self._first.setdefault((size, content[middle - 24 : middle + 24]), media)
        if first is media:
            return True
        other, other_start = _content(first)
        if content == other:  # mostly; nothing is copied
            return False
        payload = content[start:]
        if payload == other[other_start:] or payload in self._others:
            return False
        self._others.add(payload)
        return True


def _content(media: Media) -> tuple[str | bytes, int]:
    content = media._content or b""  # noqa: SLF001 - of this package  # pyright: ignore[reportPrivateUsage]
    return content, data_start(content) if isinstance(content, str) else 0


def _media(found: Found) -> Media | None:
    """The media that a value is, or None."""
    value, name, parent, mapping = found
    if isinstance(value, Media):
        return value
    if isinstance(value, bytes):
        kind = sniff(value[:HEAD])
        if kind is not None and (kind.is_certain or key_in(name, parent).role > ANYTHING):
            return _of_kind(kind, _filename(found), value)
        # Bytes of a model can be base64.
        if value[:3].decode("latin-1") not in _BEGINNINGS or not value.isascii():
            return None
        value = value.decode("ascii")
    if value[:1].isspace():
        value = value.strip()
    scheme = value[:5].lower()
    if scheme == "data:":
        return _from_data_url(value, found)
    said = declared(mapping) if name == "data" else None
    if scheme.startswith("http"):
        link = parse_link(value)
        return None if link is None else _from_link(link, found, said)
    return _from_base64(value, found, said)


def _from_base64(text: str, found: Found, said: str | None) -> Media | None:
    if said is None and len(text) < _SHORTEST:
        return None
    _, name, parent, _ = found
    data = head(text) or b""
    kind = sniff(data)
    if kind is not None and looks_like_base64(text):
        shortest = _SHORTEST if kind.is_certain else _SHORTEST_UNCERTAIN
        is_possible = kind.is_certain or key_in(name, parent).role > ANYTHING
        if said is not None or (is_possible and len(text) >= shortest):
            return _of_kind(kind, _filename(found), text)
    # What is declared as base64 is a file even if it is broken; of other declared text, what looks like base64.
    if said == BASE64 or (said and data and len(text) >= _SHORTEST_UNCERTAIN and looks_like_base64(text)):
        return _of_unknown_kind(_filename(found), "" if said == BASE64 else said, text)
    return None


def _from_data_url(text: str, found: Found) -> Media | None:
    start = data_start(text)
    mime = text[5:start].lower().rstrip(",").partition(";")[0]
    is_base64 = is_base64_url(text, start)
    if not start or not (_MIME.fullmatch(mime) or (is_base64 and not mime)):
        return None
    # Without base64 it is text, such as an SVG; of other types, it can be a sentence that begins with `data:`.
    if not is_base64 and not mime.startswith(("image/", "audio/", "video/")):
        return None
    kind = sniff(head(text, start) or b"") if is_base64 else None
    if kind is None:
        return _of_unknown_kind(_filename(found), mime, text)
    return _of_kind(kind, _filename(found), text)


def _from_link(link: Link, found: Found, said: str | None) -> Media | None:
    _, name, parent, _ = found
    key = key_in(name, parent)
    filename = _filename(found)
    extension = extension_of(link.name)
    mime = mime_by_extension(extension)
    is_media = key.role == MEDIA or said is not None
    if not (link.is_upload or is_media or (key.role == GENERIC and (mime or filename))):
        return None
    made = safe_name(filename or link.name, default=key.word, extension=extension if mime else None)
    if not extension_of(made):
        made += ".bin"
    return Media(mime or mime_by_extension(extension_of(made)) or _UNKNOWN, made, url=link.url)


def _of_kind(kind: Kind, filename: str | None, content: str | bytes) -> Media:
    default = kind.mime.partition("/")[0]
    default = default if default in _DEFAULTS else "file"
    name = f"{default}{kind.extension}"
    if filename is not None:
        name = safe_name(filename, default=default, extension=kind.extension)
    return Media(kind.mime, name, None, content)


def _of_unknown_kind(filename: str | None, mime: str, content: str) -> Media:
    default = mime.partition("/")[0]
    name = safe_name(filename, default=default if default in _DEFAULTS else "file")
    if not extension_of(name):
        name += _TEXT_EXTENSIONS.get(mime, ".bin")
    return Media(_UNKNOWN, name, None, content)


def _filename(found: Found) -> str | None:
    """The name that the worker gives to a file, if the value is one."""
    _, name, parent, mapping = found
    for key in ("filename", "file_name"):
        value = mapping.get(key)
        if isinstance(value, str) and value.strip():
            return value if key_in(name, parent).role > ANYTHING else None
    return None
