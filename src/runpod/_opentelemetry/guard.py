"""Keeps errors of span processors and exporters away from the jobs."""

from __future__ import annotations

import logging
import threading
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from runpod._logging import logger

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
SelfT = TypeVar("SelfT")


def guarded(method: Callable[Concatenate[SelfT, P], None]) -> Callable[Concatenate[SelfT, P], None]:
    """A method that logs errors, such as those of a span processor, instead of raising them."""

    @wraps(method)
    def call(self: SelfT, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:  # noqa: BLE001 - whatever a processor raises
            log_problem()

    return call


_has_warned = threading.Event()


def log_problem() -> None:
    """Logs the current exception."""
    # Once, since it may happen with every job.
    level = logging.DEBUG if _has_warned.is_set() else logging.WARNING
    _has_warned.set()
    logger.log(level, "OpenTelemetry: a span or metric could not be recorded", exc_info=True)
