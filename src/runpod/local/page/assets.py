"""The static files of the page, and the pages that need none."""

from __future__ import annotations

import re
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from starlette.responses import Response

from runpod.local.http.validation import HTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HEADERS", "asset", "forward", "message", "sign_in"]

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""The headers of every response of the page."""

# A fixed table, as those of the system differ.
_TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.(html|js|css|svg)")


def asset(name: str) -> Response:
    """Return a static file; raises `HTTPError` if there is none of this name."""
    found = _NAME.fullmatch(name)
    file = resources.files("runpod.local.page") / "assets" / name
    if found is None or not file.is_file():
        raise HTTPError(404, f"There is no file {name!r} of the page.")
    return Response(file.read_bytes(), 200, {**HEADERS, "cache-control": "no-cache"}, _TYPES[found[1]])


def sign_in(*, from_elsewhere: bool) -> Response:
    """Return the page for a browser that is not signed in.

    Args:
        from_elsewhere: Whether a link of another site led here, in which case the browser sends no cookie.
    """
    again = ' If this browser was signed in before, <a href="/">open the page</a>.' if from_elsewhere else ""
    return message(
        401,
        "This address has been used",
        "The address of this page holds a key that works once, for ten minutes.",
        "To get a new one, press Enter in the terminal where <code>serve</code> runs, or print "
        f"<code>LocalServer.page_url</code> in your program.{again}",
    )


def forward(headers: Mapping[str, str]) -> Response:
    """Return a page that leads on to `/` as a link of its own would.

    After a link of another site, a redirect would not do: the browser sends no strict cookie with it.
    """
    return message(200, "Signed in", '<a href="/">Open the page</a>', refresh=True, headers=headers)


def message(
    status: int, title: str, *paragraphs: str, refresh: bool = False, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a page with a title and paragraphs of HTML."""
    leads_on = '<meta http-equiv="refresh" content="0; url=/">' if refresh else ""
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{leads_on}'
        f"<title>{escape(title)} · Runpod local server</title>"
        '<link rel="icon" href="/page/assets/icon.svg"><link rel="stylesheet" href="/page/assets/base.css"></head>'
        f'<body class="message"><main><h1>{escape(title)}</h1>{body}</main></body></html>\n'
    )
    return Response(text, status, {**HEADERS, **(headers or {})}, "text/html")
