"""A stream of logs: how it is requested, which of its lines are new, and where it goes on after a drop."""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from runpod._base_errors import InvalidRequestError
from runpod._protocol.management import ManagementCall, management_operation
from runpod._protocol.operations import encoded
from runpod.models.management.logs import LogLine

if TYPE_CHECKING:
    from collections.abc import Mapping

LogSource: TypeAlias = Literal["container", "system"]

LOGS = management_operation("logs", "GET")

MAX_TAIL = 5000
DEFAULT_TAIL = 100

# The longest ID of an event that is sent back, in characters. Servers refuse long headers.
_MAX_ID = 1000

# How many of the latest lines are compared with those after a drop, since a server can send some again.
_REMEMBERED = 10_000


@dataclass(frozen=True)
class LogQuery:
    """Which lines are wanted.

    Attributes:
        source: "container" or "system"; None for both.
        tail: How many of the latest lines of each stream come first; None with `since`.
        since: The time of the first line.
        follow: Whether lines that are written later are wanted, too.
    """

    source: str | None = None
    tail: int | None = DEFAULT_TAIL
    since: datetime | None = None
    follow: bool = False


def log_query(*, source: object, tail: object, since: object, follow: bool, now: datetime) -> LogQuery:
    """The query for the arguments of a call.

    Raises:
        InvalidRequestError: An argument is invalid.
    """
    if source is not None and source not in get_args(LogSource):
        msg = f"source must be 'container' or 'system', or None for both, not {str(source)!r:.40}."
        raise InvalidRequestError(msg)
    if since is None:
        wanted = DEFAULT_TAIL if tail is None else tail
        if not isinstance(wanted, int) or isinstance(wanted, bool) or not 0 <= wanted <= MAX_TAIL:
            msg = f"tail must be a number of lines from 0 to {MAX_TAIL}, not {tail!r:.40}."
            raise InvalidRequestError(msg)
        return LogQuery(cast("str | None", source), wanted, None, bool(follow))
    if tail is not None:
        msg = "Pass tail or since, not both: the service ignores tail if there is a since."
        raise InvalidRequestError(msg)
    return LogQuery(cast("str | None", source), None, _moment(since, now), bool(follow))


def _moment(since: object, now: datetime) -> datetime:
    if isinstance(since, timedelta) and since > timedelta(0):
        try:
            return now - since
        except OverflowError:
            return datetime.min.replace(tzinfo=timezone.utc)
    if isinstance(since, datetime):
        # A time without a zone is local, as everywhere in Python.
        return since.astimezone(timezone.utc)
    given = f"{since!r:.60}" if isinstance(since, timedelta) else type(since).__name__
    msg = f"since must be a datetime, or a positive timedelta such as timedelta(minutes=30), not {given}."
    raise InvalidRequestError(msg)


def logs_path(*steps: str) -> str:
    """The path of the logs of a worker or a pod. IDs are encoded."""
    return "/".join(("/v2", *(encoded(step) for step in steps), "logs"))


class LogFeed:
    """One stream of logs.

    Args:
        path: The path of the logs, whose IDs are encoded.
        query: Which lines are wanted.
        worker_id: The worker whose logs they are, if any.
        endpoint_id: Its endpoint, for errors.

    Attributes:
        received: The number of lines so far.
    """

    def __init__(self, path: str, query: LogQuery, *, worker_id: str | None = None, endpoint_id: str = "") -> None:
        self._path = path
        self._query = query
        self._worker_id = worker_id
        self._endpoint_id = endpoint_id
        self.received = 0
        # How often it was opened.
        self._opened = 0
        # Of the last event: its ID, and its time as the server wrote it.
        self._last_id = ""
        self._last_time = ""
        # Hashes of the latest lines, and how often each of those from before the last drop may come again.
        self._latest: deque[int] = deque(maxlen=_REMEMBERED)
        self._known: Counter[int] = Counter()
        # The time by the clock of the server when it was first opened.
        self._opened_at: datetime | None = None

    @property
    def call(self) -> ManagementCall:
        """The call that opens the stream, or opens it again where it ended."""
        query: list[tuple[str, str]] = []
        if self._query.source is not None:
            query.append(("source", self._query.source))
        if self._last_time:
            # Also where there is an ID, which takes precedence: not every proxy passes all headers on.
            query.append(("since", self._last_time))
        elif self._query.since is not None:
            query.append(("since", self._query.since.isoformat().replace("+00:00", "Z")))
        elif self._query.tail is not None:
            # After lines without ID and time, only new ones can be asked for.
            query.append(("tail", str(0 if self.received else self._query.tail)))
        return ManagementCall(LOGS, endpoint_id=self._endpoint_id, path=self._path, query=tuple(query))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of that call."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        # What cannot be a header is not sent back.
        if 0 < len(self._last_id) <= _MAX_ID and self._last_id.isascii() and self._last_id.isprintable():
            headers["Last-Event-ID"] = self._last_id
        return headers

    @property
    def was_opened(self) -> bool:
        """Whether the server has sent a stream before."""
        return self._opened > 0

    @property
    def is_complete(self) -> bool:
        """Whether no more lines are wanted."""
        query = self._query
        return not query.follow and query.tail is not None and self.received >= query.tail

    def opened(self, headers: Mapping[str, str]) -> None:
        """Takes the headers of a response: a stream begins."""
        self._opened += 1
        self._known = Counter(self._latest)
        if self._opened == 1:
            self._opened_at = _date(headers.get("date", ""))

    def line(self, event_id: str, data: str) -> LogLine | None:
        """Takes an event. Returns its line; None if it has none, or if it came before."""
        self._last_id = event_id or self._last_id
        fields = _fields(data)
        if fields is None:
            return None
        if self._worker_id is not None:
            fields = {"workerId": self._worker_id, **fields}
        line = LogLine.model_validate(fields)
        time = fields.get("ts")
        if isinstance(time, str) and line.timestamp is not None:
            self._last_time = time
        if self._last_id or time:
            key = hash((self._last_id, str(time), str(fields.get("source")), fields["line"]))
            if self._known[key] > 0:
                self._known[key] -= 1
                return None
            self._latest.append(key)
        self.received += 1
        return line

    def is_live(self, line: LogLine) -> bool:
        """Whether a line was written after the stream was opened, and is wanted only by those who follow it."""
        if self._query.follow or line.timestamp is None or self._opened_at is None:
            return False
        return line.timestamp > self._opened_at


def _date(text: str) -> datetime | None:
    """The end of the second that the `Date` of a response names; None without one."""
    try:
        date = parsedate_to_datetime(text) + timedelta(seconds=1)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def _fields(data: str) -> dict[str, Any] | None:
    """The fields of a line; None for an event that is none, such as one that keeps the connection open."""
    if not data:
        return None
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        return {"line": data}
    if not isinstance(value, dict):
        return {"line": data}
    fields = cast("dict[str, Any]", value)
    line = fields.get("line")
    if line is None:
        return None
    return {**fields, "line": line if isinstance(line, str) else json.dumps(line)}
