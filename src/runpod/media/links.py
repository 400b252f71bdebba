"""URLs of media in outputs."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

_ASCII = re.compile(r"[!-~]+")

# Longer ones are not requested by any client.
_LONGEST = 8192

# Hosts of the service that serve no outputs; all others of `runpod.ai` do: image, video, audio.
_NO_OUTPUTS = frozenset(["api", "console", "docs", "www", "rest", "contact", "status", "blog"])


class Link(NamedTuple):
    """A URL of a file.

    Attributes:
        url: The URL.
        name: The last part of its path, without percent-encoding; can be empty.
        is_upload: Whether it can hardly be anything but an output: it is presigned, or on a host for outputs.
    """

    url: str
    name: str
    is_upload: bool


def parse_link(text: str) -> Link | None:
    """Parses text that is an http or https URL and nothing else; None if it is not."""
    if len(text) > _LONGEST:
        return None
    url = text.strip()
    # `isprintable`, which is slower, refuses line breaks and lone surrogates as well.
    if not _ASCII.fullmatch(url) and (" " in url or not url.isprintable()):
        return None
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        return None
    location, _, query = rest.partition("#")[0].partition("?")
    authority, _, path = location.partition("/")
    host = authority.rpartition("@")[2].partition(":")[0].lower()
    if not host or "\\" in authority:
        return None
    name = path.rpartition("/")[2]
    return Link(url, unquote(name) if "%" in name else name, _is_presigned(query) or _serves_outputs(host))


def _is_presigned(query: str) -> bool:
    # S3, Google Cloud Storage and CloudFront; then Azure.
    query = f"&{query.lower()}"
    return "signature=" in query or ("&sig=" in query and "&se=" in query)


def _serves_outputs(host: str) -> bool:
    return host.endswith(".runpod.ai") and _NO_OUTPUTS.isdisjoint(host.split("."))
