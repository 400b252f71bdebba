"""The stream machine: fetches what a job yields, until it ended and nothing is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpod._protocol.decoding import read_job, read_stream
from runpod._protocol.looking import Done, Looker
from runpod._protocol.operations import MIN_HOLD, STATUS, STREAM, Call
from runpod._protocol.outcomes import Answer, Trouble
from runpod._protocol.retrying import Fail
from runpod.errors import APIResponseError
from runpod.models.jobs import JobState, JobStatus, job_failure

if TYPE_CHECKING:
    from runpod.models.jobs import StreamChunk

# The service holds an empty stream for 10 s unless told otherwise (Runpod's MCP server).
STREAM_HOLD = 10.0

# An empty answer that came sooner was not held.
_AT_ONCE = 0.5


@dataclass
class Streamer(Looker):
    """Streams the chunks of a job.

    Each answer of `/stream` takes its chunks out of the server's buffer, and the last ones can
    come with the final status or after it, so the stream is over when the job ended and an
    answer was empty. How a failed job failed, only `/status` says.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._ended: JobStatus | None = None
        self._had_chunks = False
        # Ask /status next: for the error, or because /stream left the status open.
        self._asking = False

    def _next_call(self, now: float) -> Call:
        if self._asking:
            return self._call(STATUS)
        if self._ended is not None:
            return self._call(STREAM, hold=MIN_HOLD)
        return self._call(STREAM, hold=max(MIN_HOLD, min(self._last_look() - now, STREAM_HOLD)))

    def received(self, call: Call, outcome: Answer | Trouble, now: float) -> list[StreamChunk]:
        """Takes what became of a look; the chunks it brought, each exactly once."""
        if isinstance(outcome, Answer):
            if outcome.good:
                try:
                    return self._answered(call, outcome, now)
                except APIResponseError as error:
                    trouble = error
                self._stumble(call, trouble, now)
                return []
            if outcome.status == 404:
                self._unknown(call, outcome, now)
                return []
        self._stumble(call, outcome, now)
        return []

    def _answered(self, call: Call, answer: Answer, now: float) -> list[StreamChunk]:
        if call.operation is STATUS:
            self._told(read_job(answer, call), now)
            return []
        status, chunks = read_stream(answer, call)
        self._recover()
        # A server that forgets a job once it was streamed says FAILED after COMPLETED.
        if status is not None and status.terminal and self._ended != JobStatus.COMPLETED:
            self._ended = status
        if status is not None and self._ended is None:
            self._saw(JobState(id=self.job_id, status=status))
        if chunks:
            self._had_chunks = True
            self._hurry()
        elif self._ended is not None:
            self._finish()
        elif status is None:
            self._asking = True
        elif now - self._asked_at < _AT_ONCE:
            self._ease(now)
        return chunks

    def _last_status(self) -> str:
        if self._ended is not None:
            return self._ended
        # A stream that is a bare list of chunks has no status.
        return "not told, but chunks came" if self.state is None and self._had_chunks else super()._last_status()

    def _told(self, state: JobState[Any], now: float) -> None:
        """What /status said."""
        self._recover()
        self._asking = False
        self._saw(state)
        if not state.completed:
            # Also after a terminal answer of /stream: somebody retried the job.
            self._ended = None
            self._ease(now)
        elif self._ended is None:
            # It ended between two looks, so there may be chunks from in between.
            self._ended = state.status
        else:
            self._over(state)

    def _finish(self) -> None:
        if self._ended == JobStatus.COMPLETED:
            self._stop(Done())
        elif self.state is not None and self.state.completed:
            self._over(self.state)
        else:
            self._asking = True

    def _over(self, state: JobState[Any]) -> None:
        error = job_failure(state, self.endpoint_id)
        self._stop(Done() if error is None else Fail(error))

    def _unknown(self, call: Call, answer: Answer, now: float) -> None:
        if self._ended is not None:
            # Gone right after its end: everything that could be had was had.
            known = self.state if self.state is not None and self.state.completed else None
            self._over(known or JobState(id=self.job_id, status=self._ended))
        elif call.operation is STREAM:
            # The job or only its stream is missing; /status knows.
            self._asking = True
        else:
            self._asking = False
            self._missing(call, answer, now)
