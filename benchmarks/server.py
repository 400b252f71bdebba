"""A server for jobs of a given duration, which records the end of each job and its number of requests.

    python -m benchmarks.server     prints its base URL; serves until its standard input is closed

A job is `{"input": {"label": "any text", "seconds": 1.5}}`, and its output is its label. `GET /_stats` returns for each
label when the job ended (CLOCK_MONOTONIC, shared by all processes of a machine) and the number of its requests. It also
returns the jobs and requests of each endpoint. Requests without a job are counted as strays.

The endpoint `limited` has the rate limits of the service: 400 concurrent polls, and 2,000 in ten seconds; 200 concurrent
submissions, and 1,000 in ten seconds. A submission takes a tenth of a second there. The endpoint `limited-polls` limits
the polls only. The endpoints `records-100000` and `text-100000` ignore the request, and respond immediately with a job
whose output has about this many bytes: a list of small objects, or one string.

The server listens on loopback only, and limits the duration and number of jobs and its own lifetime. It is implemented
as an asyncio protocol, and uses uvloop if installed, so that its own cost is small.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter, OrderedDict, defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qs

# All in seconds.
LONGEST_JOB = 60.0
LIFETIME = 1800.0
SHORTEST_HOLD, LONGEST_HOLD, DEFAULT_HOLD = 1.0, 300.0, 90.0

MAX_JOBS = 50_000  # beyond this, the oldest job is dropped if it has ended
MAX_BYTES = 50_000_000

# The service's rate limits for one endpoint: how many at once, and in ten seconds.
POLLS = (400, 2000)
SUBMISSIONS = (200, 1000)

# How long a submission to the limited endpoint takes.
SUBMISSION = 0.1

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)


@dataclass
class Job:
    """A job, its measurements, and the connections waiting for its end."""

    id: str
    label: str
    ended: float | None = None
    requests: int = 0
    held: set[Connection] = field(default_factory=set)

    def finish(self) -> None:
        """End the job, and respond to the requests waiting for it."""
        self.ended = time.monotonic()
        for connection in tuple(self.held):
            connection.release()

    def state(self) -> dict[str, Any]:
        """The job as returned by the API."""
        if self.ended is None:
            return {"id": self.id, "status": "IN_PROGRESS", "delayTime": 0}
        return {"id": self.id, "status": "COMPLETED", "delayTime": 0, "executionTime": 1, "output": self.label}


class RejectedError(Exception):
    """The request cannot be served."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class RateLimit:
    """Counts the requests of one kind to the limited endpoints, and limits them."""

    def __init__(self, at_once: int, in_ten_seconds: int) -> None:
        self.at_once, self.in_ten_seconds = at_once, in_ten_seconds
        self.recent: deque[float] = deque()
        self.running = self.most = self.busiest = self.rejected = 0

    def begin(self) -> None:
        """Count a request.

        Raises:
            RejectedError: The rate limit is exceeded.
        """
        now = time.monotonic()
        while self.recent and now - self.recent[0] >= 10.0:
            self.recent.popleft()
        if self.running >= self.at_once or len(self.recent) >= self.in_ten_seconds:
            self.rejected += 1
            raise RejectedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        self.recent.append(now)
        self.running += 1
        self.most = max(self.most, self.running)
        self.busiest = max(self.busiest, len(self.recent))

    def data(self) -> dict[str, int]:
        """Return the counts, and reset all but those of the requests that are running."""
        counts = {"at_once": self.most, "in_ten_seconds": self.busiest, "rejected": self.rejected}
        self.most = self.busiest = self.rejected = 0
        self.recent.clear()
        return counts


