"""The spans of submissions and runs, and the observer that makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind
from typing_extensions import override

from runpod._opentelemetry import attributes as names
from runpod._opentelemetry.guard import guarded
from runpod._opentelemetry.registry import JobSpans, context_with, failure_of, set_failure

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from runpod.models.jobs import JobState
    from runpod.models.reports import RunReport


class TracedSubmission:
    """The span of a job until it is submitted."""

    def __init__(self, jobs: JobSpans, endpoint_id: str, span: Span) -> None:
        self._jobs = jobs
        self._endpoint_id = endpoint_id
        self._span: Span | None = span
        self._token: Token[Context] | None = None
        # Whether a request is under way, or was interrupted.
        self._is_sending = False

    @guarded
    def __enter__(self) -> None:
        self._is_sending = True
        if self._span is not None:
            # So that the spans of the HTTP client are its children.
            self._token = otel_context.attach(context_with(self._span))

    @guarded
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_sending = kind is not None and not issubclass(kind, Exception)
        token, self._token = self._token, None
        # A coroutine that is thrown away is closed in another context.
        if token is not None and kind is not GeneratorExit:
            otel_context.detach(token)

    @guarded
    def submitted(self, state: JobState[Any], attempts: int) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        key = self._endpoint_id, state.id
        try:
            span.set_attributes({names.JOB_ID: names.text(state.id), names.ATTEMPTS: attempts})
        finally:
            if state.completed:
                self._jobs.ended_at_once(key, span, state)
            else:
                self._jobs.opened(key, span)

    @guarded
    def failed(self, error: BaseException | None, attempts: int, *, in_doubt: bool) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        in_doubt = in_doubt or self._is_sending
        attributes: dict[str, AttributeValue] = {names.ATTEMPTS: attempts, names.MAYBE_SUBMITTED: in_doubt}
        job_id = getattr(error, "job_id", None)
        if isinstance(job_id, str):
            attributes[names.JOB_ID] = names.text(job_id)
            self._jobs.doubted((self._endpoint_id, job_id), span)
        status = names.DOUBTFUL if in_doubt else names.NOT_SUBMITTED
        failure = failure_of(error) or (status.title().replace("_", ""), "The run ended before it was submitted.")
        self._jobs.end(span, self._endpoint_id, status, failure=failure, attributes=attributes)


class TracedRun:
    """The span of a run of many jobs."""

    def __init__(self, observer: TracingObserver, endpoint_id: str, base_url: str, span: Span) -> None:
        self._observer = observer
        self._endpoint_id = endpoint_id
        self._base_url = base_url
        self._span = span
        # That of the caller, with the span. Workers begin with that of a consumer's loop, or of the inputs.
        self._context = context_with(span)

    @guarded
    def enter(self) -> None:
        # Never detached: the context is the worker's own, and ends with it.
        otel_context.attach(self._context)

    def submission(self) -> TracedSubmission:
        return self._observer.submission(self._endpoint_id, self._base_url)

    @guarded
    def ended(self, report: RunReport | None, error: BaseException | None) -> None:
        if not self._observer.take_run(self):
            return
        try:
            self._span.set_attributes({} if report is None else names.report_attributes(report))
            set_failure(self._span, failure_of(error))
        finally:
            self._span.end()


class TracingObserver(JobSpans):
    """Makes a span for each job and run, and counts the jobs. Arguments: `JobSpans`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._runs: set[TracedRun] = set()

    def submission(self, endpoint_id: str, base_url: str) -> TracedSubmission:
        """Starts the span of a job."""
        span = self.start_job(endpoint_id, attributes=names.server_attributes(base_url))
        return TracedSubmission(self, endpoint_id, span)

    def run(self, kind: Literal["map", "bulk"], endpoint_id: str, base_url: str) -> TracedRun:
        """Starts the span of a run."""
        attributes = {names.ENDPOINT_ID: endpoint_id, **names.server_attributes(base_url)}
        span = self.start(f"runpod.{kind} {endpoint_id}", SpanKind.INTERNAL, attributes)
        run = TracedRun(self, endpoint_id, base_url, span)
        self._runs.add(run)
        return run

    def take_run(self, run: TracedRun) -> bool:
        """Whether a run ends now. False if it has ended, or is that of the parent process."""
        try:
            self._runs.remove(run)
        except KeyError:
            return False
        return True

    @override
    def close(self) -> None:
        super().close()
        for run in list(self._runs):
            run.ended(None, None)

    @override
    def after_fork(self) -> None:
        super().after_fork()
        self._runs.clear()
