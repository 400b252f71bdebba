"""Tables of public models, for terminals and notebooks."""

from __future__ import annotations

import html
import textwrap
from typing import TYPE_CHECKING

from runpod._text import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

# In characters.
_WIDTH = 80
_CELL = 40


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligns columns to the left. The last one has lines of its own, so that a terminal of 80 columns is wide enough.

    Texts of the service are shortened, and their control characters escaped.
    """
    shown = [[*(readable(cell, _CELL) for cell in row[:-1]), readable(row[-1])] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(header) - 1)]
    lines: list[str] = []
    for *cells, last in shown:
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        lines += textwrap.wrap(last, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(lines)


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table for notebooks, without any markup of the service."""
    # Jupyter aligns cells to the right.
    left = ' style="text-align:left"'
    head = "".join(f"<th{left}>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td{left}>{_escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{_escaped(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _escaped(text: str) -> str:
    return html.escape(readable(text))
