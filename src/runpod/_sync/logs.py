# Generated from src/runpod/_async/logs.py by scripts/generate_sync.py. Do not edit.

"""The iterator over logs."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from runpod._sync.closing import Closing
from runpod._sync.log_run import LogRun
from runpod._http.server_sent_events import check_installed
from runpod._protocol.deadlines import parse_timeout
from runpod._protocol.log_feed import log_query

if TYPE_CHECKING:
    from datetime import timedelta

    from typing_extensions import Self

    from runpod._sync.session import Session
    from runpod._protocol.log_feed import LogSource
    from runpod.models.management.logs import LogLine


class Logs(Closing):
    """Lines of logs, returned by `endpoint.logs` and `client.manage.pods.logs`: an iterator, and a context manager.

    Use it in a `with` block if you may leave the loop before its end: that closes the connections.

    Example:
        >>> with endpoint.logs(follow=True, timeout=60) as lines:
        ...     for line in lines:
        ...         print(line.worker_id, line.line)
    """

    def __init__(
        self,
        session: Session,
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
        self._run = LogRun(
            session, query, path, parse_timeout(timeout), endpoint_id=endpoint_id, worker_id=worker_id
        )
        self._ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> LogLine:
        if self._ended:
            raise StopIteration
        try:
            return self._run.take()
        except BaseException:
            # Like a generator, it raises its error once.
            self._ended = True
            self._run.close_soon()
            raise

    def close(self) -> None:
        """Ends the iteration, and closes the connections."""
        self._ended = True
        self._run.close()

    def __del__(self) -> None:
        # The loop over it was left.
        with suppress(Exception):
            self._run.close_soon()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._run!r})"
