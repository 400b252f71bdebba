"""The status line at a terminal: what the job is doing, and for how long."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runpod._text import readable
from runpod.cli.json_output import at_terminal

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from rich.console import ConsoleRenderable
    from rich.status import Status
    from typing_extensions import Self

    from runpod import JobState

_MAX_PROGRESS = 200


class StatusLine:
    """A line on standard error that changes in place. Prints nothing if that is no terminal.

    It is shown while it is entered, which it can be again.

    Args:
        enabled: Whether to show it at a terminal.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._start = time.monotonic()
        self._text = "Submitting"
        self._status: Status | None = None
        self.shown: bool = enabled and at_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"

    def update(self, state: JobState[Any]) -> None:
        """Shows the state of the job."""
        self._text = readable(state.status, 40)
        if state.progress is not None:
            progress = state.progress
            text = progress if isinstance(progress, str) else json.dumps(progress, ensure_ascii=False)
            self._text += f"  {readable(text, _MAX_PROGRESS)}"

    def show(self, text: str) -> None:
        """Shows what is done besides waiting."""
        self._text = text

    def __enter__(self) -> Self:
        if self.shown and self._status is None:
            from rich.console import Console
            from rich.status import Status

            self._status = Status(self, console=Console(stderr=True), spinner="line")  # pyright: ignore[reportArgumentType]
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    @contextmanager
    def hidden(self) -> Generator[None, None, None]:
        """Hides the line while something else is printed."""
        if self._status is None:
            yield
            return
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()

    def __rich__(self) -> ConsoleRenderable:
        """The line; rich calls this for every frame."""
        from rich.text import Text

        seconds = time.monotonic() - self._start
        status, _, progress = self._text.partition("  ")
        # A Text is not interpreted as markup.
        return Text(f"{status}  {seconds:.0f} s  {progress}".rstrip(), no_wrap=True, overflow="ellipsis")
