"""The handle of one job."""

from __future__ import annotations

import copy
from collections import deque
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Generic, overload

from runpod import _observer
from runpod._async.downloads import MAX_BYTES, DownloadOptions
from runpod._async.saver import AsyncSaver
from runpod._async.streams import AsyncJobStream, AsyncJobUpdates
from runpod._logging import logger
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.decoding import OutputReader, is_status_only
from runpod._protocol.operations import CANCEL, RETRY, STATUS, Call
from runpod._protocol.polling import wait_again
from runpod._text import readable
from runpod.errors import JobOutputError, RunpodError, RunpodTimeoutError
from runpod.models.jobs import ChunkT, JobState, OutputT, job_failure
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from os import PathLike
    from pathlib import Path

    from runpod._async.session import AsyncSession
    from runpod._protocol.deadlines import ClientDefault, TimeoutOrDefault
    from runpod._protocol.operations import Operation
    from runpod.models.jobs import StreamChunk


class AsyncJob(Generic[OutputT]):
    """A job on an endpoint: its ID and its last known state.

    Returned by `endpoint.run(...)`, and by `endpoint.job(id)` for a known ID.

    Attributes:
        id: The job's ID. Store it to access the job later.
        endpoint_id: The ID of the endpoint that the job runs on.

    Example:
        >>> job = await endpoint.run(input={"prompt": "a horse"})
        >>> output = await job.result(timeout=600)
    """

    def __init__(
        self,
        session: AsyncSession,
        endpoint_id: str,
        read_output: OutputReader[OutputT],
        job_id: str,
        state: JobState[Any] | None = None,
    ) -> None:
        self.id = job_id
        self.endpoint_id = endpoint_id
        self._session = session
        self._read_output = read_output
        self._state: JobState[OutputT] | None = state
        # By the wall clock, which other processes share. Only the response to a submission has a state already.
        self._submitted_at = None if state is None else datetime.now(timezone.utc)
        # The final state, or the error of an output that does not match.
        self._end: JobState[OutputT] | JobOutputError | None = None
        # Chunks that were received by streams of this handle, but not yet yielded.
        self._chunks: deque[StreamChunk[Any]] = deque()
        if state is not None and not is_status_only(state):
            with suppress(JobOutputError):  # `result` raises it
                self._update(state)

    @property
    def state(self) -> JobState[OutputT]:
        """The last known state. Sends no request; `refresh()` fetches a new one.

        For a job from `endpoint.job(id)`, the status is "UNKNOWN" until a state was fetched.
        """
        return JobState(id=self.id, status=JobStatus.UNKNOWN) if self._state is None else self._state

    @property
    def status(self) -> JobStatus:
        """The status of the last known state. Sends no request."""
        return self.state.status

    async def refresh(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> JobState[OutputT]:
        """Fetches the state of the job. `GET /status/{id}`.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            JobOutputError: The job completed, but its output does not match `output_type`.
            RunpodError: The request failed; see `runpod.errors`.
        """
        return await self._request(STATUS, timeout)

    async def wait(self, *, timeout: float | timedelta | None = None) -> JobState[OutputT]:
        """Waits until the job ends, whatever its final status.

        Transport errors, 408, 429, 5xx and invalid bodies do not end the wait: it keeps polling
        until `timeout` passes.

        Args:
            timeout: Seconds or timedelta; None: until the job ends, or ten consecutive polls
                failed.

        Returns:
            The final state. See `state.result()`, or use `result()`.

        Raises:
            RunpodTimeoutError: The timeout passed. The job was not cancelled.
            JobExpiredError: The job no longer exists: its result or its time to live expired.
            JobOutputError: The job completed, but its output does not match `output_type`.
            RunpodError: The job cannot be polled; see `runpod.errors`.
        """
        deadline = self._session.deadline(timeout)
        known = self._known()
        if known is not None and known is self._end:
            return known
        waiter = self._session.waiter(self.endpoint_id, self.id, deadline, state=known)
        try:
            state = await self._session.wait(waiter)
        finally:
            # Another wait may have received the final state meanwhile.
            if self._end is None:
                self._state = waiter.state or self._state
        return self._update(state)

    async def result(self, *, timeout: float | timedelta | None = None, cancel_on_timeout: bool = False) -> OutputT:
        """Waits until the job ends, and returns its output.

        Args:
            timeout: Seconds or timedelta; None: until the job ends, or ten consecutive polls failed.
            cancel_on_timeout: Whether to cancel the job on timeout, so that it causes no more
                costs. The error message says whether that succeeded. The cancel request uses the
                timeout of the client.

        Returns:
            The output, as `output_type` if the endpoint has one. None if the job completed without
            output (the handler returned none, or it was too large for the platform) and there is no
            `output_type`; a warning is logged then.

        Raises:
            JobFailedError: The job ended FAILED; the message has the worker's report.
            JobCancelledError: The job ended CANCELLED.
            JobTimedOutError: The job ended TIMED_OUT.
            RunpodError: See `wait`.

        Example:
            >>> output = await job.result(timeout=600)
        """
        try:
            state = await self.wait(timeout=timeout)
        except RunpodTimeoutError as error:
            ended = await self.cancel_after(error) if cancel_on_timeout else None
            if ended is None:
                raise
            state = ended
        failure = job_failure(state, self.endpoint_id)
        if failure is not None:
            raise failure
        warn_if_no_output(state, self.endpoint_id)
        return state.result()

    async def save(
        self,
        folder: str | PathLike[str] = ".",
        *,
        timeout: float | timedelta | None = None,
        max_bytes: int = MAX_BYTES,
        allow_private: bool = False,
        progress: bool | Callable[[int, int | None], object] = False,
    ) -> list[Path]:
        """Waits until the job ends, and saves the media of its output to files.

        Save soon: many links in outputs expire within a day. A file never replaces another one:
        after `horse.png` come `horse-2.png`, `horse-3.png` and so on.

        Args:
            folder: Where to save them. It is created if it does not exist.
            timeout: Seconds or timedelta for the wait and the downloads; None: no limit.
            max_bytes: The maximum size of each file in bytes; by default 2 GiB.
            allow_private: Whether private addresses may be connected to; see `fetch` of the client.
            progress: Shows the progress of the downloads; see `save` of the client.

        Returns:
            The paths, in the order of the output. Empty if it has no media; a warning is logged then.

        Raises:
            MediaError: Something was not saved: the first problem, and in `saved` the paths of what
                was. Also if the worker left its files on its own disk.
            RunpodTimeoutError: The timeout passed. The job was not cancelled.
            RunpodError: See `result`.

        Example:
            >>> job = await endpoint.run(input={"prompt": "a horse"})
            >>> paths = await job.save("horses", timeout=600)
        """
        deadline = self._session.deadline(timeout)
        options = DownloadOptions(
            deadline, max_bytes, allow_private, self.id, self.endpoint_id, submitted_at=self._submitted_at
        )
        # It checks the arguments before the wait.
        saver = AsyncSaver(self._session, folder, options, progress)
        await self.result(timeout=timeout)
        return await saver.save(self.state)

    async def cancel_after(
        self, error: RunpodError, *, timeout: TimeoutOrDefault = CLIENT_DEFAULT
    ) -> JobState[OutputT] | None:
        """Cancels the job and adds the outcome to the error. Returns the state of a job that had just ended."""
        try:
            state = await self.cancel(timeout=timeout)
        except JobOutputError:
            raise
        except RunpodError as problem:
            verb = "has ended, but its result was not received" if self.state.completed else "was not cancelled"
            outcome = f"It {verb}: {problem.message}"
        else:
            if state.completed and state.status != JobStatus.CANCELLED:
                return state
            outcome = "It was cancelled."
            if not state.completed:
                outcome = f"Its cancellation was requested; its status is {readable(state.status, 40)}."
        before, _, after = error.message.partition(wait_again(self.id))
        error.message = f"{before.rstrip()} {outcome}{after}"
        error.retryable = False
        return None

    def watch(self, *, timeout: float | timedelta | None = None) -> AsyncJobUpdates[OutputT]:
        """Yields the last known state, then every change of status or progress, then the final state.

        It polls up to ten times per second while there are changes, otherwise about once per
        second; changes between two polls are missed. The final state is yielded immediately.

        Args:
            timeout: Seconds or timedelta; None: until the job ends, or ten consecutive polls failed.

        Raises:
            RunpodError: See `wait`.

        Example:
            >>> async for state in job.watch():
            ...     print(state.status, state.progress)
        """
        deadline = self._session.deadline(timeout)
        waiter = self._session.waiter(self.endpoint_id, self.id, deadline, state=self._known(), changes=True)
        return AsyncJobUpdates(self._session, waiter, self._update)

    @overload
    def stream(self, *, timeout: float | timedelta | None = None) -> AsyncJobStream[Any]: ...

    @overload
    def stream(
        self, *, chunk_type: type[ChunkT], timeout: float | timedelta | None = None
    ) -> AsyncJobStream[ChunkT]: ...

    # For type checkers, a union or an Annotated is not a `type`.
    @overload
    def stream(self, *, chunk_type: Any, timeout: float | timedelta | None = None) -> AsyncJobStream[Any]: ...

    def stream(self, *, chunk_type: Any = None, timeout: float | timedelta | None = None) -> AsyncJobStream[Any]:
        """Streams the values that the handler yields, until the job has ended and no chunks are left.

        The server sends each chunk only once: two streams of one job share its chunks. If a
        response is cut off, its chunks are lost. Chunks that were received but not yielded when a
        loop is left are kept in this handle; its next `stream()` starts with them.

        Args:
            chunk_type: The type of the output of a chunk: a pydantic model, or any type that
                pydantic can validate.
            timeout: Seconds or timedelta for the whole stream; None: until the job ends, or ten
                consecutive polls failed.

        Raises:
            JobFailedError: The job ended FAILED; all its chunks were yielded before. Likewise
                JobCancelledError and JobTimedOutError.
            JobOutputError: A chunk does not match `chunk_type`. The iteration can be continued.
            RunpodTimeoutError: The timeout passed. The job was not cancelled.
            RunpodError: The job cannot be polled; see `runpod.errors`.

        Example:
            >>> async for chunk in job.stream():
            ...     print(chunk.output)
        """
        deadline = self._session.deadline(timeout)
        end = self._end.state if isinstance(self._end, JobOutputError) else self._end
        streamer = self._session.streamer(self.endpoint_id, self.id, deadline, state=end or self._unfinished())
        return AsyncJobStream(self._session, streamer, self._chunks, OutputReader(chunk_type, "chunk_type"))

    async def cancel(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> JobState[OutputT]:
        """Cancels the job if it is queued or running. `POST /cancel/{id}`.

        A job that has already ended is not changed. If the response has only its status, the rest is
        fetched from `/status`.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: The request failed; see `runpod.errors`.
        """
        return await self._request(CANCEL, timeout)

    async def retry(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> JobState[OutputT]:
        """Requeues a job that ended FAILED or TIMED_OUT. `POST /retry/{id}`.

        It keeps its ID and loses its result.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: The request failed. If `maybe_submitted` is True, the job may have been
                requeued.
        """
        return await self._request(RETRY, timeout)

    async def _request(self, operation: Operation, timeout: TimeoutOrDefault) -> JobState[OutputT]:
        deadline = self._session.deadline(timeout)
        state = await self._session.request_state(operation, self.endpoint_id, self.id, deadline)
        if operation is RETRY:
            self._chunks.clear()
        if operation is not STATUS and is_status_only(state):
            self._state = state
            try:
                state = await self._session.request_state(STATUS, self.endpoint_id, self.id, deadline)
            except RunpodError as error:
                # The operation itself was executed.
                error.retryable = error.retryable and operation.repeatable
                _observer.received(Call(STATUS, self.endpoint_id, self.id), self._state)
                raise
        return self._update(state)

    def _known(self) -> JobState[OutputT] | None:
        """The state to start waiting from.

        Raises:
            JobOutputError: The job completed with an output that does not fit `output_type`.
        """
        if isinstance(self._end, JobOutputError):
            # A copy, which has a traceback of its own.
            raise copy.copy(self._end)
        return self._end or self._unfinished()

    def _unfinished(self) -> JobState[OutputT] | None:
        return None if self._state is None or self._state.completed else self._state

    def _update(self, state: JobState[Any]) -> JobState[OutputT]:
        self._state, self._end = state, None
        if not state.completed:
            return state
        try:
            self._state = self._end = self._read_output(state, self.endpoint_id)
        except JobOutputError as error:
            self._end = copy.copy(error)
            raise
        return self._end

    def __getstate__(self) -> dict[str, Any]:
        carrier = _observer.carrier(self.endpoint_id, self.id)
        return {**vars(self), "_carrier": dict(carrier)} if carrier else vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        _observer.adopt(self.endpoint_id, self.id, vars(self).pop("_carrier", {}))

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(id={self.id!r}, endpoint_id={self.endpoint_id!r}, status={str(self.status)!r})"


def warn_if_no_output(state: JobState[Any], endpoint_id: str) -> None:
    """Logs a warning if a job completed without output, since a result of None does not explain it."""
    if state.succeeded and not state.has_output:
        msg = (
            "Job %s on endpoint %s completed without output: the handler returned none, or it was too large for the "
            "platform. If the handler yields, use stream()"
        )
        logger.warning(msg, readable(state.id), endpoint_id)
