"""Server-sent events from the pieces of a body."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

import httpx

from runpod.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from httpx_sse import ServerSentEvent

# An event ends with an empty line. A line ends with CR, LF or both.
_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")

# A line that is not a comment: a server sends those to keep the connection open.
_CONTENT = re.compile(rb"(?:^|[\r\n])[^:\r\n]")

# The largest event, in bytes: a server that never ends one must not fill the memory.
MAX_EVENT = 100 * 1024 * 1024


class EventTooLargeError(Exception):
    """An event is larger than `MAX_EVENT`."""


class EventParser:
    """Finds the events in the pieces of a body. An event that is not complete is never one.

    Raises:
        ConfigurationError: httpx-sse is not installed.
    """

    def __init__(self) -> None:
        check_installed()
        self._buffer = bytearray()

    @property
    def is_within_event(self) -> bool:
        """Whether the pieces so far end within an event."""
        return _CONTENT.search(self._buffer) is not None

    def feed(self, piece: bytes) -> Iterable[ServerSentEvent]:
        """Returns the events that end in a piece.

        Raises:
            EventTooLargeError: An event is larger than `MAX_EVENT`.
        """
        # An end can begin in the last three bytes of the piece before.
        start = max(0, len(self._buffer) - 3)
        self._buffer += piece
        end = 0
        for match in _END.finditer(self._buffer, start):
            end = match.end()
        if not end:
            if len(self._buffer) > MAX_EVENT:
                raise EventTooLargeError
            return []
        complete = bytes(memoryview(self._buffer)[:end])
        del self._buffer[:end]
        return _events(complete)


def check_installed() -> None:
    """Checks that httpx-sse is installed.

    Raises:
        ConfigurationError: It is not.
    """
    if find_spec("httpx_sse") is None:
        msg = 'Logs need httpx-sse: pip install "runpod-sdk[logs]".'
        raise ConfigurationError(msg)


def _events(content: bytes) -> list[ServerSentEvent]:
    from httpx_sse import EventSource

    # The parser reads responses. A connection cannot be left in the middle of its generators without a warning of trio,
    # so each gets complete events, and is read to its end.
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream; charset=utf-8"}, content=content)
    return [event for event in EventSource(response).iter_sse() if event.data or event.id]
