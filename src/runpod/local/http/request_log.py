"""What arrived at the server, kept so that tests can look at it."""

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
_MAX_BODIES = 32 * 1024 * 1024  # bytes of all of them


@dataclass(frozen=True)
class RequestRecord:
    """One request as it arrived, whatever the answer was.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, still percent-encoded.
        query: The query parameters; of one given twice the first.
        headers: The headers, names in lower case. The value of `authorization` is not kept.
        body: The body, up to 64 KB of it.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<RequestRecord {self.method} {self.path}>"


class Recorder:
    """Keeps the last 10,000 requests, or fewer where their bodies are large."""

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
        """Keep one request."""
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
        """Give the requests so far, oldest first."""
        with self._lock:
            return list(self._records)
