"""Real Ray with two workers: the program of the page, then 2,000 rows, with one worker killed in the middle.

Writes what happened into report.json. Argument: the folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from runpod import EndpointLimits, Runpod
from runpod.integrations.ray import EndpointMapper
from runpod.local import Behavior, LocalServer
from runpod.local.http import rate_limits
from tests.integrations.pages import DONE, horse, programs, write_captions
from tests.servers import KEY

if TYPE_CHECKING:
    from collections.abc import Generator

ROWS, BLOCKS = 2_000, 10
# Concurrent requests that the service allows in this test. Up to 20 jobs in flight are polled by long polls, so that one
# mapper does not reach the limit, and both would exceed it.
IN_FLIGHT = 16
POLLS, SUBMISSIONS = 20, 8


def permit_servers() -> set[str]:
    return {each["name"] for each in ray.util.list_named_actors(all_namespaces=True) if each["namespace"] == "runpod"}


class Service:
    """The endpoint: its handler can tell duplicates by a key. In the middle, a worker of Ray is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs: dict[int, Any] = {}
        self.work = self.found = 0
        self.refused = self.refused_before = 0
        self.polls = self.most_polls = 0
        self.both_are_busy = threading.Event()
        self.killed: list[int] = []
        self.other_permit_servers = permit_servers()
        self.permit_servers: set[str] = set()
        self.lock = threading.Lock()

    def handle(self, job: dict[str, Any]) -> Any:
        number = job["input"]["key"]
        assert self.both_are_busy.wait(240)
        with self.lock:
            if len(self.outputs) >= ROWS // 2 and not self.killed:
                self.kill()
            if number in self.outputs:
                self.found += 1
            else:
                self.work += 1
                # Shapes that have no type in common.
                self.outputs[number] = [number] if number % 2 else {"number": number}
        if number % 100 == 7:
            raise ValueError(f"there is no {number}")
        return self.outputs[number]

    def kill(self) -> None:
        # Those in a batch: their names disappear at its end.
        for path in sorted(self.folder.glob("busy-*"))[:1]:
            self.refused_before = self.refused
            # Now, while permits are in use: later, it may have exited.
            self.permit_servers = permit_servers() - self.other_permit_servers
            os.kill(int(path.name.partition("-")[2]), signal.SIGKILL)
            self.killed.append(int(path.name.partition("-")[2]))

    def counting(self, admit: Any) -> Any:
        """Counts the requests that exceed a limit, and how many polls there are at once."""

        @contextmanager
        def counted(limiter: Any, operation: str) -> Generator[None, None, None]:
            self.polls += operation.startswith("status")
            try:
                with admit(limiter, operation):
                    self.most_polls = max(self.most_polls, limiter._open["status"])
                    if self.most_polls == POLLS and self.polls >= 3 * POLLS:
                        self.both_are_busy.set()
                    yield
            except rate_limits.HTTPError:
                self.refused += 1
                raise

        return counted


class Mapper(EndpointMapper):
    """Says in which process it is."""

    def __init__(self, *arguments: Any, folder: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.busy = Path(folder) / f"busy-{os.getpid()}"
        (Path(folder) / f"mapper-{os.getpid()}").touch()

    def __call__(self, batch: Any) -> Any:
        self.busy.touch()
        try:
            return super().__call__(batch)
        finally:
            self.busy.unlink(missing_ok=True)


def run_mapper(folder: Path) -> dict[str, Any]:
    limits = EndpointLimits(
        submissions_per_second=900,
        polls_per_second=1900,
        concurrent_polls=POLLS,
        concurrent_submissions=SUBMISSIONS,
    )
    service = Service(folder)
    for operation, concurrent in {"run": SUBMISSIONS, "status": POLLS, "status-sync": POLLS}.items():
        rate_limits._RATES[operation] = rate_limits._Rate(10**6, concurrent)
    rate_limits.RateLimiter.admit = service.counting(rate_limits.RateLimiter.admit)
    behavior = Behavior(rate_limits=True)
    with LocalServer({"ep": service.handle}, workers=8, behavior=behavior, api_key=KEY) as server:
        client = Runpod(server.api_key, base_url=server.base_url)
        rows = (
            ray.data.range(ROWS, override_num_blocks=BLOCKS)
            .map_batches(
                Mapper,
                fn_constructor_kwargs={
                    "endpoint_id": "ep",
                    "columns": {"key": "id"},
                    "limits": limits,
                    "in_flight": IN_FLIGHT,
                    "client": client,
                    "folder": str(folder),
                },
                batch_size=ROWS // BLOCKS,
                compute=ray.data.ActorPoolStrategy(size=2),
                num_cpus=0.5,
            )
            .take_all()
        )
        return {
            "ids": sorted(row["id"] for row in rows),
            "statuses": Counter(row["status"] for row in rows),
            "outputs": {row["id"]: row["output"] for row in rows if row["id"] < 10},
            "errors": [row["error"] for row in rows if row["error"]],
            "with_job_id": sum(row["job_id"] is not None for row in rows),
            "submitted": len(server.jobs["ep"]),
            "refused": service.refused_before,
            "most_polls": service.most_polls,
            "work": service.work,
            "found": service.found,
            "killed": len(service.killed),
            "mappers": len(list(folder.glob("mapper-*"))),
            "permit_servers": len(service.permit_servers),
        }


def run_page(server: LocalServer, folder: Path) -> dict[str, Any]:
    write_captions(folder, 20)
    names: dict[str, Any] = {}
    submitted: list[int] = []
    for code in programs("ray", "ray"):
        exec(code, names)
        submitted.append(len(server.jobs["ENDPOINT_ID"]))
        if "captions =" in code:
            # Reading it each time would need processes each time.
            names["captions"] = names["captions"].materialize()
        if "BulkRun" in code:
            # The same program again.
            exec(code, names)
            submitted.append(len(server.jobs["ENDPOINT_ID"]))
    return {"submitted": submitted, "failed": len(names["failed"])}


def start_ray() -> None:
    """Ray waits 30 seconds for its own processes, which is not enough on a busy machine."""
    for attempt in range(4):
        try:
            ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80_000_000, log_to_driver=False)
        except Exception:
            ray.shutdown()
            if attempt == 3:
                raise
        else:
            return


def main() -> None:
    folder = Path(sys.argv[1])
    with LocalServer({"ENDPOINT_ID": horse}, workers=4, api_key=KEY) as server:
        # Ray's processes inherit them.
        os.environ.update(RUNPOD_API_KEY=KEY, RUNPOD_ENDPOINT_BASE_URL=server.base_url)
        start_ray()
        try:
            report = {"page": run_page(server, folder), "kill": run_mapper(folder)}
        finally:
            ray.shutdown()
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    print(DONE)  # noqa: T201


if __name__ == "__main__":
    main()
