"""The logs of a worker as a response of server-sent events."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from email.utils import formatdate
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.types import Receive, Scope, Send

    from runpod.local.http.long_poll import Hold
    from runpod.local.jobs.worker_logs import LogBook, LogEntry

__all__ = ["LogStream", "invalid_parameters"]

# Seconds without a line after which a comment keeps the connection open.
_PING = 15.0

_MAX_TAIL = 5000
_DEFAULT_TAIL = 100
_SOURCES = ("container", "system")
# The time and the number of a line.
_EVENT_ID = re.compile(r"(.+?)(?:/([0-9]{1,18}))?", re.ASCII)


def invalid_parameters(query: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the query of a request for logs."""
    problems: list[str] = []
    if query.get("source", "container") not in _SOURCES:
        problems.append("query.source: must be one of container, system")
    tail = query.get("tail", "0")
    if not re.fullmatch(r"[0-9]{1,9}", tail, re.ASCII) or int(tail) > _MAX_TAIL:
        problems.append(f"query.tail: must be an integer from 0 to {_MAX_TAIL}")
    if "since" in query and _moment(query["since"]) is None:
        problems.append("query.since: must be a date-time")
    return problems


class LogStream(Response):
    """Sends the lines that were asked for, then each line when it is written.

    Args:
        book: The logs of the worker.
        query: The query of the request, which is valid.
        last_event_id: The header `Last-Event-ID`, if any.
        hold: Keeps the request open.
        is_closing: Returns whether the server stops.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        book: LogBook,
        query: Mapping[str, str],
        last_event_id: str,
        *,
        hold: Hold,
        is_closing: Callable[[], bool],
        headers: Mapping[str, str],
    ) -> None:
        fixed = {"date": formatdate(usegmt=True), "cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(headers={**headers, **fixed})
        del self.headers["content-length"]
        self._book = book
        self._source = query.get("source")
        self._hold = hold
        self._is_closing = is_closing
        self._position = self._start(query, last_event_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # `hold` receives.
        """Send the events until the worker has ended, or the client has disconnected."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # At once, so that the client gets the header.
        await _send(send, b": open\n\n")
        while True:
            is_last = self._book.closed or self._is_closing()
            entries = self._book.after(self._position)
            if entries:
                self._position = entries[-1].number
                await _send(send, b"".join(self._events(entries)))
            if is_last:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await self._hold(self._book.changed, self._has_news, _PING)
            if not self._has_news():
                await _send(send, b": ping\n\n")

    def _has_news(self) -> bool:
        return self._book.last > self._position or self._book.closed

    def _start(self, query: Mapping[str, str], last_event_id: str) -> int:
        """Return the number of the line before the first one."""
        entries = [entry for entry in self._book.after(0) if self._is_wanted(entry)]
        last = self._book.last
        found = _EVENT_ID.fullmatch(last_event_id)
        if found and found[2]:
            return int(found[2])
        since = _moment(found[1]) if found else None
        since = since or _moment(query.get("since", ""))
        if since is not None:
            return next((entry.number - 1 for entry in entries if entry.moment >= since), last)
        tail = int(query.get("tail", _DEFAULT_TAIL))
        return entries[-tail].number - 1 if 0 < tail <= len(entries) else 0 if tail else last

    def _is_wanted(self, entry: LogEntry) -> bool:
        return self._source in {None, entry.source}

    def _events(self, entries: Iterable[LogEntry]) -> Iterable[bytes]:
        for entry in entries:
            if self._is_wanted(entry):
                time = entry.moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
                data = json.dumps({"ts": time, "source": entry.source, "line": entry.line})
                yield f"id: {time}/{entry.number:012}\ndata: {data}\n\n".encode()


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _moment(text: str) -> datetime | None:
    # Python before 3.11 reads neither Z nor all lengths of fractions.
    text = re.sub(r"\.(\d+)", lambda match: f".{match[1]:0<6.6}", text.strip().upper().replace("Z", "+00:00"))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
