"""Every operation of an endpoint as a call, for tests that apply to all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.servers import BASE_URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from runpod import AsyncEndpoint, AsyncJob

PATH = BASE_URL.removeprefix("https://api.example.test")
JOB = "job-1"
INPUT = {"prompt": "a photo of a horse the size of a Boeing 787"}
BODY = b'{"input":{"prompt":"a photo of a horse the size of a Boeing 787"}}'

QUEUED = {"id": JOB, "status": "IN_QUEUE"}
RUNNING = {"id": JOB, "status": "IN_PROGRESS", "delayTime": 20, "workerId": "w"}
DONE = {"id": JOB, "status": "COMPLETED", "output": {"n": 1}, "delayTime": 20, "executionTime": 30, "workerId": "w"}
FAILED = {"id": JOB, "status": "FAILED", "error": "the horse would not fit"}
CANCELLED = {"id": JOB, "status": "CANCELLED"}
STREAMED = {"status": "COMPLETED", "stream": []}


async def collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@dataclass(frozen=True)
class Operation:
    """One operation: how to call it, the request it sends, and a successful response."""

    name: str
    call: Callable[[AsyncEndpoint, dict[str, Any]], Awaitable[Any]]
    route: str
    good: Any
    body: bytes = b""
    # Whether it is safe to send again after a request that may have arrived.
    repeatable: bool = True
    # Whether it keeps polling through transient errors until its deadline.
    polls: bool = False

    def __call__(self, endpoint: AsyncEndpoint, **options: Any) -> Awaitable[Any]:
        return self.call(endpoint, options)

    def __str__(self) -> str:
        return self.name

    @property
    def sent(self) -> str:
        """The request line, in the format of `Wire.sent`."""
        method, _, rest = self.route.partition(" ")
        return f"{method} {PATH}/ep/{rest}"

    @property
    def job_id(self) -> str | None:
        """The ID of the job in the request, if any."""
        return JOB if JOB in self.route else None


OPERATIONS = (
    Operation("run", lambda e, o: e.run({"input": INPUT}, **o), "POST run", QUEUED, BODY, repeatable=False),
    Operation("run_sync", lambda e, o: e.run_sync({"input": INPUT}, **o), "POST runsync?wait=1000", DONE, BODY, False),
    Operation("status", lambda e, o: e.status(JOB, **o), f"GET status/{JOB}", RUNNING),
    Operation(
        "status_sync", lambda e, o: e.status_sync(JOB, **o), f"GET status-sync/{JOB}?wait=89750", DONE, polls=True
    ),
    Operation("stream", lambda e, o: collect(e.stream(JOB, **o)), f"GET stream/{JOB}?wait=10000", STREAMED, polls=True),
    Operation("cancel", lambda e, o: e.cancel(JOB, **o), f"POST cancel/{JOB}", CANCELLED),
    Operation("retry", lambda e, o: e.retry(JOB, **o), f"POST retry/{JOB}", QUEUED, repeatable=False),
    Operation("health", lambda e, o: e.health(**o), "GET health", {"jobs": {"inQueue": 2}, "workers": {"idle": 1}}),
    Operation(
        "purge_queue",
        lambda e, o: e.purge_queue(**o),
        "POST purge-queue",
        {"removed": 3, "status": "completed"},
        repeatable=False,
    ),
)

# Operations that send a single request.
SIMPLE = tuple(operation for operation in OPERATIONS if not operation.polls)
SUBMISSIONS = tuple(operation for operation in OPERATIONS if not operation.repeatable)
BY_NAME = {operation.name: operation for operation in OPERATIONS}


def job_calls(job: AsyncJob[Any], **options: Any) -> list[Callable[[], Awaitable[Any]]]:
    """Every method of a job handle that sends requests."""
    calls: list[Callable[..., Awaitable[Any]]] = [job.refresh, job.wait, job.result, job.cancel, job.retry]
    calls += [lambda **options: collect(job.watch(**options)), lambda **options: collect(job.stream(**options))]
    return [lambda call=call: call(**options) for call in calls]
