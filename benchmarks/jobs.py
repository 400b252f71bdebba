"""What it takes to wait for a job: the time from its end to its caller's knowing, and the requests it costs."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

from benchmarks.environments import JAVASCRIPT, OFFICIAL, OURS, ROOT, run
from benchmarks.tables import Row, Table, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Seconds that jobs take. A client that looks once a second knows late or soon by the part after the point, so these
# parts are spread evenly.
SECONDS = (0.05, 0.2, 0.4, 0.75, 1.1, 1.5, 1.8, 2.15, 2.5, 3.0)
COUNTED = (0.2, 1.5, 3.0)
WARM_UP = 0.05

REFERENCE = "ours: run_sync"


@dataclass
class Peer:
    """A program that runs jobs in several forms; see `peers/ours.py` for what is asked of it."""

    name: str
    command: tuple[str | Path, ...]
    forms: tuple[str, ...]
    folder: Path = ROOT


PEERS = (
    Peer(
        "ours",
        (OURS, "-I", "benchmarks/peers/ours.py"),
        ("run_sync", "run, wait", "async run_sync", "async run, wait"),
    ),
    Peer(
        "official",
        (OFFICIAL, "-I", "benchmarks/peers/official.py"),
        ("run_sync", "run, output", "async run, output"),
    ),
    Peer(
        "JavaScript",
        ("node", ROOT / "benchmarks/peers/javascript.mjs"),
        ("runSync", "run, statusSync"),
        JAVASCRIPT,
    ),
)


@dataclass
class Seen:
    """One job, as server and client saw it."""

    seconds: float
    late: float
    requests: int


def measure(rounds: int) -> list[Table]:
    """All forms of all peers in turn, in as many rounds."""
    peers = [peer for peer in PEERS if peer.folder.exists() and shutil.which(peer.command[0])]
    seen: dict[str, list[Seen]] = {f"{peer.name}: {form}": [] for peer in peers for form in peer.forms}
    with _server() as base_url:
        for turn in range(rounds):
            for peer in peers:
                for form in peer.forms:
                    print(f"round {turn + 1} of {rounds}, {peer.name}: {form}", file=sys.stderr)
                    seen[f"{peer.name}: {form}"] += _run(peer, form, base_url, turn)

    knowing = Table(f"From a job's end to its caller's knowing, {len(SECONDS)} jobs in {rounds} rounds", REFERENCE)
    requests = Table("Requests for a job that takes", REFERENCE)
    for name, jobs in seen.items():
        ours = name.startswith("ours")
        late = [job.late * 1000 for job in jobs]
        knowing.rows.append(Row(name, {"ms": late}, (Target("ms", 20),) if ours else ()))
        counts = {
            f"{seconds:g} s": [float(job.requests) for job in jobs if job.seconds == seconds] for seconds in COUNTED
        }
        requests.rows.append(Row(name, counts, tuple(Target(column, 2) for column in counts) if ours else ()))
    left_out = [f"{peer.name} is left out: it is not installed" for peer in PEERS if peer not in peers]
    knowing.notes += left_out
    requests.notes += left_out
    return [knowing, requests]


def _run(peer: Peer, form: str, base_url: str, turn: int) -> list[Seen]:
    """Runs all jobs in one process, after a first one that opens the connection."""
    jobs: list[dict[str, Any]] = [
        {"label": f"{peer.name}, {form}, {turn}, {number}", "seconds": seconds}
        for number, seconds in enumerate((WARM_UP, *SECONDS))
    ]
    known: list[float] = run(
        *peer.command,
        form,
        json.dumps(jobs),
        timeout=60 + 5 * sum(SECONDS),
        cwd=peer.folder,
        RUNPOD_API_KEY="bench",
        RUNPOD_ENDPOINT_BASE_URL=base_url,
    )
    # Never through a proxy: loopback.
    with build_opener(ProxyHandler({})).open(base_url.removesuffix("/v2") + "/_stats", timeout=10) as answer:
        stats: dict[str, Any] = json.load(answer)
    assert stats["strays"] == 0, f"{peer.name} sent requests that belong to no job"
    seen = []
    for moment, job in list(zip(known, jobs, strict=True))[1:]:
        noted = stats["jobs"][job["label"]]
        seen.append(Seen(job["seconds"], moment - noted["ended"], noted["requests"]))
    assert all(0 <= job.late < 60 for job in seen), f"{peer.name} and the server do not read the same clock"
    return seen


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """The server in a process of its own; gives its base URL."""
    command = [sys.executable, "-E", "-m", "benchmarks.server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
