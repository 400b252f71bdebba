from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import Behavior, LocalServer, faults
from runpod.local.http.routing import routes
from tests.local.api import TIMEOUT, Api, until

if TYPE_CHECKING:
    from tests.local.conftest import Serve

JOB = {"json": {"input": {"n": 1}}}


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def has_timers(api: Api, timers: int) -> bool:
    """Whether more than `timers` timers are set; the queue has one."""
    return len(api.server._clock.advanced._listeners) > timers


def test_next_requests_fail(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.fail("run", times=2, status=503, retry_after=1)
    assert 2 == api.server.faults.pending
    for _ in range(2):
        response = api.http.post("/run", **JOB)
        assert (503, "1") == (response.status_code, response.headers["retry-after"])
        assert {"error": "injected fault: HTTP 503"} == response.json()
    assert [] == api.server.jobs["horse"]
    assert 0 == api.server.faults.pending
    assert "COMPLETED" == api.end(api.run())["status"]
    assert ["/v2/horse/run"] * 3 == [record.path for record in api.server.requests[:3]]


def test_failure_with_an_html_body(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.fail("health", status=502, body="<html>bad gateway</html>", retry_after="Fri, 31 Dec 1999")
    response = api.http.get("/health")
    assert (502, "<html>bad gateway</html>") == (response.status_code, response.text)
    assert response.headers["content-type"].startswith("text/html")
    assert "Fri, 31 Dec 1999" == response.headers["retry-after"]


@pytest.mark.parametrize("status", [200, 204, 304, 404, 599])
def test_failure_with_any_status(serve: Serve, status: int) -> None:
    api = serve(echo)
    api.server.faults.fail("health", status=status)
    assert status == api.http.get("/health").status_code
    assert 200 == api.http.get("/health").status_code


@pytest.mark.parametrize("processed", [False, True])
def test_connection_is_cut(serve: Serve, processed: bool) -> None:
    api = serve(echo)
    api.server.faults.cut("runsync", processed=processed)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        api.http.post("/runsync", **JOB)
    assert processed == len(api.server.jobs["horse"])
    assert "COMPLETED" == api.run_sync()["status"]


def test_response_is_truncated(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.truncate("runsync")
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        api.http.post("/runsync", **JOB)
    assert 1 == len(api.server.jobs["horse"])
    assert "COMPLETED" == api.run_sync()["status"]


def test_response_is_delayed(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.delay("run", 20)
    response = api.held("POST", "/run", **JOB)
    until(lambda: len(api.server.jobs["horse"]) == 1)  # It is processed without delay.
    until(lambda: has_timers(api, 1))
    assert not response.done()
    api.server.advance(20)
    assert "IN_QUEUE" == api.ok(response.result(TIMEOUT))["status"]


def test_response_drips(serve: Serve) -> None:
    api = serve(echo)
    job_id = api.run_sync()["id"]
    api.server.faults.drip("status", 0.0001)
    with api.http.stream("GET", f"/status/{job_id}") as response:
        pieces = list(response.iter_raw())
    assert len(pieces) > 5
    assert api.status(job_id) == httpx.Response(200, content=b"".join(pieces)).json()


@pytest.mark.parametrize("fault", ["delay", "drip"])
def test_stop_during_a_fault(serve: Serve, fault: str) -> None:
    api = serve(echo)
    getattr(api.server.faults, fault)("health", 3600)
    response = api.held("GET", "/health")
    until(lambda: has_timers(api, 0))
    start = time.monotonic()
    api.server.stop()
    assert set(api.ok(response.result(TIMEOUT))) == {"jobs", "workers"}
    assert time.monotonic() - start < TIMEOUT


def test_client_disconnects_during_a_fault(serve: Serve) -> None:
    api = serve(echo)
    for fault in (api.server.faults.delay, api.server.faults.drip):
        fault("health", 3600)
        with api.unread("/health"):
            until(lambda: has_timers(api, 0))
        until(lambda: not has_timers(api, 0))
    assert api.get("/health")


def test_faults_apply_in_order(serve: Serve) -> None:
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


def test_names_of_operations_are_those_of_the_routes() -> None:
    names = {operation.name for route in routes(Behavior()) for operation in route.operations.values()}
    assert sorted({*names, "load-balancer"}) == list(faults._OPERATIONS)


def test_fault_of_one_endpoint() -> None:
    with (
        LocalServer({"horse": echo, "mule": echo}) as server,
        Api(server) as horse,
        Api(server, "mule") as mule,
    ):
        server.faults.fail("health", endpoint="mule")
        assert 200 == horse.http.get("/health").status_code
        assert 503 == mule.http.get("/health").status_code
        assert 200 == mule.http.get("/health").status_code


def test_clear_removes_pending_faults(serve: Serve) -> None:
    api = serve(echo)
    api.server.faults.fail("health", times=7)
    assert "<Faults pending=7>" == repr(api.server.faults)
    api.server.faults.clear()
    assert api.get("/health")


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("fail", {"operation": "nonsense"}, r"Unknown operation 'nonsense'. Use one of batch, cancel, health.* or any"),
        ("fail", {"operation": "run", "times": 0}, "times"),
        ("fail", {"operation": "run", "status": 99}, "status"),
        ("fail", {"operation": "run", "status": 600}, "status"),
        ("delay", {"operation": "run", "seconds": -1}, "seconds"),
        ("drip", {"operation": "run", "interval": -1}, "interval"),
    ],
)
def test_invalid_faults(serve: Serve, method: str, arguments: dict[str, Any], error: str) -> None:
    api = serve(echo)
    with pytest.raises(ValueError, match=error):
        getattr(api.server.faults, method)(**arguments)
    assert 0 == api.server.faults.pending
