"""A local server that behaves like Runpod serverless endpoints, for programs and their tests.

Needs the extra `local`: `pip install "runpod-sdk[local]"`.
"""

from __future__ import annotations

import logging

from runpod.local._behavior import Behavior
from runpod.local._endpoint import LocalEndpoint
from runpod.local._handler import Handler
from runpod.local._progress import progress_update
from runpod.local._record import RequestRecord

try:
    from runpod.local._server import LocalServer
except ModuleNotFoundError as _error:
    if _error.name not in {"starlette", "uvicorn"}:
        raise
    raise ModuleNotFoundError(
        f'runpod.local needs {_error.name}, which is not installed. Install it with: pip install "runpod-sdk[local]"',
        name=_error.name,
    ) from _error

__all__ = ["Behavior", "Handler", "LocalEndpoint", "LocalServer", "RequestRecord", "progress_update"]

# Silent unless somebody listens: without this, Python prints warnings that no handler takes.
logging.getLogger("runpod.local").addHandler(logging.NullHandler())
