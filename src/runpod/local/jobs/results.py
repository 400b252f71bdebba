"""Converts return values, yields and exceptions of handlers to what a worker posts.

The format is that of the official worker, except where that would leave a job hanging: see
`Collector.add`.
"""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any, TypeGuard

from runpod.local.jobs.job import Outcome
from runpod.local.json_text import JSONText, array_text, encode

__all__ = ["Collector", "from_exception", "from_return", "short_error"]

_logger = logging.getLogger("runpod.local")

# `runpod_version` in worker errors: the version of the official worker that is imitated.
_WORKER_VERSION = "1.12.0"

# Maximum characters of an error in the log.
_MAX_LOGGED = 200


def from_return(value: object, worker_id: str) -> Outcome:
    """Convert the return value of a handler."""
    try:
        return _from_return(value)
    except Exception as error:  # noqa: BLE001  # Encoding can run arbitrary code.
        return from_exception(error, worker_id)


def _from_return(value: object) -> Outcome:
    if not _is_dict(value):
        return Outcome(output=encode(value))
    # A copy: a handler may return the same dict every time.
    rest = dict(value)
    error = rest.pop("error", None)
    restart = bool(rest.pop("refresh_worker", None))
    # The worker drops an empty dict, even if the handler returned nothing else.
    output = encode(rest) if rest else None
    if error and not isinstance(error, str):
        # The service accepts str only. Users report that with a dict, the job is COMPLETED without
        # output instead of FAILED.
        _logger.warning(
            "A handler returned an `error` of type %s, which the service refuses: the job is "
            "COMPLETED without output. Return a str as `error`.",
            type(error).__name__,
        )
        return Outcome(restart=restart)
    return Outcome(output=output, error=error or None, restart=restart)


def from_exception(error: BaseException, worker_id: str) -> Outcome:
    """Convert an exception of a handler."""
    information = {
        "error_type": str(type(error)),
        "error_message": _message(error),
        "error_traceback": _traceback(error),
        "hostname": "localhost",
        "worker_id": worker_id,
        "runpod_version": _WORKER_VERSION,
    }
    return Outcome(error=json.dumps(information))


def short_error(error: str) -> str:
    """Shorten the error of a job to one line for the log."""
    try:
        information: Any = json.loads(error)
        text = f"{information['error_type']}: {information['error_message']}"
    except (ValueError, LookupError, TypeError, RecursionError):
        text = error
    line = " ".join(text.split())
    return line if len(line) <= _MAX_LOGGED else f"{line[:_MAX_LOGGED]}…"


class Collector:
    """Converts the yields of a generator to chunks, and its end to an outcome.

    Args:
        aggregate: Whether the output is the list of all yields (`return_aggregate_stream`).
            Otherwise the output is an empty list, as that of the official worker.
    """

    def __init__(self, *, aggregate: bool) -> None:
        self._aggregate = aggregate
        self._yields: list[JSONText] = []
        self._failure: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome once the generator has ended."""
        return self._failure or Outcome(output=array_text(self._yields))

    def add(self, value: object) -> JSONText | None:
        """Add one yield, and return the chunk to stream, or None if it fails the job.

        A yield that is not valid JSON fails the job. The official worker logs it and continues,
        which with `return_aggregate_stream` leaves the job running forever.
        """
        try:
            if _is_dict(value):
                error = value.get("error")
                if error:
                    self._failure = Outcome(error=str(error))
                    return None
            chunk = encode(value)
        except Exception as error:  # noqa: BLE001  # As above.
            self.fail(error)
            return None
        if self._aggregate:
            self._yields.append(chunk)
        return chunk

    def fail(self, error: BaseException) -> None:
        """Record an exception of the generator. Unlike those of other handlers, it is posted as plain text."""
        if self._failure is None:
            text = f"handler: {_message(error)} \ntraceback: {_traceback(error)}"
            self._failure = Outcome(error=text)


def _is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # `__str__` can be the user's code.
        return f"<{type(error).__name__} with unreadable message>"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001  # As above.
        return "<unreadable traceback>"
