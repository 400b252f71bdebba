# Generated from src/runpod/_async/endpoint.py by scripts/generate_sync.py. Do not edit.

"""An endpoint: everything that can be asked of it."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, overload

from runpod._sync.job import Job, warn_if_no_output
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.decoding import OutputReader, read
from runpod._protocol.encoding import submission
from runpod._protocol.operations import HEALTH, MIN_HOLD, PURGE_QUEUE, RUN, RUN_SYNC, Call, check_id
from runpod._protocol.polling import LONG_HOLD, MARGIN
from runpod._protocol.waiter import Waiter
from runpod.errors import JobOutputError, RunpodError
from runpod.models.endpoints import EndpointHealth, PurgeResult
from runpod.models.jobs import ChunkT, OutputT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel
    from typing_extensions import Self

    from runpod._sync.session import Session
    from runpod._sync.streams import JobStream
    from runpod._protocol.deadlines import Timeout, TimeoutOrDefault
    from runpod.models.jobs import JobState
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
        timeout: TimeoutOrDefault = CLIENT_DEFAULT,
        retry: RetryPolicy | None = None,
        wait_limits: WaitLimits | None = None,
    ) -> Self:
        """The same endpoint with other options, over the same connections. What is not given stays as it is.

        Args:
            timeout: Seconds or timedelta for a whole call, where the call has no default of its
                own (`run_sync` and `status_sync` have 90 s, waits and streams none); None: no
                limit.
            retry: How often a request may be sent again.
            wait_limits: How often jobs may be polled while they are waited for. Waits under
                other limits are counted separately.

        Raises:
            ConfigurationError: An option cannot be used.

        Example:
            >>> endpoint.with_options(retry=RetryPolicy(resubmit=True)).run(input={"n": 1})
        """
        other = copy.copy(self)
        other._session = self._session.with_options(  # noqa: SLF001 - the same class
            timeout=timeout, retry=retry, wait_limits=wait_limits
        )
        return other

    @overload
    def run(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any],
        /,
        *,
        timeout: TimeoutOrDefault = CLIENT_DEFAULT,
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
        timeout: TimeoutOrDefault = CLIENT_DEFAULT,
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
        timeout: TimeoutOrDefault = CLIENT_DEFAULT,
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
        job = self.job(state.id)
        with suppress(JobOutputError):  # `result` raises it
            job.take(RUN, state)
        return job

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

        The response to the submission comes after a second at the latest, so the job's id is
        known before the long wait begins. With a timeout of about a second or less the id may
        not come in time.

        Args:
            request: The whole request in the shape of the wire, or a `JobRequest`.
            input: Or its input, by keyword: what the handler gets as `job["input"]`.
            policy: Limits and priority on the platform.
            webhook: A URL that the platform calls when the job ended.
            s3_config: A bucket for the worker.
            timeout: Seconds or timedelta for everything, submission and wait.

        Returns:
            The final state. It can be a failure: see `state.result()`.

        Raises:
            InvalidRequestError: It cannot be sent, and was not.
            RunpodTimeoutError: The timeout passed. The job is still alive; `job_id` has its id.
            JobOutputError: It completed with an output that does not fit `output_type`.
            RunpodError: See `runpod.errors`; `maybe_submitted` and `job_id` say what is known.

        Example:
            >>> result = endpoint.run_sync({"input": {"prompt": "a horse"}}, timeout=60)
            >>> result.output
        """
        body = submission(request, input=input, policy=policy, webhook=webhook, s3_config=s3_config)
        call = Call(RUN_SYNC, self.id, hold=MIN_HOLD, body=body)
        deadline = self._session.deadline(timeout)
        submitted = self._session.submit(call, deadline)
        job = self.job(submitted.id)
        try:
            state = job.wait_until(deadline, submitted)
        except RunpodError as error:
            # There is a job: whatever the error is, it names it, and the same call would submit another.
            error.job_id, error.retryable = job.id, False
            raise
        warn_if_no_output(state, self.id)
        return state

    def status(self, job_id: str, *, timeout: TimeoutOrDefault = CLIENT_DEFAULT) -> JobState[OutputT]:
        """Fetches the state of a job. `GET /status/{id}`.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            NotFoundError: There is no such job, or its result is no longer kept.
            JobOutputError: It completed with an output that does not fit `output_type`.
            RunpodError: There was no good response; see `runpod.errors`.
        """
        return self.job(job_id).refresh(timeout=timeout)

    def status_sync(self, job_id: str, *, timeout: TimeoutOrDefault = 90.0) -> JobState[OutputT]:
        """Waits for the end of a job, but no longer than one long poll. `GET /status-sync/{id}`.

        Where the server has no such route, it polls `/status` instead.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta. On timeout, returns the latest state. None: one poll
                of 90 s.

        Returns:
            The state at the end of the job or of the wait.

        Raises:
            RunpodTimeoutError: No state was received in time.
            NotFoundError: There is no such job, or its result is no longer kept.
            RunpodError: The job cannot be polled; see `runpod.errors`.
        """
        job_id = check_id(job_id, "job_id")
        deadline = self._session.deadline(timeout)
        hold = LONG_HOLD if deadline.span is None else max(deadline.span - MARGIN, 0.0)
        until = self._session.clock.now() + hold
        waiter = self._session.poller(Waiter, self.id, job_id, deadline, until=until)
        return self._read_output(self._session.wait(waiter), self.id)

    @overload
    def stream(self, job_id: str, *, timeout: Timeout = None) -> JobStream[Any]: ...

    @overload
    def stream(self, job_id: str, *, chunk_type: type[ChunkT], timeout: Timeout = None) -> JobStream[ChunkT]: ...

    # A union or an Annotated is no `type` to a type checker.
    @overload
    def stream(self, job_id: str, *, chunk_type: Any, timeout: Timeout = None) -> JobStream[Any]: ...

    def stream(self, job_id: str, *, chunk_type: Any = None, timeout: Timeout = None) -> JobStream[Any]:
        """Streams what the handler of a job yields. `GET /stream/{id}` until nothing is left.

        The server hands out each chunk once: two streams of one job share its chunks. If a
        response is cut off, its chunks are lost.

        Args:
            job_id: The job's id.
            chunk_type: What the output of a chunk is: a pydantic model, or any type that pydantic
                can validate.
            timeout: Seconds or timedelta for the whole stream; None: until the job ends.

        Raises:
            JobFailedError: The job ended FAILED, after every chunk was given. So for
                JobCancelledError and JobTimedOutError.
            JobOutputError: A chunk does not fit `chunk_type`. The next one may.
            RunpodTimeoutError: The timeout passed. The job is still alive.
            RunpodError: The job cannot be polled; see `runpod.errors`.

        Example:
            >>> for chunk in endpoint.stream(job.id):
            ...     print(chunk.output)
        """
        return self.job(job_id).stream(chunk_type=chunk_type, timeout=timeout)

    def cancel(self, job_id: str, *, timeout: TimeoutOrDefault = CLIENT_DEFAULT) -> JobState[OutputT]:
        """Cancels a job, queued or running. `POST /cancel/{id}`.

        A job that had ended before stays as it is. The response may then hold its status alone;
        `status` gives the rest.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            NotFoundError: There is no such job.
            RunpodError: There was no good response; see `runpod.errors`.
        """
        return self.job(job_id).cancel(timeout=timeout)

    def retry(self, job_id: str, *, timeout: TimeoutOrDefault = CLIENT_DEFAULT) -> JobState[OutputT]:
        """Puts a job that FAILED or TIMED_OUT into the queue again. `POST /retry/{id}`.

        It keeps its id and loses its result.

        Args:
            job_id: The job's id.
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            NotFoundError: There is no such job, or its result is no longer kept.
            RunpodError: There was no good response. `maybe_submitted` says whether the job may be
                in the queue all the same.
        """
        return self.job(job_id).retry(timeout=timeout)

    def health(self, *, timeout: TimeoutOrDefault = CLIENT_DEFAULT) -> EndpointHealth:
        """Counts the jobs and workers of the endpoint. `GET /health`.

        Args:
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            RunpodError: There was no good response; see `runpod.errors`.
        """
        call = Call(HEALTH, self.id)
        response = self._session.send(call, self._session.deadline(timeout))
        return read(EndpointHealth, response, call)

    def purge_queue(self, *, timeout: TimeoutOrDefault = CLIENT_DEFAULT) -> PurgeResult:
        """Removes every queued job of the endpoint. `POST /purge-queue`.

        Running jobs go on. The service allows two of these calls in ten seconds.

        Args:
            timeout: Seconds or timedelta for the whole call; by default the client's.

        Raises:
            RunpodError: There was no good response. `maybe_submitted` says whether the queue may
                have been purged all the same.
        """
        call = Call(PURGE_QUEUE, self.id)
        response = self._session.send(call, self._session.deadline(timeout))
        return read(PurgeResult, response, call)

    def job(self, job_id: str) -> Job[OutputT]:
        """A handle for the id of a job that you kept. No request.

        Args:
            job_id: The job's id.

        Raises:
            InvalidRequestError: The id is empty or not text.
        """
        return Job(self._session, self.id, self._read_output, check_id(job_id, "job_id"))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r})"
