"""Every operation of an endpoint as a call, for tests that hold for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.servers import BASE_URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from runpod import AsyncEndpoint

PATH = BASE_URL.removeprefix("https://api.example.test")
JOB = "job-1"
INPUT = {"prompt": "a photo of a horse the size of a Boeing 787"}
BODY = b'{"input":{"prompt":"a photo of a horse the size of a Boeing 787"}}'

QUEUED = {"id": JOB, "status": "IN_QUEUE"}
RUNNING = {"id": JOB, "status": "IN_PROGRESS", "delayTime": 20, "workerId": "w"}
DONE = {"id": JOB, "status": "COMPLETED", "output": {"n": 1}, "delayTime": 20, "executionTime": 30, "workerId": "w"}
FAILED = {"id": JOB, "status": "FAILED", "error": "the horse would not fit"}
CANCELLED = {"id": JOB, "status": "CANCELLED"}
TIMED_OUT = {"id": JOB, "status": "TIMED_OUT"}


async def collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@dataclass(frozen=True)
class Operation:
    """One operation: how it is called, how it looks on the wire, and what a good answer is."""

    name: str
    call: Callable[..., Awaitable[Any]]
    sent: str
    good: Any
    body: bytes = b""
    # May it be sent again after it may have arrived?
    repeatable: bool = True
    # Does it go on looking when there is trouble, until its own deadline?
    patient: bool = False

    def __call__(self, endpoint: AsyncEndpoint, **options: Any) -> Awaitable[Any]:
        return self.call(endpoint, **options)


OPERATIONS = (
    Operation(
        "run",
        lambda endpoint, **options: endpoint.run({"input": INPUT}, **options),
        f"POST {PATH}/ep/run",
        QUEUED,
        BODY,
        repeatable=False,
    ),
    Operation(
        "run_sync",
        lambda endpoint, **options: endpoint.run_sync({"input": INPUT}, **options),
        f"POST {PATH}/ep/runsync?wait=1000",
        DONE,
        BODY,
        repeatable=False,
    ),
    Operation(
        "status",
        lambda endpoint, **options: endpoint.status(JOB, **options),
        f"GET {PATH}/ep/status/{JOB}",
        RUNNING,
    ),
    Operation(
        "status_sync",
        lambda endpoint, **options: endpoint.status_sync(JOB, **options),
        f"GET {PATH}/ep/status-sync/{JOB}?wait=89750",
        DONE,
        patient=True,
    ),
    Operation(
        "stream",
        lambda endpoint, **options: collect(endpoint.stream(JOB, **options)),
        f"GET {PATH}/ep/stream/{JOB}?wait=10000",
        {"status": "COMPLETED", "stream": []},
        patient=True,
    ),
    Operation(
        "cancel",
        lambda endpoint, **options: endpoint.cancel(JOB, **options),
        f"POST {PATH}/ep/cancel/{JOB}",
        CANCELLED,
    ),
    Operation(
        "retry",
        lambda endpoint, **options: endpoint.retry(JOB, **options),
        f"POST {PATH}/ep/retry/{JOB}",
        QUEUED,
        repeatable=False,
    ),
    Operation(
        "health",
        lambda endpoint, **options: endpoint.health(**options),
        f"GET {PATH}/ep/health",
        {"jobs": {"inQueue": 2}, "workers": {"idle": 1}},
    ),
    Operation(
        "purge_queue",
        lambda endpoint, **options: endpoint.purge_queue(**options),
        f"POST {PATH}/ep/purge-queue",
        {"removed": 3, "status": "completed"},
        repeatable=False,
    ),
)

# Those that send one request and take its answer.
SIMPLE = tuple(operation for operation in OPERATIONS if not operation.patient)
SUBMISSIONS = tuple(operation for operation in OPERATIONS if not operation.repeatable)
BY_NAME = {operation.name: operation for operation in OPERATIONS}


def name_of(value: object) -> str | None:
    """The id of a parameter in pytest's output."""
    return value.name if isinstance(value, Operation) else None
