"""How long a request is held without `wait`, on the clock of the server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.local.api import TIMEOUT, until

if TYPE_CHECKING:
    from tests.local.api import Api, Gate
    from tests.local.conftest import Serve

DAY = timedelta(days=1)


def is_held(api: Api, job_id: str) -> bool:
    return bool(api.server._endpoints["horse"].queue.get(job_id).changed._listeners)


@pytest.mark.fact("protocol 1.5: default wait")
def test_runsync(serve: Serve, gate: Gate) -> None:
    api = serve(gate, execution_timeout=DAY)
    api.run(n=1)
    gate.wait_entered()
    response = api.held("POST", "/runsync", json={"input": {"n": 2}})
    until(lambda: len(api.server.jobs["horse"]) == 2)
    job_id = api.server.jobs["horse"][-1]["id"]
    until(lambda: is_held(api, job_id))
    api.server.advance(80)
    # Another request, so that the server has noticed the time.
    assert "IN_QUEUE" == api.status(job_id)["status"]
    assert not response.done()
    api.server.advance(10)
    assert {"id": job_id, "status": "IN_QUEUE"} == api.ok(response.result(TIMEOUT))


@pytest.mark.fact("protocol 3: hold of a stream")
def test_stream(serve: Serve, gate: Gate) -> None:
    api = serve(gate, execution_timeout=DAY)
    job_id = api.run()
    gate.wait_entered()
    response = api.held("GET", f"/stream/{job_id}")
    until(lambda: is_held(api, job_id))
    api.server.advance(5)
    assert "IN_PROGRESS" == api.status(job_id)["status"]
    assert not response.done()
    api.server.advance(5)
    assert {"status": "IN_PROGRESS", "stream": []} == api.ok(response.result(TIMEOUT))


@pytest.mark.fact("protocol 1.5: wait and retention")
def test_a_longer_wait_does_not_keep_a_result_longer(serve: Serve) -> None:
    api = serve(lambda _: 1)
    job_id = api.post("/runsync?wait=300000", {"input": {"n": 1}})["id"]
    api.server.advance(55)
    assert 1 == api.status(job_id)["output"]
    api.server.advance(5)
    assert 404 == api.http.get(f"/status/{job_id}").status_code
