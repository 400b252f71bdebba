from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import LocalServer
from tests.local.api import PATIENCE, Api, until

if TYPE_CHECKING:
    from tests.local.conftest import Serve

JOB = {"json": {"input": {"n": 1}}}


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def waits(api: Api, timers: int) -> bool:
    """Whether so many timers are set; one is that of the queue."""
    return len(api.server._clock.moved._listeners) > timers


def test_the_next_requests_fail(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.fail("run", times=2, status=503, retry_after=1)
    assert 2 == api.server.faults.pending
    for _ in range(2):
        response = api.http.post("/run", **JOB)
        assert (503, "1") == (response.status_code, response.headers["retry-after"])
        assert {"error": "the local server was told to answer 503"} == response.json()
    assert [] == api.server.jobs["horse"]
    assert 0 == api.server.faults.pending
    assert "COMPLETED" == api.end(api.run())["status"]
    assert ["/v2/horse/run"] * 3 == [record.path for record in api.server.requests[:3]]


def test_a_failure_may_look_like_that_of_a_gateway(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.fail("health", status=502, body="<html>bad gateway</html>", retry_after="Fri, 31 Dec 1999")
    response = api.http.get("/health")
    assert (502, "<html>bad gateway</html>") == (response.status_code, response.text)
    assert response.headers["content-type"].startswith("text/html")
    assert "Fri, 31 Dec 1999" == response.headers["retry-after"]


@pytest.mark.parametrize("status", [200, 204, 304, 404, 599])
def test_any_status_will_do(serve: Serve, status: int) -> None:
    api = serve(echo)
    api.server.faults.fail("health", status=status)
    assert status == api.http.get("/health").status_code
    assert 200 == api.http.get("/health").status_code


@pytest.mark.parametrize("processed", [False, True])
def test_a_connection_is_cut(serve: Serve, processed: bool) -> None:
    api = serve(echo)
    api.server.faults.cut("runsync", processed=processed)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        api.http.post("/runsync", **JOB)
    assert processed == len(api.server.jobs["horse"])
    assert "COMPLETED" == api.run_sync()["status"]


def test_an_answer_is_truncated(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.truncate("runsync")
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        api.http.post("/runsync", **JOB)
    assert 1 == len(api.server.jobs["horse"])
    assert "COMPLETED" == api.run_sync()["status"]


def test_an_answer_is_late(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.delay("run", 20)
    answer = api.held("POST", "/run", **JOB)
    until(lambda: len(api.server.jobs["horse"]) == 1)  # It is processed all the same.
    until(lambda: waits(api, 1))
    assert not answer.done()
    api.server.advance(20)
    assert "IN_QUEUE" == api.ok(answer.result(PATIENCE))["status"]


def test_an_answer_drips(serve: Serve) -> None:
    api = serve(echo)
    job_id = api.run_sync()["id"]
    api.server.faults.drip("status", 0.0001)
    with api.http.stream("GET", f"/status/{job_id}") as response:
        pieces = list(response.iter_raw())
    assert len(pieces) > 5
    assert api.status(job_id) == httpx.Response(200, content=b"".join(pieces)).json()


@pytest.mark.parametrize("fault", ["delay", "drip"])
def test_a_server_stops_in_the_middle_of_a_fault(serve: Serve, fault: str) -> None:
    api = serve(echo)
    getattr(api.server.faults, fault)("health", 3600)
    answer = api.held("GET", "/health")
    until(lambda: waits(api, 0))
    start = time.monotonic()
    api.server.stop()
    assert set(api.ok(answer.result(PATIENCE))) == {"jobs", "workers"}
    assert time.monotonic() - start < PATIENCE


def test_a_client_leaves_in_the_middle_of_a_fault(serve: Serve) -> None:
    api = serve(echo)
    for fault in (api.server.faults.delay, api.server.faults.drip):
        fault("health", 3600)
        with pytest.raises(httpx.ReadTimeout):
            api.http.get("/health", timeout=0.05)
    until(lambda: not waits(api, 0))
    assert api.get("/health")


def test_faults_take_their_turns(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.fail("health", status=500)
    api.server.faults.fail("any", status=429)
    api.server.faults.fail("health", status=502, times=2)
    statuses = [api.http.get("/health").status_code for _ in range(5)]
    assert [500, 429, 502, 502, 200] == statuses


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("run", "POST", "/run"),
        ("run_sync", "POST", "/runsync"),
        ("runsync", "POST", "/runsync"),
        ("run-sync", "POST", "/runsync"),
        ("status", "GET", "/status/x"),
        ("status", "POST", "/status/x"),
        ("status_sync", "GET", "/status-sync/x"),
        ("status-sync", "GET", "/status-sync/x"),
        ("stream", "GET", "/stream/x"),
        ("cancel", "POST", "/cancel/x"),
        ("retry", "POST", "/retry/x"),
        ("purge_queue", "POST", "/purge-queue"),
        ("health", "GET", "/health"),
        ("batch", "DELETE", "/batch/x/requests/y"),
        ("any", "GET", "/health"),
    ],
)
def test_every_operation_can_fail(serve: Serve, name: str, method: str, path: str) -> None:
    api = serve(echo)
    api.server.faults.fail(name, status=418)
    if name != "any":
        other = "/purge-queue" if path == "/health" else "/health"
        assert 418 != api.http.request("POST" if other == "/purge-queue" else "GET", other).status_code
    assert 418 == api.http.request(method, path, headers={"authorization": "wrong"}).status_code
    assert 0 == api.server.faults.pending


def test_a_fault_of_one_endpoint() -> None:
    with (
        LocalServer({"horse": echo, "mule": echo}) as server,
        Api(server) as horse,
        Api(server, "mule") as mule,
    ):
        server.faults.fail("health", endpoint="mule")
        assert 200 == horse.http.get("/health").status_code
        assert 503 == mule.http.get("/health").status_code
        assert 200 == mule.http.get("/health").status_code


def test_faults_can_be_called_off(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.fail("health", times=7)
    assert "<Faults pending=7>" == repr(api.server.faults)
    api.server.faults.clear()
    assert api.get("/health")


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("fail", {"operation": "nonsense"}, r"no operation 'nonsense'. Use one of batch, cancel, health.* or any"),
        ("fail", {"operation": "run", "times": 0}, "times"),
        ("fail", {"operation": "run", "status": 99}, "status"),
        ("fail", {"operation": "run", "status": 600}, "status"),
        ("delay", {"operation": "run", "seconds": -1}, "seconds"),
        ("drip", {"operation": "run", "interval": -1}, "interval"),
    ],
)
def test_faults_that_cannot_be(serve: Serve, method: str, arguments: dict[str, Any], error: str) -> None:
    api = serve(echo)
    with pytest.raises(ValueError, match=error):
        getattr(api.server.faults, method)(**arguments)
    assert 0 == api.server.faults.pending
