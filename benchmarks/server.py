"""A server whose jobs take as long as their input says, and that notes when each ended and how often it was asked.

    python -m benchmarks.server     prints its base URL; serves until its standard input is closed

A job is `{"input": {"label": "any text of yours", "seconds": 1.5}}`; its output is its label. `GET /_stats` tells, by
label, when the job ended (CLOCK_MONOTONIC, which all processes of a machine share) and how many requests named it.
It tells the jobs and requests of each endpoint, too. Requests that belong to no job are counted as strays.

The endpoint `limited` refuses what the service refuses: more than 400 looks at once, or 2,000 in ten seconds. The
endpoints `records-100000` and `text-100000` look at nothing, and answer at once with a job whose output is about so
many bytes: a list of small objects, or one string.

It listens on loopback only, and is bounded: in the length and number of its jobs, and in its own life. Written on bare
protocols, and run on uvloop where that is installed, so that it is not what is measured.
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

MOST_JOBS = 50_000  # for more, the oldest is forgotten if it has ended
MOST_BYTES = 50_000_000

# The service's limits for looks at the jobs of one endpoint.
AT_ONCE = 400
IN_TEN_SECONDS = 2000

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)


@dataclass
class Job:
    """A job, what was noted about it, and those who wait for its end."""

    id: str
    label: str
    ended: float | None = None
    requests: int = 0
    held: set[Connection] = field(default_factory=set)

    def finish(self) -> None:
        """Now is the moment from which a client can know."""
        self.ended = time.monotonic()
        for connection in tuple(self.held):
            connection.release()

    def state(self) -> dict[str, Any]:
        """The job as the wire shows it."""
        if self.ended is None:
            return {"id": self.id, "status": "IN_PROGRESS", "delayTime": 0}
        return {"id": self.id, "status": "COMPLETED", "delayTime": 0, "executionTime": 1, "output": self.label}


class RefusedError(Exception):
    """The request cannot be served."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Looks:
    """How often jobs of the limited endpoint were looked at."""

    def __init__(self) -> None:
        self.recent: deque[float] = deque()
        self.running = self.most = self.busiest = self.refused = 0

    def begin(self) -> None:
        """Counts one more.

        Raises:
            RefusedError: It is one too many.
        """
        now = time.monotonic()
        while self.recent and now - self.recent[0] >= 10.0:
            self.recent.popleft()
        if self.running >= AT_ONCE or len(self.recent) >= IN_TEN_SECONDS:
            self.refused += 1
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        self.recent.append(now)
        self.running += 1
        self.most = max(self.most, self.running)
        self.busiest = max(self.busiest, len(self.recent))


class Server:
    """The jobs, and the routes that lead to them."""

    def __init__(self) -> None:
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.endpoints: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.looks = Looks()
        self.strays = self.number = 0
        self.requests = 0
        # Answers that are always the same, by method and target.
        self.ready: dict[tuple[str, str], bytes] = {}

    def answer(self, connection: Connection, method: str, target: str, body: bytes) -> bytes | None:
        """What a request is answered with; None: later.

        Raises:
            RefusedError: Nothing is there, or it asks for too much.
        """
        path, _, query = target.partition("?")
        match (method, *path.strip("/").split("/")):
            case (_, "v2", name, operation, *_) if name.startswith(("records-", "text-")):
                kind, _, size = name.partition("-")
                answer = self.ready[method, target] = sized(operation, kind, int(size))
                return answer
            case ("GET", "_stats"):
                return encoded(self.stats())
            case ("POST", "v2", name, "run"):
                return encoded({"id": self.submit(name, body, "").id, "status": "IN_QUEUE"})
            case ("POST", "v2", name, "runsync"):
                hold = hold_of(query)
                return connection.hold(self.submit(name, body, "sync-"), hold)
            case ("GET", "v2", name, "status" | "status-sync" as operation, job_id):
                job = self.find(name, job_id)
                hold = hold_of(query) if operation == "status-sync" else 0.0
                return connection.hold(job, hold, self.looks if name == "limited" else None)
        self.strays += 1
        raise RefusedError(HTTPStatus.NOT_FOUND, "not found")

    def stats(self) -> dict[str, Any]:
        """Everything that was noted; the counts of looks and of endpoints begin anew."""
        looks, self.looks = self.looks, Looks()
        endpoints, self.endpoints = self.endpoints, defaultdict(Counter)
        return {
            "jobs": {job.label: {"ended": job.ended, "requests": job.requests} for job in self.jobs.values()},
            "looks": {"at_once": looks.most, "in_ten_seconds": looks.busiest, "refused": looks.refused},
            "endpoints": endpoints,
            "strays": self.strays,
            "requests": self.requests,
            "cpu": time.process_time(),
        }

    def submit(self, name: str, body: bytes, prefix: str) -> Job:
        """Starts a job."""
        try:
            request = json.loads(body)["input"]
            label, seconds = str(request["label"]), float(request["seconds"])
        except (ValueError, KeyError, TypeError):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "a job needs a label and seconds") from None
        if len(self.jobs) >= MOST_JOBS and next(iter(self.jobs.values())).ended:
            self.jobs.popitem(last=False)
        if not 0 <= seconds <= LONGEST_JOB or len(self.jobs) >= MOST_JOBS:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "this job is too long, or one too many")
        self.number += 1
        self.endpoints[name].update(("jobs", "requests"))
        job = Job(f"{prefix}{self.number}-u1", label, requests=1)
        self.jobs[job.id] = job
        asyncio.get_running_loop().call_later(seconds, job.finish)
        return job

    def find(self, name: str, job_id: str) -> Job:
        """The job that a request is about."""
        job = self.jobs.get(job_id)
        if job is None:
            self.strays += 1
            raise RefusedError(HTTPStatus.NOT_FOUND, "job not found")
        job.requests += 1
        self.endpoints[name]["requests"] += 1
        return job


