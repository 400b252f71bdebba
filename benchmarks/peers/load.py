"""Load, and what it cost the program that made it. For the Python peers; `javascript.mjs` does the same."""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass
class Cost:
    """What so many jobs took: seconds by the clock and of the processor, and bytes of memory at the peak."""

    jobs: int
    seconds: float
    cpu: float
    peak: int

    def data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Meter:
    """Measures memory from its making on, and time from `start` on."""

    def __init__(self) -> None:
        self._memory = memory("VmRSS")
        self.start()

    def start(self) -> None:
        """Measures time from now on."""
        self._start, self._cpu = time.monotonic(), cpu()

    def stop(self, jobs: int) -> Cost:
        """What so many jobs took."""
        seconds, used = time.monotonic() - self._start, cpu() - self._cpu
        return Cost(jobs, seconds, used, memory("VmHWM") - self._memory)


def cpu() -> float:
    """Seconds of the processor that this process took so far, in all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory(name: str) -> int:
    """Bytes of memory that this process has (VmRSS), or had at its peak (VmHWM). Linux only; else 0."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":")), 0)


async def async_load(call: Callable[[], Awaitable[Any]], width: int, seconds: float) -> Cost:
    """Keeps so many calls in flight for so long, after a first one of each, which opens the connections."""
    meter = Meter()
    await asyncio.gather(*(call() for _ in range(width)))
    meter.start()
    end = time.monotonic() + seconds

    async def one() -> int:
        calls = 0
        while calls == 0 or time.monotonic() < end:
            await call()
            calls += 1
        return calls

    return meter.stop(sum(await asyncio.gather(*(one() for _ in range(width)))))


def load(call: Callable[[], Any], threads: int, seconds: float) -> Cost:
    """The same from threads."""
    meter = Meter()
    ready, go = threading.Barrier(threads + 1), threading.Event()
    counts: list[int] = []

    def one() -> None:
        call()
        ready.wait(60)
        go.wait(60)
        calls = 0
        while calls == 0 or time.monotonic() < end:
            call()
            calls += 1
        counts.append(calls)

    pool = [threading.Thread(target=one) for _ in range(threads)]
    for thread in pool:
        thread.start()
    ready.wait(60)
    meter.start()
    end = time.monotonic() + seconds
    go.set()
    for thread in pool:
        thread.join()
    assert len(counts) == threads, "a call failed"
    return meter.stop(sum(counts))


def job_of(cell: dict[str, Any]) -> dict[str, Any]:
    """The input of the jobs of a cell."""
    return {"label": "x" * cell["sent"], "seconds": cell["takes"]}
