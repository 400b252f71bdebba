"""The Runpod client for Python: submit a job to a serverless endpoint, wait for it, stream it.

Examples:
    >>> from runpod import Runpod  # in sync code
    >>> from runpod import AsyncRunpod  # in async code
"""

import os
from typing import TYPE_CHECKING, Any

from runpod._logging import setup_logging
from runpod._version import __version__

# The official package has a folder of this name, and pip lets the two overwrite each other.
if os.path.exists(os.path.join(os.path.dirname(__file__), "serverless")):  # noqa: PTH110, PTH118, PTH120 - a third of the time
    msg = (
        "The packages `runpod` and `runpod-sdk` are installed in the same environment and have overwritten files of "
        "each other: uninstall both, then install the one that you need."
    )
    raise ImportError(msg)

if TYPE_CHECKING:
    from runpod._async.client import AsyncRunpod
    from runpod._async.endpoint import AsyncEndpoint
    from runpod._async.job import AsyncJob
    from runpod._async.streams import AsyncJobStream, AsyncJobUpdates
    from runpod._protocol.deadlines import CLIENT_DEFAULT, ClientDefault
    from runpod._sync.client import Runpod
    from runpod._sync.endpoint import Endpoint
    from runpod._sync.job import Job
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
        WorkerFailure,
    )

__all__ = [
    "CLIENT_DEFAULT",
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "AsyncEndpoint",
    "AsyncJob",
    "AsyncJobStream",
    "AsyncJobUpdates",
    "AsyncRunpod",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ClientDefault",
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
    "JobStream",
    "JobTimedOutError",
    "JobUpdates",
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
    "WorkerFailure",
    "__version__",
]

# A name is loaded when it is first used, so that importing the package costs next to nothing:
# a program pays for the twin it uses, and only then.
_HOMES = {
    "runpod._async.client": ("AsyncRunpod",),
    "runpod._async.endpoint": ("AsyncEndpoint",),
    "runpod._async.job": ("AsyncJob",),
    "runpod._async.streams": ("AsyncJobStream", "AsyncJobUpdates"),
    "runpod._protocol.deadlines": ("CLIENT_DEFAULT", "ClientDefault"),
    "runpod._sync.client": ("Runpod",),
    "runpod._sync.endpoint": ("Endpoint",),
    "runpod._sync.job": ("Job",),
    "runpod._sync.streams": ("JobStream", "JobUpdates"),
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
