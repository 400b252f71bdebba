"""The line that shows the progress of many jobs at a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from runpod.cli.json_output import at_terminal

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from rich.console import Console, ConsoleRenderable
    from rich.live import Live
    from typing_extensions import Self

    from runpod._bulk.results import BulkResult
    from runpod.models.results import MapResult

_INTERVAL = 0.1
# The rate is that of the last seconds.
_RATE_SECONDS = 20.0
_BAR_WIDTH = 24


class ProgressLine:
    """A line on standard error that changes in place. Prints nothing if that is no terminal.

    Args:
        text: What is done.
        enabled: Whether to show it at a terminal.
    """

    def __init__(self, text: str, *, enabled: bool = True) -> None:
        self.shown: bool = enabled and at_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        self._text = text
        self._total: int | None = None
        self._counts: tuple[int, int] | None = None
        self._start = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque()
        self._lock = threading.RLock()
        self._hidden = 0
        self._console: Console | None = None
        self._live: Live | None = None
        self._ended = threading.Event()

    def begin(self, text: str, total: int | None) -> None:
        """Begins to count jobs.

        Args:
            text: What is done.
            total: The number of jobs, if it is known.
        """
        with self._lock:
            self._text, self._total, self._counts = text, total, (0, 0)
            self._start = time.monotonic()
            self._samples.clear()

    def update(self, result: MapResult[Any] | BulkResult) -> None:
        """Counts a result."""
        done, failed = self._counts or (0, 0)
        self._counts = done + 1, failed + (not result.succeeded)

    def __enter__(self) -> Self:
        if self.shown:
            from rich.console import Console

            self._console = Console(stderr=True)
            threading.Thread(target=self._refresh, daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Removes the line for good. Can be called by every thread, and again."""
        self._ended.set()
        self._erase()

    @contextmanager
    def hidden(self) -> Generator[None, None, None]:
        """Hides the line while something else is printed."""
        with self._lock:
            self._hidden += 1
        self._erase()
        try:
            yield
        finally:
            with self._lock:
                self._hidden -= 1

    def _erase(self) -> None:
        with self._lock:
            live, self._live = self._live, None
            if live is not None:
                with suppress(OSError, ValueError):  # the terminal was closed
                    live.stop()

    def _refresh(self) -> None:
        from rich.live import Live

        while not self._ended.wait(_INTERVAL):
            with self._lock, suppress(OSError, ValueError):
                if self._hidden or self._ended.is_set():
                    continue
                if self._live is None:
                    self._live = Live(
                        self,  # pyright: ignore[reportArgumentType]
                        console=self._console,
                        auto_refresh=False,
                        transient=True,
                        redirect_stdout=False,
                        redirect_stderr=False,
                    )
                    self._live.start()
                self._live.refresh()

    def __rich__(self) -> ConsoleRenderable:
        """The line; rich calls this for every frame."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        elapsed = _clock(now - self._start)
        if self._counts is None:
            return Text(f"{self._text}  {elapsed}", no_wrap=True, overflow="ellipsis")
        done, failed = self._counts
        words = [self._text, f"{done:,}" if self._total is None else f"{done:,}/{self._total:,}"]
        if failed:
            words.append(f"{failed:,} failed")
        words += [f"{self._rate(now, done):.1f}/s", elapsed]
        text = Text("  ".join(words), no_wrap=True, overflow="ellipsis")
        if not self._total:
            return text
        line = Table.grid(padding=(0, 2))
        line.add_row(text, ProgressBar(self._total, min(done, self._total), width=_BAR_WIDTH))
        return line

    def _rate(self, now: float, done: int) -> float:
        samples = self._samples
        samples.append((now, done))
        while len(samples) > 2 and now - samples[0][0] > _RATE_SECONDS:
            samples.popleft()
        start, before = samples[0] if len(samples) > 1 else (self._start, 0)
        return (done - before) / (now - start) if now > start else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
