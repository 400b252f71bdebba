"""Where the media of an output are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod.cli.json_texts import with_texts

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

    def replaced(self, value: Any, texts: Mapping[int, str]) -> Any:
        """A value with other texts in place of the media with some numbers."""

        def replaced(text: str, _: object) -> str:
            number = self.number(text)
            return text if number is None else texts.get(number, text)

        return with_texts(value, replaced)


def _text_of(media: Media) -> str | bytes | None:
    if media.url is not None:
        return media.url
    content = media._content  # noqa: SLF001 - the text that it was found as  # pyright: ignore[reportPrivateUsage]
    return _payload(content) if isinstance(content, str) else content


def _payload(text: str) -> str:
    """A URL, or what is the same in a data URL and in base64 alone."""
    text = text.strip()
    return text[text.find(",") + 1 :] if text[:5].lower() == "data:" else text
