"""The batches of one endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from runpod._async.batch import AsyncBatch
from runpod._async.batch_calls import AsyncBatchCalls
from runpod._async.batch_requests import MAX_REQUESTS, AsyncBatchRequests
from runpod._logging import logger
from runpod._protocol.batches import (
    CREATE_BATCH,
    LIST_BATCHES,
    BatchCall,
    array_body,
    check_key,
    check_name,
    parse_batch,
    parse_batches,
    with_batch,
)
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.operations import check_id
from runpod._text import readable
from runpod.errors import RunpodError
from runpod.models.batches import BatchState
from runpod.models.jobs import OutputT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from runpod._async.session import AsyncSession
    from runpod._primitives import AsyncInputIterable
    from runpod._protocol.deadlines import ClientDefault, TimeoutOrDefault
    from runpod._protocol.decoding import OutputReader
    from runpod.models.requests import JobInput, JobRequest


class AsyncBatches(Generic[OutputT]):
    """The batches of an endpoint: `endpoint.batches`. Experimental: the service has its Batch API in beta.

    Example:
        >>> batch = await endpoint.batches.create([{"prompt": "a horse"}, {"prompt": "a foal"}])
        >>> await batch.finalize()
    """

    def __init__(self, session: AsyncSession, endpoint_id: str, read_output: OutputReader[OutputT]) -> None:
        self.endpoint_id = endpoint_id
        if session.retry.resubmit:
            # The count and the status of a batch say what a lost response would have said.
            retry = session.retry.model_copy(update={"resubmit": False})
            session = session.with_options(timeout=CLIENT_DEFAULT, retry=retry, limits=None)
        self._session = session
        self._read_output = read_output

    async def create(
        self,
        inputs: AsyncInputIterable[JobInput | JobRequest],
        *,
        name: str | None = None,
        key: str | None = None,
        max_requests: int | None = MAX_REQUESTS,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> AsyncBatch[OutputT]:
        """Creates a draft with these inputs. `POST /batch`. Nothing runs before `batch.finalize()`.

        All inputs are checked before anything is sent. If they do not fit into one request of 10 MB, an
        empty draft is created, and they are added with several. No request that may have been executed
        is sent again, not even with `RetryPolicy(resubmit=True)`. If it fails after the draft was
        created, the draft remains: `error.batch_id` has its ID. A draft costs nothing.

        Args:
            inputs: An iterable of inputs (in async code, also an async one), as of `endpoint.map`. They
                are all kept in memory, but not the content of their files. The service does not say
                whether it regards a policy, a webhook or S3 settings, so a `JobRequest` with one is
                refused.
            name: A display name, which is set with a request of its own; see `batch.rename`.
            key: The field of each input that has a unique key of your own, a str or an int. If your
                handler returns it in its output, `batch.results()` gives it as `result.key`.
            max_requests: How many are accepted. The service allows 5,000 in a batch; if your account
                allows more, pass a higher number, or None for no limit.
            timeout: Seconds or timedelta for each request; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: An input is invalid, or there are too many. Nothing was sent.
            InputTooLargeError: An input is larger than `EndpointLimits.run_bytes`. Nothing was sent.
            RunpodError: The draft was not created, or lacks inputs or its name; the message says which.

        Example:
            >>> rows = [{"id": "a", "prompt": "a horse"}, {"id": "b", "prompt": "a foal"}]
            >>> batch = await endpoint.batches.create(rows, name="horses", key="id")
            >>> print(batch.id)
        """
        name = None if name is None else check_name(name)
        key = None if key is None else check_key(key)
        keys = set[str | int]()
        requests = AsyncBatchRequests(self._session, key, keys)
        calls: AsyncBatchCalls | None = None
        try:
            self._session.check_open(BatchCall(CREATE_BATCH, self.endpoint_id))
            await requests.read(inputs, room=max_requests)
            groups = requests.groups()
            first = groups[0] if len(groups) == 1 else range(0)
            calls = await self._create(requests, first, timeout)
            calls.keys = keys
            requests.added(first)
            await calls.append(requests, [] if first else groups, timeout)
            batch = AsyncBatch(calls, self._read_output, key=key)
            if name is not None:
                await batch.rename(name, timeout=timeout)
        except RunpodError as error:
            error.message += await requests.release()
            with_batch(error, None if calls is None else calls.state.id)
            raise
        except BaseException:
            if calls is not None:
                await calls.interrupted(requests)
            elif left := await requests.release():
                logger.warning("Creating a batch on endpoint %s was interrupted.%s", self.endpoint_id, left)
            raise
        await requests.release()
        return batch

    async def _create(self, requests: AsyncBatchRequests, group: range, timeout: TimeoutOrDefault) -> AsyncBatchCalls:
        call = BatchCall(CREATE_BATCH, self.endpoint_id, body=array_body(await requests.encoded(group)))
        requests.sending(group)
        try:
            state = parse_batch(await self._session.send(call, self._session.deadline(timeout)), call)
        except RunpodError as error:
            if not error.maybe_submitted:
                requests.refused(group)
            # An incomplete response can have the ID. If the batch has all the requests, nothing is missing.
            if not error.maybe_submitted or error.job_id is None:
                raise
            calls = self._calls(BatchState(id=error.job_id), is_new=True)
            if not await calls.was_added(len(group), timeout):
                raise
            return calls
        logger.info("Batch %s created on endpoint %s", readable(state.id, 80), self.endpoint_id)
        state = state.model_copy(update={"request_total": len(group), "status": state.status or "DRAFT"})
        return self._calls(state, is_new=True)

    def _calls(self, state: BatchState, *, is_new: bool = False) -> AsyncBatchCalls:
        created_at = self._session.clock.now() if is_new else None
        return AsyncBatchCalls(self._session, self.endpoint_id, state, created_at)

    def get(self, batch_id: str, *, key: str | None = None) -> AsyncBatch[OutputT]:
        """Returns a handle for a known batch ID, without sending a request.

        Args:
            batch_id: The batch's ID.
            key: The field of each input that has your own key; see `create`.

        Raises:
            InvalidRequestError: The ID or the key is blank or not a str.

        Example:
            >>> batch = endpoint.batches.get("BATCH_ID")
            >>> await batch.refresh()
        """
        calls = self._calls(BatchState(id=check_id(batch_id, "batch_id")))
        return AsyncBatch(calls, self._read_output, key=None if key is None else check_key(key))

    async def list(
        self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> Sequence[AsyncBatch[OutputT]]:
        """Lists the batches of the endpoint, newest first. `GET /batch`.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: The request failed; see `runpod.errors`.

        Example:
            >>> for batch in await endpoint.batches.list():
            ...     print(batch.id, batch.status)
        """
        call = BatchCall(LIST_BATCHES, self.endpoint_id)
        response = await self._session.send(call, self._session.deadline(timeout))
        return [AsyncBatch(self._calls(state), self._read_output) for state in parse_batches(response, call)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_id={self.endpoint_id!r})"
