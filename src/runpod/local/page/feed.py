"""The state of the server as server-sent events: a snapshot, then what changed.

A connection keeps only the version up to which it has sent the changes of each queue. A browser that reads slowly is sent
the current state of what it has missed, however often that has changed meanwhile, and holds up nothing.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from runpod._version import __version__
from runpod.local.clock import Clock
from runpod.local.http import long_poll
from runpod.local.page.rows import endpoint_fields, history_of, row_fields
from runpod.local.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from runpod.local.http.call import Endpoint

__all__ = ["Feed"]

_MAX_JOBS = 5000  # of a snapshot
_MAX_CHANGES = 2000  # of each endpoint in an update

# Seconds.
_PAUSE = 0.2  # at least, between two updates
_CHECK = 0.5  # between two looks at the workers, whose states change in many places
_PING = 15.0


class Feed(Response):
    """Sends the state of the server until the client disconnects or the server stops.

    Args:
        endpoints: The endpoints by ID.
        clock: The server's clock.
        changed: Fires when a job changed, or the clock was advanced.
        closing: Fires when the server stops.
        is_closing: Returns whether the server stops.
        on_end: Called when the response has ended, in any way.
        base_url: The base URL of jobs.
        headers: Headers of the response.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        clock: Clock,
        changed: Signal,
        closing: Signal,
        is_closing: Callable[[], bool],
        on_end: Callable[[], None],
        base_url: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers={**headers, "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._endpoints = endpoints
        self._clock = clock
        self._changed = changed
        self._closing = closing
        self._is_closing = is_closing
        self._on_end = on_end
        self._base_url = base_url
        # Updates are paced in real time, whatever the server's clock says.
        self._real_time = Clock()
        self._versions = dict[str, int]()
        self._shown = dict[str, dict[str, Any]]()
        self._ahead = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # `_hold` receives.
        """Send the events."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send_events(receive, send)
            await send({"type": "http.response.body", "body": b"event: bye\ndata: {}\n\n", "more_body": False})
        finally:
            self._on_end()

    async def _send_events(self, receive: Receive, send: Send) -> None:
        await _send(send, await self._snapshot())
        sent_at = self._real_time()
        while not self._is_closing():
            await self._hold(receive, self._changed, self._has_news, _CHECK)
            event = await self._update()
            if event is None and self._real_time() - sent_at > _PING:
                event = ": ping\n\n"
            if event is not None:
                await _send(send, event)
                sent_at = self._real_time()
                await self._hold(receive, Signal(), lambda: False, _PAUSE)

    async def _hold(self, receive: Receive, changed: Signal, ready: Callable[[], bool], seconds: float) -> None:
        await long_poll.hold(
            lambda: self._is_closing() or ready(),
            seconds=seconds,
            clock=self._real_time,
            changed=changed,
            closing=self._closing,
            receive=receive,
        )

    def _has_news(self) -> bool:
        return self._clock.ahead != self._ahead or any(
            history_of(endpoint).version != self._versions[endpoint_id]
            for endpoint_id, endpoint in self._endpoints.items()
        )

    async def _snapshot(self) -> str:
        """Return the event of the whole state."""
        self._ahead = self._clock.ahead
        self._shown = self._states()
        # In a thread, since thousands of jobs take tens of milliseconds.
        jobs = await asyncio.to_thread(self._newest)
        fields = {"version": __version__, "base_url": self._base_url, "endpoints": list(self._shown.values())}
        return self._event("snapshot", {**fields, "jobs": jobs})

    def _newest(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = []
        for endpoint_id, endpoint in self._endpoints.items():
            with endpoint.queue.reading() as (queued, _):
                found = history_of(endpoint).newest(queued, _MAX_JOBS)
            self._versions[endpoint_id] = found.version
            jobs += (row_fields(endpoint_id, row, self._clock) for row in found.jobs)
        return _oldest_first(jobs)[-_MAX_JOBS:]

    async def _update(self) -> str | None:
        """Return the event of what changed, or None if nothing did."""
        ahead, states, advanced = self._clock.ahead, self._states(), self._clock.ahead != self._ahead
        changed = [state for endpoint_id, state in states.items() if state != self._shown[endpoint_id]]
        if not self._has_news() and not changed:
            return None
        found = await asyncio.to_thread(self._changes)
        if found is None:  # Too much has happened since the browser read the last event.
            return await self._snapshot()
        self._shown, self._ahead = states, ahead
        jobs, removed = found
        if not (changed or jobs or removed or advanced):
            return None
        return self._event("update", {"endpoints": changed, "jobs": jobs, "removed": removed})

    def _changes(self) -> tuple[list[dict[str, Any]], list[tuple[str, str]]] | None:
        jobs: list[dict[str, Any]] = []
        removed: list[tuple[str, str]] = []
        for endpoint_id, endpoint in self._endpoints.items():
            with endpoint.queue.reading():
                found = history_of(endpoint).since(self._versions[endpoint_id], _MAX_CHANGES)
            if found is None:
                return None
            self._versions[endpoint_id] = found.version
            jobs += (row_fields(endpoint_id, row, self._clock) for row in found.jobs)
            removed += ((endpoint_id, job_id) for job_id in found.removed)
        return _oldest_first(jobs), removed

    def _states(self) -> dict[str, dict[str, Any]]:
        return {endpoint_id: endpoint_fields(endpoint_id, each) for endpoint_id, each in self._endpoints.items()}

    def _event(self, name: str, fields: Mapping[str, Any]) -> str:
        # In ASCII: what is escaped can neither end an event nor be a lone surrogate.
        data = json.dumps({"now": self._clock.since_epoch(), **fields}, separators=(",", ":"))
        return f"event: {name}\ndata: {data}\n\n"


def _oldest_first(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(jobs, key=lambda job: job["submitted_at"])


async def _send(send: Send, event: str) -> None:
    await send({"type": "http.response.body", "body": event.encode("ascii"), "more_body": True})
