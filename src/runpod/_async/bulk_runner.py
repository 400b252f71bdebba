"""Runs the rows of a file, and stores what happens."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runpod._async.endpoint import AsyncEndpoint, internals_of
from runpod._async.runner import AsyncRunner
from runpod._bulk.changes import (
    PENDING,
    SUBMITTED,
    Pending,
    Submitted,
    Submitting,
)
from runpod._bulk.outcomes import MAX_DEPTH, TooDeepError, UnstorableOutputError, change_of, output_json_of
from runpod._primitives import async_in_thread, async_lock, async_shield
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.encoding import encode as encode_request
from runpod._protocol.operations import HEALTH, Call
from runpod._protocol.request_body import RequestBody, row_limit
from runpod.errors import (
    JobExpiredError,
    NotFoundError,
    RunFileError,
    RunpodError,
)
from runpod.models.jobs import JobState
from runpod.models.results import MapResult
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from typing_extensions import Self

    from runpod._bulk.changes import Change
    from runpod._bulk.resubmit import Resubmit
    from runpod._bulk.run_file import RunFile, StoredRow
    from runpod._protocol.map_actions import Entry
    from runpod.models.requests import JobRequest

_PAGE = 500


class _Write:
    """A change that waits to be stored."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.is_done = False
        self.error: BaseException | None = None


class _Rows:
    """The rows to run: first those whose jobs may have ended already, since results expire.

    Not a generator, which trio warns about if the loop over it is left.
    """

    def __init__(self, file: RunFile, resubmit: Resubmit | list[str] | None, runner: AsyncBulkRunner) -> None:
        self._file = file
        self._resubmit = resubmit
        self._runner = runner
        self.begun = False
        self._states = [PENDING, SUBMITTED]
        self._after = 0
        self._page: deque[StoredRow] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StoredRow:
        if not self.begun:
            await self._begin()
        while not self._page:
            if not self._states:
                raise StopAsyncIteration
            rows = await async_in_thread(self._file.next_rows, self._states[-1], self._after, _PAGE)
            if rows:
                self._page.extend(rows)
                self._after = rows[-1].number
            else:
                self._states.pop()
                self._after = 0
        return self._page.popleft()

    async def _begin(self) -> None:
        await self._runner.settle_previous()
        # Nothing is being submitted now.
        await async_in_thread(self._file.begin, self._resubmit, lambda: self._runner.is_over)
        self.begun = True


