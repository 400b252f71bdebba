# Generated from src/runpod/_async/streams.py by scripts/generate_sync.py. Do not edit.

"""The iterators that `watch` and `stream` return."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runpod._sync.closing import Closing
from runpod._base_errors import RunpodError
from runpod._protocol.polling import Poller
from runpod._protocol.streamer import Streamer
from runpod._protocol.waiter import Waiter, differs
from runpod.models.jobs import ChunkT, JobState, OutputT, StreamChunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

    from runpod._sync.session import Session
    from runpod._protocol.decoding import OutputReader
    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Outcome

PollerT = TypeVar("PollerT", bound=Poller)
ItemT = TypeVar("ItemT")


class _PollIterator(Closing, Generic[PollerT, ItemT]):
    """Base of the iterators. Not a generator: leaving a loop early leaves nothing to close."""

    def __init__(self, session: Session, poller: PollerT, items: deque[Any]) -> None:
        self._session = session
        self._poller = poller
        # Received, but not yet yielded.
        self._items: deque[Any] = items
        self._ended = False
        self._closed = False

    @abstractmethod
    def _received(self, call: Call, outcome: Outcome, now: float) -> Iterable[Any]: ...

    @abstractmethod
    def _read(self, item: Any) -> ItemT: ...

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ItemT:
        while not self._closed:
            with suppress(IndexError):
                item = self._items.popleft()
                return self._read(item)
            if self._ended:
                break
            try:
                poll = self._session.poll(self._poller)
            except RunpodError:
                # Like a generator, it raises its error once.
                self._ended = True
                raise
            if poll is None:
                self._ended = True
            else:
                self._items.extend(self._received(*poll, self._session.clock.now()))
        raise StopIteration

    def close(self) -> None:
        """Ends the iteration. Optional: no resources are held between two items."""
        self._closed = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}(job_id={self._poller.job_id!r})"


class JobStream(_PollIterator[Streamer, StreamChunk[ChunkT]], Generic[ChunkT]):
    """The chunks of a job, returned by `stream`: an iterator of `StreamChunk`, and a context manager.

    Example:
        >>> with job.stream() as chunks:
        ...     for chunk in chunks:
        ...         print(chunk.output)
    """

    def __init__(
        self,
        session: Session,
        streamer: Streamer,
        chunks: deque[StreamChunk[Any]],
        read_output: OutputReader[ChunkT],
    ) -> None:
        super().__init__(session, streamer, chunks)
        self._read_output = read_output

    def _received(self, call: Call, outcome: Outcome, now: float) -> Iterable[StreamChunk[Any]]:
        return self._poller.received(call, outcome, now)

    def _read(self, item: StreamChunk[Any]) -> StreamChunk[ChunkT]:
        return self._read_output.chunk(item, self._poller.job_id, self._poller.endpoint_id)


class JobUpdates(_PollIterator[Waiter, JobState[OutputT]], Generic[OutputT]):
    """The states of a job, returned by `watch`: an iterator of `JobState`, and a context manager.

    Example:
        >>> for state in job.watch():
        ...     print(state.status, state.progress)
    """

    def __init__(
        self,
        session: Session,
        waiter: Waiter,
        update: Callable[[JobState[Any]], JobState[OutputT]],
    ) -> None:
        super().__init__(session, waiter, deque([] if waiter.state is None else [waiter.state]))
        self._update = update

    def _received(self, call: Call, outcome: Outcome, now: float) -> Iterable[JobState[OutputT]]:
        old = self._poller.state
        state = self._poller.received(call, outcome, now)
        return [] if state is None or not (state.completed or differs(old, state)) else [self._update(state)]

    def _read(self, item: JobState[OutputT]) -> JobState[OutputT]:
        return item
