"""What public endpoints return."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import ConfigDict, RootModel
from typing_extensions import override

from runpod._text import Shortened
from runpod.models._costs import cost_of
from runpod.models._shown import Shown

if TYPE_CHECKING:
    from runpod.media import Media
    from runpod.media.display import Summary


class PublicOutput(Shown, RootModel[Any]):
    """The output of a public endpoint, in whatever shape its model returns. Frozen.

    The service deletes the files behind the URLs. Its documentation says both after 7 days and
    after 24 hours, so download them at once.

    Example:
        >>> output = client.public.run_sync(FluxSchnell(prompt="a horse")).result()
        >>> output.media[0].url, output.cost
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, hide_input_in_errors=True)

    @property
    def raw(self) -> Any:
        """The output as it was received: mostly a dict, such as `{"image_url": …, "cost": …}`."""
        return self.root

    @property
    def media(self) -> list[Media]:
        """The pictures, videos and sounds in it; see `runpod.media.find`."""
        from runpod.media import find  # on first use: texts have none

        return find(self.root)

    @property
    def cost(self) -> float | None:
        """What the job cost, in USD; None if the model does not say. Failed jobs are free."""
        return cost_of(self.root)

    @property
    def text(self) -> str | None:
        """The answer of a language model, or a transcript; None if there is none."""
        return _text_in(self.root)

    @override
    def _summary(self) -> Summary:
        from runpod.media.display import Summary

        facts = [] if self.cost is None else [f"cost ${self.cost:.4g}"]
        return Summary(facts, None, None, "Output", self.root, "client.save(output, folder)")

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield None, Shortened(self.root)


# Where models of different versions put the text, innermost first.
_TEXT_KEYS = ("content", "text", "tokens", "message", "delta", "choices", "transcription", "result", "output")

# What is under these can be the URL or the data of a file instead.
_ANYTHING = frozenset({"result", "output"})


def _text_in(value: object, depth: int = 0, *, certain: bool = False) -> str | None:
    if depth > 8:  # the known shapes have six levels
        return None
    if isinstance(value, str):
        return value if certain else _plain_text(value, depth)
    if isinstance(value, list):
        # A list of strings is a text in pieces; a list of choices has mostly one.
        found = [_text_in(each, depth + 1, certain=certain) for each in cast("list[object]", value)]
        pieces = [text for text in found if text is not None]
        return "".join(pieces) if pieces else None
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        for key in _TEXT_KEYS:
            # `message` is an object in choices; in an output, it is about the job.
            if isinstance(each := fields.get(key), str) and key == "message":
                continue
            text = None if each is None else _text_in(each, depth + 1, certain=certain or key not in _ANYTHING)
            if text is not None:
                return text
    return None


def _plain_text(text: str, depth: int) -> str | None:
    if text.startswith("data: "):  # server-sent events, with which vLLM workers stream
        return _text_in([event for line in text.splitlines() if (event := _event(line)) is not None], depth)
    from runpod.media import find

    is_link = text.startswith(("https://", "http://", "data:")) and not any(map(str.isspace, text))
    return None if is_link or find(text) else text


def _event(line: str) -> object:
    try:
        return json.loads(line.removeprefix("data: ")) if line.startswith("data: {") else None
    except (ValueError, RecursionError):
        return None
