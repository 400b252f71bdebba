"""Reads the streams of logs in the background, and hands out their lines."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from runpod._async.log_reader import AsyncLogReader
from runpod._async.manage.requests import AsyncManagementAPI
from runpod._async.manage.serverless import AsyncServerless
from runpod._logging import logger
from runpod._primitives import async_connection_key, async_shield
from runpod._protocol.failures import failure
from runpod._protocol.log_feed import MAX_TAIL, LogFeed, logs_path
from runpod._protocol.outcomes import DeadlineExceeded
from runpod._text import readable
from runpod._workers import AsyncWorkers
from runpod.errors import NotFoundError, RunpodError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from runpod._async.session import AsyncSession
    from runpod._primitives import AsyncWakeup
    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.log_feed import LogQuery
    from runpod.models.management.logs import LogLine
    from runpod.models.management.workers import EndpointWorkers

# How many lines wait for a slow loop. A long one, in characters, waits until all others are taken.
_MAX_WAITING = 1000
_LONG = 1_000_000

# Seconds between two requests for the workers of an endpoint. The service allows 60 requests per minute.
_WORKERS_INTERVAL = 10.0

# The workers that are read at once: in sync code, each needs a thread, and there is one that finds new workers.
_MAX_FOLLOWED = AsyncWorkers.MAX_SUBMITTING + AsyncWorkers.MAX_POLLING - 1

_EARLIEST = datetime.min.replace(tzinfo=timezone.utc)


class AsyncLogRun:
    """The streams that one iterator reads. Their readers are background workers, so that nothing outlives a deadline.

    Args:
        session: The session of the client.
        query: Which lines are wanted.
        path: The path of the one stream; None for those of all workers of the endpoint.
        timeout: Seconds for the whole run, from its start, or None.
        endpoint_id: The endpoint, if any.
        worker_id: The worker, if it is one.
    """

    def __init__(
        self,
        session: AsyncSession,
        query: LogQuery,
        path: str | None,
        timeout: float | None,
        *,
        endpoint_id: str,
        worker_id: str | None,
    ) -> None:
        self.session = session
        self.closed = False
        self._query = query
        self._timeout = timeout
        self._endpoint_id = endpoint_id
        self._first = LogFeed(path or "", query, worker_id=worker_id, endpoint_id=endpoint_id)
        self._is_merged = path is None
        # Lines of several workers that were all written already can be put in order.
        self._is_sorted = self._is_merged and not query.follow
        self._deadline: Deadline
        self._wakeup: AsyncWakeup = session.clock.wakeup()
        self._lines: deque[LogLine] = deque()
        self._error: Exception | None = None
        # Whether a stream, or the list of workers, was received.
        self._was_opened = False
        # What background workers have to do, and all of it that is not done.
        self._tasks: deque[Callable[[], Awaitable[None]]] = deque()
        self._unfinished: set[Any] = set()
        self._readers: dict[LogFeed, AsyncLogReader] = {}
        self._waiting: set[AsyncWakeup] = set()
        self._workers = AsyncWorkers(self._work, self.close_soon)
        # The process and event loop of the background workers.
        self._home: Any = None

    def __repr__(self) -> str:
        return f"endpoint_id={self._endpoint_id!r}" if self._endpoint_id else f"path={self._first.call.path!r}"

    # The consumer

    async def take(self) -> LogLine:
        """Returns the next line.

        Raises:
            StopAsyncIteration: There are no more lines, or the deadline passed.
            RunpodTimeoutError: Nothing was received before the deadline.
            RunpodError: The logs cannot be read.
            RuntimeError: It is called in another process or event loop than before.
        """
        self._start()
        if not self._is_home():
            msg = "Logs can only be read in the process and event loop in which the iteration began."
            raise RuntimeError(msg)
        while True:
            # Before the lines: what is done now has put all of its lines.
            is_done = not self._unfinished or self.closed
            if self._lines and (is_done or not self._is_sorted):
                return self._take_line(is_done)
            if self._error is not None:
                error, self._error = self._error, None
                self.close_soon()
                raise error
            if is_done:
                raise StopAsyncIteration
            remaining = self._deadline.remaining(self.session.clock.now())
            if remaining > 0:
                await self._wakeup.wait(remaining)
                continue
            self.close_soon()
            if not self._was_opened:
                outcome = DeadlineExceeded("no logs were received", sent=True)
                raise failure(self._first.call, outcome, self._deadline)

    def _take_line(self, is_done: bool) -> LogLine:
        if self._is_sorted and is_done:
            self._is_sorted = False
            self._lines = deque(sorted(self._lines, key=lambda line: line.timestamp or _EARLIEST))
        line = self._lines.popleft()
        if len(self._lines) <= _MAX_WAITING // 2:
            self._wake_readers()
        return line

    def _start(self) -> None:
        if self._home is not None:
            return
        self._home = async_connection_key()
        self.session.engine.check_loop()
        self._deadline = self.session.deadline(self._timeout)
        self.session.runs.add(self)
        if self._is_merged:
            self._begin(self._read_workers)
        else:
            self._begin_reading(self._first)

    def fail(self, error: RunpodError) -> None:
        """Ends it with an error."""
        self._error = self._error or error
        self._wakeup.set()

    def close_soon(self) -> None:
        """Ends it. Its background workers close the connections."""
        if not self._is_home():
            # The garbage collector runs in any thread.
            self._workers.call_soon(self.close_soon)
            return
        self.closed = True
        for reader in list(self._readers.values()):
            reader.interrupt()
        self._wake_readers()
        self._workers.abandon()
        self._wakeup.set()

    async def aclose(self) -> None:
        """Ends it, and waits until the connections are closed."""
        self.close_soon()
        if self._is_home():
            with async_shield():
                await self._workers.join()

    def _is_home(self) -> bool:
        return self._home is None or self._home == async_connection_key()

    # The background workers

    async def put(self, line: LogLine) -> None:
        """Takes a line of a reader. Waits while the loop is too slow."""
        limit = 1 if len(line.line) > _LONG else _MAX_WAITING
        while len(self._lines) >= limit and not (self._is_sorted or self.closed):
            await self.pause(1.0)
        self._lines.append(line)
        self._wakeup.set()

    async def pause(self, seconds: float) -> None:
        """Waits, at the longest until it is closed or lines were taken."""
        wakeup = self.session.clock.wakeup()
        self._waiting.add(wakeup)
        try:
            if not self.closed:
                await wakeup.wait(seconds)
        finally:
            self._waiting.discard(wakeup)

    def opened(self) -> None:
        """Notes that a stream was received."""
        self._was_opened = True

    def _wake_readers(self) -> None:
        for wakeup in list(self._waiting):
            wakeup.set()

    def _begin(self, task: Callable[[], Awaitable[None]]) -> None:
        self._unfinished.add(task)
        self._tasks.append(task)
        self._workers.add()

    def _begin_reading(self, feed: LogFeed) -> None:
        reader = AsyncLogReader(self.session, feed, self._deadline, self, follow=self._query.follow)
        self._readers[feed] = reader

        async def read() -> None:
            try:
                await reader.run()
            except NotFoundError as error:
                if not self._is_merged:
                    raise
                # A worker that has ended since it was listed, or has not begun. The others go on.
                logger.info("%s", error.message)
            finally:
                del self._readers[feed]

        self._begin(read)

    async def _work(self) -> None:
        while self._tasks:
            try:
                task = self._tasks.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                await task()
            except Exception as error:  # noqa: BLE001 - raised to the consumer
                self._error = self._error or error
            finally:
                self._unfinished.discard(task)
                self._wakeup.set()

    async def _read_workers(self) -> None:
        """Reads the logs of all workers, also of those that start later."""
        feeds: dict[str, LogFeed] = {}
        query = self._query
        was_listed = False
        while not self.closed and not self._deadline.passed(self.session.clock.now()):
            try:
                listed = [worker.id for worker in await self._list_workers()]
            except RunpodError as error:
                if not (was_listed and error.retryable):
                    raise
                logger.info("The workers of endpoint %s are not known: %s", self._endpoint_id, error.message)
            else:
                self._was_opened = was_listed = True
                feeds = self._read_listed(listed, feeds, query)
            if not query.follow:
                return
            # All lines of a worker that starts while its endpoint is followed are new.
            query = replace(query, tail=MAX_TAIL, since=None)
            await self.pause(min(_WORKERS_INTERVAL, self._deadline.remaining(self.session.clock.now())))

    def _read_listed(self, listed: list[str], feeds: dict[str, LogFeed], query: LogQuery) -> dict[str, LogFeed]:
        """Begins to read the logs of the workers that are not read. Returns the streams of all workers."""
        current: dict[str, LogFeed] = {}
        for worker_id, known in feeds.items():
            reader = self._readers.get(known)
            if worker_id in listed:
                current[worker_id] = known
            elif reader is not None:
                current[worker_id] = known
                reader.stop_following()
        for worker_id in listed:
            feed = current.get(worker_id)
            if feed in self._readers:
                continue
            if query.follow and len(self._readers) >= _MAX_FOLLOWED:
                logger.warning("Only %d workers of endpoint %s are followed.", _MAX_FOLLOWED, self._endpoint_id)
                break
            if feed is None or not feed.was_opened:
                path = logs_path("serverless", self._endpoint_id, "workers", worker_id)
                feed = LogFeed(path, query, worker_id=worker_id, endpoint_id=self._endpoint_id)
                current[worker_id] = feed
            logger.info("Reading the logs of worker %s", readable(worker_id))
            self._begin_reading(feed)
        return current

    async def _list_workers(self) -> EndpointWorkers:
        remaining = self._deadline.remaining(self.session.clock.now())
        timeout = max(remaining, 0.001) if self._deadline.limited else None
        return await AsyncServerless(AsyncManagementAPI(self.session)).workers(self._endpoint_id, timeout=timeout)
