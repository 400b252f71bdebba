"""The logger of the library, its environment variable, and warnings."""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from typing import Literal, NamedTuple

logger = logging.getLogger("runpod")
# Without a handler, Python prints log records of level WARNING to stderr in programs that do not configure logging.
logger.addHandler(logging.NullHandler())

VARIABLE = "RUNPOD_LOG"


class JobFate(NamedTuple):
    """What became of the job that a log record is about, for the command line.

    Attributes:
        job_id: The job's ID.
        fate: "returned": its final state is returned. Of a job that was unfinished when its run ended: "cancelled";
            "ended", just before its cancellation; or "left", so that it goes on.
        reason: Why its cancellation failed, if it did.
    """

    job_id: str
    fate: Literal["returned", "cancelled", "ended", "left"]
    reason: str = ""

    def as_extra(self) -> dict[str, JobFate]:
        """The argument `extra` of a log call. The record has it as its attribute `runpod_fate`."""
        return {"runpod_fate": self}


def setup_logging() -> None:
    """Logs to stderr if `RUNPOD_LOG` is set to a level, such as debug or info.

    Adds no handler if the program has configured the logger itself.
    """
    level = os.environ.get(VARIABLE, "").strip().upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        return
    logger.setLevel(level)
    if not any(type(handler) is not logging.NullHandler for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        # Avoid duplicate lines if the root logger has a handler, too.
        logger.propagate = False


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issues a warning that points to the line which called the library."""
    # Python 3.10 and 3.11 have no `skip_file_prefixes`.
    depth, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("runpod."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)