class Server:
    """The jobs and the routes."""

    def __init__(self) -> None:
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.endpoints: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.polls, self.submissions = RateLimit(*POLLS), RateLimit(*SUBMISSIONS)
        self.strays = self.number = 0
        self.requests = 0
        # Constant responses, by method and target.
        self.ready: dict[tuple[str, str], bytes] = {}

    def respond(self, connection: Connection, method: str, target: str, body: bytes) -> bytes | None:
        """Return the response to a request, or None if it is sent later.

        Raises:
            RejectedError: The route does not exist, or the request is invalid.
        """
        path, _, query = target.partition("?")
        match (method, *path.strip("/").split("/")):
            case (_, "v2", name, operation, *_) if name.startswith(("records-", "text-")):
                kind, _, size = name.partition("-")
                response = self.ready[method, target] = sized(operation, kind, int(size))
                return response
            case ("GET", "_stats"):
                return encoded(self.stats())
            case ("POST", "v2", "limited", "run"):
                self.submissions.begin()
                connection.delay(
                    encoded({"id": self.submit("limited", body, "").id, "status": "IN_QUEUE"}), self.submissions
                )
                return None
            case ("POST", "v2", name, "run"):
                return encoded({"id": self.submit(name, body, "").id, "status": "IN_QUEUE"})
            case ("POST", "v2", name, "runsync"):
                hold = hold_of(query)
                return connection.hold(self.submit(name, body, "sync-"), hold)
            case ("GET", "v2", name, "status" | "status-sync" as operation, job_id):
                job = self.find(name, job_id)
                hold = hold_of(query) if operation == "status-sync" else 0.0
                return connection.hold(job, hold, self.polls if name.startswith("limited") else None)
        self.strays += 1
        raise RejectedError(HTTPStatus.NOT_FOUND, "not found")

    def stats(self) -> dict[str, Any]:
        """Return all measurements, and reset the counts of endpoints and of what is limited."""
        endpoints, self.endpoints = self.endpoints, defaultdict(Counter)
        return {
            "jobs": {job.label: {"ended": job.ended, "requests": job.requests} for job in self.jobs.values()},
            "polls": self.polls.data(),
            "submissions": self.submissions.data(),
            "endpoints": endpoints,
            "strays": self.strays,
            "requests": self.requests,
            "cpu": time.process_time(),
        }

    def submit(self, name: str, body: bytes, prefix: str) -> Job:
        """Start a job."""
        try:
            request = json.loads(body)["input"]
            label, seconds = str(request["label"]), float(request["seconds"])
        except (ValueError, KeyError, TypeError):
            raise RejectedError(HTTPStatus.BAD_REQUEST, "a job needs a label and seconds") from None
        if len(self.jobs) >= MAX_JOBS and next(iter(self.jobs.values())).ended:
            self.jobs.popitem(last=False)
        if not 0 <= seconds <= LONGEST_JOB or len(self.jobs) >= MAX_JOBS:
            raise RejectedError(HTTPStatus.BAD_REQUEST, "the job is too long, or there are too many jobs")
        self.number += 1
        self.endpoints[name].update(("jobs", "requests"))
        job = Job(f"{prefix}{self.number}-u1", label, requests=1)
        self.jobs[job.id] = job
        asyncio.get_running_loop().call_later(seconds, job.finish)
        return job

    def find(self, name: str, job_id: str) -> Job:
        """Return the job of a request."""
        job = self.jobs.get(job_id)
        if job is None:
            self.strays += 1
            raise RejectedError(HTTPStatus.NOT_FOUND, "job not found")
        job.requests += 1
        self.endpoints[name]["requests"] += 1
        return job