class Connection(asyncio.Protocol):
    """One connection; answers one request after another."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._data = bytearray()
        self._needed = 0
        self._transport: asyncio.Transport
        self._job: Job | None = None
        self._looks: Looks | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - of Protocol
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, D102
        if self._job is not None:
            self._let_go(self._job)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._data += data
        if len(self._data) < self._needed:
            return
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._data[:end])
        if _CHUNKED.search(head):
            msg = "This server cannot read a body in chunks: no client measured here sends one."
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
            answer = self._server.ready.get((method, target)) or self._server.answer(self, method, target, body)
        except RefusedError as refused:
            answer = encoded({"error": str(refused)}, refused.status)
        if answer is not None:
            self._transport.write(answer)

    def hold(self, job: Job, seconds: float, looks: Looks | None = None) -> bytes | None:
        """The state of a job now or at its end, or after so many seconds."""
        if looks is not None:
            looks.begin()
        self._job, self._looks = job, looks
        if job.ended is not None or seconds == 0:
            self._let_go(job)
            return encoded(job.state())
        job.held.add(self)
        self._timer = asyncio.get_running_loop().call_later(seconds, self.release)
        return None

    def release(self) -> None:
        """Gives the answer that was held."""
        job = self._job
        if job is not None:
            self._let_go(job)
            self._transport.write(encoded(job.state()))

    def _let_go(self, job: Job) -> None:
        job.held.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._looks is not None:
            self._looks.running -= 1
        self._job = self._looks = self._timer = None


def encoded(answer: Any, status: HTTPStatus = HTTPStatus.OK) -> bytes:
    """A whole answer with this as JSON."""
    content = json.dumps(answer).encode()
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


@lru_cache
def sized(operation: str, kind: str, size: int) -> bytes:
    """The answer of an endpoint that only has to be fast."""
    if operation == "run":
        return encoded({"id": "1-u1", "status": "IN_QUEUE"})
    state: dict[str, Any] = {"status": "COMPLETED", "delayTime": 3, "executionTime": 7, "workerId": "w"}
    state["output"] = output(kind, size)
    return encoded({"id": "sync-1-u1" if operation == "runsync" else "1-u1", **state})


def output(kind: str, size: int) -> Any:
    """What a worker could give back, about so many bytes of JSON."""
    if not 0 <= size <= MOST_BYTES:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "no output is that large")
    if kind == "text":
        return "aGFzIG1" * (size // 7)
    one = {"label": "a horse the size of a Boeing 787", "score": 0.8731, "box": [12, 7, 640, 480], "seen": True}
    return [one] * max(1, size // len(json.dumps(one)))


def hold_of(query: str) -> float:
    """`wait`, which is milliseconds, in seconds."""
    hold = float(parse_qs(query).get("wait", [str(DEFAULT_HOLD * 1000)])[0]) / 1000
    if not SHORTEST_HOLD <= hold <= LONGEST_HOLD:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "wait is invalid; must be between 1000 and 300000")
    return hold


async def main() -> None:
    """Serves until standard input is closed, which it is when the program that started it ends."""
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
