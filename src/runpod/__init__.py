"""Typed client for Runpod serverless endpoints: submit jobs, wait for them and stream their output.

Examples:
    >>> from runpod import Runpod  # sync
    >>> from runpod import AsyncRunpod  # async
"""

import os
from typing import TYPE_CHECKING, Any

from runpod._logging import setup_logging
from runpod._version import __version__

# The official `runpod` package has this folder, and pip does not stop two packages from overwriting each other's files.
if os.path.exists(os.path.join(os.path.dirname(__file__), "serverless")):  # noqa: PTH110, PTH118, PTH120 - three times as fast
    msg = (
        "The packages `runpod` and `runpod-sdk` are installed in the same environment and overwrite each other's "
        "files: uninstall both, then install only the one you need."
    )
    raise ImportError(msg)

if TYPE_CHECKING:
    from runpod._async.batch import AsyncBatch
    from runpod._async.batch_results import AsyncBatchResults
    from runpod._async.batches import AsyncBatches
    from runpod._async.client import AsyncRunpod
    from runpod._async.endpoint import AsyncEndpoint
    from runpod._async.job import AsyncJob
    from runpod._async.load_balancer import AsyncLoadBalancer, AsyncLoadBalancerSession
    from runpod._async.logs import AsyncLogs
    from runpod._async.manage.manage import AsyncManage
    from runpod._async.map import AsyncJobMap
    from runpod._async.public import AsyncPublic
    from runpod._async.streams import AsyncJobStream, AsyncJobUpdates
    from runpod._protocol.deadlines import CLIENT_DEFAULT, ClientDefault
    from runpod._protocol.generated_text import text
    from runpod._sync.batch import Batch
    from runpod._sync.batch_results import BatchResults
    from runpod._sync.batches import Batches
    from runpod._sync.client import Runpod
    from runpod._sync.endpoint import Endpoint
    from runpod._sync.job import Job
    from runpod._sync.load_balancer import LoadBalancer, LoadBalancerSession
    from runpod._sync.logs import Logs
    from runpod._sync.manage.manage import Manage
    from runpod._sync.map import JobMap
    from runpod._sync.public import Public
    from runpod._sync.streams import JobStream, JobUpdates
    from runpod.errors import (
        APIConnectionError,
        APIResponseError,
        APIStatusError,
        AuthenticationError,
        BadRequestError,
        ClientClosedError,
        ConfigurationError,
        ConflictError,
        InputTooLargeError,
        InvalidRequestError,
        JobCancelledError,
        JobError,
        JobExpiredError,
        JobFailedError,
        JobOutputError,
        JobTimedOutError,
        MediaError,
        NoTextError,
        NotFoundError,
        PayloadTooLargeError,
        PermissionDeniedError,
        RateLimitError,
        RunFileError,
        RunpodError,
        RunpodTimeoutError,
        ServerError,
        UnprocessableEntityError,
        UploadError,
        WebhookTokenError,
        WorkerGoneError,
    )
    from runpod.media import File, Media
    from runpod.models import (
        BatchResult,
        BatchState,
        Diagnosis,
        DurationSummary,
        EndpointHealth,
        EndpointLimits,
        ExecutionPolicy,
        ExecutionPolicyDict,
        Finding,
        JobCounts,
        JobRequest,
        JobRequestDict,
        JobState,
        JobStatus,
        MapResult,
        PurgeResult,
        RetryPolicy,
        RunReport,
        S3Config,
        S3ConfigDict,
        StreamChunk,
        WorkerCounts,
        WorkerFailure,
    )
    from runpod.uploads import S3Uploads

