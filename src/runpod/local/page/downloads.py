"""Values and media as files: shown by the browser only if they cannot run anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["attachment", "media_response"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def attachment(content: bytes, name: str, media_type: str, headers: Mapping[str, str]) -> Response:
    """Return a file that the browser saves."""
    return Response(content, 200, {**headers, **_disposition("attachment", name)}, media_type)


def media_response(
    content: bytes, name: str, media_type: str, range_header: str, headers: Mapping[str, str]
) -> Response:
    """Return a picture, sound or video, or the part of it that a player asked for."""
    headers = {**headers, **_disposition("inline", name), "accept-ranges": "bytes"}
    size = len(content)
    found = _RANGE.fullmatch(range_header.strip())
    if found is None or not (found[1] or found[2]):  # A range of another form may be ignored.
        return Response(content, 200, headers, media_type)
    if found[1]:
        start, end = int(found[1]), min(int(found[2] or size), size - 1)
    else:
        start, end = max(size - int(found[2]), 0), size - 1
    if start > end:
        return Response(b"", 416, {**headers, "content-range": f"bytes */{size}"}, media_type)
    headers["content-range"] = f"bytes {start}-{end}/{size}"
    return Response(content[start : end + 1], 206, headers, media_type)


def _disposition(kind: str, name: str) -> dict[str, str]:
    return {"content-disposition": f"{kind}; filename*=UTF-8''{quote(name, safe='', errors='replace')}"}
