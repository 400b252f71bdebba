"""The pictures, sound, video and other files of a job, and where in it they are."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from runpod._base_errors import MediaError
from runpod.local.http.validation import HTTPError
from runpod.local.page.details import job_path
from runpod.local.samples.picture_urls import PictureURL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod.local.json_text import JSONText
    from runpod.local.page.details import JobRecord
    from runpod.media import Media

__all__ = ["FoundMedia", "MediaLists", "content_of", "describe"]

_MAX_MEDIA = 200  # of a job
_MAX_LISTS = 4  # that are kept: they hold the outputs of their jobs
_MAX_WHERE = 200  # characters
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class FoundMedia(NamedTuple):
    """Media with its place, such as `output.images[0]`."""

    where: str
    media: Media


class MediaLists:
    """The media of the latest jobs that were looked at: a browser asks for a job, then for each of its pictures.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lists: OrderedDict[tuple[str, str, int], list[FoundMedia]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<MediaLists of {len(self._lists)} jobs>"

    def of(self, record: JobRecord) -> list[FoundMedia]:
        """Return the media of a job. Takes long for a large output."""
        key = (record.endpoint_id, record.row.id, record.row.version)
        with self._lock:
            known = self._lists.get(key)
        if known is not None:
            return known
        found = _find_all(record)
        with self._lock:
            self._lists[key] = found
            while len(self._lists) > _MAX_LISTS:
                self._lists.popitem(last=False)
        return found


def describe(record: JobRecord, found: list[FoundMedia], origin: str) -> list[dict[str, Any]]:
    """Return the media of a job as the page gets them.

    Args:
        record: The job.
        found: Its media.
        origin: The origin of this server in the output of its samples, such as `http://127.0.0.1:8000`.
    """
    from runpod.media.figures import SHOWN

    path = f"{job_path(record)}/media"
    shown: list[dict[str, Any]] = []
    for index, (where, media) in enumerate(found):
        is_here = media.url is None or sample_picture(media, origin) is not None
        shown.append(
            {
                "where": where,
                "kind": media.kind if media.mime in SHOWN else "other",
                "mime": media.mime,
                "size": media.size,
                "src": f"{path}/{index}?v={record.row.version}" if is_here else None,
                "href": None if is_here else media.url,
                "name": media.name,
            }
        )
    return shown


def content_of(media: Media, origin: str) -> bytes:
    """Return the bytes of media that this server has; raises `HTTPError`."""
    picture = sample_picture(media, origin)
    if picture is not None:
        return picture.draw()
    try:
        data = media.data
    except MediaError as error:
        raise HTTPError(404, str(error)) from None
    if data is None:
        raise HTTPError(404, "The file is on another host. Open its own address.")
    return data


def sample_picture(media: Media, origin: str) -> PictureURL | None:
    """Return the picture of a URL that this server serves itself; None for any other."""
    if media.url is None or not media.url.startswith(f"{origin}/"):
        return None
    return PictureURL.parse(urlsplit(media.url).path.encode("utf-8", "replace"))


def _find_all(record: JobRecord) -> list[FoundMedia]:
    items, total = record.chunks
    texts: list[tuple[str, JSONText | None]] = [("output", record.output), ("progress", record.row.progress)]
    texts += [(f"chunks[{total - len(items) + index}]", item) for index, item in enumerate(items)]
    texts.append(("input", record.row.payload.input))
    found: list[FoundMedia] = []
    for name, text in texts:
        if text is not None and len(found) < _MAX_MEDIA:
            found += _find(name, text)
    return found[:_MAX_MEDIA]


def _find(name: str, text: JSONText) -> list[FoundMedia]:
    from runpod.media import find

    try:
        value = json.loads(text)
    except (RecursionError, ValueError):  # It is nested too deeply for Python.
        return []
    media = find(value)[:_MAX_MEDIA]
    places = _places(name, value, media)
    return [FoundMedia(places.get(_content(each), name), each) for each in media]


def _content(media: Media) -> str | bytes | None:
    content: str | bytes | None = media.url if media.url is not None else media._content  # noqa: SLF001 - of this package  # pyright: ignore[reportPrivateUsage]
    return content


class _Level(NamedTuple):
    items: Iterator[tuple[str | int, Any]]
    step: str


def _places(name: str, value: Any, media: list[Media]) -> dict[str | bytes | None, str]:
    """Find out where in a value the texts of its media are. Without recursion, as the value can be nested deeply."""
    wanted = {_content(each) for each in media}
    places: dict[str | bytes | None, str] = {}
    levels = [_Level(iter([("", value)]), "")]
    while levels and wanted:
        for key, child in levels[-1].items:
            step = "" if key == "" and len(levels) == 1 else _step(key)
            if isinstance(child, str):
                text = child.strip() if child[:1].isspace() or child[-1:].isspace() else child
                if text in wanted:
                    wanted.remove(text)
                    places[text] = _cut("".join([name, *(level.step for level in levels), step]))
            elif isinstance(child, dict):
                levels.append(_Level(iter(child.items()), step))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
                break
            elif isinstance(child, list):
                levels.append(_Level(enumerate(child), step))  # pyright: ignore[reportUnknownArgumentType]
                break
        else:
            levels.pop()
    return places


def _step(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _NAME.fullmatch(key) else f"[{json.dumps(key)}]"


def _cut(place: str) -> str:
    return place if len(place) <= _MAX_WHERE else f"{place[: _MAX_WHERE - 1]}…"