__all__ = [
    "CLIENT_DEFAULT",
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "AsyncBatch",
    "AsyncBatchResults",
    "AsyncBatches",
    "AsyncEndpoint",
    "AsyncJob",
    "AsyncJobMap",
    "AsyncJobStream",
    "AsyncJobUpdates",
    "AsyncLoadBalancer",
    "AsyncLoadBalancerSession",
    "AsyncLogs",
    "AsyncManage",
    "AsyncPublic",
    "AsyncRunpod",
    "AuthenticationError",
    "BadRequestError",
    "Batch",
    "BatchResult",
    "BatchResults",
    "BatchState",
    "Batches",
    "ClientClosedError",
    "ClientDefault",
    "ConfigurationError",
    "ConflictError",
    "Diagnosis",
    "DurationSummary",
    "Endpoint",
    "EndpointHealth",
    "EndpointLimits",
    "ExecutionPolicy",
    "ExecutionPolicyDict",
    "File",
    "Finding",
    "InputTooLargeError",
    "InvalidRequestError",
    "Job",
    "JobCancelledError",
    "JobCounts",
    "JobError",
    "JobExpiredError",
    "JobFailedError",
    "JobMap",
    "JobOutputError",
    "JobRequest",
    "JobRequestDict",
    "JobState",
    "JobStatus",
    "JobStream",
    "JobTimedOutError",
    "JobUpdates",
    "LoadBalancer",
    "LoadBalancerSession",
    "Logs",
    "Manage",
    "MapResult",
    "Media",
    "MediaError",
    "NoTextError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "Public",
    "PurgeResult",
    "RateLimitError",
    "RetryPolicy",
    "RunFileError",
    "RunReport",
    "Runpod",
    "RunpodError",
    "RunpodTimeoutError",
    "S3Config",
    "S3ConfigDict",
    "S3Uploads",
    "ServerError",
    "StreamChunk",
    "UnprocessableEntityError",
    "UploadError",
    "WebhookTokenError",
    "WorkerCounts",
    "WorkerFailure",
    "WorkerGoneError",
    "__version__",
    "text",
]

# Names are imported on first use: `import runpod` stays fast, and only the client in use (sync or async) is loaded.
_MODULES = {
    "CLIENT_DEFAULT": "runpod._protocol.deadlines",
    "ClientDefault": "runpod._protocol.deadlines",
    "AsyncRunpod": "runpod._async.client",
    "AsyncBatch": "runpod._async.batch",
    "AsyncBatchResults": "runpod._async.batch_results",
    "AsyncBatches": "runpod._async.batches",
    "AsyncEndpoint": "runpod._async.endpoint",
    "AsyncJob": "runpod._async.job",
    "AsyncJobMap": "runpod._async.map",
    "AsyncLoadBalancer": "runpod._async.load_balancer",
    "AsyncLoadBalancerSession": "runpod._async.load_balancer",
    "AsyncLogs": "runpod._async.logs",
    "AsyncManage": "runpod._async.manage.manage",
    "AsyncPublic": "runpod._async.public",
    "AsyncJobStream": "runpod._async.streams",
    "AsyncJobUpdates": "runpod._async.streams",
    "Runpod": "runpod._sync.client",
    "Batch": "runpod._sync.batch",
    "BatchResults": "runpod._sync.batch_results",
    "Batches": "runpod._sync.batches",
    "Endpoint": "runpod._sync.endpoint",
    "Job": "runpod._sync.job",
    "JobMap": "runpod._sync.map",
    "LoadBalancer": "runpod._sync.load_balancer",
    "LoadBalancerSession": "runpod._sync.load_balancer",
    "Logs": "runpod._sync.logs",
    "Manage": "runpod._sync.manage.manage",
    "Public": "runpod._sync.public",
    "JobStream": "runpod._sync.streams",
    "JobUpdates": "runpod._sync.streams",
    "File": "runpod.media",
    "Media": "runpod.media",
    "S3Uploads": "runpod.uploads",
    "text": "runpod._protocol.generated_text",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in {"errors", "media", "models", "webhooks"}:
        return import_module(f"runpod.{name}")
    if name not in __all__:
        msg = f"module 'runpod' has no attribute {name!r}"
        raise AttributeError(msg)
    default = "runpod.errors" if name.endswith("Error") else "runpod.models"
    value = getattr(import_module(_MODULES.get(name, default)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "errors", "media", "models", "webhooks"})


setup_logging()
