"""Jobs, chunks and results in notebooks and as text: facts, an error, the media of an output and its text.

Everything that a worker sent is escaped. The media are shown by `figures`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from runpod._base_errors import MediaError
from runpod._text import readable
from runpod.media.figures import EXPIRY, MAX_BYTES, SHOWN, data_url, figure, line_of
from runpod.media.finder import find
from runpod.media.output_text import OutputText, joined

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from runpod.media.item import Media

# In one output of a notebook: of all media, and of text.
MAX_MEDIA = 24
MAX_TEXT = 100_000
_MAX_PLAIN_TEXT = 10_000

_BOX = "border:1px solid currentColor;border-color:color-mix(in srgb,currentColor 25%,transparent);border-radius:4px"
# Themes of Jupyter set the font and the line breaks of `pre`.
_PRE = (
    "margin:6px 0 0;padding:8px;max-height:24em;overflow:auto;font-family:monospace;font-size:.9em;line-height:1.4;"
    f"white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;{_BOX}"
)


class Summary(NamedTuple):
    """What is shown of a job, a chunk or a result."""

    facts: list[str]  # the first is the most important one
    error: str | None
    traceback: str | None
    label: str | None  # what the output is; None: there is none
    output: Any
    how_to_save: str


def bundle(shown: Summary) -> dict[str, str]:
    """The representations in a notebook, by media type."""
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


def pretty(shown: Summary, limit: int | None) -> str:
    """The text for people."""
    return joined(_pieces(shown, OutputText(_media_of(shown))), limit)


def worker_text(value: Any) -> str:
    """What a worker sent as an error, as text for people."""
    return "".join(OutputText().pieces(value)).strip()


def _media_of(shown: Summary) -> list[Media]:
    return [] if shown.label is None else find(shown.output)


def _pieces(shown: Summary, writer: OutputText) -> Iterator[str]:
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
        if source is None and media.mime in SHOWN and size <= left:
            try:
                source = data_url(media)
            except MediaError as error:
                figures.append(line_of(readable(error.message)))
                continue
            left -= size
        is_hidden |= source is None
        figures.append(figure(media, source))
    if not figures:
        return ""
    notes: list[str] = []
    if len(found) > MAX_MEDIA:
        notes.append(f"… {len(found) - MAX_MEDIA:,} more: {how_to_save}")
    elif is_hidden:
        notes.append(f"To save what is not shown: {how_to_save}")
    if any(media.url is not None for media in found[:MAX_MEDIA]):
        notes.append(EXPIRY + how_to_save)
    style = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-end;margin-top:8px"
    return f'<div style="{style}">{"".join(figures)}</div>{"".join(map(line_of, notes))}'


def _pre(text: str) -> str:
    return f'<pre style="{_PRE}">{escape(text)}</pre>'


def _details(title: str, text: str) -> str:
    return f'<details open style="margin-top:8px"><summary>{title}</summary>{_pre(text)}</details>'


def _cut(text: str) -> str:
    return joined([text], MAX_TEXT)


def duration_text(span: timedelta) -> str:
    """A duration for people: `3.4 s`."""
    seconds = span.total_seconds()
    if abs(seconds) < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"
