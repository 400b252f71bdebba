"""A serverless endpoint and its operations."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from runpod._async.job import AsyncJob, warn_if_no_output
from runpod._async.managed_endpoint import AsyncManagedEndpoint
from runpod._async.submission import submit
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.decoding import OutputReader, parse
from runpod._protocol.encoding import submission
from runpod._protocol.operations import HEALTH, MIN_HOLD, PURGE_QUEUE, RUN, RUN_SYNC, Call, check_id, encoded
from runpod._protocol.polling import LONG_HOLD, MARGIN
from runpod.errors import RunpodError
from runpod.models.endpoints import EndpointHealth, PurgeResult
from runpod.models.jobs import ChunkT, OutputT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from typing_extensions import Self

    from runpod._async.batches import AsyncBatches
    from runpod._async.map import AsyncJobMap
    from runpod._async.session import AsyncSession
    from runpod._async.streams import AsyncJobStream
    from runpod._primitives import AsyncInputIterable
    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.jobs import JobState
    from runpod.models.limits import EndpointLimits
    from runpod.models.requests import (
        ExecutionPolicy,
        ExecutionPolicyDict,
        JobInput,
        JobRequest,
        JobRequestDict,
        S3Config,
        S3ConfigDict,
    )
    from runpod.models.results import MapResult
    from runpod.models.retry import RetryPolicy


def internals_of(endpoint: AsyncEndpoint[OutputT]) -> tuple[AsyncSession, OutputReader[OutputT]]:
    """What a bulk run needs of an endpoint."""
    return endpoint._session, endpoint._read_output  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


class AsyncEndpoint(AsyncManagedEndpoint, Generic[OutputT]):
    """A serverless endpoint, created by `client.endpoint(id)`.

    Attributes:
        id: The endpoint's ID, or the slug of a public one.
    """

    def __init__(self, session: AsyncSession, endpoint_id: str, read_output: OutputReader[OutputT]) -> None:
        super().__init__(session, endpoint_id)
        self._read_output = read_output

    @property
    def openai_base_url(self) -> str:
        """The base URL of its OpenAI-compatible API, for other clients; see `client.openai`.

        Source: docs.runpod.io, "OpenAI API compatibility" of vLLM.
        """
        return f"{self._session.engine.config.base_url}/{encoded(self.id)}/openai/v1"

    @property
    def batches(self) -> AsyncBatches[OutputT]:
        """The batches of this endpoint: many requests that run when the service has room. Experimental.

        Example:
            >>> batch = await endpoint.batches.create([{"prompt": "a horse"}, {"prompt": "a foal"}])
        """
        from runpod._async.batches import AsyncBatches

        return AsyncBatches(self._session, self.id, self._read_output)

    def with_options(
        self,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
        retry: RetryPolicy | None = None,
        limits: EndpointLimits | None = None,
    ) -> Self:
        """Returns this endpoint with other options, sharing the connections. Omitted options are unchanged.

        Args:
            timeout: Default timeout of a whole call, in seconds or as timedelta; None: no limit.
                `run_sync` and `status_sync` have their own default of 90 s, waits and streams have
                no limit by default.
            retry: Retry settings.
            limits: Rate limits for polls and submissions. Requests under different limits are
                counted separately.

        Raises:
            ConfigurationError: An option is invalid.

        Example:
            >>> await endpoint.with_options(retry=RetryPolicy(resubmit=True)).run(input={"n": 1})
        """
        other = copy.copy(self)
        other._session = self._session.with_options(  # noqa: SLF001 - the same class
            timeout=timeout, retry=retry, limits=limits
        )
        return other

    @overload
    async def run(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any],
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> AsyncJob[OutputT]: ...

    @overload
    async def run(
        self,
        /,
        *,
        input: JobInput,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> AsyncJob[OutputT]: ...

    async def run(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any] | None = None,
        /,
        *,
        input: JobInput | None = None,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> AsyncJob[OutputT]:
        """Submits a job and returns its handle at once. `POST /run`.

        Args:
            request: The request in the wire format, or a `JobRequest`:
                `{"input": {…}, "policy": {"executionTimeout": 60000}}`.
            input: Instead of `request`: the handler's `job["input"]`.
            policy: Time limits and priority on the platform.
            webhook: A URL that the platform calls when the job ends.
            s3_config: An S3 bucket for the worker.
            timeout: Seconds or timedelta for the submission, not for the job; None: no limit. By
                default the client's. It begins once the files of the input are read and uploaded.

        Raises:
            InvalidRequestError: The arguments are invalid, or a file cannot be read. Nothing was sent.
            InputTooLargeError: The request is larger than `EndpointLimits.run_bytes`. Nothing was sent.
            RunpodError: The job was not submitted, or `maybe_submitted` is True.

        Example:
            >>> job = await endpoint.run({"input": {"prompt": "a horse"}})
            >>> job.id
        """
        body = submission(request, input=input, policy=policy, webhook=webhook, s3_config=s3_config)
        state, _ = await submit(self._session, Call(RUN, self.id), body, timeout)
        return AsyncJob(self._session, self.id, self._read_output, state.id, state)

    @overload
    async def run_sync(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any],
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = 90.0,
    ) -> JobState[OutputT]: ...

    @overload
    async def run_sync(
        self,
        /,
        *,
        input: JobInput,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = 90.0,
    ) -> JobState[OutputT]: ...

    async def run_sync(
        self,
        request: JobRequest | JobRequestDict | Mapping[str, Any] | None = None,
        /,
        *,
        input: JobInput | None = None,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | ClientDefault | None = 90.0,
    ) -> JobState[OutputT]:
        """Submits a job and waits until it ends, whatever its final status. `POST /runsync`.

        The submission itself is held for at most one second, so that the job ID is known before
        the long wait. With a timeout of about one second or less, the ID may not arrive in time.

        Args:
            request: The request in the wire format, or a `JobRequest`.
            input: Instead of `request`: the handler's `job["input"]`.
            policy: Time limits and priority on the platform.
            webhook: A URL that the platform calls when the job ends.
            s3_config: An S3 bucket for the worker.
            timeout: Seconds or timedelta for submission and wait together; None: no limit. It begins
                once the files of the input are read and uploaded.

        Returns:
            The final state, which may be a failure: see `state.result()`.

        Raises:
            InvalidRequestError: The arguments are invalid, or a file cannot be read. Nothing was sent.
            InputTooLargeError: The request is larger than `EndpointLimits.run_sync_bytes`. Nothing was
                sent.
            RunpodTimeoutError: The timeout passed. The job was not cancelled; `job_id` has its ID.
            JobOutputError: The job completed, but its output does not match `output_type`.
            RunpodError: See `runpod.errors`, and its attributes `maybe_submitted` and `job_id`.

        Example:
            >>> result = await endpoint.run_sync({"input": {"prompt": "a horse"}}, timeout=60)
            >>> result.output
        """
        submitted, deadline = await submit(
            self._session,
            Call(RUN_SYNC, self.id, hold=MIN_HOLD),
            # Without a name, so that it is not kept during the wait.
            submission(request, input=input, policy=policy, webhook=webhook, s3_config=s3_config),
            timeout,
        )
        waiter = self._session.waiter(self.id, submitted.id, deadline, state=submitted)
        try:
            state = self._read_output(await self._session.wait(waiter), self.id)
        except RunpodError as error:
            # The job was submitted: repeating the call would submit another one.
            error.job_id, error.retryable = submitted.id, False
            raise
        warn_if_no_output(state, self.id)
        return state

    async def status(
        self, job_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> JobState[OutputT]:
        """Fetches the state of a job. `GET /status/{id}`.

        Args:
            job_id: The job's ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: The job does not exist, or its result has expired.
            JobOutputError: The job completed, but its output does not match `output_type`.
            RunpodError: The request failed; see `runpod.errors`.
        """
        return await self.job(job_id).refresh(timeout=timeout)

    async def status_sync(
        self, job_id: str, *, timeout: float | timedelta | ClientDefault | None = 90.0
    ) -> JobState[OutputT]:
        """Waits for the end of a job, at most for one long poll. `GET /status-sync/{id}`.

        If the server does not have this route, it polls `/status` instead.

        Args:
            job_id: The job's ID.
            timeout: Seconds or timedelta. On timeout, returns the latest state. None: one poll
                of 90 s.

        Returns:
            The state at the end of the job or of the wait.

        Raises:
            RunpodTimeoutError: No state was received in time.
            NotFoundError: The job does not exist, or its result has expired.
            JobOutputError: The job completed, but its output does not match `output_type`.
            RunpodError: The job cannot be polled; see `runpod.errors`.
        """
        job_id = check_id(job_id, "job_id")
        deadline = self._session.deadline(timeout)
        hold = LONG_HOLD if deadline.span is None else max(deadline.span - MARGIN, 0.0)
        until = self._session.clock.now() + hold
        waiter = self._session.waiter(self.id, job_id, deadline, until=until)
        return self._read_output(await self._session.wait(waiter), self.id)

    @overload
    def stream(self, job_id: str, *, timeout: float | timedelta | None = None) -> AsyncJobStream[Any]: ...

    @overload
    def stream(
        self, job_id: str, *, chunk_type: type[ChunkT], timeout: float | timedelta | None = None
    ) -> AsyncJobStream[ChunkT]: ...

    # For type checkers, a union or an Annotated is not a `type`.
    @overload
    def stream(
        self, job_id: str, *, chunk_type: Any, timeout: float | timedelta | None = None
    ) -> AsyncJobStream[Any]: ...

    def stream(
        self, job_id: str, *, chunk_type: Any = None, timeout: float | timedelta | None = None
    ) -> AsyncJobStream[Any]:
        """Streams the values that the handler of a job yields. Polls `GET /stream/{id}`.

        The server sends each chunk only once: two streams of one job share its chunks. If a
        response is cut off, its chunks are lost.

        Args:
            job_id: The job's ID.
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
            >>> async for chunk in endpoint.stream(job.id):
            ...     print(chunk.output)
        """
        return self.job(job_id).stream(chunk_type=chunk_type, timeout=timeout)

    async def cancel(
        self, job_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> JobState[OutputT]:
        """Cancels a queued or running job. `POST /cancel/{id}`.

        A job that has already ended is not changed. If the response has only its status, the rest is
        fetched from `/status`.

        Args:
            job_id: The job's ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: The job does not exist.
            RunpodError: The request failed; see `runpod.errors`.
        """
        return await self.job(job_id).cancel(timeout=timeout)

    async def retry(
        self, job_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> JobState[OutputT]:
        """Requeues a job that ended FAILED or TIMED_OUT. `POST /retry/{id}`.

        It keeps its ID and loses its result.

        Args:
            job_id: The job's ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: The job does not exist, or its result has expired.
            RunpodError: The request failed. If `maybe_submitted` is True, the job may have been
                requeued.
        """
        return await self.job(job_id).retry(timeout=timeout)

    async def health(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> EndpointHealth:
        """Fetches the number of jobs and workers of the endpoint. `GET /health`.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: The request failed; see `runpod.errors`.
        """
        call = Call(HEALTH, self.id)
        response = await self._session.send(call, self._session.deadline(timeout))
        return parse(EndpointHealth, response, call)

    async def purge_queue(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> PurgeResult:
        """Removes all queued jobs of the endpoint. `POST /purge-queue`.

        Running jobs are not affected. The service allows two of these calls in ten seconds.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: The request failed. If `maybe_submitted` is True, the queue may have been
                purged.
        """
        call = Call(PURGE_QUEUE, self.id)
        response = await self._session.send(call, self._session.deadline(timeout))
        return parse(PurgeResult, response, call)

    @overload
    def map(
        self,
        inputs: AsyncInputIterable[JobInput],
        *,
        return_exceptions: Literal[False] = False,
        in_flight: int = 100,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | None = None,
        job_timeout: float | timedelta | None = None,
        on_exit: Literal["cancel", "keep"] = "cancel",
        progress: bool | Callable[[MapResult[OutputT]], object] = False,
        price_per_second: float | None = None,
    ) -> AsyncJobMap[OutputT]: ...

    @overload
    def map(
        self,
        inputs: AsyncInputIterable[JobInput],
        *,
        return_exceptions: bool,
        in_flight: int = 100,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | None = None,
        job_timeout: float | timedelta | None = None,
        on_exit: Literal["cancel", "keep"] = "cancel",
        progress: bool | Callable[[MapResult[OutputT]], object] = False,
        price_per_second: float | None = None,
    ) -> AsyncJobMap[OutputT | RunpodError]: ...

    def map(
        self,
        inputs: AsyncInputIterable[JobInput],
        *,
        return_exceptions: bool = False,
        in_flight: int = 100,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | None = None,
        job_timeout: float | timedelta | None = None,
        on_exit: Literal["cancel", "keep"] = "cancel",
        progress: bool | Callable[[MapResult[OutputT]], object] = False,
        price_per_second: float | None = None,
    ) -> AsyncJobMap[Any]:
        """Runs many jobs, and yields their outputs in the order of the inputs.

        At most `in_flight` jobs are unfinished at once. If a job takes longer than those after it,
        at most twice as many inputs are read ahead. Submissions and polls keep to the rate limits
        of the client, and requests that provably were not executed are repeated for up to five
        minutes.

        The first job that did not succeed raises its error, whose message begins with the index of
        the input; what is unfinished is then cancelled. To get a result for each input instead, use
        `map_unordered`, or `return_exceptions`.

        In sync code, a thread in the background reads `inputs`; in async code, a sync iterable is
        read on the event loop, so it must not block.

        Args:
            inputs: An iterable of inputs (in async code, also an async one), read lazily: mappings,
                pydantic models, or a `JobRequest` for a request with a policy of its own. An input
                is sent as it is: a mapping with the key "input" is not unpacked.
            return_exceptions: Whether to yield errors in place of outputs, instead of raising the
                first one.
            in_flight: How many jobs may be unfinished at once.
            policy: Time limits and priority on the platform, for inputs without their own.
            webhook: A URL that the platform calls when a job ends.
            s3_config: An S3 bucket for the worker.
            timeout: Seconds or timedelta for the whole iteration, from its start; None: no limit.
            job_timeout: Seconds or timedelta for each job, from its submission. Then the job is
                cancelled, and its error is a `RunpodTimeoutError`.
            on_exit: What becomes of unfinished jobs when the loop is left, by `break`, an error,
                Ctrl-C or cancellation: "cancel" or "keep". A WARNING in the log has the ID of each.
                If a variable holds the iterator, the loop is left when that is closed or deleted:
                use a `with` block.
            progress: True: a progress bar on stderr, or in a notebook (needs the extra `progress`).
                A callable is called with each `MapResult` when the loop asks for the next item.
            price_per_second: The price of a running second, for `report.cost`.

        Raises:
            InvalidRequestError: An argument is invalid. Nothing was sent.
            ConfigurationError: `progress` needs tqdm.

        While iterating, it raises:
            JobError: A job did not succeed; see `runpod.errors`.
            InvalidRequestError: An input cannot be sent.
            RunpodTimeoutError: The timeout passed. Submissions under way were completed; what is
                unfinished was cancelled, or kept.
            RunpodError: The credentials were refused, or a request failed; see `maybe_submitted`.

        Example:
            >>> async for output in endpoint.map([{"n": 1}, {"n": 2}]):
            ...     print(output)
        """
        # Imported on first use: only runs of many jobs need it.
        from runpod._async.map import AsyncJobMap, map_runner, raise_failure, return_failure

        runner = map_runner(
            self._session,
            self.id,
            self._read_output,
            inputs,
            request={"policy": policy, "webhook": webhook, "s3_config": s3_config},
            in_flight=in_flight,
            timeout=timeout,
            job_timeout=job_timeout,
            on_exit=on_exit,
            progress=progress,
            price_per_second=price_per_second,
            ordered=True,
            fail_fast=not return_exceptions,
        )
        return AsyncJobMap(runner, return_failure if return_exceptions else raise_failure)

    def map_unordered(
        self,
        inputs: AsyncInputIterable[JobInput],
        *,
        in_flight: int = 100,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | None = None,
        job_timeout: float | timedelta | None = None,
        on_exit: Literal["cancel", "keep"] = "cancel",
        progress: bool | Callable[[MapResult[OutputT]], object] = False,
        price_per_second: float | None = None,
    ) -> AsyncJobMap[MapResult[OutputT]]:
        """Runs many jobs, and yields a result for each input as soon as it is known.

        A job that did not succeed is a result with an `error`, not an exception. So is an input that
        cannot be sent, and one whose submission is in doubt (`result.maybe_submitted`), which is
        never sent again by itself.

        Args:
            inputs: See `map`. No more results than `in_flight` wait for a slow loop.
            in_flight: See `map`, also for all other arguments.
            policy: Time limits and priority on the platform, for inputs without their own.
            webhook: A URL that the platform calls when a job ends.
            s3_config: An S3 bucket for the worker.
            timeout: Seconds or timedelta for the whole iteration, from its start; None: no limit.
            job_timeout: Seconds or timedelta for each job, from its submission.
            on_exit: What becomes of unfinished jobs when the loop is left: "cancel" or "keep".
            progress: True for a progress bar, or a callable that is called with each result.
            price_per_second: The price of a running second, for `report.cost`.

        Raises:
            InvalidRequestError: An argument is invalid. Nothing was sent.
            ConfigurationError: `progress` needs tqdm.

        While iterating, it raises:
            RunpodTimeoutError: The timeout passed. Submissions under way were completed; what is
                unfinished was cancelled, or kept.
            RunpodError: The credentials were refused, or the endpoint does not exist.

        Example:
            >>> async for result in endpoint.map_unordered([{"n": 1}, {"n": 2}], in_flight=50):
            ...     print(result.index, result.output if result.succeeded else result.error)
        """
        from runpod._async.map import AsyncJobMap, map_runner, return_result

        runner = map_runner(
            self._session,
            self.id,
            self._read_output,
            inputs,
            request={"policy": policy, "webhook": webhook, "s3_config": s3_config},
            in_flight=in_flight,
            timeout=timeout,
            job_timeout=job_timeout,
            on_exit=on_exit,
            progress=progress,
            price_per_second=price_per_second,
        )
        return AsyncJobMap(runner, return_result)

    def job(self, job_id: str) -> AsyncJob[OutputT]:
        """Returns a handle for a known job ID, without sending a request.

        Args:
            job_id: The job's ID.

        Raises:
            InvalidRequestError: The ID is blank or not a str.
        """
        return AsyncJob(self._session, self.id, self._read_output, check_id(job_id, "job_id"))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r})"
