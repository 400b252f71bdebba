"""The spans of jobs from their submission to their end."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from runpod._opentelemetry import attributes as names
from runpod._opentelemetry.guard import guarded, log_problem
from runpod._protocol.decoding import is_status_only
from runpod._protocol.operations import CANCEL, RETRY
from runpod.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, Tracer
    from opentelemetry.util.types import AttributeValue

    from runpod._opentelemetry.metrics import JobMetrics
    from runpod._protocol.operations import Call
    from runpod.models.jobs import JobState

Key = tuple[str, str]

_PROPAGATOR = TraceContextTextMapPropagator()


class JobSpans:
    """Ends the span of each job that is submitted once anybody sees its end, and counts the jobs.

    Args:
        tracer: What creates the spans.
        metrics: The metrics.
        limit: How many jobs may have an open span. So many are also remembered after their end.
        at_first_span: Called before the first span is started.
    """

    def __init__(
        self, tracer: Tracer, metrics: JobMetrics, limit: int, at_first_span: Callable[[], object] = lambda: None
    ) -> None:
        self._tracer = tracer
        self.metrics = metrics
        self._limit = limit
        self._at_first_span: Callable[[], object] | None = at_first_span
        # Reentrant: a signal handler can submit jobs.
        self._lock = threading.RLock()
        self._closed = False
        # In the order of their submission.
        self._open: OrderedDict[Key, Span] = OrderedDict()
        # Jobs that have ended, so that each is counted once.
        self._ended: OrderedDict[Key, SpanContext] = OrderedDict()
        # The spans of jobs that were submitted elsewhere: by another process, or by a submission that was in doubt.
        self._origins: OrderedDict[Key, SpanContext] = OrderedDict()

    # What the client tells

    @guarded
    def received(self, call: Call, state: JobState[Any]) -> None:
        is_action = call.operation in {CANCEL, RETRY}
        if call.operation is RETRY and not state.completed:
            self._retried((call.endpoint_id, state.id))
        # What follows in /status knows more.
        elif state.completed and not (is_action and is_status_only(state)):
            self._end_of((call.endpoint_id, state.id), state)

    @guarded
    def lost(self, endpoint_id: str, job_id: str, error: RunpodError) -> None:
        span = self._take((endpoint_id, job_id))
        if span is not None:
            self.metrics.in_flight(endpoint_id, -1)
            self.end(span, endpoint_id, names.EXPIRED, failure=(type(error).__name__, error.message))

    def carrier(self, endpoint_id: str, job_id: str) -> Mapping[str, str]:
        carrier: dict[str, str] = {}
        self._inject(carrier, (endpoint_id, job_id))
        return carrier

    @guarded
    def _inject(self, carrier: dict[str, str], key: Key) -> None:
        with self._lock:
            span = self._open.get(key)
            context = self._origins.get(key) if span is None else span.get_span_context()
        if context is not None:
            _PROPAGATOR.inject(carrier, set_span_in_context(NonRecordingSpan(context)))

    @guarded
    def adopt(self, endpoint_id: str, job_id: str, carrier: Mapping[str, str]) -> None:
        key = endpoint_id, job_id
        origin = get_current_span(_PROPAGATOR.extract(carrier, otel_context.Context())).get_span_context()
        with self._lock:
            if origin.is_valid and key not in self._open and key not in self._ended:
                self._note(self._origins, key, origin)

    # What the instrumentor calls

    def close(self) -> None:
        """Ends all open spans of jobs."""
        with self._lock:
            self._closed = True
            jobs = list(self._open)
        for key in jobs:
            self._give_up(key)

    def after_fork(self) -> None:
        """Forgets, in a forked process, what the parent process ends."""
        self._lock = threading.RLock()
        for key, span in self._open.items():
            self._note(self._origins, key, span.get_span_context())
        self._open.clear()

    # What submissions and runs tell

    def start_job(
        self,
        endpoint_id: str,
        *,
        attributes: Mapping[str, AttributeValue],
        context: Context | None = None,
        links: Sequence[Link] = (),
        start: int | None = None,
    ) -> Span:
        """Starts the span of a job. `start`: nanoseconds since 1970, by default now."""
        every = {names.ENDPOINT_ID: endpoint_id, **attributes}
        return self.start(f"runpod.job {endpoint_id}", SpanKind.CLIENT, every, context, links, start)

    def opened(self, key: Key, span: Span) -> None:
        """Takes the span of a job that was submitted, until its end."""
        with self._lock:
            # A webhook can be faster than the response to the submission.
            is_over = key in self._ended
            if not is_over:
                self._open[key] = span
            first = next(iter(self._open), None) if self._closed or len(self._open) > self._limit else None
        if is_over:
            span.set_attribute(names.STATUS, names.UNKNOWN)
            span.end()
            return
        self.metrics.in_flight(key[0], 1)
        if first is not None:
            self._give_up(key if self._closed else first)

    def doubted(self, key: Key, span: Span) -> None:
        """Takes a job whose submission ended in doubt."""
        with self._lock:
            self._note(self._origins, key, span.get_span_context())

    def ended_at_once(self, key: Key, span: Span, state: JobState[Any]) -> None:
        """Takes a job that had ended when the response to its submission came."""
        with self._lock:
            self._note(self._ended, key, span.get_span_context())
        self._end_with(span, key[0], state)

    def end(
        self,
        span: Span,
        endpoint_id: str,
        status: str,
        *,
        failure: tuple[str, str] | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        **measured: Any,
    ) -> None:
        """Ends the span of a job, and counts it. `failure`: type and message of its error."""
        kind = None if failure is None else failure[0]
        try:
            span.set_attributes({names.STATUS: status, **(attributes or {})})
            set_failure(span, failure)
        finally:
            try:
                span.end()
            finally:
                self.metrics.ended(endpoint_id, status, error_type=kind, **measured)

    def start(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
        context: Context | None = None,
        links: Sequence[Link] = (),
        start: int | None = None,
    ) -> Span:
        """Starts a span; one that records nothing if that fails, or is switched off. `start`: see `start_job`."""
        try:
            at_first_span, self._at_first_span = self._at_first_span, None
            if at_first_span is not None:
                at_first_span()
            if self._closed or not is_instrumentation_enabled():
                return INVALID_SPAN
            span = self._tracer.start_span(
                name, context, kind, attributes, links, start_time=start, record_exception=False
            )
            # The rest relies on it, also where errors are not caught.
            span.get_span_context()
        except Exception:  # noqa: BLE001 - whatever a processor raises
            log_problem()
            return INVALID_SPAN
        else:
            return span

    # Internals

    def _take(self, key: Key) -> Span | None:
        """The open span of a job that has ended, or None."""
        with self._lock:
            span = self._open.pop(key, None)
            if span is not None:
                self._note(self._ended, key, span.get_span_context())
            return span

    def _end_of(self, key: Key, state: JobState[Any]) -> None:
        with self._lock:
            if key in self._ended:
                self._ended.move_to_end(key)
                return
            span, origin = self._take(key), self._origins.pop(key, None)
            if span is None:
                self._note(self._ended, key, origin or INVALID_SPAN_CONTEXT)
        if span is None:
            self._end_with(self._start_elsewhere(key, state, origin), key[0], state, elsewhere=True)
        else:
            self.metrics.in_flight(key[0], -1)
            self._end_with(span, key[0], state)

    def _start_elsewhere(self, key: Key, state: JobState[Any], origin: SpanContext | None) -> Span:
        """Starts the span of a job that another process submitted, as long ago as it was queued and ran."""
        known = (names.queued_seconds(state) or 0.0) + (names.running_seconds(state) or 0.0)
        here = get_current_span().get_span_context()
        return self.start_job(
            key[0],
            attributes={names.JOB_ID: names.text(key[1]), names.ELSEWHERE: True},
            context=None if origin is None else set_span_in_context(NonRecordingSpan(origin)),
            links=[Link(here)] if origin is not None and here.is_valid else [],
            start=time.time_ns() - round(known * 1e9),
        )

    def _end_with(self, span: Span, endpoint_id: str, state: JobState[Any], *, elsewhere: bool = False) -> None:
        self.end(
            span,
            endpoint_id,
            names.text(state.status),
            failure=names.failure_of(state),
            attributes=names.end_attributes(state),
            elsewhere=elsewhere,
            queued=names.queued_seconds(state),
            running=names.running_seconds(state),
        )

    def _retried(self, key: Key) -> None:
        with self._lock:
            if key in self._open:  # nobody saw its first end
                return
            before = self._ended.pop(key, None) or self._origins.pop(key, None)
        links = [Link(before)] if before is not None and before.is_valid else []
        self.opened(key, self.start_job(key[0], attributes={names.JOB_ID: names.text(key[1])}, links=links))

    @guarded
    def _give_up(self, key: Key) -> None:
        """Ends the span of a job whose end nobody has seen."""
        with self._lock:
            span = self._open.pop(key, None)
            if span is not None:
                self._note(self._origins, key, span.get_span_context())
        if span is not None:
            self.metrics.in_flight(key[0], -1)
            self.end(span, key[0], names.UNKNOWN)

    def _note(self, jobs: OrderedDict[Key, SpanContext], key: Key, context: SpanContext) -> None:
        jobs[key] = context
        if len(jobs) > self._limit:
            jobs.popitem(last=False)


def context_with(span: Span) -> Context:
    """The current context with another span; without, if that records nothing, since it would hide the caller's."""
    return set_span_in_context(span) if span.get_span_context().is_valid else otel_context.get_current()


def failure_of(error: BaseException | None) -> tuple[str, str] | None:
    """Type and message of an error. That of other exceptions than this library's can have anything: it is left out."""
    if error is None:
        return None
    return type(error).__name__, error.message if isinstance(error, RunpodError) else ""


def set_failure(span: Span, failure: tuple[str, str] | None) -> None:
    """Marks a span as failed, if there is a failure."""
    if failure is not None:
        kind, message = failure
        span.set_attribute(names.ERROR_TYPE, kind)
        span.set_status(Status(StatusCode.ERROR, names.message(message) or kind))
