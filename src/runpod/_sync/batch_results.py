# Generated from src/runpod/_async/batch_results.py by scripts/generate_sync.py. Do not edit.

"""The iterator over the results of a batch."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic

from runpod._logging import logger
from runpod._protocol.batch_results import BatchResultReader
from runpod._protocol.batches import LIST_REQUESTS, BatchCall, Pages, with_batch
from runpod._text import readable
from runpod.errors import RateLimitError, RunpodError
from runpod.models.jobs import OutputT

if TYPE_CHECKING:
    from typing_extensions import Self

    from runpod._sync.batch_calls import BatchCalls
    from runpod._protocol.deadlines import TimeoutOrDefault
    from runpod._protocol.decoding import OutputReader
    from runpod._protocol.outcomes import Response
    from runpod.models.batches import BatchResult

# After a 429, the least pause in seconds, and the longest one that is waited for. The only documented limit of a request
# list is 10 in ten seconds.
_PAUSE = 10.0
_LONGEST_PAUSE = 60.0


class BatchResults(Generic[OutputT]):
    """The results of a batch, returned by `batch.results()`: an iterator. Experimental.

    After an error, the iteration can be continued with the same page.

    Example:
        >>> for result in batch.results():
        ...     print(result.id, result.output if result.succeeded else result.error)
    """

    def __init__(
        self,
        calls: BatchCalls,
        read_output: OutputReader[OutputT],
        *,
        key: str | None,
        page_size: int,
        timeout: TimeoutOrDefault,
    ) -> None:
        self.endpoint_id: str = calls.endpoint_id
        self.batch_id: str = calls.state.id
        self._calls = calls
        self._reader: BatchResultReader[OutputT] = BatchResultReader(self.endpoint_id, read_output, key)
        self._pages = Pages(page_size)
        self._timeout: TimeoutOrDefault = timeout
        # Received, but not yet yielded.
        self._rows: deque[dict[str, Any]] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> BatchResult[OutputT]:
        while True:
            with suppress(IndexError):
                row = self._rows.popleft()
                return self._reader(row)
            if self._pages.ended:
                raise StopIteration
            with self._calls.lock:
                # Unless another task or thread did, in the meantime.
                if not self._rows and not self._pages.ended:
                    self._fetch()

    def _fetch(self) -> None:
        call = BatchCall(LIST_REQUESTS, self.endpoint_id, batch_id=self.batch_id, query=self._pages.query)
        try:
            self._rows.extend(self._pages.take(self._page(call), call))
        except RunpodError as error:
            with_batch(error, self.batch_id)
            raise
        total = self._pages.total
        if self._pages.ended and total is not None and self._pages.count < total:
            msg = "The list of the requests of batch %s on endpoint %s ended after %d of %d"
            logger.warning(msg, readable(self.batch_id, 80), self.endpoint_id, self._pages.count, total)

    def _page(self, call: BatchCall) -> Response:
        session = self._calls.session
        deadline = session.deadline(self._timeout)
        while True:
            try:
                return self._calls.send(call, deadline)
            except RateLimitError as error:
                pause = max(error.retry_after or 0.0, _PAUSE)
                if pause > min(_LONGEST_PAUSE, deadline.remaining(session.clock.now())):
                    raise
            session.clock.sleep(pause)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_id={readable(repr(self.batch_id), 80)}, count={self._pages.count})"
