"""Runs of many rows that survive the end of the process, in one SQLite file.

Examples:
    >>> from runpod.bulk import BulkRun  # sync
    >>> from runpod.bulk import AsyncBulkRun  # async
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpod._async.bulk import AsyncBulkRun
    from runpod._bulk.adder import Added
    from runpod._bulk.formats import Format
    from runpod._bulk.resubmit import Resubmit
    from runpod._bulk.results import BulkResult
    from runpod._bulk.rows import SkippedRow
    from runpod._bulk.template import Template
    from runpod._sync.bulk import BulkRun

__all__ = ["Added", "AsyncBulkRun", "BulkResult", "BulkRun", "Format", "Resubmit", "SkippedRow", "Template"]

# Imported on first use: mostly one of the twins is needed, and importing both would be slow.
_MODULES = {
    "Added": "runpod._bulk.adder",
    "AsyncBulkRun": "runpod._async.bulk",
    "BulkResult": "runpod._bulk.results",
    "BulkRun": "runpod._sync.bulk",
    "Format": "runpod._bulk.formats",
    "Resubmit": "runpod._bulk.resubmit",
    "SkippedRow": "runpod._bulk.rows",
    "Template": "runpod._bulk.template",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        msg = f"module 'runpod.bulk' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
