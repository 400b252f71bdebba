"""The logs of the workers of an endpoint: the latest lines of each, and a signal for those who follow them."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

from runpod.local.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LogBook", "LogEntry", "LogSource", "WorkerLogs"]

LogSource: TypeAlias = Literal["container", "system"]

_MAX_LINES = 5000  # of a worker
_MAX_LENGTH = 100_000  # characters of a line


@dataclass(frozen=True)
class LogEntry:
    """One line.

    Attributes:
        number: The number of the line, from 1.
        moment: When it was written.
        source: Where it comes from: "container" for what the worker printed, "system" for what happened to it.
        line: The text.
    """

    number: int
    moment: datetime
    source: LogSource
    line: str


class LogBook:
    """The logs of one worker. Thread-safe."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.changed: Signal = Signal()
        """Fires when a line was added, and when the worker has ended."""
        self.closed: bool = False
        """Whether the worker has ended."""
        self.started_at: datetime = now()
        """When the worker was started."""
        self.last: int = 0
        """The number of the last line."""
        self._now = now
        self._lock = threading.Lock()
        self._entries: deque[LogEntry] = deque(maxlen=_MAX_LINES)

    def __repr__(self) -> str:
        return f"<LogBook {self.last} lines{' closed' if self.closed else ''}>"

    def add(self, source: LogSource, text: str) -> None:
        """Add the lines of a text."""
        with self._lock:
            for line in text.splitlines() or [""]:
                self.last += 1
                self._entries.append(LogEntry(self.last, self._now(), source, line[:_MAX_LENGTH]))
        self.changed.fire()

    def close(self) -> None:
        """Note that the worker has ended."""
        self.closed = True
        self.changed.fire()

    def after(self, number: int) -> list[LogEntry]:
        """Return the lines after the one with this number, as far as they are kept."""
        with self._lock:
            missing = min(self.last - number, len(self._entries))
            return list(islice(self._entries, len(self._entries) - missing, None)) if missing > 0 else []


class WorkerLogs:
    """The logs of the workers of an endpoint that exist, or are to be started again. Thread-safe."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._now = now
        self._books: dict[str, LogBook] = {}

    def __repr__(self) -> str:
        return f"<WorkerLogs {sorted(self._books)}>"

    def open(self, worker_id: str, line: str) -> None:
        """Begin the logs of a worker that was started, with a first line."""
        book = self._books.setdefault(worker_id, LogBook(self._now))
        book.add("system", line)

    def get(self, worker_id: str) -> LogBook | None:
        """Return the logs of a worker; None if it does not exist."""
        return self._books.get(worker_id)

    def add(self, worker_id: str, source: LogSource, text: str) -> None:
        """Add lines to the logs of a worker, if it exists."""
        book = self._books.get(worker_id)
        if book is not None:
            book.add(source, text)

    def end(self, worker_id: str, line: str) -> None:
        """End the logs of a worker, with a last line. They can be read until `drop`."""
        book = self._books.get(worker_id)
        if book is not None:
            book.add("system", line)
            book.close()

    def drop(self, worker_id: str) -> None:
        """Remove the logs of a worker that has ended."""
        self._books.pop(worker_id, None)

    def close(self, worker_id: str, line: str) -> None:
        """End the logs of a worker, and remove them. Those who follow them get the last line."""
        self.end(worker_id, line)
        self.drop(worker_id)
