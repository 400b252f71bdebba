"""Request and response models, shared by the sync and async clients."""

from runpod.models.batches import BatchResult, BatchState
from runpod.models.diagnosis import Diagnosis, Finding
from runpod.models.endpoints import EndpointHealth, JobCounts, PurgeResult, WorkerCounts
from runpod.models.jobs import JobState, StreamChunk
from runpod.models.limits import EndpointLimits
from runpod.models.reports import DurationSummary, RunReport
from runpod.models.requests import (
    ExecutionPolicy,
    ExecutionPolicyDict,
    JobRequest,
    JobRequestDict,
    S3Config,
    S3ConfigDict,
)
from runpod.models.results import MapResult
from runpod.models.retry import RetryPolicy
from runpod.models.status import JobStatus
from runpod.models.worker_failure import WorkerFailure

__all__ = [
    "BatchResult",
    "BatchState",
    "Diagnosis",
    "DurationSummary",
    "EndpointHealth",
    "EndpointLimits",
    "ExecutionPolicy",
    "ExecutionPolicyDict",
    "Finding",
    "JobCounts",
    "JobRequest",
    "JobRequestDict",
    "JobState",
    "JobStatus",
    "MapResult",
    "PurgeResult",
    "RetryPolicy",
    "RunReport",
    "S3Config",
    "S3ConfigDict",
    "StreamChunk",
    "WorkerCounts",
    "WorkerFailure",
]
