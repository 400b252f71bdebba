"""Every operation against every fault, on every side: what the server saw, and what the caller got."""

from __future__ import annotations

import contextlib
import functools
import gc
import re
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from runpod import AsyncRunpod, RetryPolicy, Runpod, RunpodError
from runpod.local import LocalServer
from tests.faults import carry_out, clean
from tests.faults.certificates import Certificates
from tests.faults.faults import FAULTS, HOSTS, Fault, passing, proxying
from tests.faults.proxy import fault_proxy
from tests.faults.secrets import API_KEY, REQUEST, ears, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.faults.proxy import Line

POLICY = RetryPolicy(max_retries=3, initial_delay=0.01, max_delay=0.02)
RESUBMIT = RetryPolicy(max_retries=3, initial_delay=0.01, max_delay=0.02, resubmit=True)

# Who makes the HTTP client, and from what it is called.
SIDES = ("own sync", "own asyncio", "own trio", "caller's sync", "caller's asyncio")

# How many calls are under way at once.
ABREAST = 24

# Seconds that a call may take which only its deadline ends, and one that ends by itself.
DEADLINE = 0.4
LONG = 60.0


@dataclass(frozen=True)
class Operation:
    """One call of the public API; the same words serve the sync and the async client."""

    name: str  # in the table
    call: Callable[..., Any]  # of an endpoint, the id of a job, and a timeout
    step: str = ""  # of the path, by which it does what must not be done twice; empty where it may be repeated
    submits: bool = False  # it makes a job
    patient: bool = False  # it goes on polling when something fails, until its deadline


OPERATIONS = (
    Operation("run", lambda e, _, **o: e.run(REQUEST, **o), "run", submits=True),
    Operation("run_sync", lambda e, _, **o: e.run_sync(REQUEST, **o), "runsync", submits=True),
    Operation("run with resubmit", lambda e, _, **o: e.with_options(retry=RESUBMIT).run(REQUEST, **o), "run", True),
    Operation("retry", lambda e, job, **o: e.retry(job, **o), "retry"),
    Operation("purge_queue", lambda e, _, **o: e.purge_queue(**o), "purge-queue"),
    Operation("status", lambda e, job, **o: e.status(job, **o)),
    Operation("cancel", lambda e, job, **o: e.cancel(job, **o)),
    Operation("health", lambda e, _, **o: e.health(**o)),
    Operation("wait", lambda e, job, **o: e.job(job).wait(**o), patient=True),
    Operation("stream", lambda e, job, **o: e.stream(job, **o), patient=True),
)


@dataclass(frozen=True)
class Cell:
    """One call of the campaign."""

    fault: Fault
    operation: Operation
    side: str
    deadline: float

    @property
    def timeout(self) -> float:
        waits = self.operation.patient or (self.fault.unfinished and self.operation.name == "run_sync")
        ends = self.fault.heals or self.fault.final or not waits
        return LONG if ends and not self.fault.hangs else self.deadline

    @property
    def key(self) -> tuple[str, str, str]:
        return self.fault.name, self.operation.name, self.side

    def __str__(self) -> str:
        return " / ".join(self.key)


@dataclass
class Result:
    """What came of it."""

    cell: Cell
    reached: int = 0  # requests that must not be repeated, arrived whole, and were not refused with 429
    done: int = 0  # those of them that the server processed
    attempts: int = 0
    error: BaseException | None = None  # what the caller got; None: a result
    late: float = 0.0  # seconds past the deadline; less than zero where it ended before
    quiet: bool = True  # every connection came to its end after the client was closed

    def problems(self) -> Iterator[str]:
        """What must not be, whatever the fault and however slow the machine."""
        operation, fault, error = self.cell.operation, self.cell.fault, self.error
        once = bool(operation.step)
        if not self.quiet:
            yield "a connection stayed open"
        if once and operation.name != "run with resubmit" and self.reached > 1:
            yield f"sent {self.reached} times"
        if error is None:
            if once and not self.done and not fault.forged:
                yield "a result of something that was not done"
            return
        if not isinstance(error, RunpodError):
            yield f"raised {error!r}"
            return
        lost = self.done and not (operation.submits and error.job_id)
        if once and lost and not error.maybe_submitted:
            yield "processed, and the error says it was not"
        # Where the deadline passes before the client has begun to connect, it knows nothing.
        if error.maybe_submitted and ((fault.unsent and not fault.hangs) or not once):
            yield "not processed, and the error says it may have been"
        if once and self.done and error.retryable:
            yield "processed, and the error says that the call may be made again"
        if fault.final and (self.attempts != 1 or error.retryable):
            yield f"{self.attempts} attempts where none can be better than the first"
        if fault.final and fault.tls and "SSL_CERT_FILE" not in str(error):
            yield f"nothing about SSL_CERT_FILE: {error}"


@dataclass
class Campaign:
    """All results, and what remained: threads, tasks and sockets, and connections to where a redirect led."""

    results: list[Result]
    seconds: float
    left: tuple[int, int, int, int]
    heard: list[str]

    def problems(self) -> list[str]:
        return [f"{result.cell}: {problem}" for result in self.results for problem in result.problems()]


def cells(faults: Iterable[Fault] = FAULTS, deadline: float = DEADLINE) -> list[Cell]:
    found = [
        Cell(fault, operation, side, deadline)
        for side in SIDES
        for fault in faults
        for operation in OPERATIONS
        if not fault.heavy or operation.name == "run"
    ]
    return [cell for cell in found if not _left_out(cell)]


