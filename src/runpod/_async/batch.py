"""The handle of one batch."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Generic

from pydantic_core import to_json

from runpod._async.batch_requests import MAX_REQUESTS, AsyncBatchRequests
from runpod._async.batch_results import AsyncBatchResults
from runpod._protocol.batch_wait import BatchWait
from runpod._protocol.batches import (
    ADD_REQUESTS,
    CANCEL_BATCH,
    FINALIZE_BATCH,
    REMOVE_REQUEST,
    RENAME_BATCH,
    check_name,
    check_page_size,
    with_batch,
)
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.operations import check_id
from runpod._text import readable
from runpod.errors import APIStatusError, InvalidRequestError, RunpodError
from runpod.models.jobs import OutputT

if TYPE_CHECKING:
    from runpod._async.batch_calls import AsyncBatchCalls
    from runpod._primitives import AsyncInputIterable
    from runpod._protocol.deadlines import ClientDefault, TimeoutOrDefault
    from runpod._protocol.decoding import OutputReader
    from runpod.models.batches import BatchState
    from runpod.models.requests import JobInput, JobRequest

# After its time to live, 24 hours by default, the service deletes a job, so that the counts cannot meet any more.
WAIT_TIMEOUT: timedelta = timedelta(hours=24)


class AsyncBatch(Generic[OutputT]):
    """A batch: requests that are collected in a draft, and run together once it is finalized. Experimental.

    Returned by `endpoint.batches.create(...)`, and by `endpoint.batches.get(id)` for a known ID. Nothing
    runs, or costs anything, before `finalize`.

    Attributes:
        id: The batch's ID. Store it to access the batch later.
        endpoint_id: The ID of its endpoint.
        key: The field of each input that has your own key, or None.

    Example:
        >>> batch = await endpoint.batches.create(inputs)
        >>> await batch.finalize()
        >>> await batch.wait()
        >>> async for result in batch.results():
        ...     print(result.id, result.output)
    """

    def __init__(self, calls: AsyncBatchCalls, read_output: OutputReader[OutputT], *, key: str | None = None) -> None:
        self.id: str = calls.state.id
        self.endpoint_id: str = calls.endpoint_id
        self.key = key
        self._calls = calls
        self._read_output = read_output
        # Whether this handle finalized it.
        self._finalized = False

    @property
    def state(self) -> BatchState:
        """The last known state. Sends no request; `refresh()` fetches a new one.

        For a batch from `endpoint.batches.get(id)`, all but its ID is None until a state was fetched.
        """
        return self._calls.state

    @property
    def status(self) -> str | None:
        """The status of the last known state, such as "FINALIZED"; None if unknown. Sends no request."""
        return self.state.status

    async def refresh(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> BatchState:
        """Fetches the state of the batch. `GET /batch/{id}`.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: The batch does not exist.
            RunpodError: The request failed; see `runpod.errors`.
        """
        return await self._calls.fetch(self._calls.session.deadline(timeout))

    async def add(
        self,
        inputs: AsyncInputIterable[JobInput | JobRequest],
        *,
        max_requests: int | None = MAX_REQUESTS,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> BatchState:
        """Adds requests to a draft. `POST /batch/{id}/requests`.

        All inputs are checked before anything is sent. What does not fit into one request of 10 MB
        is divided among several. If the response to one of these is lost, the count of the batch
        tells whether it was executed; it is never sent again. So only one program should add requests
        to a batch at a time.

        Args:
            inputs: See `endpoint.batches.create`.
            max_requests: How many requests the batch may have, with those that it has; None: no limit.
            timeout: Seconds or timedelta for each request; None: no limit. By default the client's.

        Returns:
            The state of the batch, with the number of its requests.

        Raises:
            InvalidRequestError: An input is invalid, or there are too many. Nothing was sent.
            InputTooLargeError: An input is larger than `EndpointLimits.run_bytes`. Nothing was sent.
            RunpodError: Some inputs were not added. The message says how many were. If
                `maybe_submitted` is True, those of one request may have been, or may still be:
                `refresh()` shows the count.

        Example:
            >>> await batch.add([{"prompt": "a horse"}, {"prompt": "a foal"}])
        """
        calls = self._calls
        requests = AsyncBatchRequests(calls.session, self.key, calls.keys)
        try:
            calls.session.check_open(calls.new(ADD_REQUESTS))
            room = None
            if max_requests is not None:
                if self.state.request_total is None:
                    await self.refresh(timeout=timeout)
                room = max(0, max_requests - (self.state.request_total or 0))
            await requests.read(inputs, room=room)
            await calls.append(requests, requests.groups(), timeout)
        except RunpodError as error:
            error.message += await requests.release()
            with_batch(error, self.id)
            raise
        except BaseException:
            await calls.interrupted(requests)
            raise
        await requests.release()
        return self.state

    async def finalize(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> BatchState:
        """Starts the batch: its requests are queued as jobs. `POST /batch/{id}/finalize`.

        A batch that is finalized already is not changed: it starts only once. The service does not
        say when the requests run, nor in which order.

        Args:
            timeout: Seconds or timedelta for each request; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The batch has no requests.
            NotFoundError: The batch does not exist.
            RunpodError: The batch was not finalized. If `maybe_submitted` is True, it may still be.
        """
        if not self.state.request_total or self.status not in {None, "DRAFT"}:
            state = await self.refresh(timeout=timeout)
            if state.status == "FINALIZED" or (self._finalized and state.status not in {None, "DRAFT"}):
                return state
            if state.request_total == 0:
                msg = f"Batch {self.id!r} on endpoint {self.endpoint_id!r} has no requests: add() some first."
                raise InvalidRequestError(msg, endpoint_id=self.endpoint_id, batch_id=self.id)
        try:
            await self._calls.change(self._calls.new(FINALIZE_BATCH), timeout)
        except RunpodError as error:
            if not await self._is_finalized(error, timeout):
                raise
        self._finalized = True
        if self.status in {None, "DRAFT"}:
            self._calls.state = self.state.model_copy(update={"status": "FINALIZED"})
        return self.state

    async def _is_finalized(self, error: RunpodError, timeout: TimeoutOrDefault) -> bool:
        """Whether the batch is finalized although the request failed: its response was lost, or it was before."""
        is_refusal = isinstance(error, APIStatusError) and error.status_code not in {401, 403, 404, 429}
        if not error.maybe_submitted and not is_refusal:
            return False
        before = self.status
        state = await self._calls.try_fetch(timeout)
        status = None if state is None else state.status
        changed = status not in {None, "DRAFT", before}
        # A draft that was cancelled is refused.
        can_follow = status not in {"FAILED", "CANCELLED"} or error.maybe_submitted
        return status == "FINALIZED" or (changed and can_follow)

    async def wait(self, *, timeout: float | timedelta | None = WAIT_TIMEOUT) -> BatchState:
        """Waits until all requests of the batch have ended, or the batch has failed or was cancelled.

        It polls `GET /batch/{id}` after 5 s, and less often the longer nothing changes, at least
        every 60 s, each time with the timeout of the client. Transport errors, 408, 429, 5xx, invalid
        bodies and polls that time out do not end the wait.

        The service can lose a queued request, so that the counts never meet: then the wait ends with
        its timeout.

        Args:
            timeout: Seconds or timedelta. By default 24 hours: by then, the service has deleted every
                job, unless its time to live is longer. None: no limit, except ten consecutive polls
                that failed.

        Returns:
            The state, also if requests have failed, or the batch has: see its `status` and counts.

        Raises:
            InvalidRequestError: The batch is a draft.
            RunpodTimeoutError: The timeout passed; the message has the counts. The batch was not
                cancelled.
            RunpodError: The batch cannot be polled; see `runpod.errors`.

        Example:
            >>> state = await batch.wait(timeout=timedelta(hours=2))
            >>> print(state.request_completed, "of", state.request_total)
        """
        session = self._calls.session
        deadline, clock = session.deadline(timeout), session.clock
        wait = BatchWait(self.endpoint_id, self.state, deadline, bool(self.state.request_total), self._finalized)
        while True:
            try:
                # A response that never ends must not take the time of other polls.
                polled_by = min(deadline, session.deadline(CLIENT_DEFAULT), key=lambda each: each.at)
                state = await self._calls.fetch(polled_by)
            except RunpodError as error:
                pause = wait.failed(error, clock.now())
            else:
                if wait.received(state):
                    return state
                pause = wait.pause(clock.now())
            await clock.sleep(pause)

    def results(
        self, *, page_size: int = 100, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> AsyncBatchResults[OutputT]:
        """Iterates over all requests of the batch, with the results of those that have ended.

        They are read page by page, from `GET /batch/{id}/requests`, in no particular order. `wait`
        first; before, some have not ended, and have a status such as "IN_QUEUE". How long the
        service keeps results is undocumented: read them soon.

        A result has the ID of its request, but not the input. To know which input it belongs to, let
        your handler return a key out of the input, and name its field as `key=`.

        Args:
            page_size: How many to request at once. A response may have at most 100 MB: choose fewer if
                outputs are large.
            timeout: Seconds or timedelta for each page; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: `page_size` is not a positive whole number.

        While iterating, it raises:
            RunpodError: A page was not received. The iteration can be continued.
            RateLimitError: Pages were refused until the timeout, although it paused in between.

        Example:
            >>> async for result in batch.results():
            ...     print(result.key, result.output if result.succeeded else result.error)
        """
        size = check_page_size(page_size)
        return AsyncBatchResults(self._calls, self._read_output, key=self.key, page_size=size, timeout=timeout)

    async def cancel(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> BatchState:
        """Cancels the batch: drops the requests that wait in the queue. `POST /batch/{id}/cancel`.

        Requests that run are completed, and billed. Only then is the status CANCELLED: `wait` waits
        for that. A batch that has ended is not changed.

        Args:
            timeout: Seconds or timedelta for each request; None: no limit. By default the client's.

        Raises:
            NotFoundError: The batch does not exist.
            RunpodError: The request failed; see `runpod.errors`.
        """
        try:
            await self._calls.change(self._calls.new(CANCEL_BATCH), timeout)
        except RunpodError as error:
            is_refusal = isinstance(error, APIStatusError) and error.status_code in {400, 409}
            found = await self._calls.try_fetch(timeout) if is_refusal else None
            if found is None or not found.done:
                raise
        return self.state

    async def remove(
        self, request_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> BatchState:
        """Removes a request from a draft. `DELETE /batch/{id}/requests/{request_id}`.

        Args:
            request_id: The request's ID, as in `results()`.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Returns:
            The state of the batch. Its number of requests is unknown until the next `refresh()`.

        Raises:
            InvalidRequestError: The ID is blank or not a str.
            NotFoundError: The batch or the request does not exist.
            RunpodError: The request was not removed. If `maybe_submitted` is True, it may have been.
        """
        call = self._calls.new(REMOVE_REQUEST, request_id=check_id(request_id, "request_id"))
        await self._calls.change(call, timeout)
        self._calls.state = self.state.model_copy(update={"request_total": None})
        # The key of this request can be used again, but which one it has is unknown.
        self._calls.keys.clear()
        return self.state

    async def rename(
        self, name: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> BatchState:
        """Changes the display name of the batch. `PUT /batch/{id}`.

        The documentation does not say what the field is called; `name` is likely, and the service may
        ignore it.

        Args:
            name: The new name.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The name is blank or not a str.
            RunpodError: The request failed; see `runpod.errors`.
        """
        call = self._calls.new(RENAME_BATCH, body=to_json({"name": check_name(name)}))
        await self._calls.change(call, timeout)
        return self.state

    def __repr__(self) -> str:
        status = "unknown" if self.status is None else readable(self.status, 40)
        return f"{type(self).__name__}(id={readable(repr(self.id), 80)}, status={status!r})"
