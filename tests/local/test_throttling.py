"""`LocalServer.throttle`: no worker starts, as if no GPU were free."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runpod.local import LocalEndpoint, LocalServer
from tests.local.api import Api, until

if TYPE_CHECKING:
    from tests.local.api import Gate
    from tests.local.conftest import Serve


def workers(api: Api) -> dict[str, int]:
    return {state: number for state, number in api.get("/health")["workers"].items() if number}


def test_throttled_workers_take_no_jobs(serve: Serve, gate: Gate) -> None:
    api = serve(gate, workers=2)
    first = api.run(output=1)
    gate.wait_entered()
    api.server.throttle("horse")
    second = api.run(output=2)
    assert {"running": 1, "throttled": 1} == workers(api)
    # Those that run a job keep their GPU.
    gate.open()
    assert ["COMPLETED", "COMPLETED"] == [api.end(job_id)["status"] for job_id in (first, second)]
    assert {"idle": 1, "ready": 1, "throttled": 1} == workers(api)
    api.server.throttle("horse", throttled=False)
    assert {"idle": 2, "ready": 2} == workers(api)


def test_throttled_before_the_start() -> None:
    server = LocalServer({"horse": lambda _: 1})
    server.throttle("horse")
    with server, Api(server) as api:
        job_id = api.run()
        assert ({"throttled": 1}, "IN_QUEUE") == (workers(api), api.status(job_id)["status"])
        server.throttle("horse", throttled=False)
        assert "COMPLETED" == api.end(job_id)["status"]


def test_a_throttled_worker_starts_again(serve: Serve) -> None:
    api = serve(lambda _: 1, cold_start=timedelta(seconds=60))
    job_id = api.run()
    until(lambda: {"initializing": 1} == workers(api))
    api.server.advance(40)
    api.server.throttle("horse")
    assert {"throttled": 1} == workers(api)
    api.server.throttle("horse", throttled=False)
    assert {"initializing": 1} == workers(api)
    # The end of the first start is not that of the second.
    api.server.advance(40)
    assert {"initializing": 1} == workers(api)
    api.server.advance(40)
    assert "COMPLETED" == api.end(job_id)["status"]


def test_endpoints_that_cannot_be_throttled() -> None:
    server = LocalServer({"horse": lambda _: 1, "process": LocalEndpoint(command=["worker"])})
    with pytest.raises(KeyError, match=r"Unknown endpoint 'hors'. Use one of \['horse', 'process'\]"):
        server.throttle("hors")
    with pytest.raises(ValueError, match=r"'process' cannot be throttled"):
        server.throttle("process")
