"""A picture, a sound, a video or another file in the output of a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from runpod._base_errors import MediaError
from runpod._text import readable
from runpod.media.base64_text import decode, decoded_size

MediaKind = Literal["image", "audio", "video", "file"]

_KINDS: dict[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video"}


@dataclass(frozen=True, slots=True, repr=False)
class Media:
    """A picture, a sound, a video or another file in the output of a job, as `runpod.media.find` returns it.

    Attributes:
        mime: Its media type, such as `image/png`: by its content, never only by what the worker says. Of a URL, the
            guess from its path, or `application/octet-stream`.
        name: A file name with an extension, which is safe on every system: without folders, never empty.
        url: The URL, if the output has a URL instead of the data. Such URLs expire, many within a day: download them at
            once, with `job.save`, `client.save` or `client.fetch`.

    Example:
        >>> for media in state.media:
        ...     print(media.name, media.mime, media.size)
    """

    mime: str
    name: str
    url: str | None = None
    # The data, or text whose base64 begins at `_start`. Decoded only when needed.
    _content: bytes | str | None = field(default=None, repr=False)
    _start: int = 0

    @property
    def kind(self) -> MediaKind:
        """What it is, by its media type."""
        return _KINDS.get(self.mime.partition("/")[0], "file")

    @property
    def data(self) -> bytes | None:
        """The data, decoded at each access; None for a URL: use `client.fetch`.

        Raises:
            MediaError: The data is not valid base64.
        """
        if not isinstance(self._content, str):
            return self._content
        try:
            return decode(self._content, self._start)
        except ValueError as error:
            msg = f"The data of {self.name!r} cannot be decoded: {error}. The worker returned it so."
            raise MediaError(msg) from error

    @property
    def size(self) -> int | None:
        """The size of the data in bytes; None for a URL."""
        if isinstance(self._content, str):
            return decoded_size(self._content, self._start)
        return None if self._content is None else len(self._content)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002 - IPython selects itself
        """Shows a picture, or a player for sound or video, in a notebook."""
        from runpod.media.figures import media_bundle

        return media_bundle(self)

    def __repr__(self) -> str:
        name = f"{type(self).__name__}({readable(self.name, 60)!r}, {self.mime!r}"
        # The query of a presigned URL is a credential.
        return f"{name}, url={shown_url(self.url)!r})" if self.url is not None else f"{name}, size={self.size})"


def shown_url(url: str) -> str:
    """A URL for messages: without its query, which can be a credential, and without a password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "a URL that cannot be parsed"
    return str(readable(f"{parts.scheme}://{host}{port}{parts.path}", 120))
