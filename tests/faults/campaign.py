"""Run every operation against every fault with every client: what the server received, and the caller's outcome."""

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
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from runpod import AsyncRunpod, RetryPolicy, Runpod, RunpodError
from runpod.local import LocalServer
from tests.faults import clean, invoke
from tests.faults.certificates import Certificates
from tests.faults.faults import FAULTS, HOSTS, Fault, passing, proxying
from tests.faults.proxy import fault_proxy
from tests.faults.secrets import API_KEY, REQUEST, capture, representations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.faults.proxy import Listener

POLICY = RetryPolicy(max_retries=3, initial_delay=timedelta(seconds=0.01), max_delay=timedelta(seconds=0.02))
RESUBMIT = RetryPolicy(
    max_retries=3, initial_delay=timedelta(seconds=0.01), max_delay=timedelta(seconds=0.02), resubmit=True
)

# Who creates the HTTP client, and how it is called.
SIDES = ("own sync", "own asyncio", "own trio", "caller's sync", "caller's asyncio")

# Number of concurrent calls.
CONCURRENCY = 24

# Timeouts in seconds, for calls that can only end at their deadline and for all others.
DEADLINE = 0.4
LONG = 60.0


@dataclass(frozen=True)
class Operation:
    """One call of the public API, for both the sync and the async client."""

    name: str  # in the table
    call: Callable[..., Any]  # takes an endpoint, a job ID and a timeout
    step: str = ""  # path segment of the request that must not be repeated; empty if all may be
    submits: bool = False  # it creates a job
    polls: bool = False  # it keeps polling through failures until its deadline


