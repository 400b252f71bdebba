"""The state machine of `stream`: polls for chunks until the job has ended and no chunks are left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpod import _observer
from runpod._protocol.decoding import parse_job, parse_stream
from runpod._protocol.operations import MIN_HOLD, STATUS, STREAM, Call
from runpod._protocol.outcomes import Response
from runpod._protocol.polling import Done, Fail, Poller
from runpod.errors import APIResponseError
from runpod.models.jobs import JobState, job_failure
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from runpod._protocol.outcomes import Outcome
    from runpod.models.jobs import StreamChunk

# The service holds an empty stream response for 10 s by default (source: Runpod's MCP server).
STREAM_HOLD = 10.0

# An empty response that arrived sooner, in seconds, was not held.
_HELD = 0.5


@dataclass
class Streamer(Poller):
    """Streams the chunks of a job.

    Each response of `/stream` removes its chunks from the server's buffer. The last chunks can arrive with the final
    status or after it, so the stream ends when the job has ended and a response is empty. The error of a failed job is
    only in `/status`.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        # The final status, from /stream.
        self._ended: JobStatus | None = None
        self._had_chunks = False
        # Poll /status next: for the error, or because /stream had no status.
        self._needs_status = False

    def _next_call(self, now: float) -> Call:
        if self._needs_status:
            return self._call(STATUS)
        if self._ended is not None:
            return self._call(STREAM, hold=MIN_HOLD)
        return self._call(STREAM, hold=max(MIN_HOLD, min(self._hold_end() - now, STREAM_HOLD)))

    def received(self, call: Call, outcome: Outcome, now: float) -> list[StreamChunk]:
        """Takes the outcome of a poll. Returns its chunks, each exactly once."""
        if isinstance(outcome, Response) and outcome.status == 404:
            self._missing(call, outcome, now)
            return []
        if not isinstance(outcome, Response) or not outcome.is_success:
            self._failed(call, outcome, now)
            return []
        try:
            if call.operation is STATUS:
                self._take_status(parse_job(outcome, call), now)
                return []
            status, chunks = parse_stream(outcome, call)
        except APIResponseError as error:
            self._failed(call, error, now)
            return []
        self._take_chunks(status, chunks, now)
        return chunks

    def _take_chunks(self, status: JobStatus | None, chunks: list[StreamChunk], now: float) -> None:
        self._failures = 0
        # A server that deletes a job once it was streamed reports FAILED after COMPLETED.
        if status is not None and status.terminal and self._ended != JobStatus.COMPLETED:
            self._ended = status
        if status is not None and self._ended is None:
            self._succeeded(JobState(id=self.job_id, status=status))
        if chunks:
            self._had_chunks = True
            self._reset_interval()
        elif self._ended is not None:
            self._finish(self._ended)
        elif status is None:
            self._needs_status = True
        elif now - self._polled_at < _HELD:
            self._back_off(now)

    def _last_status(self) -> str:
        if self._ended is not None:
            return self._ended
        # A stream that is a bare list of chunks has no status.
        return (
            "unknown, but chunks were received" if self.state is None and self._had_chunks else super()._last_status()
        )

    def _take_status(self, state: JobState[Any], now: float) -> None:
        self._needs_status = False
        self._succeeded(state)
        if not state.completed:
            # Also after a final status from /stream: the job was retried meanwhile.
            self._ended = None
            self._back_off(now)
        elif self._ended is None:
            # It ended between two polls, and there may be more chunks.
            self._ended = state.status
        else:
            self._end_with(state)

    def _finish(self, status: JobStatus) -> None:
        known = self.state if self.state is not None and self.state.completed else None
        if status == JobStatus.COMPLETED:
            self._end_with(known if known is not None and known.succeeded else JobState(id=self.job_id, status=status))
        elif known is not None:
            self._end_with(known)
        else:
            self._needs_status = True

    def _end_with(self, state: JobState[Any]) -> None:
        # If no /status was polled, nothing else tells of the end.
        _observer.received(self._call(STREAM), state)
        error = job_failure(state, self.endpoint_id)
        self._result = Done() if error is None else Fail(error)

    def _missing(self, call: Call, response: Response, now: float) -> None:
        if self._ended is not None:
            # The job expired right after its end: all chunks were received.
            known = self.state if self.state is not None and self.state.completed else None
            self._end_with(known or JobState(id=self.job_id, status=self._ended))
        elif call.operation is STREAM:
            # Poll /status to find out whether the job or only its stream is missing.
            self._needs_status = True
        else:
            self._needs_status = False
            self._not_found(call, response, now)
