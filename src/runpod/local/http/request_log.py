"""Records requests for inspection by tests."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Recorder", "RequestRecord"]

_MAX_RECORDS = 10_000
_MAX_BODY = 64 * 1024  # bytes
_MAX_BODIES = 32 * 1024 * 1024  # bytes in total


@dataclass(frozen=True)
class RequestRecord:
    """One received request, whatever its response.

    Attributes:
        method: The HTTP method.
        path: The path as sent, percent-encoded.
        query: The query parameters; the first value of each.
        headers: The headers, with names in lower case. The value of `authorization` is replaced by
            `[not recorded]`.
        body: The first 64 KB of the body.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<RequestRecord {self.method} {self.path}>"


class Recorder:
    """Keeps the latest 10,000 requests, or fewer if their bodies are large."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[RequestRecord] = deque()
        self._size = 0

    def add(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Iterable[tuple[str, str]],
        body: bytes,
    ) -> None:
        """Record a request."""
        kept: dict[str, str] = {}
        for name, value in headers:
            shown = "[not recorded]" if name == "authorization" else value
            kept[name] = f"{kept[name]}, {shown}" if name in kept else shown
        record = RequestRecord(method, path, MappingProxyType(dict(query)), MappingProxyType(kept), body[:_MAX_BODY])
        with self._lock:
            self._records.append(record)
            self._size += len(record.body)
            while len(self._records) > _MAX_RECORDS or self._size > _MAX_BODIES:
                self._size -= len(self._records.popleft().body)

    def snapshot(self) -> list[RequestRecord]:
        """Return the recorded requests, oldest first."""
        with self._lock:
            return list(self._records)
