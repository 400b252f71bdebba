"""Spans and metrics of jobs, with OpenTelemetry. Extra: `opentelemetry`."""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any

from runpod import _observer
from runpod._version import __version__
from runpod.errors import ConfigurationError

try:
    from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
    from opentelemetry.metrics import get_meter
    from opentelemetry.trace import get_tracer
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] != "opentelemetry":  # One of its own dependencies.
        raise
    msg = (
        "runpod.integrations.opentelemetry needs OpenTelemetry and its instrumentation package: "
        'pip install "runpod-sdk[opentelemetry]".'
    )
    raise ConfigurationError(msg) from None

from runpod._opentelemetry.attributes import SCHEMA_URL
from runpod._opentelemetry.metrics import JobMetrics
from runpod._opentelemetry.tracing import TracingObserver

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["RunpodInstrumentor"]

_MAX_OPEN_JOBS = 10_000


class RunpodInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the package switches mypy off for this module
    """Switches spans and metrics of all jobs in this process on and off.

    `opentelemetry-instrument python program.py` finds and calls it. Sync and async clients are traced alike, whenever
    they were created. There is one per process: every call of `RunpodInstrumentor()` returns the same object.

    Example:
        >>> RunpodInstrumentor().instrument()
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """The packages that are instrumented, for OpenTelemetry: none, since what it instruments is this package."""
        # A requirement of this distribution would keep a pre-release, or a copy without metadata, from being traced.
        return ()

    def instrument(self, **kwargs: Any) -> None:
        """Starts to trace and measure. A second call changes nothing, and logs a warning.

        Args:
            **kwargs: `tracer_provider` and `meter_provider`, by default the global ones. `max_open_jobs`: how many jobs
                whose end nobody has seen yet may have an open span, by default 10,000. Beyond that, the span of the
                oldest one is ended with the status UNKNOWN.

        Raises:
            ConfigurationError: `max_open_jobs` is not a positive integer.

        Example:
            >>> RunpodInstrumentor().instrument(tracer_provider=provider)
        """
        super().instrument(**kwargs)

    def uninstrument(self, **kwargs: Any) -> None:
        """Ends it. Open spans are ended; those of jobs with the status UNKNOWN.

        Example:
            >>> RunpodInstrumentor().uninstrument()
        """
        super().uninstrument(**kwargs)

    def _instrument(self, **kwargs: Any) -> None:
        limit = kwargs.get("max_open_jobs", _MAX_OPEN_JOBS)
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            msg = f"max_open_jobs must be a positive integer, got {limit!r}."
            raise ConfigurationError(msg)
        tracer = get_tracer("runpod", __version__, tracer_provider=kwargs.get("tracer_provider"), schema_url=SCHEMA_URL)
        meter = get_meter("runpod", __version__, meter_provider=kwargs.get("meter_provider"), schema_url=SCHEMA_URL)
        _observer.current = TracingObserver(tracer, JobMetrics(meter), limit, at_first_span=_flush_at_exit)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - the signature of the base class
        observer, _observer.current = _observer.current, None
        atexit.unregister(_at_exit)
        if isinstance(observer, TracingObserver):
            observer.close()


def _flush_at_exit() -> None:
    # Only now: exit functions run in reverse order, and that of the tracer provider, which exists by now, must be last.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def _at_exit() -> None:
    # Runs that are closed as the process exits see the end of the jobs that they cancel.
    workers = sys.modules.get("runpod._workers")
    if workers is not None:
        workers.close_workers()
    if isinstance(_observer.current, TracingObserver):
        _observer.current.close()


def _after_fork() -> None:
    if isinstance(_observer.current, TracingObserver):
        _observer.current.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
