"""Generate load, and measure its cost, for the Python clients. `javascript.mjs` does the same."""

from __future__ import annotations

import asyncio
import resource
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@dataclass
class Cost:
    """The cost of a number of jobs: wall-clock time and CPU time in seconds, and peak memory in bytes."""

    jobs: int
    seconds: float
    cpu: float
    peak: int

    def data(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


class Meter:
    """Measures memory since its creation, and time since `start`."""

    def __init__(self) -> None:
        self._memory = memory("VmRSS")
        self.start()

    def start(self) -> None:
        """Start measuring time."""
        self._start, self._cpu = time.monotonic(), cpu()

    def stop(self, jobs: int) -> Cost:
        """Return the cost of this number of jobs."""
        seconds, used = time.monotonic() - self._start, cpu() - self._cpu
        return Cost(jobs, seconds, used, memory("VmHWM") - self._memory)


def cpu() -> float:
    """The CPU time of this process in seconds, in all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory(name: str) -> int:
    """The current (VmRSS) or peak (VmHWM) memory of this process in bytes. 0 on systems other than Linux."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":")), 0)


async def async_load(call: Callable[[], Awaitable[Any]], width: int, seconds: float) -> Cost:
    """Keep `width` calls in flight for `seconds`, after one call each to open the connections."""
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
    """Like `async_load`, with threads."""
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


# Until as many jobs end as start, and from then on the rate of ends is measured, in seconds.
RAMP = 1.0


class Ends:
    """The cost of one cell of the task `many`, and how many of its jobs were seen to end with the right output."""

    def __init__(self, cell: dict[str, Any]) -> None:
        self._cell = cell
        self._submitted = self._seen = self._steady = 0
        self._meter = Meter()
        self._start = time.monotonic()
        self._end = self._start + RAMP + cell["seconds"]

    def inputs(self) -> Iterator[dict[str, Any]]:
        """The inputs: `jobs` of them, or as many as are taken until the rate was measured for `seconds`."""
        shortest, longest = self._cell["takes"]
        while self._submitted < self._cell["jobs"] if self._cell["jobs"] else time.monotonic() < self._end:
            self._submitted += 1
            # Spread evenly, whatever their number.
            seconds = shortest + (longest - shortest) * (self._submitted * 0.618 % 1)
            yield {"label": str(self._submitted).ljust(self._cell["sent"], "x"), "seconds": seconds}

    def see(self, job: dict[str, Any], output: Any) -> None:
        """Count a result. Anything but the output of this job is an error."""
        if output == job["label"]:
            self._seen += 1
            self._steady += self._start + RAMP <= time.monotonic() < self._end
        else:
            print(f"{job['label']}: {output!r:.200}", file=sys.stderr)

    def data(self) -> dict[str, Any]:
        """Return the cost, with `jobs` as the number of ends that were seen, and `steady` of them after the ramp."""
        counts = {"submitted": self._submitted, "steady": self._steady, "resident": memory("VmHWM")}
        return {**self._meter.stop(self._seen).data(), **counts}


def job_of(cell: dict[str, Any]) -> dict[str, Any]:
    """The input of the jobs of a cell."""
    return {"label": "x" * cell["sent"], "seconds": cell["takes"]}
