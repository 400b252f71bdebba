# Generated from src/runpod/_async/log_reader.py by scripts/generate_sync.py. Do not edit.

"""Reads one stream of logs, and opens it again after a drop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from runpod._sync.open_response import OpenResponse
from runpod._http.server_sent_events import EventParser, EventTooLargeError
from runpod._logging import logger
from runpod._protocol.decoding import response_error
from runpod._protocol.outcomes import DeadlineExceeded, Response, ResponseLost, TransportError
from runpod._protocol.polling import MAX_FAILURES
from runpod._protocol.retries import Attempts, backoff
from runpod._text import readable

if TYPE_CHECKING:
    from runpod._sync.session import Session
    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.log_feed import LogFeed
    from runpod._protocol.outcomes import Outcome
    from runpod.models.management.logs import LogLine

# Who does not follow the logs has all lines when nothing came for this many seconds, before the first line and after it:
# the service never ends a stream.
FIRST_QUIET = 5.0
QUIET = 2.0

# Who follows them opens the stream again when nothing came for this many seconds: the connection may be lost.
SILENCE = 300.0

_TOO_LATE = DeadlineExceeded("no line was received in time", sent=True)

# The least pause after a stream that ended without a line, in seconds.
_PAUSE = 0.5


class LogConsumer(Protocol):
    """Takes the lines of a reader."""

    closed: bool

    def put(self, line: LogLine) -> None:
        """Takes a line. Waits while there are too many."""

    def pause(self, seconds: float) -> None:
        """Waits, at the longest until it is closed."""

    def opened(self) -> None:
        """Called when the server has sent a stream."""


class LogReader:
    """Reads one stream.

    Args:
        session: The session of the client.
        feed: The stream.
        deadline: When the reading ends.
        consumer: Takes the lines.
        follow: Whether to go on after the lines that there are.
    """

    def __init__(
        self, session: Session, feed: LogFeed, deadline: Deadline, consumer: LogConsumer, *, follow: bool
    ) -> None:
        self._session = session
        self._feed = feed
        self._deadline = deadline
        self._consumer = consumer
        self._follow = follow
        self._open: OpenResponse | None = None
        policy = session.retry
        if follow:
            # As a wait for a job, it ends after so many consecutive failures.
            policy = policy.model_copy(update={"max_retries": max(MAX_FAILURES - 1, policy.max_retries)})
        self._policy = policy

    def run(self) -> None:
        """Reads until the end of the logs or the deadline.

        Raises:
            RunpodError: The logs cannot be read.
        """
        clock = self._session.clock
        attempts = self._new_attempts()
        empty = 0
        while not self._is_over():
            before = self._feed.received
            outcome = self._read()
            is_last = outcome is None and not self._follow
            if is_last or self._is_gone(outcome) or (self._is_over() and self._feed.was_opened):
                return
            if self._feed.received > before:
                attempts, empty = self._new_attempts(), 0
            if outcome is None:
                empty += 1
                pause = max(_PAUSE if empty > 1 else 0.0, backoff(self._policy, empty, attempts.jitter))
            else:
                pause = attempts.next_delay(outcome, clock.now())
                reason = f"HTTP {outcome.status}" if isinstance(outcome, Response) else readable(outcome.reason)
                logger.info("Opening the logs again in %.2f s: %s", pause, reason)
            self._consumer.pause(min(pause, self._deadline.remaining(clock.now())))

    def stop_following(self) -> None:
        """Lets it end with its stream: the worker is no longer listed."""
        self._follow = False

    def interrupt(self) -> None:
        """Ends its read, if it is in another thread."""
        if self._open is not None:
            self._open.interrupt()

    def _is_over(self) -> bool:
        return self._consumer.closed or self._feed.is_complete or self._deadline.passed(self._session.clock.now())

    def _is_gone(self, outcome: Outcome | None) -> bool:
        """Whether the worker has ended, and its logs with it."""
        return isinstance(outcome, Response) and outcome.status == 404 and self._feed.was_opened

    def _new_attempts(self) -> Attempts:
        return Attempts(self._feed.call, self._policy, self._deadline)

    def _read(self) -> Outcome | None:
        """Opens the stream, and reads it to its end. Returns why it ended too early, or None."""
        feed = self._feed
        opened = self._session.open(feed.call, feed.headers, self._deadline)
        if not isinstance(opened, OpenResponse):
            return opened
        try:
            kind = opened.headers.get("content-type", "")
            if not kind.lower().startswith("text/event-stream"):
                problem = f"its type is {readable(kind, 60)!r}, not a stream of events"
                raise response_error(Response(opened.status, opened.headers), feed.call, problem)
            feed.opened(opened.headers)
            self._consumer.opened()
            opened.set_read_timeout(SILENCE if self._follow else FIRST_QUIET)
            self._open = opened
            return self._read_events(opened)
        finally:
            self._open = None
            opened.close()

    def _read_events(self, opened: OpenResponse) -> TransportError | None:
        clock, parser = self._session.clock, EventParser()
        patience = SILENCE if self._follow else FIRST_QUIET
        quiet_since = clock.now()
        while not self._consumer.closed:
            now = clock.now()
            seconds = min(quiet_since + patience - now, self._deadline.remaining(now))
            # Comments keep the connection open, but are no lines.
            piece = opened.read(seconds) if seconds > 0 else _TOO_LATE
            if isinstance(piece, DeadlineExceeded):
                return None
            if isinstance(piece, TransportError):
                return piece
            if not piece:
                return ResponseLost("the stream ended within a line") if parser.is_within_event else None
            try:
                events = parser.feed(piece)
            except EventTooLargeError:
                return ResponseLost("a line is larger than 100 MiB")
            for event in events:
                line = self._feed.line(event.id, event.data)
                if line is None:
                    continue
                if self._feed.is_live(line):
                    return None
                self._consumer.put(line)
                patience = SILENCE if self._follow else QUIET
                quiet_since = clock.now()
                if self._feed.is_complete or self._consumer.closed:
                    return None
            if parser.is_within_event:
                # A long line takes its time.
                quiet_since = clock.now()
        return None
