"""The Runpod client for Python: submit a job to a serverless endpoint, wait for it, stream it.

Examples:
    >>> from runpod import Runpod  # in sync code
    >>> from runpod import AsyncRunpod  # in async code
"""

from typing import TYPE_CHECKING, Any

from runpod._logging import setup_logging
from runpod._version import __version__

if TYPE_CHECKING:
    from runpod._async.client import AsyncRunpod
    from runpod._async.endpoint import AsyncEndpoint
    from runpod._async.job import AsyncJob
    from runpod._sync.client import Runpod
    from runpod._sync.endpoint import Endpoint
    from runpod._sync.job import Job
    from runpod.errors import (
        APIConnectionError,
        APIResponseError,
        APIStatusError,
        AuthenticationError,
        BadRequestError,
        ClientClosedError,
        ConfigurationError,
        ConflictError,
        InvalidRequestError,
        JobCancelledError,
        JobError,
        JobExpiredError,
        JobFailedError,
        JobOutputError,
        JobTimedOutError,
        NotFoundError,
        PayloadTooLargeError,
        PermissionDeniedError,
        RateLimitError,
        RunpodError,
        RunpodTimeoutError,
        ServerError,
    )
    from runpod.models import (
        EndpointHealth,
        ExecutionPolicy,
        ExecutionPolicyDict,
        JobCounts,
        JobRequest,
        JobRequestDict,
        JobState,
        JobStatus,
        PurgeResult,
        RetryPolicy,
        S3Config,
        S3ConfigDict,
        StreamChunk,
        WaitLimits,
        WorkerCounts,
        WorkerError,
    )

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "AsyncEndpoint",
    "AsyncJob",
    "AsyncRunpod",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "Endpoint",
    "EndpointHealth",
    "ExecutionPolicy",
    "ExecutionPolicyDict",
    "InvalidRequestError",
    "Job",
    "JobCancelledError",
    "JobCounts",
    "JobError",
    "JobExpiredError",
    "JobFailedError",
    "JobOutputError",
    "JobRequest",
    "JobRequestDict",
    "JobState",
    "JobStatus",
    "JobTimedOutError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "PurgeResult",
    "RateLimitError",
    "RetryPolicy",
    "Runpod",
    "RunpodError",
    "RunpodTimeoutError",
    "S3Config",
    "S3ConfigDict",
    "ServerError",
    "StreamChunk",
    "WaitLimits",
    "WorkerCounts",
    "WorkerError",
    "__version__",
]

# A name is loaded when it is first used, so that importing the package costs next to nothing:
# a program pays for the twin it uses, and only then.
_HOMES = {
    "runpod._async.client": ("AsyncRunpod",),
    "runpod._async.endpoint": ("AsyncEndpoint",),
    "runpod._async.job": ("AsyncJob",),
    "runpod._sync.client": ("Runpod",),
    "runpod._sync.endpoint": ("Endpoint",),
    "runpod._sync.job": ("Job",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in {"errors", "models"}:
        return import_module(f"runpod.{name}")
    if name not in __all__:
        msg = f"module 'runpod' has no attribute {name!r}"
        raise AttributeError(msg)
    homes = [home for home, names in _HOMES.items() if name in names]
    for home in homes or ("runpod.errors", "runpod.models"):
        value = getattr(import_module(home), name, None)
        if value is not None:
            globals()[name] = value
            return value
    raise AssertionError(name)  # pragma: no cover - __all__ names nothing else


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "errors", "models"})


setup_logging()
