"""Where the media of an output are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod import Media


class MediaTexts:
    """The media of an output, by the texts that they are in it: URLs, data URLs and base64.

    Attributes:
        media: The media, in the order of the output.
    """

    def __init__(self, output: Any) -> None:
        from runpod.media import find  # not for every command

        self.media: list[Media] = find(output)
        self._numbers = {_text_of(each): number for number, each in enumerate(self.media)}

    def number(self, text: str) -> int | None:
        """Which of the media a text is. Several texts can be the same, such as a data URL and its base64."""
        return self._numbers.get(_payload(text)) if self._numbers else None

    def find(self, text: str) -> Media | None:
        """The media that a text is, or None."""
        number = self.number(text)
        return None if number is None else self.media[number]

    def replaced(self, value: Any, texts: Mapping[int, str]) -> Any:
        """A value with other texts in place of the media with some numbers."""
        if isinstance(value, str):
            number = self.number(value)
            return value if number is None else texts.get(number, value)
        if isinstance(value, dict):
            return {name: self.replaced(each, texts) for name, each in cast("dict[str, Any]", value).items()}
        if isinstance(value, list):
            return [self.replaced(each, texts) for each in value]  # pyright: ignore[reportUnknownVariableType]
        return value


def _text_of(media: Media) -> str | bytes | None:
    if media.url is not None:
        return media.url
    content = media._content  # noqa: SLF001 - the text that it was found as  # pyright: ignore[reportPrivateUsage]
    return _payload(content) if isinstance(content, str) else content


def _payload(text: str) -> str:
    """A URL, or what is the same in a data URL and in base64 alone."""
    text = text.strip()
    return text[text.find(",") + 1 :] if text[:5].lower() == "data:" else text
