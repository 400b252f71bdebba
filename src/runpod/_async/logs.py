"""The iterator over logs."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from runpod._async.closing import AsyncClosing
from runpod._async.log_run import AsyncLogRun
from runpod._http.server_sent_events import check_installed
from runpod._protocol.deadlines import parse_timeout
from runpod._protocol.log_feed import log_query

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Self

    from runpod._async.session import AsyncSession
    from runpod._protocol.log_feed import LogSource
    from runpod.models.management.logs import LogLine


class AsyncLogs(AsyncClosing):
    """Lines of logs, returned by `endpoint.logs` and `client.manage.pods.logs`: an iterator, and a context manager.

    Use it in a `with` block if you may leave the loop before its end: that closes the connections.

    Example:
        >>> async with endpoint.logs(follow=True, timeout=60) as lines:
        ...     async for line in lines:
        ...         print(line.worker_id, line.line)
    """

    def __init__(
        self,
        session: AsyncSession,
        path: str | None,
        *,
        source: LogSource | None = None,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        follow: bool = False,
        timeout: float | timedelta | None = None,
        endpoint_id: str = "",
        worker_id: str | None = None,
    ) -> None:
        check_installed()
        query = log_query(source=source, tail=tail, since=since, follow=follow, now=datetime.now(timezone.utc))
        self._run = AsyncLogRun(
            session, query, path, parse_timeout(timeout), endpoint_id=endpoint_id, worker_id=worker_id
        )
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LogLine:
        if self._ended:
            raise StopAsyncIteration
        try:
            return await self._run.take()
        except BaseException:
            # Like a generator, it raises its error once.
            self._ended = True
            self._run.close_soon()
            raise

    async def aclose(self) -> None:
        """Ends the iteration, and closes the connections."""
        self._ended = True
        await self._run.aclose()

    def __del__(self) -> None:
        # The loop over it was left.
        with suppress(Exception):
            self._run.close_soon()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._run!r})"
