"""How media and jobs show themselves in notebooks and as text.

Everything that a worker sent is escaped. There are no scripts, no external resources but the media themselves, and no
colours, so that it suits light and dark themes. SVG and HTML are never shown: they can contain scripts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from runpod._base_errors import MediaError
from runpod._text import readable
from runpod.media.output_text import OutputText, joined, printable, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from runpod.media.item import Media
    from runpod.models.jobs import JobState, StreamChunk
    from runpod.models.results import MapResult

# In one output of a notebook, which is stored in its file: of media with their data; of all media; and of text.
MAX_BYTES = 32_000_000
MAX_MEDIA = 24
MAX_TEXT = 100_000
_MAX_PLAIN_TEXT = 10_000

# What Jupyter shows by its media type, and what browsers show besides.
_JUPYTER_IMAGES = {"image/png", "image/jpeg", "image/gif"}
_SHOWN = {
    **dict.fromkeys((*_JUPYTER_IMAGES, "image/webp", "image/avif", "image/bmp"), "img"),
    **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/mpeg", "audio/ogg", "audio/flac"), "audio"),
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/webm"), "audio"),
    **dict.fromkeys(("video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/x-matroska"), "video"),
}

# The browser must not send requests into the network of the reader because a worker says so. So no IP addresses, no
# user names, no characters that browsers read differently, and none of the names of local networks.
_PUBLIC_URL = re.compile(r"https://(?:[a-z0-9_-]+\.)+(?P<top>[a-z][a-z0-9-]+)(?::\d{1,5})?(?:[/?#]\S*)?", re.IGNORECASE)
_LOCAL_NAMES = {"localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "arpa"}

_SAVE = "client.save(media, folder)"
_EXPIRY = "Links expire. To keep the files: "

_FAINT = "opacity:.7;font-size:.9em"
_BOX = "border:1px solid currentColor;border-color:color-mix(in srgb,currentColor 25%,transparent);border-radius:4px"
# Themes of Jupyter set the font and the line breaks of `pre`.
_PRE = (
    "margin:6px 0 0;padding:8px;max-height:24em;overflow:auto;font-family:monospace;font-size:.9em;line-height:1.4;"
    f"white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;{_BOX}"
)


class _Shown(NamedTuple):
    """What is shown of a job, a chunk or a result."""

    facts: list[str]  # the first is the most important one
    error: str | None
    traceback: str | None
    label: str | None  # what the output is; None: there is none
    output: Any
    how_to_save: str


def media_bundle(media: Media) -> dict[str, str]:
    """The representations of media in a notebook, by media type."""
    line = readable(repr(media), 400)
    try:
        if media.url is not None:
            return {"text/plain": line, "text/html": _figure(media, media.url) + _line(_EXPIRY + _SAVE)}
        if media.mime not in _SHOWN or (media.size or 0) > MAX_BYTES:
            return {"text/plain": f"{line}\nTo save it: {_SAVE}"}
        if media.mime in _JUPYTER_IMAGES:
            return {"text/plain": line, media.mime: _base64(media)}
        return {"text/plain": line, "text/html": _figure(media, _data_url(media))}
    except MediaError as error:
        return {"text/plain": f"{line}\n{readable(str(error))}"}


def state_bundle(state: JobState[Any]) -> dict[str, str]:
    """The representations of the state of a job in a notebook, by media type."""
    return _bundle(_of_state(state))


def state_text(state: JobState[Any], limit: int | None) -> str:
    """A job as text for people."""
    return _pretty(_of_state(state), limit)


def chunk_bundle(chunk: StreamChunk[Any]) -> dict[str, str]:
    """The representations of a chunk in a notebook, by media type."""
    return _bundle(_of_chunk(chunk))


def chunk_text(chunk: StreamChunk[Any], limit: int | None) -> str:
    """A chunk as text for people."""
    return _pretty(_of_chunk(chunk), limit)


def result_bundle(result: MapResult[Any]) -> dict[str, str]:
    """The representations of the result of one input in a notebook, by media type."""
    return _bundle(_of_result(result))


def result_text(result: MapResult[Any], limit: int | None) -> str:
    """The result of one input as text for people."""
    return _pretty(_of_result(result), limit)


def _of_state(state: JobState[Any]) -> _Shown:
    facts = [readable(state.status, 40), f"job {readable(state.id, 80)}"]
    if state.delay_time is not None:
        facts.append(f"queued {_duration(state.delay_time)}")
    if state.execution_time is not None:
        facts.append(f"ran {_duration(state.execution_time)}")
    if state.worker_id:
        facts.append(f"worker {readable(state.worker_id, 80)}")
    if state.retries:
        facts.append(f"{state.retries} retries" if state.retries != 1 else "1 retry")
    cost = _cost(state.output) if state.completed else None
    if cost is not None:
        facts.append(f"cost ${cost:.4g}")
    error = traceback = None
    if state.error is not None:
        report = state.worker_error
        if report is not None:
            error = _worker_text(f"{report.type}: {report.message}" if report.type else report.message)
            traceback = _worker_text(report.traceback or "")
        else:
            error = _worker_text(state.error)
    label = ("Output" if state.completed else "Progress") if state.has_output else None
    return _Shown(facts, error, traceback, label, state.output, "job.save(folder)")


def _worker_text(value: Any) -> str:
    return "".join(OutputText().pieces(value)).strip()


def _of_chunk(chunk: StreamChunk[Any]) -> _Shown:
    return _Shown([], None, None, "Chunk", chunk.output, "client.save(chunk.media, folder)")


def _of_result(result: MapResult[Any]) -> _Shown:
    facts = [f"input {result.index:,}"]
    if result.state is None:
        if result.job_id is not None:
            facts.append(f"job {readable(result.job_id, 80)}")
        error = None if result.error is None else _worker_text(str(result.error))
        return _Shown(facts, error, None, None, None, "")
    shown = _of_state(result.state)
    error = shown.error
    if error is None and result.error is not None:  # such as an output of another type
        error = _worker_text(str(result.error))
    return shown._replace(facts=[*facts, *shown.facts], error=error, how_to_save="client.save(result.state, folder)")


def _pretty(shown: _Shown, limit: int | None) -> str:
    return joined(_pieces(shown, OutputText(_media_of(shown))), limit)


def _bundle(shown: _Shown) -> dict[str, str]:
    found = _media_of(shown)
    writer = OutputText(found)
    parts: list[str] = []
    if shown.facts:
        first, *rest = (escape(fact) for fact in shown.facts)
        parts.append(f"<div><strong>{first}</strong>{''.join(f' · {fact}' for fact in rest)}</div>")
    if shown.error:
        parts.append(_pre(_cut(shown.error)))
    if shown.traceback:
        parts.append(_details("Traceback", _cut(shown.traceback)))
    parts.append(_gallery(found, shown.how_to_save))
    if shown.label is not None:
        parts.append(_details(shown.label, joined(writer.pieces(shown.output), MAX_TEXT)))
    return {
        "text/plain": joined(_pieces(shown, writer), _MAX_PLAIN_TEXT),
        "text/html": f'<div style="line-height:1.5">{"".join(parts)}</div>',
    }


def _media_of(shown: _Shown) -> list[Media]:
    from runpod.media import find

    return [] if shown.label is None else find(shown.output)


def _pieces(shown: _Shown, writer: OutputText) -> Iterator[str]:
    """Yields the text in pieces."""
    head = [part for part in (" · ".join(shown.facts), shown.error, shown.traceback) if part]
    yield "\n\n".join(head)
    if shown.label is not None:
        yield "\n\n" if head else ""
        yield from writer.pieces(shown.output)


def _gallery(found: list[Media], how_to_save: str) -> str:
    """The first media, as many as are allowed; all others are counted."""
    figures: list[str] = []
    left = MAX_BYTES
    is_hidden = False
    for media in found[:MAX_MEDIA]:
        source = media.url
        size = media.size or 0
        if source is None and media.mime in _SHOWN and size <= left:
            try:
                source = _data_url(media)
            except MediaError as error:
                figures.append(_line(readable(str(error))))
                continue
            left -= size
        is_hidden |= source is None
        figures.append(_figure(media, source))
    if not figures:
        return ""
    notes: list[str] = []
    if len(found) > MAX_MEDIA:
        notes.append(f"… {len(found) - MAX_MEDIA:,} more: {how_to_save}")
    elif is_hidden:
        notes.append(f"To save what is not shown: {how_to_save}")
    if any(media.url is not None for media in found[:MAX_MEDIA]):
        notes.append(_EXPIRY + how_to_save)
    style = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-end;margin-top:8px"
    return f'<div style="{style}">{"".join(figures)}</div>{"".join(map(_line, notes))}'


def _data_url(media: Media) -> str:
    return f"data:{media.mime};base64,{_base64(media)}"


def _base64(media: Media) -> str:
    return base64.b64encode(media.data or b"").decode("ascii")


def _figure(media: Media, source: str | None) -> str:
    """A picture or a player with a caption; without a source, or of what browsers do not show, only the caption."""
    name, mime = escape(printable(media.name)), escape(printable(media.mime))
    size = "" if media.size is None else f" · {size_text(media.size)}"
    caption = f"{name} · {mime}{size}"
    link = source is not None and not source.startswith("data:")
    if source is not None and link and not _is_public(source):
        source = None
    if source is None:
        return _line(caption, is_html=True)
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
    }.get(_SHOWN.get(media.mime, ""))
    if element is None:
        return _line(caption, is_html=True)
    return (
        f'<figure style="margin:0;max-width:100%">{element}<figcaption style="{_FAINT}">{caption}</figcaption></figure>'
    )


def _is_public(url: str) -> bool:
    match = _PUBLIC_URL.fullmatch(url)
    return match is not None and url.isprintable() and match["top"].lower() not in _LOCAL_NAMES


def _line(text: str, *, is_html: bool = False) -> str:
    return f'<div style="{_FAINT}">{text if is_html else escape(text)}</div>'


def _pre(text: str) -> str:
    return f'<pre style="{_PRE}">{escape(text)}</pre>'


def _details(title: str, text: str) -> str:
    return f'<details open style="margin-top:8px"><summary>{title}</summary>{_pre(text)}</details>'


def _cut(text: str) -> str:
    return joined([text], MAX_TEXT)


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    if abs(seconds) < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def _cost(output: Any) -> float | None:
    """The price in US dollars that public endpoints put into their outputs."""
    is_mapping = isinstance(output, Mapping)
    cost: Any = cast("Mapping[Any, Any]", output).get("cost") if is_mapping else getattr(output, "cost", None)
    return float(cost) if isinstance(cost, (int, float)) and not isinstance(cost, bool) and 0 <= cost < 1e12 else None
