"""Runs the live checks in the tests: on a local server, or on one that is hostile."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from live_checks.__main__ import run
from live_checks.checks import CHECKS
from live_checks.plan import costs_of
from live_checks.service import Budget, Service
from runpod._config import load_config
from runpod._primitives import Clock
from tests.servers import KEY, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod.local import LocalServer
    from tests.servers import Connection

ROOT = Path(__file__).parents[2]
NAMES = {check.name: check for check in CHECKS}


class ServerClock(Clock):
    """Time that passes only while something sleeps, on a local server as well."""

    def __init__(self, server: LocalServer | None = None) -> None:
        super().__init__()
        self._server = server
        self._time = super().now()

    def now(self) -> float:
        return self._time

    def sleep(self, seconds: float) -> None:
        self._time += seconds
        if self._server is not None:
            self._server.advance(seconds)


@dataclass
class Outcome:
    """What a run has found."""

    status: int
    verdicts: dict[str, str]
    notes: dict[str, str]
    report: dict[str, Any]
    markdown: str


def perform(service: Service, *names: str, folder: Path) -> Outcome:
    status = run(service, [NAMES[name] for name in names], folder)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found = {each["fact"]: each["verdict"] for each in report["findings"]}
    notes = {each["fact"]: each["note"] for each in report["findings"]}
    return Outcome(status, found, notes, report, (folder / "report.md").read_text(encoding="utf-8"))


def service_of(server: LocalServer, *names: str, clock: Clock | None = None, jobs: int | None = None) -> Service:
    config = load_config(
        server.api_key,
        server.base_url,
        management_url=server.management_url,
        load_balancer_url=server.load_balancer_url,
        allow_insecure=False,
    )
    costs = costs_of([NAMES[name] for name in names], job_seconds=30)
    budget = Budget(costs.checking_requests, costs.jobs if jobs is None else jobs, 300)
    return Service(config, "horse", {"n": 1}, budget, clock=clock or ServerClock(server))


def horse(job: dict[str, Any]) -> Any:
    return job["input"]


def endless(connection: Connection) -> None:
    """Accept everything, and never end a job."""
    while request := connection.read_request():
        number = len(connection._server.requests)
        path = request.split()[1].decode().partition("?")[0]
        job_id = path.rpartition("/")[2] if "/status" in path else f"job-{number}"
        status = "CANCELLED" if "/cancel/" in path else "IN_PROGRESS"
        connection.respond(json.dumps({"id": job_id, "status": status, "workers": {}}).encode())


def hostile(
    behave: Callable[[Connection], None], *names: str, folder: Path, seconds: float = 300, key: str = KEY
) -> Outcome:
    names = names or tuple(check.name for check in CHECKS if check.name != "large-body")
    with RawServer(behave) as server:
        config = load_config(key, server.base_url, allow_insecure=False)
        costs = costs_of([NAMES[name] for name in names], job_seconds=30)
        budget = Budget(costs.checking_requests, costs.jobs, seconds)
        clock = ServerClock() if seconds > 10 else Clock()
        outcome = perform(Service(config, "horse", {"n": 1}, budget, clock=clock), *names, folder=folder)
        assert len(server.requests) <= costs.requests
        submissions = sum(server.times(f"POST /v2/horse/{each}") for each in ("run", "runsync"))
        assert submissions <= costs.jobs
    return outcome


class InterruptedClock(ServerClock):
    def sleep(self, seconds: float) -> None:
        raise KeyboardInterrupt
