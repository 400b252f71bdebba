"""What can become of a request: an answer, or one of three kinds of trouble."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class Answer:
    """What the server sent. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    # The key the request went with. Some servers quote what they got, and what is shown of an
    # answer ends in errors and logs.
    secret: str = field(default="", repr=False)
    # Why the body cannot be used, or nothing.
    problem: str = ""

    @property
    def text(self) -> str:
        """The body as it may be shown."""
        return self._shown(self.body.decode("utf-8", "replace"))

    @property
    def shown_headers(self) -> dict[str, str]:
        """The headers as they may be shown."""
        return {name: self._shown(value) for name, value in self.headers.items()}

    def _shown(self, text: str) -> str:
        return text.replace(self.secret, "[key]") if self.secret else text

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def redirect(self) -> bool:
        return self.status in _REDIRECTS


class Trouble(Exception):  # noqa: N818 - an outcome; errors are for callers
    """No answer. `reason` says why, in words that hold neither key nor input."""

    def __init__(self, reason: str, *, partial: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        # The part of the body that did arrive: an id in it must not be lost.
        self.partial = partial


class NotSent(Trouble):
    """The request provably never reached the server. `final` says that it will not the next time either."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class NoAnswer(Trouble):
    """The request may have reached the server; what it did with it is unknown."""


class TooLate(Trouble):
    """The deadline passed. `sent` says whether the request may have reached the server."""

    def __init__(self, reason: str, *, sent: bool, partial: bytes = b"") -> None:
        super().__init__(reason, partial=partial)
        self.sent = sent
