"""Progress updates, from whatever thread a handler sends them."""

from __future__ import annotations

import logging
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from runpod.local.json_text import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod.local.json_text import JSONText

__all__ = ["attach", "detach", "progress_update"]

logger = logging.getLogger("runpod.local")

# Job ids are unique over all servers of a process, so a handler needs to know no more than its job.
_lock = threading.Lock()
_receivers: dict[str, Callable[[JSONText], None]] = {}

# The attempt at a job that this very code belongs to. A handler whose job was given to another
# worker meanwhile must not report on behalf of that one. Threads that handlers start by
# themselves do not know, and report for whoever has the job.
_own: ContextVar[tuple[str, Callable[[JSONText], None]] | None] = ContextVar("own", default=None)


def progress_update(job: Mapping[str, Any], progress: Any) -> None:
    """Show `progress` as the output of a job that is still running.

    A client reads it as `output` of an IN_PROGRESS `/status`, until the next update or the end of
    the job. May be called from sync and async handlers and from any thread. An update for a job
    that is not running (any more) is ignored, as is one that is not JSON, which is logged.

    Args:
        job: The job as the handler got it.
        progress: Any JSON value.

    Raises:
        TypeError: `job` has no text as `id`.

    Example:
        ```python
        def horse(job):
            progress_update(job, "saddling")
            return {"prompt": job["input"]["prompt"]}
        ```
    """
    try:
        job_id = job["id"]
    except (KeyError, TypeError):
        job_id = None
    if not isinstance(job_id, str):
        raise TypeError(
            "progress_update() needs the job as the handler got it. "
            "Pass the handler's argument itself, not its input or its id."
        )
    try:
        text = encode(progress)
    except Exception as error:  # noqa: BLE001  # Any object may raise anything while it is encoded.
        # The worker sends updates from a thread of its own, so the handler never hears of this.
        logger.warning("A progress update of job %s is no JSON and was dropped: %s", job_id, error)
        return
    own = _own.get()
    with _lock:
        receive = own[1] if own is not None and own[0] == job_id else _receivers.get(job_id)
    if receive is None:
        logger.debug("A progress update of job %s came too late and was dropped.", job_id)
    else:
        receive(text)


def attach(job_id: str, receive: Callable[[JSONText], None]) -> None:
    """From now on `receive` gets the updates of this job, and those of code that is called from here."""
    _own.set((job_id, receive))
    with _lock:
        _receivers[job_id] = receive


def detach(job_id: str, receive: Callable[[JSONText], None]) -> None:
    """Undo `attach`, unless a later attempt at the job has taken its place."""
    _own.set(None)
    with _lock:
        if _receivers.get(job_id) is receive:
            del _receivers[job_id]
