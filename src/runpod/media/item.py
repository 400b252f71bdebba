"""A picture, a sound, a video or another file in the output of a job."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from pydantic_core import core_schema

from runpod._base_errors import MediaError
from runpod._text import readable
from runpod.media.base64_text import data_start, decode, decoded_size

MediaKind = Literal["image", "audio", "video", "file"]

_KINDS: dict[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video"}


class Media:
    """A picture, a sound, a video or another file in the output of a job, as `runpod.media.find` returns it.

    It cannot be changed. Two are equal if all that they were created with is.

    Args:
        mime: Its media type.
        name: Its file name.
        url: Its URL.
        data: Instead of the URL, the data; or text, which is decoded when needed: base64, or a data URL.

    Raises:
        TypeError: Not exactly one of `url` and `data` was passed.

    Example:
        >>> for media in state.media:
        ...     print(media.name, media.mime, media.size)
    """

    # A class with fields of its own would be dumped by pydantic as an object of these, with all its base64.
    __slots__ = ("_content", "_mime", "_name", "_url")

    def __init__(self, mime: str, name: str, url: str | None = None, data: bytes | str | None = None) -> None:
        if (url is None) == (data is None):
            msg = "Media takes either a url or data."
            raise TypeError(msg)
        self._mime = mime
        self._name = name
        self._url = url
        self._content = data

    @property
    def mime(self) -> str:
        """Its media type, such as `image/png`: by its content, never only by what the worker says.

        Of a URL, the guess from its name, or `application/octet-stream`.
        """
        return self._mime

    @property
    def name(self) -> str:
        """A file name with an extension; `find` makes it safe on every system: without folders, never empty."""
        return self._name

    @property
    def url(self) -> str | None:
        """The URL, if the output has a URL instead of the data.

        Such URLs expire, many within a day: download them at once, with `job.save`, `client.save` or `client.fetch`.
        """
        return self._url

    @property
    def kind(self) -> MediaKind:
        """What it is, by its media type."""
        return _KINDS.get(self._mime.partition("/")[0], "file")

    @property
    def data(self) -> bytes | None:
        """The data, decoded at each access; None for a URL: use `client.fetch`.

        Raises:
            MediaError: The data is not valid base64.
        """
        if not isinstance(self._content, str):
            return self._content
        try:
            return decode(self._content, data_start(self._content))
        except ValueError as error:
            msg = f"The data of {self.name!r} cannot be decoded: {error}. The worker returned it so."
            raise MediaError(msg) from error

    @property
    def size(self) -> int | None:
        """The size of the data in bytes; None for a URL."""
        if isinstance(self._content, str):
            return decoded_size(self._content, data_start(self._content))
        return None if self._content is None else len(self._content)

    def with_name(self, name: str) -> Media:
        """Returns the same media under another name, such as the one that a file is to have.

        Example:
            >>> client.save([media.with_name(f"{job.id}-{media.name}") for media in state.media], "horses")
        """
        return Media(self._mime, name, self._url, self._content)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002 - IPython selects itself
        """Shows a picture, or a player for sound or video, in a notebook."""
        from runpod.media.figures import media_bundle

        return media_bundle(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> core_schema.CoreSchema:
        """Lets fields of pydantic models have this type."""
        return core_schema.is_instance_schema(cls)

    def _key(self) -> tuple[object, ...]:
        return self._mime, self._name, self._url, self._content

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Media) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        name = f"{type(self).__name__}({readable(self.name, 60)!r}, {self.mime!r}"
        # The query of a presigned URL is a credential.
        return f"{name}, url={shown_url(self.url)!r})" if self.url is not None else f"{name}, size={self.size})"


@runtime_checkable
class HasMedia(Protocol):
    """What has media: a `JobState`, a `StreamChunk`, a `MapResult`, the output of a public endpoint."""

    @property
    def media(self) -> list[Media]:
        """The media."""
        ...


def shown_url(url: str) -> str:
    """A URL for messages: without its query, which can be a credential, and without a password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "a URL that cannot be parsed"
    return str(readable(f"{parts.scheme}://{host}{port}{parts.path}", 120))
