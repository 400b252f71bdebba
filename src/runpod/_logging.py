"""The library's logger, and the switch that makes it heard."""

from __future__ import annotations

import logging
import os

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
