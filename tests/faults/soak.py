"""Many jobs, one call in twenty failing at random: `python -m tests.faults.soak --jobs 100000`.

Every job that the server accepted and the client was told of must be accounted for exactly once, and the client's memory
must not grow.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from runpod import AsyncRunpod, RetryPolicy, Runpod, RunpodError
from runpod.local import LocalServer
from tests.faults.proxy import FaultProxy, Link, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "rpa_SOAK"
POLICY = RetryPolicy(max_retries=8, initial_delay=0.002, max_delay=0.05)
TIMEOUT = 60.0

# What can become of one call as the client tells it.
TOLD, NAMED, UNKNOWN, REFUSED = b"TNUR"

# Megabytes that the client may be larger after the last tenth than after the first.
GROWTH = 10.0


# --- The other side, in a process of its own -----------------------------------------------------


def serve() -> None:
    """Serve `soak`, and `audit` which tells how often each number was run; through a proxy that fails at random."""
    ran: Counter[int] = Counter()
    chance = random.Random(787)

    async def soak(job: dict[str, Any]) -> int:
        number: int = job["input"]["number"]
        ran[number] += 1
        return number

    async def audit(_job: dict[str, Any]) -> list[tuple[int, int]]:
        return list(ran.items())

    async def behave(link: Link) -> None:
        while request := await link.request():
            link.line.requests.clear()
            if chance.random() < 0.95:
                await link.send((await link.forward(request)).whole)
            elif not await fail(link, request):
                return

    async def fail(link: Link, request: Request) -> bool:
        kind = chance.randrange(7)
        if kind < 3:
            await link.answer(request, (429, 503, 502)[kind], b"<html>", "Retry-After: 0\r\n")
            return True
        if kind == 3:
            await link.reset()
            return False
        reply: Reply = await link.forward(request)
        if kind == 4:
            await link.answer(request, 524)
            return True
        if kind == 5:
            await link.send(reply.with_length(len(reply.body), reply.body[:-1]))
        else:
            await link.reset()
        return False

    with (
        LocalServer({"soak": soak, "audit": audit}, api_key=KEY, workers=16) as server,
        FaultProxy(server.base_url) as p,
    ):
        print(json.dumps({"proxy": p.line(behave).base_url, "server": server.base_url}), flush=True)  # noqa: T201
        sys.stdin.read()


@contextlib.contextmanager
def _other_side() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "tests.faults.soak", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            assert process.stdin is not None
            process.stdin.close()


# --- The client ----------------------------------------------------------------------------------


def _told(error: RunpodError) -> int:
    if error.job_id is not None:
        return NAMED
    return UNKNOWN if error.maybe_submitted else REFUSED


class Soak:
    """What the client was told of each job, a byte each, and how large the client was."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.fates = bytearray(jobs)
        self.sizes: list[float] = []
        self._next = 0
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """The number of the next job."""
        with self._lock:
            number = self._next
            if number >= self.jobs:
                return None
            self._next += 1
            if number and number % max(self.jobs // 10, 1) == 0:
                self.measure()
            return number

    def measure(self) -> None:
        gc.collect()
        self.sizes.append(_megabytes())

    def note(self, number: int, fate: int, output: object) -> None:
        assert output == number, (number, output)
        self.fates[number] = fate


def _sync(soak: Soak, base_url: str) -> None:
    with Runpod(KEY, base_url=base_url, retry=POLICY) as client:
        endpoint = client.endpoint("soak")

        def work() -> None:
            while (number := soak.take()) is not None:
                try:
                    output = endpoint.run_sync(input={"number": number}, timeout=TIMEOUT).output
                    soak.note(number, TOLD, output)
                except RunpodError as error:  # noqa: PERF203 - each call on its own
                    fate = _told(error)
                    output = number
                    if error.job_id is not None:
                        output = endpoint.job(error.job_id).result(timeout=TIMEOUT)
                    soak.note(number, fate, output)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


async def _async(soak: Soak, base_url: str) -> None:
    async with AsyncRunpod(KEY, base_url=base_url, retry=POLICY) as client:
        endpoint = client.endpoint("soak")

        async def work() -> None:
            while (number := soak.take()) is not None:
                try:
                    state = await endpoint.run_sync(input={"number": number}, timeout=TIMEOUT)
                    soak.note(number, TOLD, state.output)
                except RunpodError as error:  # noqa: PERF203 - each call on its own
                    fate = _told(error)
                    output: Any = number
                    if error.job_id is not None:
                        output = await endpoint.job(error.job_id).result(timeout=TIMEOUT)
                    soak.note(number, fate, output)

        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(work)


def _megabytes() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def run(jobs: int, side: str) -> tuple[Soak, list[str]]:
    """Soak one half of the library; what was wrong."""
    soak = Soak(jobs)
    with _other_side() as where:
        if side == "sync":
            _sync(soak, where["proxy"])
        else:
            anyio.run(_async, soak, where["proxy"], backend=side)
        soak.measure()
        with Runpod(KEY, base_url=where["server"]) as client:
            ran = dict(client.endpoint("audit").run_sync(input={"n": 1}, timeout=TIMEOUT).output)
    allowed = {TOLD: {1}, NAMED: {1}, UNKNOWN: {0, 1}, REFUSED: {0}}
    wrong = [
        f"job {number}: told {chr(fate)}, run {ran.get(number, 0)} times"
        for number, fate in enumerate(soak.fates)
        if ran.get(number, 0) not in allowed.get(fate, set())
    ]
    if (growth := soak.sizes[-1] - soak.sizes[0]) > GROWTH:
        wrong.append(f"the client grew by {growth:.1f} MB: {soak.sizes}")
    return soak, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--side", choices=["sync", "asyncio", "trio"], default="asyncio")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    start = time.monotonic()
    soak, wrong = run(options.jobs, options.side)
    fates = Counter(map(chr, soak.fates))
    print(  # noqa: T201
        f"{options.jobs} jobs, {options.side}, {time.monotonic() - start:.0f} s: {fates['T']} told, {fates['N']} named by "
        f"an error, {fates['U']} unknown, {fates['R']} refused; {soak.sizes[0]:.1f} MB after the first tenth, "
        f"{soak.sizes[-1]:.1f} MB after the last; {len(wrong)} wrong"
    )
    for line in wrong[:20]:
        print(line)  # noqa: T201
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
