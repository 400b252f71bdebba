"""The handle of one job."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic

from runpod._async.iterators import AsyncLooks
from runpod._protocol.decoding import is_bare
from runpod._protocol.operations import CANCEL, RETRY, STATUS
from runpod._protocol.waiting import differs
from runpod.errors import JobOutputError, RunpodError, RunpodTimeoutError
from runpod.models.jobs import JobState, JobStatus, OutputT, job_failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod._async.endpoint import AsyncEndpoint
    from runpod._async.session import AsyncSession
    from runpod._protocol.deadlines import Timeout, TimeoutOrDefault
    from runpod._protocol.decoding import OutputReader
    from runpod._protocol.operations import Operation
    from runpod._protocol.outcomes import Answer, Trouble
    from runpod.models.jobs import StreamChunk


class AsyncJob(Generic[OutputT]):
    """A job on an endpoint: its id, and the last state seen of it.

    `endpoint.run(...)` returns one, `endpoint.job(id)` makes one for an id that you kept.

    Attributes:
        id: The job's id. Keep it, and you can find the job again.
        endpoint: The endpoint that the job runs on.

    Example:
        >>> job = await endpoint.run(input={"prompt": "a horse"})
        >>> output = await job.result(timeout=600)
    """

    def __init__(
        self,
        session: AsyncSession,
        endpoint: AsyncEndpoint[OutputT],
        read_output: OutputReader[OutputT],
        job_id: str,
        state: JobState[OutputT] | None = None,
    ) -> None:
        self.id = job_id
        self.endpoint = endpoint
        self._session = session
        self._read_output = read_output
        self._state = state
        # What streams of this handle received and did not give yet.
        self._chunks: deque[StreamChunk] = deque()
        # Whether `_state` is the end of the job, with its output read as `output_type`.
        self._settled = False
        # Whether it is an end that an answer to `cancel` told of, without what came of the job.
        self._bare = False

    @property
    def state(self) -> JobState[OutputT]:
        """The last state seen. No request: `refresh()` looks anew.

        Before the first look at a job made by `endpoint.job(id)` its status is "UNKNOWN".
        """
        if self._state is None:
            nothing: JobState[Any] = JobState(id=self.id, status=JobStatus.UNKNOWN)
            return nothing
        return self._state

    @property
    def status(self) -> JobStatus:
        """The status of the last state seen. No request."""
        return self.state.status

    async def refresh(self, *, timeout: TimeoutOrDefault = ...) -> JobState[OutputT]:
        """Asks for the state of the job. `GET /status/{id}`.

        Args:
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            JobOutputError: It completed with an output that does not fit `output_type`.
            RunpodError: There was no good answer; see `runpod.errors`.
        """
        return await self._ask(STATUS, timeout)

    async def wait(self, *, timeout: Timeout = None) -> JobState[OutputT]:
        """Waits until the job ends, however it ends.

        Trouble on the way does not end the wait: it goes on looking until `timeout` passes.

        Args:
            timeout: Seconds or timedelta; None: until the job ends, or ten looks in a row
                failed.

        Returns:
            The final state. See `raise_for_status()`, or use `result()`.

        Raises:
            RunpodTimeoutError: The timeout passed. The job goes on.
            JobExpiredError: The job was deleted: its result or its time to live ran out.
            JobOutputError: It completed with an output that does not fit `output_type`.
            RunpodError: The job cannot be looked at; see `runpod.errors`.
        """
        known = self._known()
        waiter = self._session.waiter(self.endpoint.id, self.id, timeout, state=known)
        if known is not None and known.completed:
            return known
        try:
            state: JobState[Any] = await self._session.wait(waiter)
        finally:
            self._state = waiter.state or self._state
        return self._seen(state)

    async def result(self, *, timeout: Timeout = None, cancel_on_timeout: bool = False) -> OutputT:
        """Waits until the job ends, and returns its output.

        Args:
            timeout: Seconds or timedelta; None: until the job ends.
            cancel_on_timeout: Whether to cancel the job when the timeout passes, so that it
                costs no more. The error says whether that worked. That call has a timeout of
                its own, the client's.

        Returns:
            The output, as `output_type` where the endpoint has one. None where the job
            completed without (a handler that streams, mostly) and there is no `output_type`;
            the log then has a warning.

        Raises:
            JobFailedError: The job ended FAILED; the message says what the worker said.
            JobCancelledError: The job ended CANCELLED.
            JobTimedOutError: The job ended TIMED_OUT.
            RunpodError: Everything that `wait` raises.

        Example:
            >>> output = await job.result(timeout=600)
        """
        try:
            state = await self.wait(timeout=timeout)
        except RunpodTimeoutError as error:
            ended = await self._cancel_after(error) if cancel_on_timeout else None
            if ended is None:
                raise
            state = ended
        failure = job_failure(state, self.endpoint.id)
        if failure is not None:
            raise failure
        self._session.note_output(self.endpoint.id, state)
        return state.output

    async def _cancel_after(self, error: RunpodTimeoutError) -> JobState[OutputT] | None:
        """Cancels the job, and says in the error what came of it; the state where it ended a moment before."""
        try:
            state = await self.cancel()
        except JobOutputError:
            raise
        except RunpodError as problem:
            outcome = f"It could not be cancelled: {problem.message}"
        else:
            if state.completed and state.status != JobStatus.CANCELLED:
                return await self.wait(timeout=self._session.timeout)
            outcome = "It was cancelled."
        error.message = f"{error.message.partition(' It goes on:')[0]} {outcome}"
        error.retryable = False
        return None

    def watch(self, *, timeout: Timeout = None) -> AsyncIterator[JobState[OutputT]]:
        """Gives the last state seen, then every change of status or progress, then the end.

        It looks at the job up to ten times a second while things change and about once a second
        while they do not; what comes and goes in between stays unseen. The final state is given
        at once, however the job ended.

        Args:
            timeout: Seconds or timedelta; None: until the job ends.

        Raises:
            RunpodError: Everything that `wait` raises.

        Example:
            >>> async for state in job.watch():
            ...     print(state.status, state.progress)
        """
        known = self._known()
        waiter = self._session.waiter(self.endpoint.id, self.id, timeout, state=known, changes=True)

        def received(call: Any, outcome: Answer | Trouble, now: float) -> list[JobState[OutputT]]:
            old = waiter.state
            state = waiter.received(call, outcome, now)
            if state is None or not (state.completed or differs(old, state)):
                return []
            return [self._seen(state)]

        return AsyncLooks(self._session, waiter, received, deque(() if known is None else (known,)))

    def stream(self, *, timeout: Timeout = None) -> AsyncIterator[StreamChunk]:
        """Streams what the handler yields, until the job ended and nothing is left.

        Each chunk is handed out once by the server: two streams of one job share its chunks,
        and what an answer that broke on the way carried is lost with it. What was received
        before a loop was left is kept in this handle: another `stream()` of it begins there.

        Args:
            timeout: Seconds or timedelta for the whole stream; None: until the job ends.

        Raises:
            JobFailedError: The job ended FAILED, after every chunk was given. So for
                JobCancelledError and JobTimedOutError.
            RunpodTimeoutError: The timeout passed. The job goes on.
            RunpodError: The job cannot be looked at; see `runpod.errors`.

        Example:
            >>> async for chunk in job.stream():
            ...     print(chunk.output)
        """
        known = None if self._bare else self._state
        streamer = self._session.streamer(self.endpoint.id, self.id, timeout, state=known)
        return AsyncLooks(self._session, streamer, streamer.received, self._chunks)

    async def cancel(self, *, timeout: TimeoutOrDefault = ...) -> JobState[OutputT]:
        """Cancels the job, queued or running. `POST /cancel/{id}`.

        A job that had ended before stays as it is. The answer may then hold its status alone;
        `wait` and `result` give the rest.

        Args:
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            RunpodError: There was no good answer; see `runpod.errors`.
        """
        return await self._ask(CANCEL, timeout)

    async def retry(self, *, timeout: TimeoutOrDefault = ...) -> JobState[OutputT]:
        """Puts a job that FAILED or TIMED_OUT into the queue again. `POST /retry/{id}`.

        It keeps its id and loses its result.

        Args:
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            RunpodError: There was no good answer. `maybe_submitted` says whether the job may be
                in the queue all the same.
        """
        return await self._ask(RETRY, timeout)

    async def _ask(self, operation: Operation, timeout: TimeoutOrDefault) -> JobState[OutputT]:
        deadline = self._session.deadline(timeout)
        state = await self._session.ask(operation, self.endpoint.id, self.id, deadline)
        if not is_bare(operation, state):
            return self._seen(state)
        if not self._settled:
            self._state, self._bare = state, True
        return state

    def _known(self) -> JobState[OutputT] | None:
        """The state to go on from, or None.

        Raises:
            JobOutputError: It is an end with an output that does not fit `output_type`.
        """
        if self._state is None or self._bare:
            return None
        return self._state if self._settled or not self._state.completed else self._seen(self._state)

    def _seen(self, state: JobState[Any]) -> JobState[OutputT]:
        self._state, self._settled, self._bare = state, False, False
        self._state = self._read_output(state, self.endpoint.id)
        self._settled = state.completed
        return self._state

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(id={self.id!r}, endpoint={self.endpoint.id!r}, status={str(self.status)!r})"
