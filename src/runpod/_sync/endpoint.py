# Generated from src/runpod/_async/endpoint.py by scripts/generate_sync.py. Do not edit.

"""An endpoint: everything that can be asked of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, overload

from runpod._sync.iterators import Looks
from runpod._sync.job import Job
from runpod._protocol.decoding import OutputReader, is_bare, read
from runpod._protocol.encoding import submission
from runpod._protocol.looking import LONG_HOLD, MARGIN
from runpod._protocol.operations import (
    CANCEL,
    HEALTH,
    MIN_HOLD,
    PURGE_QUEUE,
    RETRY,
    RUN,
    RUN_SYNC,
    STATUS,
    Call,
    check_id,
)
from runpod.errors import RunpodError
from runpod.models.endpoints import EndpointHealth, PurgeResult
from runpod.models.jobs import JobState, OutputT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import EllipsisType

    from pydantic import BaseModel

    from runpod._sync.session import Session
    from runpod._protocol.deadlines import Timeout, TimeoutOrDefault
    from runpod._protocol.operations import Operation
    from runpod.models.jobs import StreamChunk
    from runpod.models.limits import WaitLimits
    from runpod.models.requests import (
        ExecutionPolicy,
        ExecutionPolicyDict,
        JobRequest,
        JobRequestDict,
        S3Config,
        S3ConfigDict,
    )
    from runpod.models.retry import RetryPolicy


class Endpoint(Generic[OutputT]):
    """A serverless endpoint, made by `client.endpoint(id)`.

    Attributes:
        id: The endpoint's id, or the slug of a public one.
    """

    def __init__(self, session: Session, endpoint_id: str, read_output: OutputReader[OutputT]) -> None:
        self.id = endpoint_id
        self._session = session
        self._read_output = read_output

    def with_options(
        self,
        *,
        timeout: TimeoutOrDefault = ...,
        retry: RetryPolicy | EllipsisType = ...,
        wait_limits: WaitLimits | EllipsisType = ...,
    ) -> Endpoint[OutputT]:
        """The same endpoint with other options, over the same connections.

        Args:
            timeout: Seconds or timedelta for a whole call, where the call has no default of its
                own (`run_sync` and `status_sync` have 90 s, waits and streams none); None: no
                limit.
            retry: How often a request may be sent again.
            wait_limits: How often jobs may be looked at while they are waited for. Waits under
                other limits are counted apart.

        Raises:
            InvalidRequestError: The timeout is not one.
            ConfigurationError: `retry` is not a RetryPolicy, or `wait_limits` no WaitLimits.

        Example:
            >>> endpoint.with_options(retry=RetryPolicy(resubmit=True)).run(input={"n": 1})
        """
        session = self._session.with_options(timeout=timeout, retry=retry, wait_limits=wait_limits)
        return Endpoint(session, self.id, self._read_output)

    @overload
    def run(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any],
        /,
        *,
        timeout: TimeoutOrDefault = ...,
    ) -> Job[OutputT]: ...

    @overload
    def run(
        self,
        /,
        *,
        input: Mapping[str, Any] | BaseModel,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: TimeoutOrDefault = ...,
    ) -> Job[OutputT]: ...

    def run(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any] | None = None,
        /,
        *,
        input: Mapping[str, Any] | BaseModel | None = None,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: TimeoutOrDefault = ...,
    ) -> Job[OutputT]:
        """Submits a job and returns its handle at once. `POST /run`.

        Args:
            request: The whole request in the shape of the wire, or a `JobRequest`:
                `{"input": {…}, "policy": {"executionTimeout": 60000}}`.
            input: Or its input, by keyword: what the handler gets as `job["input"]`.
            policy: Limits and priority on the platform.
            webhook: A URL that the platform calls when the job ended.
            s3_config: A bucket for the worker.
            timeout: Seconds or timedelta for the submission, not for the job.

        Raises:
            InvalidRequestError: It cannot be sent, and was not.
            RunpodError: It was not submitted, or `maybe_submitted` says that nobody knows.

        Example:
            >>> job = endpoint.run({"input": {"prompt": "a horse"}})
            >>> job.id
        """
        body = submission(request, input=input, policy=policy, webhook=webhook, s3_config=s3_config)
        call = Call(RUN, self.id, body=body)
        state = self._session.submit(call, self._session.deadline(timeout))
        return Job(self._session, self, self._read_output, state.id, state)

    @overload
    def run_sync(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any],
        /,
        *,
        timeout: TimeoutOrDefault = 90.0,
    ) -> JobState[OutputT]: ...

    @overload
    def run_sync(
        self,
        /,
        *,
        input: Mapping[str, Any] | BaseModel,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: TimeoutOrDefault = 90.0,
    ) -> JobState[OutputT]: ...

    def run_sync(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any] | None = None,
        /,
        *,
        input: Mapping[str, Any] | BaseModel | None = None,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: TimeoutOrDefault = 90.0,
    ) -> JobState[OutputT]:
        """Submits a job and waits until it ends, however it ends. `POST /runsync`.

        The submission is answered after a second at the latest, so the job's id is in hand
        before the long wait begins. With a timeout of about a second or less the id may not
        come in time.

        Args:
            request: The whole request in the shape of the wire, or a `JobRequest`.
            input: Or its input, by keyword: what the handler gets as `job["input"]`.
            policy: Limits and priority on the platform.
            webhook: A URL that the platform calls when the job ended.
            s3_config: A bucket for the worker.
            timeout: Seconds or timedelta for everything, submission and wait.

        Returns:
            The final state. It can be a failure: see `raise_for_status()`.

        Raises:
            InvalidRequestError: It cannot be sent, and was not.
            RunpodTimeoutError: The timeout passed. The job goes on; `job_id` has its id.
            JobOutputError: It completed with an output that does not fit `output_type`.
            RunpodError: See `runpod.errors`; `maybe_submitted` and `job_id` say what is known.

        Example:
            >>> result = endpoint.run_sync({"input": {"prompt": "a horse"}}, timeout=60)
            >>> result.output
        """
        body = submission(request, input=input, policy=policy, webhook=webhook, s3_config=s3_config)
        call = Call(RUN_SYNC, self.id, hold=MIN_HOLD, body=body)
        deadline = self._session.deadline(timeout)
        state = self._session.submit(call, deadline)
        try:
            if not state.succeeded:
                waiter = self._session.waiter(self.id, state.id, deadline, state=state)
                state = self._session.wait(waiter)
            self._session.note_output(self.id, state)
            return self._read_output(state, self.id)
        except RunpodError as error:
            # There is a job: whatever the error is, it names it, and the same call would submit another.
            error.job_id, error.retryable = state.id, False
            raise

    def status(self, job_id: str, *, timeout: TimeoutOrDefault = ...) -> JobState[OutputT]:
        """Asks for the state of a job. `GET /status/{id}`.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            NotFoundError: There is no such job, or its result is no longer kept.
            JobOutputError: It completed with an output that does not fit `output_type`.
            RunpodError: There was no good answer; see `runpod.errors`.
        """
        return self._ask(STATUS, job_id, timeout)

    def status_sync(self, job_id: str, *, timeout: TimeoutOrDefault = 90.0) -> JobState[OutputT]:
        """Waits for the end of a job, but no longer than one long poll. `GET /status-sync/{id}`.

        Where the server has no such route, it polls `/status` instead.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta. When it passes, the state of then is returned. None:
                one poll of 90 s.

        Returns:
            The state at the end of the job or of the wait.

        Raises:
            RunpodTimeoutError: Not even the state of then came in time.
            NotFoundError: There is no such job, or its result is no longer kept.
            RunpodError: The job cannot be looked at; see `runpod.errors`.
        """
        job_id = check_id(job_id, "job_id")
        deadline = self._session.deadline(timeout)
        hold = max(deadline.span - MARGIN, 0.0) if deadline.span is not None else LONG_HOLD
        waiter = self._session.waiter(self.id, job_id, deadline, hold=hold)
        return self._read_output(self._session.wait(waiter), self.id)

    def stream(self, job_id: str, *, timeout: Timeout = None) -> Iterator[StreamChunk]:
        """Streams what the handler of a job yields. `GET /stream/{id}` until it is drained.

        Each chunk is handed out once by the server: two streams of one job share its chunks,
        and what an answer that broke on the way carried is lost with it.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta for the whole stream; None: until the job ends.

        Raises:
            JobFailedError: The job ended FAILED, after every chunk was given. So for
                JobCancelledError and JobTimedOutError.
            RunpodTimeoutError: The timeout passed. The job goes on.
            RunpodError: The job cannot be looked at; see `runpod.errors`.

        Example:
            >>> for chunk in endpoint.stream(job.id):
            ...     print(chunk.output)
        """
        streamer = self._session.streamer(self.id, check_id(job_id, "job_id"), timeout)
        return Looks(self._session, streamer, streamer.received, deque())

    def cancel(self, job_id: str, *, timeout: TimeoutOrDefault = ...) -> JobState[OutputT]:
        """Cancels a job, queued or running. `POST /cancel/{id}`.

        A job that had ended before stays as it is. The answer may then hold its status alone;
        `status` gives the rest.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            NotFoundError: There is no such job.
            RunpodError: There was no good answer; see `runpod.errors`.
        """
        return self._ask(CANCEL, job_id, timeout)

    def retry(self, job_id: str, *, timeout: TimeoutOrDefault = ...) -> JobState[OutputT]:
        """Puts a job that FAILED or TIMED_OUT into the queue again. `POST /retry/{id}`.

        It keeps its id and loses its result.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            NotFoundError: There is no such job, or its result is no longer kept.
            RunpodError: There was no good answer. `maybe_submitted` says whether the job may be
                in the queue all the same.
        """
        return self._ask(RETRY, job_id, timeout)

    def health(self, *, timeout: TimeoutOrDefault = ...) -> EndpointHealth:
        """Counts the jobs and workers of the endpoint. `GET /health`.

        Args:
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            RunpodError: There was no good answer; see `runpod.errors`.
        """
        call = Call(HEALTH, self.id)
        answer = self._session.send(call, self._session.deadline(timeout))
        return read(EndpointHealth, answer, call)

    def purge_queue(self, *, timeout: TimeoutOrDefault = ...) -> PurgeResult:
        """Removes every queued job of the endpoint. `POST /purge-queue`.

        Running jobs go on. The service allows two of these calls in ten seconds.

        Args:
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            RunpodError: There was no good answer. `maybe_submitted` says whether the queue may
                have been purged all the same.
        """
        call = Call(PURGE_QUEUE, self.id)
        answer = self._session.send(call, self._session.deadline(timeout))
        return read(PurgeResult, answer, call)

    def job(self, job_id: str) -> Job[OutputT]:
        """A handle for the id of a job that you kept. No request.

        Args:
            job_id: The job's id.

        Raises:
            InvalidRequestError: The id is empty or not text.
        """
        job_id = check_id(job_id, "job_id")
        return Job(self._session, self, self._read_output, job_id)

    def _ask(self, operation: Operation, job_id: str, timeout: TimeoutOrDefault) -> JobState[OutputT]:
        job_id = check_id(job_id, "job_id")
        deadline = self._session.deadline(timeout)
        state = self._session.ask(operation, self.id, job_id, deadline)
        return state if is_bare(operation, state) else self._read_output(state, self.id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r})"