def _left_out(cell: Cell) -> bool:
    """What a client of the caller's does otherwise; the page says how."""
    if cell.side == "caller's sync":
        return cell.fault.stretches
    # The deadline may pass in the handshake.
    return cell.side == "caller's asyncio" and cell.fault.scheme == "https" and cell.timeout == cell.deadline


async def handler(job: dict[str, Any]) -> Any:
    if job["input"].get("fail"):
        raise ValueError("there are no unicorns")
    return {"n": 1}


def run(todo: list[Cell]) -> Campaign:
    """Carry out cells, each with a client and a line of its own."""
    threads = set(threading.enumerate())
    start = time.monotonic()
    gc.collect()
    sockets = _sockets()
    tasks = 0
    found: dict[Cell, tuple[Result, Line]] = {}
    with (
        ears() as heard,
        # Queues are purged where nobody else has jobs.
        LocalServer({"ep": handler, "purged": handler}, api_key=API_KEY, workers=8) as server,
        fault_proxy(server.base_url) as new_line,
        _environment(certificates := Certificates(*HOSTS), new_line(proxying)),
    ):
        trap = new_line(passing)
        ended, failed = _jobs(server, todo)

        async def all_of(some: list[Cell]) -> int:
            limiter = anyio.CapacityLimiter(ABREAST)
            before = len(anyio.get_running_tasks())

            async def one(cell: Cell) -> None:
                fault = cell.fault
                tls = certificates.context(fault.tls) if fault.tls else None
                async with limiter:
                    line = new_line(fault.behave, tls, fault.refusing, fault.scheme, fault.host)
                    line.counts["trap"] = trap.port
                    job = failed.pop() if cell.operation.step == "retry" else ended
                    found[cell] = await _call(cell, line, job), line

            async with anyio.create_task_group() as group:
                for cell in some:
                    group.start_soon(one, cell)
            return len(anyio.get_running_tasks()) - before

        # What is heavy holds up its event loop, so it comes first, and with it what has no short deadline.
        ordered = sorted(todo, key=lambda cell: (not cell.fault.heavy, not cell.fault.heals))
        for loop in ("sync", "asyncio", "trio"):
            some = [cell for cell in ordered if cell.side.endswith(loop)]
            tasks += anyio.run(all_of, some, backend="trio" if loop == "trio" else "asyncio")
        patience = time.monotonic() + LONG
        while any(line.open for _, line in found.values()) and time.monotonic() < patience:
            time.sleep(0.01)
        for result, line in found.values():
            result.quiet = not line.open
            result.attempts = line.attempts
            unsafe = [request for request in line.requests if request.operation == result.cell.operation.step]
            result.reached = sum(not request.refused for request in unsafe)
            result.done = sum(request.done for request in unsafe)
            # What others may read of a request is all but its `Authorization` and its body.
            heard.extend(re.sub(r"(?im)^authorization:.*", "", r.head.decode("latin-1")) for r in line.requests)
            heard.extend([] if result.error is None else shown(result.error))
        trapped = trap.connections
    gc.collect()
    left = len(set(threading.enumerate()) - threads), tasks, len(_sockets() - sockets), trapped
    return Campaign([found[cell][0] for cell in todo], time.monotonic() - start, left, heard)


async def _call(cell: Cell, line: Line, job: str) -> Result:
    result = Result(cell)
    sync = cell.side.endswith("sync")
    options: dict[str, Any] = {"base_url": line.base_url, "retry": POLICY}
    if cell.side.startswith("caller's"):
        options["http_client"] = httpx.Client() if sync else httpx.AsyncClient()
    client: Any = Runpod(API_KEY, **options) if sync else AsyncRunpod(API_KEY, **options)
    endpoint = client.endpoint("purged" if cell.operation.name == "purge_queue" else "ep")
    if cell.fault.warm:
        await carry_out(endpoint.health, sync=sync, timeout=LONG)
    while cell.fault.settles and line.open:  # noqa: ASYNC110 - it is the proxy's thread that closes it
        await anyio.sleep(0.01)
    start = time.monotonic()
    try:
        await carry_out(cell.operation.call, endpoint, job, sync=sync, timeout=cell.timeout)
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs into the table
        result.error = error
    result.late = time.monotonic() - start - cell.timeout
    for each in (client, options.get("http_client")):
        if each is not None:
            await carry_out(each.close if sync else each.aclose, sync=sync)
    return result


def _jobs(server: LocalServer, todo: list[Cell]) -> tuple[str, list[str]]:
    """A job that has ended, and jobs that failed for those cells that retry one."""
    with Runpod(API_KEY, base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")
        # Not by `run_sync`: what that gives is kept for a minute only, and a campaign can take longer.
        ended = endpoint.run(input={"n": 1}).wait(timeout=LONG).id
        failed = [endpoint.run(input={"fail": True}) for cell in todo if cell.operation.step == "retry"]
        return ended, [job.wait(timeout=LONG).id for job in failed]


@contextlib.contextmanager
def _environment(certificates: Certificates, proxy: Line) -> Iterator[None]:
    """Trusts the authority of the test, names a proxy, and builds TLS contexts once: they are slow to make."""
    with pytest.MonkeyPatch.context() as patch, certificates.authority.tempfile() as authority:
        clean(patch)
        patch.setenv("SSL_CERT_FILE", authority)
        patch.setenv("HTTPS_PROXY", f"http://{proxy.host}:{proxy.port}")
        # httpx asks a proxy for addresses of this machine as well.
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


def _sockets() -> set[str]:
    """The sockets that this process has open, where the system tells."""
    found: set[str] = set()
    for entry in Path("/proc/self/fd").iterdir() if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):
            found.add(str(entry.readlink()))
    return {name for name in found if name.startswith("socket:")}
