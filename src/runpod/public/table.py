"""Tables of public models, for terminals and notebooks."""

from __future__ import annotations

import html
import textwrap
from typing import TYPE_CHECKING

from runpod._text import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

# In characters. The last column is wrapped.
_LAST = 44
_CELL = 40


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligns columns to the left. Texts of the service are shortened, and their control characters escaped."""
    shown = [[*(readable(cell, _CELL) for cell in row[:-1]), readable(row[-1])] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(header) - 1)]
    lines: list[str] = []
    for *cells, last in shown:
        start = "".join(cell.ljust(width + 2) for cell, width in zip(cells, widths, strict=True))
        wrapped = textwrap.wrap(last, _LAST, break_on_hyphens=False) or [""]
        lines.append((start + wrapped[0]).rstrip())
        lines += [" " * len(start) + each for each in wrapped[1:]]
    return "\n".join(lines)


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table for notebooks, without any markup of the service."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{_escaped(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _escaped(text: str) -> str:
    return html.escape(readable(text))
