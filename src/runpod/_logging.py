"""The library's logger, the switch that makes it heard, and warnings."""

from __future__ import annotations

import inspect
import logging
import os
import warnings

logger = logging.getLogger("runpod")
# Without it, Python shows warnings on stderr in programs that set up no logging at all.
logger.addHandler(logging.NullHandler())

VARIABLE = "RUNPOD_LOG"


def setup_logging() -> None:
    """Shows the log on stderr if `RUNPOD_LOG` names a level, such as debug or info.

    Does nothing where the program has set up the logger itself.
    """
    level = os.environ.get(VARIABLE, "").strip().upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        return
    logger.setLevel(level)
    if not any(type(handler) is not logging.NullHandler for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        # Once is enough, also where the program shows everything that is logged.
        logger.propagate = False


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns at the line of the caller's, through whichever call it came into the library."""
    # `skip_file_prefixes` does it from Python 3.12 on.
    depth, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("runpod."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)