class AsyncBulkRunner(AsyncRunner):
    """Runs the rows of a file, and stores what happens before and after each request."""

    KIND = "bulk"

    def __init__(
        self,
        endpoint: AsyncEndpoint[Any],
        file: RunFile,
        *,
        defaults: JobRequest,
        resubmit: Resubmit | list[str] | None,
        previous: AsyncBulkRunner | None,
        **options: Any,
    ) -> None:
        session, read_output = internals_of(endpoint)
        self._rows = _Rows(file, resubmit, self)
        super().__init__(session, endpoint.id, read_output, self._rows, stop_on_outage=True, **options)
        self._file = file
        self._price: float | None = options["price_per_second"]
        # Read once where it is used: another thread can set it to None.
        self._previous = previous
        # What follows the input in a request.
        self._end_of_body = encode_request(defaults).content().removeprefix(b'{"input":{}')
        self._limit = row_limit(session.limits)
        # Whether the endpoint is known to exist.
        self._is_reachable = False
        self._writes: deque[_Write] = deque()
        # The IDs of jobs that could not be stored.
        self._unstored: list[Change] = []
        # Not one of the primitives: only threads hold it.
        self._storing_again = threading.Lock()
        self._lock = async_lock()
        self._stored_at = self._clock.now()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way, neither of this run nor of those before."""
        previous = self._previous
        is_over = not self._started or self._mapper.closed
        return is_over and (previous is None or previous.is_settled)

    def last_begun(self) -> AsyncBulkRunner | None:
        """The latest of this run and those before that has begun: nothing of the others can be under way."""
        if self._rows.begun or (self._started and not self._mapper.closed):
            return self
        previous = self._previous
        return None if previous is None else previous.last_begun()

    async def settle(self) -> None:
        """Ends this run and those before: waits for their last requests, and stores what could not be stored before.

        Unlike `aclose`, it waits after a second Ctrl-C as well.

        Raises:
            RunFileError: The file cannot be written.
        """
        await self.settle_previous()
        self.close_soon()
        if self._is_home():
            wakeup = self._clock.wakeup()
            while not self._mapper.wait_until_closed(wakeup):
                await wakeup.wait(float("inf"))
        await async_in_thread(self._store_again)
        self._previous = None

    async def settle_previous(self) -> None:
        """Ends the runs before; see `settle`."""
        previous = self._previous
        if previous is not None:
            await previous.settle()

    async def aclose(self) -> None:
        """Ends this run and those before, and waits until their last requests have ended."""
        # The loops over those before were left, but their last requests may be under way.
        previous = self._previous
        if previous is not None:
            await previous.aclose()
        await super().aclose()
        if self._unstored:
            with async_shield(), suppress(RunFileError):  # it was raised or logged before
                await async_in_thread(self._store_again)

    def _start(self) -> None:
        if not self._started:
            self._stored_at = self._clock.now()
        super()._start()

    async def _poll_failed(self, entry: Entry, error: RunpodError) -> None:
        if isinstance(error, (JobExpiredError, NotFoundError)) and not self._is_reachable:
            # With a wrong address or API key, every job seems to have expired.
            try:
                await self.session.send(Call(HEALTH, self.endpoint_id), self.session.deadline(CLIENT_DEFAULT))
            except RunpodError as problem:
                self._mapper.fail(problem, self._clock.now())
                return
            self._is_reachable = True
        await super()._poll_failed(entry, error)

    def _store_again(self) -> None:
        with self._storing_again:
            while self._unstored:
                self._file.apply(self._unstored[:1])
                self._unstored.pop(0)

    def _prepare(self, entry: Entry) -> None:
        row: StoredRow = entry.input
        if row.job_id is None:
            entry.body = b'{"input":' + row.input_json.encode() + self._end_of_body
            if self._limit.size is not None and len(entry.body) > self._limit.size:
                # The message names the largest part.
                RequestBody(json.loads(entry.body), ()).content(self._limit)
            return
        entry.waiter = self.waiter(JobState(id=row.job_id, status=JobStatus.IN_QUEUE))
        if row.is_recent:
            entry.waiter.submitted_at = self._clock.now()

    async def _submitting(self, entry: Entry) -> None:
        if entry.attempts is None or entry.attempts.doubt is None:
            await self._store(Submitting(entry.input.number))

    async def _not_submitted(self, entry: Entry) -> None:
        # With `RetryPolicy(resubmit=True)`, an earlier attempt may have been executed.
        if entry.attempts is None or entry.attempts.doubt is None:
            await self._store(Pending(entry.input.number))

    async def _submitted(self, entry: Entry, job_id: str) -> None:
        await self._store(Submitted(entry.input.number, job_id))

    def _result(self, entry: Entry, state: JobState[Any]) -> MapResult[Any]:
        try:
            entry.output_json = output_json_of(state.output) if state.has_output else None
        except TooDeepError:
            msg = f"Job {state.id!r} completed, but its output is nested deeper than {MAX_DEPTH} levels."
            error = UnstorableOutputError(msg, state=state, endpoint_id=self.endpoint_id)
            return MapResult(entry.index, entry.input, state.id, state, error)
        return super()._result(entry, state)

    async def _ended(self, entry: Entry, result: MapResult[Any]) -> None:
        change = change_of(result, entry.output_json, self._price)
        if change is not None:
            await self._store(change)
        entry.output_json = None

    async def _store(self, change: Change) -> None:
        """Stores a change, in one transaction with those of other workers."""
        write = _Write(change)
        self._writes.append(write)
        async with self._lock:
            if not write.is_done:
                batch = [self._writes.popleft() for _ in range(len(self._writes))]
                await self._store_batch(batch)
        if write.error is not None:
            raise write.error

    async def _store_batch(self, batch: list[_Write]) -> None:
        now = self._clock.now()
        elapsed, self._stored_at = now - self._stored_at, now
        error: BaseException | None = None
        try:
            await async_in_thread(self._save, batch, max(0.0, elapsed))
        except BaseException as problem:  # noqa: BLE001 - each writer raises it
            error = problem
        for write in batch:
            write.is_done, write.error = True, error or write.error

    def _save(self, batch: list[_Write], elapsed: float) -> None:
        try:
            self._file.apply([write.change for write in batch], elapsed)
        except Exception as error:  # noqa: BLE001 - the writer raises it
            for write in batch:
                write.error = error
        else:
            return
        # Perhaps the disk has no room for an output, but for the IDs of other rows. Nothing more is submitted.
        for write in batch:
            if isinstance(write.change, Submitting):
                continue
            if len(batch) > 1:
                try:
                    self._file.apply([write.change])
                except Exception as error:  # noqa: BLE001 - the writer raises it
                    write.error = error
                else:
                    write.error = None
            if write.error is not None and isinstance(write.change, Submitted):
                self._unstored.append(write.change)

    def _log_kept(self) -> None:
        # The file has their IDs.
        self._mapper.kept.clear()
