from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import Behavior
from runpod.local.http import rate_limits
from tests.local.api import TIMEOUT, until

if TYPE_CHECKING:
    from tests.local.api import Gate
    from tests.local.conftest import Serve

ON = Behavior(rate_limits=True)
TOO_MANY = (429, {"error": "too many requests"})


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def test_no_rate_limits_by_default(serve: Serve) -> None:
    api = serve(echo)
    assert ["completed"] * 5 == [api.post("/purge-queue")["status"] for _ in range(5)]


@pytest.mark.fact("protocol 5: rate limits")
def test_limit_of_requests_per_ten_seconds(serve: Serve) -> None:
    api = serve(echo, behavior=ON)
    for _ in range(2):
        api.post("/purge-queue")
        api.server.advance(4)
    response = api.http.post("/purge-queue")
    assert TOO_MANY == (response.status_code, response.json())
    assert "retry-after" not in response.headers
    assert "COMPLETED" == api.run_sync()["status"]  # Other operations have separate limits.
    api.server.advance(2)  # Ten seconds after the first request.
    api.post("/purge-queue")
    assert 429 == api.http.post("/purge-queue").status_code
    api.server.advance(10)
    for _ in range(2):
        api.post("/purge-queue")


@pytest.mark.fact("protocol 5: shared limit")
def test_status_and_stream_share_a_limit(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for operation in ("status", "status-sync", "stream"):
        monkeypatch.setitem(rate_limits._RATES, operation, rate_limits._Rate(3, None))
    api = serve(echo, behavior=ON)
    job_id = api.run_sync()["id"]
    for operation in ("status", "status-sync", "stream"):
        assert 200 == api.http.get(f"/{operation}/{job_id}").status_code
    assert {429} == {api.http.get(f"/{o}/{job_id}").status_code for o in ("status", "status-sync", "stream")}


@pytest.mark.fact("protocol 5: rate limits")
def test_limit_of_concurrent_requests(serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rate_limits._RATES, "runsync", rate_limits._Rate(100, 2))
    api = serve(gate, behavior=ON)
    responses = [api.held("POST", "/runsync", json={"input": {"n": n}}) for n in range(2)]
    until(lambda: len(api.server.jobs["horse"]) == 2)
    response = api.http.post("/runsync", json={"input": {"n": 3}})
    assert TOO_MANY == (response.status_code, response.json())
    gate.open()
    assert ["COMPLETED"] * 2 == [api.ok(response.result(TIMEOUT))["status"] for response in responses]
    assert "COMPLETED" == api.run_sync()["status"]


@pytest.mark.fact("protocol 4: long queue")
def test_limit_of_queued_jobs(serve: Serve) -> None:
    api = serve(echo, behavior=ON, workers=0)
    for _ in range(51):
        api.run()
    for operation in ("run", "runsync"):
        response = api.http.post(f"/{operation}", json={"input": {"n": 1}})
        assert (429, {"error": "too many jobs in queue"}) == (response.status_code, response.json())
    api.post("/purge-queue")
    api.run()


@pytest.mark.fact("protocol 5: rate limits", "protocol 5: other limits", "protocol-2 4: rate limit")
def test_documented_limits() -> None:
    shown = {name: (rate.requests, rate.concurrent) for name, rate in rate_limits._RATES.items()}
    assert {
        "cancel": (100, 20),
        "openai": (2000, 400),
        "purge-queue": (2, None),
        "run": (1000, 200),
        "runsync": (2000, 400),
        "status": (2000, 400),
        "status-sync": (2000, 400),
        "stream": (2000, 400),
    } == shown
