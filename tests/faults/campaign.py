"""Every operation against every fault, on every engine and side: what the server saw, and what the caller got."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import ssl
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from runpod import AsyncRunpod, RetryPolicy, Runpod, RunpodError
from runpod.local import LocalServer
from tests.faults.certificates import Certificates
from tests.faults.engines import ENGINES, Engine
from tests.faults.faults import DEADLINE, FAULTS, LONG, Fault, passing
from tests.faults.proxy import FaultProxy
from tests.faults.secrets import API_KEY, REQUEST, Ears, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from tests.faults.proxy import Line

POLICY = RetryPolicy(max_retries=3, initial_delay=0.01, max_delay=0.02)
RESUBMIT = RetryPolicy(max_retries=3, initial_delay=0.01, max_delay=0.02, resubmit=True)

# How many calls are under way at once.
ABREAST = 24


@dataclass(frozen=True)
class Operation:
    """One call of the public API; the same words serve both halves.

    Attributes:
        name: What it is called in the table.
        call: Makes it, given an endpoint, the id of a job, and a timeout.
        steps: The step of the path by which it does what must not be done twice; none where it may be repeated.
        submits: Whether it makes a job.
        patient: Whether it goes on looking in trouble, until its deadline.
    """

    name: str
    call: Callable[..., Any]
    steps: tuple[str, ...] = ()
    submits: bool = False
    patient: bool = False

    @property
    def endpoint(self) -> str:
        """Queues are purged where nobody else has jobs."""
        return "purged" if self.name == "purge_queue" else "ep"


OPERATIONS = (
    Operation("run", lambda e, _, **o: e.run(REQUEST, **o), ("run",), submits=True),
    Operation("run_sync", lambda e, _, **o: e.run_sync(REQUEST, **o), ("runsync",), submits=True),
    Operation(
        "run, resubmit=True", lambda e, _, **o: e.with_options(retry=RESUBMIT).run(REQUEST, **o), ("run",), submits=True
    ),
    Operation("retry", lambda e, job, **o: e.retry(job, **o), ("retry",)),
    Operation("purge_queue", lambda e, _, **o: e.purge_queue(**o), ("purge-queue",)),
    Operation("status", lambda e, job, **o: e.status(job, **o)),
    Operation("status_sync", lambda e, job, **o: e.status_sync(job, **o), patient=True),
    Operation("stream", lambda e, job, **o: e.stream(job, **o), patient=True),
    Operation("watch", lambda e, job, **o: e.job(job).watch(**o), patient=True),
    Operation("wait", lambda e, job, **o: e.job(job).wait(**o), patient=True),
    Operation("cancel", lambda e, job, **o: e.cancel(job, **o)),
    Operation("health", lambda e, _, **o: e.health(**o)),
)


@dataclass(frozen=True)
class Cell:
    """One call of the campaign."""

    fault: Fault
    operation: Operation
    engine: Engine
    side: str

    @property
    def timeout(self) -> float:
        ends = self.fault.heals or not (self.fault.hangs or self.operation.patient)
        return LONG if ends else DEADLINE

    def __str__(self) -> str:
        return f"{self.operation.name} / {self.fault.name} / {self.engine.name} / {self.side}"


@dataclass
class Result:
    """What became of it.

    Attributes:
        reached: How many requests that must not be repeated arrived whole and were not refused with 429.
        done: How many of them the server carried out.
        error: What the caller got; None: an answer.
        late: Seconds past the deadline; less than zero where it ended before.
        quiet: Whether every connection came to its end after the client was closed.
    """

    cell: Cell
    reached: int = 0
    done: int = 0
    error: BaseException | None = None
    late: float = 0.0
    quiet: bool = True

    @property
    def got(self) -> str:
        return "an answer" if self.error is None else type(self.error).__name__

    @property
    def maybe(self) -> bool:
        return bool(getattr(self.error, "maybe_submitted", False))

    @property
    def job_id(self) -> str | None:
        return getattr(self.error, "job_id", None)

    def problems(self) -> Iterator[str]:
        """What must not be, whatever the fault."""
        operation = self.cell.operation
        if self.error is not None and not isinstance(self.error, RunpodError):
            yield f"raised {self.error!r}"
        if operation.steps and "resubmit" not in operation.name and self.reached > 1:
            yield f"sent {self.reached} times"
        lost = self.error is not None and self.done and not (operation.submits and self.job_id)
        if operation.steps and lost and not self.maybe:
            yield "carried out, and the error says it was not"
        if self.maybe and (self.cell.fault.unsent or not operation.steps):
            yield "not carried out, and the error says it may have been"
        if not self.quiet:
            yield "a connection stayed open"
        if self.error is None and operation.steps and not self.done and not self.cell.fault.forged:
            yield "an answer for something that was not done"


@dataclass
class Campaign:
    """All results, and what remained."""

    results: list[Result]
    seconds: float
    threads: list[str]
    tasks: int
    sockets: int
    trapped: int
    heard: list[str]
    measured_again: int = 0


def cells(faults: Iterable[Fault] = FAULTS, engines: Iterable[Engine] = ENGINES) -> list[Cell]:
    return [
        Cell(fault, operation, engine, side)
        for engine in engines
        for side in engine.sides
        for fault in faults
        for operation in OPERATIONS
        if not fault.heavy or operation.name in {"run", "status", "stream"}
    ]


async def handler(job: dict[str, Any]) -> Any:
    if job["input"].get("fail"):
        raise ValueError("there are no unicorns")
    return {"n": 1}


def run(todo: list[Cell], abreast: int = ABREAST) -> Campaign:
    """Carry out cells, so many at once, each with a client and a line of its own."""
    before = {thread.name for thread in threading.enumerate()}
    start = time.monotonic()
    gc.collect()
    sockets = _sockets()
    with ExitStack() as stack:
        stack.enter_context(_environment(certificates := Certificates()))
        ears = stack.enter_context(Ears())
        server = stack.enter_context(LocalServer({"ep": handler, "purged": handler}, api_key=API_KEY, workers=8))
        proxy = stack.enter_context(FaultProxy(server.base_url))
        trap = proxy.line(passing)
        jobs = _jobs(server, todo)
        front = _Front(proxy, certificates, trap)
        results: list[Result] = []
        tasks = 0
        for side in ("sync", "asyncio", "trio"):
            for heavy in (False, True):
                mine = [
                    (cell, job)
                    for cell, job in zip(todo, jobs, strict=True)
                    if cell.side == side and cell.fault.heavy is heavy
                ]
                at_once = 1 if heavy else abreast
                if side == "sync":
                    with ThreadPoolExecutor(at_once) as pool:
                        results += pool.map(lambda pair: _sync_cell(front, *pair), mine)
                elif mine:
                    done, left = anyio.run(_side, front, mine, at_once, backend=side)
                    results += done
                    tasks += left
        for result in results:
            line = front.lines[result.cell]
            result.quiet = proxy.quiet(line)
            result.reached = line.reached(*result.cell.operation.steps)
            result.done = line.done(*result.cell.operation.steps)
            ears.heard += shown(result.error)
        ears.sent(line.requests for line in front.lines.values())
        trapped = trap.connections
    gc.collect()
    return Campaign(
        results,
        time.monotonic() - start,
        sorted({thread.name for thread in threading.enumerate()} - before),
        tasks,
        _sockets() - sockets,
        trapped,
        ears.heard,
    )


class _Front:
    """Makes the lines, and the clients that talk to them."""

    def __init__(self, proxy: FaultProxy, certificates: Certificates, trap: Line) -> None:
        self._proxy = proxy
        self._certificates = certificates
        self._trap = trap
        self.lines: dict[Cell, Line] = {}

    def options(self, cell: Cell) -> dict[str, Any]:
        fault = cell.fault
        tls = self._certificates.contexts[fault.tls] if fault.tls else None
        line = self._proxy.line(fault.behave, tls=tls, refusing=fault.refusing, scheme=fault.scheme)
        line.counts["trap"] = self._trap.port
        self.lines[cell] = line
        return {"api_key": API_KEY, "base_url": line.base_url, "retry": POLICY}

    def settle(self, cell: Cell) -> None:
        assert self._proxy.quiet(self.lines[cell])


def _choose(engine: Any, cell: Cell) -> None:
    if cell.engine.whole:
        engine._carrier = lambda: engine._whole


def _sync_cell(front: _Front, cell: Cell, job: str) -> Result:
    result = Result(cell)
    with Runpod(**front.options(cell)) as client:
        _choose(client._session.engine, cell)
        endpoint = client.endpoint(cell.operation.endpoint)
        if cell.fault.warm:
            endpoint.health(timeout=10)
        if cell.fault.settles:
            front.settle(cell)
        start = time.monotonic()
        try:
            answer = cell.operation.call(endpoint, job, timeout=cell.timeout)
            if hasattr(answer, "__next__"):
                list(answer)
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs into the table
            result.error = error
        result.late = time.monotonic() - start - cell.timeout
    return result


async def _async_cell(front: _Front, cell: Cell, job: str) -> Result:
    result = Result(cell)
    async with AsyncRunpod(**front.options(cell)) as client:
        client._session.engine.extra = cell.engine.extra
        _choose(client._session.engine, cell)
        endpoint = client.endpoint(cell.operation.endpoint)
        if cell.fault.warm:
            await endpoint.health(timeout=10)
        if cell.fault.settles:
            while front.lines[cell].open:  # noqa: ASYNC110 - a thread of trio's would stay
                await anyio.sleep(0.01)
        start = time.monotonic()
        try:
            answer = cell.operation.call(endpoint, job, timeout=cell.timeout)
            if hasattr(answer, "__anext__"):
                await _drain(answer)
            else:
                await answer
        except BaseException as error:  # noqa: BLE001 - as above
            result.error = error
        result.late = time.monotonic() - start - cell.timeout
    return result


async def _drain(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


async def _side(front: _Front, pairs: list[tuple[Cell, str]], abreast: int) -> tuple[list[Result], int]:
    """All cells of one event loop, and how many tasks were left at the end."""
    results: list[Result] = []
    limiter = anyio.CapacityLimiter(abreast)
    before = len(anyio.get_running_tasks())

    async def one(cell: Cell, job: str) -> None:
        async with limiter:
            results.append(await _async_cell(front, cell, job))

    async with anyio.create_task_group() as group:
        for cell, job in pairs:
            group.start_soon(one, cell, job)
    return results, len(anyio.get_running_tasks()) - before


def _jobs(server: LocalServer, todo: list[Cell]) -> list[str]:
    """A job for each cell that has ended: FAILED for those that are to be retried."""
    with Runpod(API_KEY, base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")
        # Not by `run_sync`: what that gives is kept for a minute only, and a campaign can take longer.
        ended = endpoint.run(input={"n": 1}).wait(timeout=30).id
        found = [endpoint.run(input={"fail": True}).id if cell.operation.name == "retry" else ended for cell in todo]
        for job, cell in zip(found, todo, strict=True):
            if cell.operation.name == "retry":
                endpoint.job(job).wait(timeout=30)
    return found


@contextlib.contextmanager
def _environment(certificates: Certificates) -> Iterator[None]:
    """An environment that trusts the authority of the test, and one TLS context for all clients: it is slow to make."""
    create = ssl.create_default_context
    names = [name for name in os.environ if name.lower().endswith("_proxy")]
    kept = {name: os.environ.pop(name) for name in [*names, "SSL_CERT_FILE", "SSL_CERT_DIR"] if name in os.environ}
    with tempfile.TemporaryDirectory() as folder:
        authority = Path(folder) / "ca.pem"
        certificates.write_authority(authority)
        os.environ["SSL_CERT_FILE"] = str(authority)
        ssl.create_default_context = functools.cache(create)  # type: ignore[assignment]
        try:
            yield
        finally:
            ssl.create_default_context = create
            del os.environ["SSL_CERT_FILE"]
            os.environ.update(kept)


def _sockets() -> int:
    """How many sockets this process has open, where the system tells."""
    folder = Path("/proc/self/fd")
    if not sys.platform.startswith("linux"):
        return 0
    found = 0
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            found += str(entry.readlink()).startswith("socket:")
    return found
