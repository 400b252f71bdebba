"""Log records of httpx and httpcore about downloads, whose URLs can contain a credential in their query."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_QUERY = re.compile(r"\?[^\s'\"]+")

# In this task or thread.
_is_hidden: ContextVar[bool] = ContextVar("runpod_queries_hidden", default=False)


@contextmanager
def without_queries() -> Generator[None]:
    """Hides the queries of URLs in the log records of this block."""
    token = _is_hidden.set(True)
    try:
        yield
    finally:
        _is_hidden.reset(token)


class _WithoutQueries(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if _is_hidden.get():
            record.msg, record.args = _QUERY.sub("?...", record.getMessage()), ()
        return True


# httpx logs the URLs of requests, httpcore the headers of responses, with the target of a redirect.
for _name in ("httpx", "httpcore.http11", "httpcore.http2"):
    logging.getLogger(_name).addFilter(_WithoutQueries())
