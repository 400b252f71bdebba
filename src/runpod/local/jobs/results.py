"""What a worker posts: how a handler's return, yields and exceptions turn into wire shapes.

The shapes are those of the official worker, except where that would leave a job hanging: see
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

logger = logging.getLogger("runpod.local")

# What `runpod_version` of a worker error says: the worker whose shapes these are.
_WORKER_VERSION = "1.12.0"

# Characters of an error that the log shows.
_LINE = 200


def from_return(value: object, worker_id: str) -> Outcome:
    """Turn what a handler returned into what the worker posts."""
    try:
        return _from_return(value)
    except Exception as error:  # noqa: BLE001  # Any object may raise anything while it is looked at.
        return from_exception(error, worker_id)


def _from_return(value: object) -> Outcome:
    if not _is_dict(value):
        return Outcome(output=encode(value))
    # A copy: a handler may return the same dict every time.
    rest = dict(value)
    error = rest.pop("error", None)
    restart = bool(rest.pop("refresh_worker", None))
    # An empty dict is dropped by the worker, also where it is all the handler returned.
    output = encode(rest) if rest else None
    if error and not isinstance(error, str):
        # The service takes text alone. Reported for the real one: "if you use a dict, it will
        # result in the job returning as COMPLETED instead of FAILED without any output".
        logger.warning(
            "A handler returned an `error` of type %s, which the service refuses: the job is "
            "COMPLETED without output. Return text as `error`.",
            type(error).__name__,
        )
        return Outcome(restart=restart)
    return Outcome(output=output, error=error or None, restart=restart)


def from_exception(error: BaseException, worker_id: str) -> Outcome:
    """Turn what a handler raised into what the worker posts."""
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
    """Give the error of a job in one line, for the log."""
    try:
        information: Any = json.loads(error)
        text = f"{information['error_type']}: {information['error_message']}"
    except (ValueError, LookupError, TypeError, RecursionError):
        text = error
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"


class Collector:
    """Turns what a generator yields into chunks, and its end into what the worker posts.

    Args:
        aggregate: Whether the list of all yields becomes the output (`return_aggregate_stream`).
            Otherwise "worker posts an empty list".
    """

    def __init__(self, *, aggregate: bool) -> None:
        self._aggregate = aggregate
        self._yields: list[JSONText] = []
        self._failure: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """What the worker posts now that the generator has ended."""
        return self._failure or Outcome(output=array_text(self._yields))

    def add(self, value: object) -> JSONText | None:
        """Take one yield; gives the chunk to stream, or None where the job has failed with it.

        A yield that is no JSON fails the job. The official worker logs it and goes on, which with
        `return_aggregate_stream` leaves the job running for ever.
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
        """Take what the generator raised. Unlike other handlers' it is posted as plain text."""
        if self._failure is None:
            text = f"handler: {_message(error)} \ntraceback: {_traceback(error)}"
            self._failure = Outcome(error=text)


def _is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # `__str__` is the handler's code as well.
        return f"<{type(error).__name__} without a readable message>"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001  # As above.
        return "<traceback not readable>"
