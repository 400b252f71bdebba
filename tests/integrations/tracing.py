"""Spans and metrics in memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runpod.integrations.opentelemetry import RunpodInstrumentor

if TYPE_CHECKING:
    from collections.abc import Generator


class Tracing:
    """An instrumented process, with what it exported."""

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        # Exit functions of many providers would pile up.
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        if processor is not None:
            self.tracer_provider.add_span_processor(processor)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.tracer_provider.get_tracer("test")

    @property
    def spans(self) -> list[ReadableSpan]:
        """The ended spans, in the order of their start."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str = "runpod.job ep") -> ReadableSpan:
        [span] = self.named(name)
        return span

    def children(self, parent: ReadableSpan) -> list[str]:
        """The names of the spans below a span."""
        return [span.name for span in self.spans if span.parent and span.parent.span_id == parent.context.span_id]

    def metrics_data(self) -> Any:
        return self._reader.get_metrics_data()

    def metric(self, name: str) -> dict[str, Any]:
        """The value of a metric by status, or in all without one: a number, or of a histogram the count."""
        data = self.metrics_data()
        found: dict[str, Any] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points if metric.name == name else ():
                        attributes = dict(point.attributes or {})
                        key = str(attributes.get("runpod.job.status", ""))
                        key += " elsewhere" if attributes.get("runpod.job.submitted_elsewhere") else ""
                        found[key] = point.value if hasattr(point, "value") else point.count
        return found

    @property
    def in_flight(self) -> int:
        return sum(self.metric("runpod.job.active").values())

    @property
    def ended(self) -> dict[str, Any]:
        return self.metric("runpod.job.ended")

    def instrument(self, **options: Any) -> None:
        RunpodInstrumentor().instrument(
            tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options
        )


@contextmanager
def tracing(processor: SpanProcessor | None = None, *, http: bool = False, **options: Any) -> Generator[Tracing]:
    """Instrument this process. `http`: HTTP clients as well."""
    traced = Tracing(processor)
    traced.instrument(**options)
    if http:
        HTTPXClientInstrumentor().instrument(tracer_provider=traced.tracer_provider)
    try:
        yield traced
    finally:
        if http:
            HTTPXClientInstrumentor().uninstrument()
        if RunpodInstrumentor().is_instrumented_by_opentelemetry:
            RunpodInstrumentor().uninstrument()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span, without the address of the server."""
    return {name: value for name, value in (span.attributes or {}).items() if not name.startswith("server.")}