OPERATIONS = (
    Operation("run", lambda e, _, **o: e.run(REQUEST, **o), "run", submits=True),
    Operation("run_sync", lambda e, _, **o: e.run_sync(REQUEST, **o), "runsync", submits=True),
    Operation("run with resubmit", lambda e, _, **o: e.with_options(retry=RESUBMIT).run(REQUEST, **o), "run", True),
    Operation("retry", lambda e, job, **o: e.retry(job, **o), "retry"),
    Operation("purge_queue", lambda e, _, **o: e.purge_queue(**o), "purge-queue"),
    Operation("status", lambda e, job, **o: e.status(job, **o)),
    Operation("cancel", lambda e, job, **o: e.cancel(job, **o)),
    Operation("health", lambda e, _, **o: e.health(**o)),
    Operation("wait", lambda e, job, **o: e.job(job).wait(**o), polls=True),
    Operation("stream", lambda e, job, **o: e.stream(job, **o), polls=True),
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
        waits = self.operation.polls or (self.fault.unfinished and self.operation.name == "run_sync")
        ends = self.fault.heals or self.fault.final or not waits
        return LONG if ends and not self.fault.hangs else self.deadline

    @property
    def key(self) -> tuple[str, str, str]:
        return self.fault.name, self.operation.name, self.side

    def __str__(self) -> str:
        return " / ".join(self.key)


@dataclass
class Result:
    """The result of one call."""

    cell: Cell
    reached: int = 0  # complete requests that must not be repeated, without those rejected with 429
    done: int = 0  # how many of them the server processed
    attempts: int = 0
    error: BaseException | None = None  # the error raised; None for a result
    late: float = 0.0  # seconds after the deadline; negative if it ended earlier
    quiet: bool = True  # all connections ended after the client was closed

    def problems(self) -> Iterator[str]:
        """Violations of the rules that hold for any fault and on a machine of any speed."""
        operation, fault, error = self.cell.operation, self.cell.fault, self.error
        once = bool(operation.step)
        if not self.quiet:
            yield "a connection stayed open"
        if once and operation.name != "run with resubmit" and self.reached > 1:
            yield f"sent {self.reached} times"
        if error is None:
            if once and not self.done and not fault.forged:
                yield "a result of a request that was not processed"
            return
        if not isinstance(error, RunpodError):
            yield f"raised {error!r}"
            return
        lost = self.done and not (operation.submits and error.job_id)
        if once and lost and not error.maybe_submitted:
            yield "processed, but maybe_submitted is False"
        # If the deadline passes before the client connects, maybe_submitted may be True.
        if error.maybe_submitted and ((fault.unsent and not fault.hangs) or not once):
            yield "not processed, but maybe_submitted is True"
        if once and self.done and error.retryable:
            yield "processed, but retryable is True"
        if fault.final and (self.attempts != 1 or error.retryable):
            yield f"{self.attempts} attempts although a retry cannot succeed"
        if fault.final and fault.tls and "SSL_CERT_FILE" not in str(error):
            yield f"no hint about SSL_CERT_FILE: {error}"


@dataclass
class Campaign:
    """All results, and the leaks: threads, tasks, sockets, and connections to the target of a redirect."""

    results: list[Result]
    seconds: float
    left: tuple[int, int, int, int]
    captured: list[str]

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
    return [cell for cell in found if not _excluded(cell)]


def _excluded(cell: Cell) -> bool:
    """Whether a cell is excluded, as explained in docs/explanation/campaign.md."""
    if cell.side == "caller's sync":
        return cell.fault.stretches
    # The deadline may pass during the handshake.
    return cell.side == "caller's asyncio" and cell.fault.scheme == "https" and cell.timeout == cell.deadline


async def handler(job: dict[str, Any]) -> Any:
    if job["input"].get("fail"):
        raise ValueError("there are no unicorns")
    return {"n": 1}


def run(todo: list[Cell]) -> Campaign:
    """Run the cells, each with its own client and faulty server."""
    threads = set(threading.enumerate())
    start = time.monotonic()
    gc.collect()
    sockets = _sockets()
    tasks = 0
    found: dict[Cell, tuple[Result, Listener]] = {}
    with (
        capture() as captured,
        # A separate endpoint for purging, so that no other call loses its job.
        LocalServer({"ep": handler, "purged": handler}, api_key=API_KEY, workers=8) as server,
        fault_proxy(server.base_url) as new_listener,
        _environment(certificates := Certificates(*HOSTS), new_listener(proxying)),
    ):
        trap = new_listener(passing)
        ended, failed = _jobs(server, todo)

        async def all_of(some: list[Cell]) -> int:
            limiter = anyio.CapacityLimiter(CONCURRENCY)
            before = len(anyio.get_running_tasks())

            async def one(cell: Cell) -> None:
                fault = cell.fault
                tls = certificates.context(fault.tls) if fault.tls else None
                async with limiter:
                    listener = new_listener(fault.behave, tls, fault.refusing, fault.scheme, fault.host)
                    listener.counts["trap"] = trap.port
                    job = failed.pop() if cell.operation.step == "retry" else ended
                    found[cell] = await _call(cell, listener, job), listener

            async with anyio.create_task_group() as group:
                for cell in some:
                    group.start_soon(one, cell)
            return len(anyio.get_running_tasks()) - before

        # Heavy faults block their event loop, so they run first, together with calls that have no short deadline.
        ordered = sorted(todo, key=lambda cell: (not cell.fault.heavy, not cell.fault.heals))
        for loop in ("sync", "asyncio", "trio"):
            some = [cell for cell in ordered if cell.side.endswith(loop)]
            tasks += anyio.run(all_of, some, backend="trio" if loop == "trio" else "asyncio")
        limit = time.monotonic() + LONG
        while any(listener.open for _, listener in found.values()) and time.monotonic() < limit:
            time.sleep(0.01)
        for result, listener in found.values():
            result.quiet = not listener.open
            result.attempts = listener.attempts
            unsafe = [request for request in listener.requests if request.operation == result.cell.operation.step]
            result.reached = sum(not request.rejected for request in unsafe)
            result.done = sum(request.done for request in unsafe)
            # No secret may appear in a request, except in its `Authorization` header and its body.
            captured.extend(re.sub(r"(?im)^authorization:.*", "", r.head.decode("latin-1")) for r in listener.requests)
            captured.extend([] if result.error is None else representations(result.error))
        trapped = trap.connections
    gc.collect()
    left = len(set(threading.enumerate()) - threads), tasks, len(_sockets() - sockets), trapped
    return Campaign([found[cell][0] for cell in todo], time.monotonic() - start, left, captured)


async def _call(cell: Cell, listener: Listener, job: str) -> Result:
    result = Result(cell)
    sync = cell.side.endswith("sync")
    options: dict[str, Any] = {"base_url": listener.base_url, "retry": POLICY}
    if cell.side.startswith("caller's"):
        options["http_client"] = httpx.Client() if sync else httpx.AsyncClient()
    client: Any = Runpod(API_KEY, **options) if sync else AsyncRunpod(API_KEY, **options)
    endpoint = client.endpoint("purged" if cell.operation.name == "purge_queue" else "ep")
    if cell.fault.warm:
        await invoke(endpoint.health, sync=sync, timeout=LONG)
    while cell.fault.settles and listener.open:  # noqa: ASYNC110 - closed in the thread of the proxy
        await anyio.sleep(0.01)
    start = time.monotonic()
    try:
        await invoke(cell.operation.call, endpoint, job, sync=sync, timeout=cell.timeout)
    except BaseException as error:  # noqa: BLE001 - every error is recorded
        result.error = error
    result.late = time.monotonic() - start - cell.timeout
    for each in (client, options.get("http_client")):
        if each is not None:
            await invoke(each.close if sync else each.aclose, sync=sync)
    return result


def _jobs(server: LocalServer, todo: list[Cell]) -> tuple[str, list[str]]:
    """Create a completed job, and a failed job for each cell that retries one."""
    with Runpod(API_KEY, base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")
        # Not with `run_sync`, whose results are kept for a minute only.
        ended = endpoint.run(input={"n": 1}).wait(timeout=LONG).id
        failed = [endpoint.run(input={"fail": True}) for cell in todo if cell.operation.step == "retry"]
        return ended, [job.wait(timeout=LONG).id for job in failed]


@contextlib.contextmanager
def _environment(certificates: Certificates, proxy: Listener) -> Iterator[None]:
    """Trust the test's certificate authority, set a proxy, and cache TLS contexts, which are slow to create."""
    with pytest.MonkeyPatch.context() as patch, certificates.authority.tempfile() as authority:
        clean(patch)
        patch.setenv("SSL_CERT_FILE", authority)
        patch.setenv("HTTPS_PROXY", f"http://{proxy.host}:{proxy.port}")
        # httpx uses proxies for local addresses, too.
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


def _sockets() -> set[str]:
    """The open sockets of this process, on Linux."""
    found: set[str] = set()
    for entry in Path("/proc/self/fd").iterdir() if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):
            found.add(str(entry.readlink()))
    return {name for name in found if name.startswith("socket:")}
