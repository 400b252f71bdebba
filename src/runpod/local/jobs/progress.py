"""Progress updates of handlers, from any thread."""

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

_logger = logging.getLogger("runpod.local")

# Keyed by job ID, which is unique across all servers of the process.
_lock = threading.Lock()
_receivers: dict[str, Callable[[JSONText], None]] = {}

# The attempt that the current context belongs to. If the job was given to another worker meanwhile,
# the old handler must not report for the new attempt. Threads that a handler starts have no such
# context; their updates go to the current attempt.
_current: ContextVar[tuple[str, Callable[[JSONText], None]] | None] = ContextVar("current", default=None)


def progress_update(job: Mapping[str, Any], progress: Any) -> None:
    """Show `progress` as the output of a running job.

    Clients read it as `output` of `/status` while the job is IN_PROGRESS, until the next update or
    the end of the job. Can be called from sync and async handlers and from any thread. An update
    for a job that is not running is ignored; one that is not valid JSON is logged and ignored.

    Args:
        job: The job that was passed to the handler.
        progress: Any JSON value.

    Raises:
        TypeError: `job` has no `id` of type str.

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
            "progress_update() needs the job that was passed to the handler. "
            "Pass the handler's argument itself, not its input or its ID."
        )
    try:
        text = encode(progress)
    except Exception as error:  # noqa: BLE001  # Encoding can run arbitrary code.
        # The official worker sends updates from another thread, so its handlers see no error either.
        _logger.warning("Dropped a progress update of job %s: not valid JSON: %s", job_id, error)
        return
    current = _current.get()
    with _lock:
        receive = current[1] if current is not None and current[0] == job_id else _receivers.get(job_id)
    if receive is None:
        _logger.debug("Dropped a progress update of job %s: the job is not running.", job_id)
    else:
        receive(text)


def attach(job_id: str, receive: Callable[[JSONText], None]) -> None:
    """Route updates of this job, and of the current context, to `receive`."""
    _current.set((job_id, receive))
    with _lock:
        _receivers[job_id] = receive


def detach(job_id: str, receive: Callable[[JSONText], None]) -> None:
    """Undo `attach`, unless a later attempt at the job has replaced it."""
    _current.set(None)
    with _lock:
        if _receivers.get(job_id) is receive:
            del _receivers[job_id]
