"""`/health` counts jobs and workers correctly after any sequence of events."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runpod.local import LocalServer
from tests.local.api import Api, until

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 2


class Attempts:
    """A handler whose attempts wait until a test ends them."""

    def __init__(self) -> None:
        self.running: dict[str, Callable[[Any], None]] = {}
        self._lock = threading.Lock()

    async def __call__(self, job: dict[str, Any]) -> Any:
        loop = asyncio.get_running_loop()
        end: asyncio.Future[Any] = loop.create_future()

        def finish(output: Any) -> None:
            loop.call_soon_threadsafe(lambda: end.done() or end.set_result(output))

        with self._lock:
            self.running[job["id"]] = finish
        try:
            return await end
        finally:
            with self._lock:
                if self.running.get(job["id"]) is finish:
                    del self.running[job["id"]]


class ServerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.attempts = Attempts()
        self.server = LocalServer({"horse": self.attempts}, workers=WORKERS)
        self.server.start()
        self.api = Api(self.server)
        self.ids: list[str] = []

    def teardown(self) -> None:
        self.api.http.close()
        self.server.stop()

    def statuses(self) -> Counter[str]:
        return Counter(job["status"] for job in self.server.jobs["horse"])

    @rule(policy=st.fixed_dictionaries({}, optional={"ttl": st.just(10_000), "executionTimeout": st.just(5000)}))
    def submit(self, policy: dict[str, int]) -> None:
        self.ids.append(self.api.post("/run", {"input": {"n": 1}, "policy": policy})["id"])

    @rule()
    def submit_without_input(self) -> None:
        self.ids.append(self.api.post("/run", {"input": {}})["id"])

    @precondition(lambda self: self.attempts.running)
    @rule(data=st.data(), output=st.sampled_from([1, {"error": "no"}, {"refresh_worker": True}]))
    def finish(self, data: st.DataObject, output: Any) -> None:
        running = dict(self.attempts.running)
        job_id = data.draw(st.sampled_from(sorted(running, key=self.ids.index)))
        running[job_id](output)
        until(lambda: self.attempts.running.get(job_id) is not running[job_id])

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), operation=st.sampled_from(["cancel", "retry"]))
    def cancel_or_retry(self, data: st.DataObject, operation: str) -> None:
        job_id = data.draw(st.sampled_from(self.ids))
        response = self.api.http.post(f"/{operation}/{job_id}")
        assert response.status_code in {200, 400, 404}

    @rule(seconds=st.sampled_from([1, 5, 10, 600, 1800]))
    def advance(self, seconds: float) -> None:
        self.server.advance(seconds)

    @rule()
    def purge(self) -> None:
        self.api.post("/purge-queue")

    @invariant()
    def health_is_correct(self) -> None:
        until(self.is_consistent)

    def is_consistent(self) -> bool:
        health = self.api.get("/health")
        jobs, workers = health["jobs"], health["workers"]
        # At any time:
        assert workers["idle"] + workers["running"] == WORKERS
        assert workers["ready"] == workers["idle"]
        assert 0 == workers["initializing"] == workers["throttled"] == workers["unhealthy"]
        assert min(jobs.values()) >= 0
        # Once idle workers have taken the waiting jobs:
        statuses = self.statuses()
        return (
            jobs["inProgress"] == workers["running"] == statuses["IN_PROGRESS"] == len(self.attempts.running)
            and jobs["inQueue"] == statuses["IN_QUEUE"]
            and (not jobs["inQueue"] or not workers["idle"])
            and jobs["completed"] >= statuses["COMPLETED"]
            and jobs["failed"] >= statuses["FAILED"]
        )


TestServerMachine = ServerMachine.TestCase
TestServerMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
