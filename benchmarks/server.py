"""A server whose jobs take as long as their input says, and that notes when each ended and how often it was asked.

    python -m benchmarks.server     prints its base URL; serves until its standard input is closed

A job is `{"input": {"label": "any text of yours", "seconds": 1.5}}`; its output is its label. `GET /_stats` tells, by
label, when the job ended (CLOCK_MONOTONIC, which all processes of a machine share) and how many requests named it.
Requests that belong to no job are counted as strays.

It listens on loopback only, and is bounded: in the length and number of its jobs, and in its own life.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

# All in seconds.
LONGEST_JOB = 10.0
LIFETIME = 1800.0
SHORTEST_HOLD, LONGEST_HOLD, DEFAULT_HOLD = 1.0, 300.0, 90.0

MOST_JOBS = 10_000


@dataclass
class Job:
    """A job, and what was noted about it."""

    id: str
    label: str
    ended: float | None = None
    requests: int = 0
    end: asyncio.Event = field(default_factory=asyncio.Event)

    def finish(self) -> None:
        """Now is the moment from which a client can know."""
        self.ended = time.monotonic()
        self.end.set()

    async def held(self, seconds: float) -> dict[str, Any]:
        """The state at the end of the job, or after so many seconds."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.end.wait(), seconds)
        return self.state()

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


class Server:
    """The jobs, and the routes that lead to them."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.strays = 0

    async def answer(self, method: str, target: str, body: bytes) -> Any:
        """What a request is answered with.

        Raises:
            RefusedError: Nothing is there, or it asks for too much.
        """
        path, _, query = target.partition("?")
        match (method, *path.strip("/").split("/")):
            case ("GET", "_stats"):
                noted = {job.label: {"ended": job.ended, "requests": job.requests} for job in self.jobs.values()}
                return {"jobs": noted, "strays": self.strays}
            case ("POST", "v2", _, "run"):
                return {"id": self.submit(body, "").id, "status": "IN_QUEUE"}
            case ("POST", "v2", _, "runsync"):
                hold = hold_of(query)
                return await self.submit(body, "sync-").held(hold)
            case ("GET", "v2", _, "status", job_id):
                return self.find(job_id).state()
            case ("GET", "v2", _, "status-sync", job_id):
                return await self.find(job_id).held(hold_of(query))
        self.strays += 1
        raise RefusedError(HTTPStatus.NOT_FOUND, "not found")

    def submit(self, body: bytes, prefix: str) -> Job:
        """Starts a job."""
        try:
            request = json.loads(body)["input"]
            label, seconds = str(request["label"]), float(request["seconds"])
        except (ValueError, KeyError, TypeError):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "a job needs a label and seconds") from None
        if not 0 <= seconds <= LONGEST_JOB or len(self.jobs) >= MOST_JOBS:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "this job is too long, or one too many")
        job = Job(f"{prefix}{len(self.jobs)}-u1", label, requests=1)
        self.jobs[job.id] = job
        asyncio.get_running_loop().call_later(seconds, job.finish)
        return job

    def find(self, job_id: str) -> Job:
        """The job that a request is about."""
        job = self.jobs.get(job_id)
        if job is None:
            self.strays += 1
            raise RefusedError(HTTPStatus.NOT_FOUND, "job not found")
        job.requests += 1
        return job

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection, one after another."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                method, target, body = await read_request(reader)
                status = HTTPStatus.OK
                try:
                    answer = await self.answer(method, target, body)
                except RefusedError as refused:
                    status, answer = refused.status, {"error": str(refused)}
                content = json.dumps(answer).encode()
                head = (
                    f"HTTP/1.1 {status.value} {status.phrase}\r\n"
                    f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
                )
                writer.write(head.encode() + content)
                await writer.drain()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    """Method, target and body. A body comes with its length: no client measured here sends it in chunks."""
    line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
    if "transfer-encoding" in headers:
        msg = "This server cannot read a body in chunks; see read_request."
        raise NotImplementedError(msg)
    return method, target, await reader.readexactly(int(headers.get("content-length", "0")))


def hold_of(query: str) -> float:
    """`wait`, which is milliseconds, in seconds."""
    hold = float(parse_qs(query).get("wait", [str(DEFAULT_HOLD * 1000)])[0]) / 1000
    if not SHORTEST_HOLD <= hold <= LONGEST_HOLD:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "wait is invalid; must be between 1000 and 300000")
    return hold


async def main() -> None:
    """Serves until standard input is closed, which it is when the program that started it ends."""
    server = await asyncio.start_server(Server().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}/v2\n")
    sys.stdout.flush()

    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(over.wait(), LIFETIME)


if __name__ == "__main__":
    asyncio.run(main())