class Connection(asyncio.Protocol):
    """One connection, which handles one request at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._data = bytearray()
        self._needed = 0
        self._transport: asyncio.Transport
        self._job: Job | None = None
        self._limit: RateLimit | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - of Protocol
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, D102
        self._stop_waiting()

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._data += data
        if len(self._data) < self._needed:
            return
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._data[:end])
        if _CHUNKED.search(head):
            msg = "This server does not support chunked request bodies."
            raise NotImplementedError(msg)
        length = _LENGTH.search(head)
        self._needed = end + 4 + (int(length[1]) if length else 0)
        if len(self._data) < self._needed:
            return
        body = bytes(self._data[end + 4 : self._needed])
        del self._data[: self._needed]
        self._needed = 0
        method, target, _ = head[: head.find(b"\r\n")].decode("latin-1").split(" ")
        self._server.requests += 1
        try:
            response = self._server.ready.get((method, target)) or self._server.respond(self, method, target, body)
        except RejectedError as rejected:
            response = encoded({"error": str(rejected)}, rejected.status)
        if response is not None:
            self._transport.write(response)

    def hold(self, job: Job, seconds: float, limit: RateLimit | None = None) -> bytes | None:
        """Return the state of a job if it has ended, else None, and send the state at its end or after `seconds`."""
        if limit is not None:
            limit.begin()
        self._job, self._limit = job, limit
        if job.ended is not None or seconds == 0:
            self._stop_waiting()
            return encoded(job.state())
        job.held.add(self)
        self._timer = asyncio.get_running_loop().call_later(seconds, self.release)
        return None

    def release(self) -> None:
        """Send the held response."""
        job = self._job
        if job is not None:
            self._stop_waiting()
            self._transport.write(encoded(job.state()))

    def delay(self, response: bytes, limit: RateLimit) -> None:
        """Send the response to a submission after the usual time."""
        self._limit = limit
        self._timer = asyncio.get_running_loop().call_later(SUBMISSION, self._send, response)

    def _send(self, response: bytes) -> None:
        self._stop_waiting()
        self._transport.write(response)

    def _stop_waiting(self) -> None:
        if self._job is not None:
            self._job.held.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._limit is not None:
            self._limit.running -= 1
        self._job = self._limit = self._timer = None


def encoded(response: Any, status: HTTPStatus = HTTPStatus.OK) -> bytes:
    """Encode a complete response with a JSON body."""
    content = json.dumps(response).encode()
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


@lru_cache
def sized(operation: str, kind: str, size: int) -> bytes:
    """The constant response of an endpoint that measures throughput."""
    if operation == "run":
        return encoded({"id": "1-u1", "status": "IN_QUEUE"})
    state: dict[str, Any] = {"status": "COMPLETED", "delayTime": 3, "executionTime": 7, "workerId": "w"}
    state["output"] = output(kind, size)
    return encoded({"id": "sync-1-u1" if operation == "runsync" else "1-u1", **state})


def output(kind: str, size: int) -> Any:
    """An output of about `size` bytes of JSON."""
    if not 0 <= size <= MAX_BYTES:
        raise RejectedError(HTTPStatus.BAD_REQUEST, "the output is too large")
    if kind == "text":
        return "aGFzIG1" * (size // 7)
    one = {"label": "a horse the size of a Boeing 787", "score": 0.8731, "box": [12, 7, 640, 480], "seen": True}
    return [one] * max(1, size // len(json.dumps(one)))


def hold_of(query: str) -> float:
    """Return the `wait` parameter, which is in milliseconds, in seconds."""
    hold = float(parse_qs(query).get("wait", [str(DEFAULT_HOLD * 1000)])[0]) / 1000
    if not SHORTEST_HOLD <= hold <= LONGEST_HOLD:
        raise RejectedError(HTTPStatus.BAD_REQUEST, "wait is invalid; must be between 1000 and 300000")
    return hold


async def main() -> None:
    """Serve until standard input is closed, which happens when the parent process ends."""
    loop = asyncio.get_running_loop()
    jobs = Server()
    server = await loop.create_server(lambda: Connection(jobs), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}/v2\n")
    sys.stdout.flush()

    over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), over.set)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(over.wait(), LIFETIME)


if __name__ == "__main__":
    with suppress(ImportError):
        import uvloop  # type: ignore[import-not-found, unused-ignore]

        uvloop.install()
    asyncio.run(main())
