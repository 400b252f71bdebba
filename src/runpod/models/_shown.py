"""How jobs, chunks, results and outputs are shown to people."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpod.media.display import Summary


class Shown(ABC):
    """Shows itself as text and in notebooks."""

    def pretty(self, *, limit: int | None = None) -> str:
        """Returns it as text for people: of a job, its status and times, its error, and its output in full.

        The output is indented JSON, in which pictures and other media are replaced by a placeholder such as
        `<image/png, 812 kB, horse.png>`, and text with line breaks is shown in lines. Control characters are escaped.

        Args:
            limit: How many characters of it, at most; None for all.

        Example:
            >>> print(state.pretty())
        """
        from runpod.media.display import pretty  # it is needed by few programs

        return pretty(self._summary(), limit)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002 - IPython selects itself
        """Shows it in a notebook: its status, its error, the media in its output, and its output as text."""
        from runpod.media.display import bundle

        return bundle(self._summary())

    @abstractmethod
    def _summary(self) -> Summary:
        """What is shown."""
