"""The metrics of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod._opentelemetry.attributes import ELSEWHERE, ENDPOINT_ID, ERROR_TYPE, STATUS
from runpod._opentelemetry.guard import guarded

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.util.types import AttributeValue

# In seconds: from a warm worker that takes a job at once, to a cold start, a long queue, and a training job.
BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400)


class JobMetrics:
    """Counts and measures jobs.

    Args:
        meter: What creates the instruments.
    """

    def __init__(self, meter: Meter) -> None:
        self._ended = meter.create_counter(
            "runpod.job.ended", unit="{job}", description="Jobs that have ended, by endpoint and status."
        )
        self._active = meter.create_up_down_counter(
            "runpod.job.active",
            unit="{job}",
            description="Jobs that this process submitted and whose end it has not seen.",
        )
        self._queued = meter.create_histogram(
            "runpod.job.queue.duration",
            unit="s",
            description="How long jobs waited for a worker.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._running = meter.create_histogram(
            "runpod.job.run.duration",
            unit="s",
            description="How long jobs ran.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )

    @guarded
    def in_flight(self, endpoint_id: str, number: int) -> None:
        """Adds to the number of jobs in flight."""
        self._active.add(number, {ENDPOINT_ID: endpoint_id})

    @guarded
    def ended(
        self,
        endpoint_id: str,
        status: str,
        *,
        error_type: str | None = None,
        elsewhere: bool = False,
        queued: float | None = None,
        running: float | None = None,
    ) -> None:
        """Counts a job that has ended, and its seconds in the queue and running, where they are known."""
        attributes: dict[str, AttributeValue] = {ENDPOINT_ID: endpoint_id, STATUS: status}
        if error_type is not None:
            attributes[ERROR_TYPE] = error_type
        if elsewhere:
            attributes[ELSEWHERE] = True
        self._ended.add(1, attributes)
        if queued is not None:
            self._queued.record(queued, attributes)
        if running is not None:
            self._running.record(running, attributes)
