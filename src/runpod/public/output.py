"""What public endpoints return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, RootModel
from typing_extensions import override

from runpod._base_errors import NoTextError
from runpod._text import Shortened
from runpod.models._costs import cost_of
from runpod.models._shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        from runpod._protocol.generated_text import text  # on first use, too

        try:
            # In a list, since a bare str can be the URL of a file.
            return text([self.root])
        except NoTextError:
            return None

    @override
    def _summary(self) -> Summary:
        from runpod.media.display import Summary

        facts = [] if self.cost is None else [f"cost ${self.cost:.4g}"]
        return Summary(facts, None, None, "Output", self.root, "client.save(output, folder)")

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield None, Shortened(self.root)
