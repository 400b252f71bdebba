"""A local server that behaves like Runpod serverless endpoints, for programs and their tests.

Needs the extra `local`: `pip install "runpod-sdk[local]"`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpod.local.faults import Faults
    from runpod.local.http.request_log import RequestRecord
    from runpod.local.jobs.progress import progress_update
    from runpod.local.server import LocalServer
    from runpod.local.settings import Behavior, Handler, LocalEndpoint

__all__ = ["Behavior", "Faults", "Handler", "LocalEndpoint", "LocalServer", "RequestRecord", "progress_update"]

# Names are imported on first use: pytest loads this package for its fixtures in every environment that
# has it installed, whether or not a test uses them.
_MODULES = {
    "Behavior": "settings",
    "Faults": "faults",
    "Handler": "settings",
    "LocalEndpoint": "settings",
    "LocalServer": "server",
    "RequestRecord": "http.request_log",
    "progress_update": "jobs.progress",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        msg = f"module 'runpod.local' has no attribute {name!r}"
        raise AttributeError(msg)
    try:
        module = import_module(f"runpod.local.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {"starlette", "uvicorn"}:
            raise
        raise ModuleNotFoundError(
            f'runpod.local needs {missing}, which is not installed. Install it with: pip install "runpod-sdk[local]"',
            name=missing,
        ) from error
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# Without a handler, Python prints warnings of an unconfigured logger to stderr.
logging.getLogger("runpod.local").addHandler(logging.NullHandler())
