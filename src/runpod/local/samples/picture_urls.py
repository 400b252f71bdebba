"""URLs of pictures on the local server.

A URL holds the key and the size of its picture, and the server draws it from those: nothing is stored.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from runpod.local.samples.picture import KEY_BYTES, MAX_SIDE, draw
from runpod.local.workers.server_address import server_address

__all__ = ["PictureURL", "picture_url"]

_PATH = re.compile(rb"/samples/([1-9]\d{0,3})x([1-9]\d{0,3})-([0-9a-f]{%d})\.png" % (2 * KEY_BYTES))


class PictureURL(NamedTuple):
    """What the path of a picture says."""

    key: bytes
    width: int
    height: int

    @classmethod
    def parse(cls, path: bytes) -> PictureURL | None:
        """Parse a path; None if it is not that of a picture."""
        match = _PATH.fullmatch(path)
        if match is None or max(int(match[1]), int(match[2])) > MAX_SIDE:
            return None
        return cls(bytes.fromhex(match[3].decode()), int(match[1]), int(match[2]))

    def draw(self) -> bytes:
        """Draw the picture."""
        return draw(self.key, self.width, self.height)


def picture_url(key: bytes, width: int, height: int) -> str:
    """Return the URL of a picture on the server that the calling handler runs for.

    Raises:
        RuntimeError: It was not called by a handler, so there is no server.
    """
    address = server_address.get(None) or _address_of_worker()
    if address is None:
        raise RuntimeError("There is no local server for the URL of a picture. Serve this handler with a LocalServer.")
    return f"{address}/samples/{width}x{height}-{key.hex()}.png"


def _address_of_worker() -> str | None:
    # A worker process has the address of its server in the URL from which it takes jobs.
    parts = urlsplit(os.environ.get("RUNPOD_WEBHOOK_GET_JOB", ""))
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None
