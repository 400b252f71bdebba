"""Log records of handlers, which go to the logs of their workers as well.

What a handler prints cannot be told apart from what the rest of the program prints.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpod.local.jobs.worker_logs import LogBook

__all__ = ["copy_records", "worker_book"]

worker_book: ContextVar[LogBook | None] = ContextVar("worker_book", default=None)
"""The logs of the worker whose handler runs. Set while a handler runs in the server."""


@cache
def copy_records() -> None:
    """Copy records to the logs of the worker whose handler makes them, from now on.

    Those of threads that a handler starts are missing.
    """
    # Not a handler of the root logger: with one, `logging.basicConfig` of the program would do nothing.
    create = logging.getLogRecordFactory()

    def create_and_copy(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = create(*args, **kwargs)
        book = worker_book.get()
        # The server writes lines of its own about jobs.
        if book is not None and record.name != "runpod.local":
            with suppress(Exception):  # Arguments that do not fit; the handlers of the logger report them.
                book.add("container", f"{record.levelname} {record.name}: {record.getMessage()}")
        return record

    logging.setLogRecordFactory(create_and_copy)
