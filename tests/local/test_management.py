"""The part of the management API that the local server has: settings, workers and logs of its endpoints."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import Behavior, LocalEndpoint, LocalServer
from runpod.local.http.log_stream import _PING
from runpod.local.jobs.worker_logs import LogBook, WorkerLogs
from tests.local.api import TIMEOUT, Api, Gate, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    Manage = Callable[..., "Management"]

WORKER = [sys.executable, str(Path(__file__).with_name("worker.py"))]


class Management:
    """A plain client of the management API of a local server."""

    def __init__(self, server: LocalServer, key: str | None = None) -> None:
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key or server.api_key}"}, timeout=TIMEOUT, trust_env=False
        )
        self._url = f"{server.management_url}/v2/serverless"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def request(self, method: str, path: str, body: object = None) -> httpx.Response:
        return self._http.request(method, self._url + path, json=body)

    def get(self, path: str) -> Any:
        response = self.request("GET", path)
        assert 200 == response.status_code, response.text
        return response.json()

    def scale(self, minimum: int, maximum: int) -> None:
        response = self.request("PATCH", "/horse", {"workers": {"min": minimum, "max": maximum}})
        assert 200 == response.status_code, response.text

    def states(self) -> list[str]:
        found = self.get("/horse/workers")
        states = [worker["status"] for worker in found["workers"]]
        counts = {name: number for name, number in found["summary"].items() if number and name != "total"}
        assert counts == {state.lower(): states.count(state) for state in states}
        assert found["summary"]["total"] == len(states)
        return sorted(states)

    def lines(self, worker: str, query: str = "", last_event_id: str | None = None, *, stop: int = 0) -> list[Any]:
        """Read the logs until they end, or until as many lines as `stop`; each is its event ID and its data."""
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        found: list[Any] = []
        with self._http.stream("GET", f"{self._url}/horse/workers/{worker}/logs{query}", headers=headers) as response:
            assert 200 == response.status_code
            assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
            event_id = ""
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                event_id = value if name == "id" else event_id
                if name == "data":
                    found.append((event_id, json.loads(value)))
                    if len(found) == stop:
                        break
        return found


@pytest.fixture
def manage() -> Iterator[Callable[..., Management]]:
    """Create clients that are closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(Management(*arguments))


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalServer]:
    """A server that no test changes."""
    with LocalServer({"horse": LocalEndpoint(lambda job: job["input"], workers=2), "mule 1": print}) as server:
        yield server


def test_an_endpoint(shared: LocalServer, manage: Manage) -> None:
    api = manage(shared)
    endpoint = api.get("/horse")
    assert ("horse", "horse", "QUEUE", 600_000) == tuple(endpoint[name] for name in ("id", "name", "type", "timeout"))
    assert {"min": 2, "max": 2, "idleTimeout": 10} == endpoint["workers"]
    assert f"{shared.base_url}/horse/run" == endpoint["requestUrls"]["run"]
    listed = api.get("")["endpoints"]
    assert endpoint == listed[0]
    assert listed[1] == api.get("/mule%201")
    assert f"{shared.base_url}/mule%201/run" == listed[1]["requestUrls"]["run"]
    [worker, _] = api.get("/horse/workers")["workers"]
    assert datetime.fromisoformat(worker["startedAt"].replace("Z", "+00:00")) <= datetime.now(timezone.utc)
    assert 0 <= worker["uptimeSeconds"] < TIMEOUT
    assert ["IDLE", "IDLE"] == api.states()


@pytest.mark.fact("protocol-2 8.1: problems", "protocol-2 8.1: wrong method")
@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/mule", 404, "endpoint not found"),
        ("PATCH", "/mule", 404, "endpoint not found"),
        ("GET", "/mule/workers", 404, "endpoint not found"),
        ("GET", "/horse/workers/w/logs", 404, "worker not found"),
        ("GET", "/horse/builds", 404, "route not found"),
        ("GET", "/../pods", 404, "route not found"),
        ("POST", "", 405, "method POST is not allowed"),
        ("DELETE", "/horse", 405, "method DELETE is not allowed"),
        ("PATCH", "/horse/workers", 405, "method PATCH is not allowed"),
        ("PATCH", "/horse", 400, "the body is not valid JSON"),
    ],
)
def test_problems(method: str, path: str, status: int, detail: str, shared: LocalServer, manage: Manage) -> None:
    response = manage(shared).request(method, path)
    assert status == response.status_code
    assert "application/problem+json" == response.headers["content-type"]
    assert (status, detail) == (response.json()["status"], response.json()["detail"])
    assert response.json()["title"] == httpx.codes.get_reason_phrase(status)
    assert len(response.headers["x-request-id"]) == 32
    if status == 405:
        assert response.headers["allow"] == ("GET, PATCH" if path == "/horse" else "GET")


def test_the_key_is_checked_first(shared: LocalServer, manage: Manage) -> None:
    response = manage(shared, "wrong").request("GET", "/mule")
    assert (401, "Unauthorized") == (response.status_code, response.json()["title"])


@pytest.mark.fact("protocol-2 8.1: unknown fields", "protocol-2 8.4: idle timeout")
@pytest.mark.parametrize(
    ("changes", "status", "errors"),
    [
        (
            {"bogus": 1, "workersMin": 2},
            422,
            ["$: additional properties 'bogus'", "$: additional properties 'workersMin'"],
        ),
        (
            {"workers": {"mni": 1, "max": -1}},
            422,
            ["$.workers: additional properties 'mni'", "$.workers.max: must be an"],
        ),
        ({"workers": 3}, 422, ["$.workers: must be an object"]),
        ({"workers": {"idleTimeout": 3601}}, 422, ["$.workers.idleTimeout: must be an integer from 1 to 3600"]),
        ({"env": {"A": 1}, "ports": "80", "name": ""}, 422, ["$.name", "$.env: must be an object of", "$.ports"]),
        ([], 422, ["$: must be an object"]),
    ],
)
def test_invalid_changes(changes: Any, status: int, errors: list[str], shared: LocalServer, manage: Manage) -> None:
    api = manage(shared)
    before = api.get("/horse")
    response = api.request("PATCH", "/horse", changes)
    assert status == response.status_code
    found = response.json().get("errors", [])
    assert len(errors) == len(found)
    assert all(each.startswith(start) for each, start in zip(found, errors, strict=True)), found
    assert before == api.get("/horse")


@pytest.mark.parametrize(
    ("workers", "detail"),
    [
        ({"min": 3}, "workers.min (3) must not be greater than workers.max (2)"),
        ({"max": 10**8}, "workers.max (100000000) must not be greater than 1000"),
    ],
)
def test_numbers_of_workers_that_cannot_be(
    workers: dict[str, int], detail: str, shared: LocalServer, manage: Manage
) -> None:
    response = manage(shared).request("PATCH", "/horse", {"workers": workers})
    assert (400, detail) == (response.status_code, response.json()["detail"])


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json(body: bytes, shared: LocalServer) -> None:
    headers = {"Authorization": f"Bearer {shared.api_key}"}
    response = httpx.patch(f"{shared.management_url}/v2/serverless/horse", content=body, headers=headers)
    assert (400, "the body is not valid JSON") == (response.status_code, response.json()["detail"])


@pytest.mark.fact("protocol-2 8.1: size")
def test_a_body_that_is_too_large(shared: LocalServer, manage: Manage) -> None:
    response = manage(shared).request("PATCH", "/horse", {"name": "x" * 102_400})
    assert 413 == response.status_code


@pytest.mark.fact("protocol-2 8.1: rate limits")
def test_rate_limits(manage: Manage) -> None:
    with LocalServer({"horse": print}, behavior=Behavior(rate_limits=True)) as server:
        api = manage(server)
        responses = [api.request("GET", "/horse") for _ in range(61)]
        assert '"minute";r=59;t=60, "hour";r=2999;t=3600, "day";r=49999;t=86400' == responses[0].headers["ratelimit"]
        assert [200] * 60 + [429] == [response.status_code for response in responses]
        assert 0 < int(responses[-1].headers["retry-after"]) <= 60
        server.advance(60)
        assert 200 == api.request("GET", "/horse").status_code


@pytest.mark.fact("protocol-2 8.1: changes")
def test_changes_are_kept(manage: Manage) -> None:
    with LocalServer({"horse": LocalEndpoint(print, workers=3)}) as server:
        api = manage(server)
        changes = {"name": "stable", "env": {"A": "1"}, "workers": {"max": 4}}
        changed = api.request("PATCH", "/horse", changes).json()
        assert changed == api.get("/horse")
        # `workers` is merged, `env` is replaced.
        assert {"min": 3, "max": 4, "idleTimeout": 10} == changed["workers"]
        assert {} == api.request("PATCH", "/horse", {"env": {}}).json()["env"]
        assert "stable" == api.get("/horse")["name"]
        assert 3 == api.get("/horse/workers")["endpointVersion"]


def test_handlers_that_are_scaled(gate: Gate, manage: Manage) -> None:
    with LocalServer({"horse": gate}) as server, Api(server) as jobs:
        api = manage(server)
        [first] = api.get("/horse/workers")["workers"]
        api.scale(0, 0)
        assert [] == api.states()
        waiting = jobs.run()
        assert "IN_QUEUE" == jobs.status(waiting)["status"]
        api.scale(0, 1)
        gate.wait_entered()
        assert ["RUNNING"] == api.states()
        assert first["id"] != api.get("/horse/workers")["workers"][0]["id"]
        # A running worker that was to be removed stays if there is room for it again.
        api.scale(0, 0)
        api.scale(1, 2)
        assert ["IDLE", "RUNNING"] == api.states()
        gate.open()
        assert "COMPLETED" == jobs.end(waiting)["status"]
        until(lambda: api.states() == ["IDLE", "IDLE"])


def test_a_worker_that_is_removed_while_it_boots(gate: Gate, manage: Manage) -> None:
    endpoint = LocalEndpoint(gate, workers=1, cold_start=timedelta(seconds=60))
    with LocalServer({"horse": endpoint}) as server, Api(server) as jobs:
        api = manage(server)
        assert [] == api.states()
        job = jobs.run()
        until(lambda: api.states() == ["INITIALIZING"])
        api.scale(0, 0)
        server.advance(60)
        assert [] == api.states()
        assert "IN_QUEUE" == jobs.status(job)["status"]


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX only")
def test_worker_processes_that_are_scaled(tmp_path: Path, manage: Manage) -> None:
    mark = tmp_path / "mark"
    with LocalServer({"horse": LocalEndpoint(command=WORKER, workers=1)}) as server, Api(server) as jobs:
        api = manage(server)
        until(lambda: api.states() == ["IDLE"])
        [worker] = [each["id"] for each in api.get("/horse/workers")["workers"]]
        assert "COMPLETED" == jobs.end(jobs.run(do="say", text="hello"))["status"]
        said = {data["line"]: data["source"] for _, data in api.lines(worker, stop=4)}
        assert {"hello": "container", f"Worker {worker} started.": "system"}.items() <= said.items()
        api.scale(0, 0)
        until(lambda: api.states() == [])
        waiting = jobs.run(do="hang", mark=str(mark))
        assert "IN_QUEUE" == jobs.status(waiting)["status"]
        api.scale(1, 1)
        until(mark.exists)
        # A process that runs a job goes on; one that was to be removed stays if there is room for it again.
        api.scale(0, 0)
        assert ["RUNNING"] == api.states()
        api.scale(2, 2)
        assert "COMPLETED" == jobs.end(jobs.run(n=1))["status"]
        until(lambda: api.states() == ["IDLE", "RUNNING"])
        assert "IN_PROGRESS" == jobs.status(waiting)["status"]


def test_workers_that_are_started_by_hand_cannot_be_scaled(manage: Manage) -> None:
    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        response = manage(server).request("PATCH", "/horse", {"workers": {"min": 0, "max": 2}})
        assert (400, "the workers of this endpoint are started by hand") == (
            response.status_code,
            response.json()["detail"],
        )


# Logs


@pytest.fixture(scope="module")
def logged() -> Iterator[tuple[Management, str, list[Any]]]:
    """The logs of a worker that has run two jobs: its ID, and all lines."""
    with LocalServer({"horse": lambda job: job["input"]}) as server, Api(server) as jobs:
        for number in range(2):
            jobs.run_sync(n=number)
        with Management(server) as api:
            worker = api.get("/horse/workers")["workers"][0]["id"]
            yield api, worker, api.lines(worker, stop=5)


@pytest.mark.fact("protocol-2 8.1: logs")
def test_the_lines_of_a_worker(logged: tuple[Management, str, list[Any]]) -> None:
    _, _, lines = logged
    assert [f"{data['ts']}/{number:012}" for number, (_, data) in enumerate(lines, 1)] == [each for each, _ in lines]
    words = [data["line"].split()[0] + " " + data["line"].split()[2].rstrip(".:") for _, data in lines]
    assert ["Worker started", "Job started", "Job ended", "Job started", "Job ended"] == words
    assert {"system"} == {data["source"] for _, data in lines}


@pytest.mark.fact("protocol-2 8.1: logs")
def test_where_the_lines_begin(logged: tuple[Management, str, list[Any]]) -> None:
    api, worker, lines = logged
    ids = [each for each, _ in lines]
    assert lines[3:] == api.lines(worker, "?tail=2", stop=2)
    assert lines[2:] == api.lines(worker, "?tail=1", ids[1], stop=3)
    # With a time alone, from that time on; so with since.
    time = lines[4][1]["ts"]
    at_last = [each for each in lines if each[1]["ts"] >= time]
    assert at_last == api.lines(worker, "", time, stop=len(at_last))
    assert at_last == api.lines(worker, f"?since={time}", stop=len(at_last))
    assert lines == api.lines(worker, "?since=2000-01-01T00:00:00.123456789Z", "nonsense", stop=5)


@pytest.mark.parametrize("query", ["tail=5001", "tail=-1", "tail=x", "source=both", "since=yesterday"])
def test_invalid_queries(query: str, logged: tuple[Management, str, list[Any]]) -> None:
    api, worker, _ = logged
    response = api.request("GET", f"/horse/workers/{worker}/logs?{query}")
    assert 422 == response.status_code
    [error] = response.json()["errors"]
    assert error.startswith(f"query.{query.partition('=')[0]}: must be ")


def test_lines_are_followed_to_the_end_of_the_worker(manage: Manage) -> None:
    with LocalServer({"horse": lambda job: job["input"]}) as server, Api(server) as jobs:
        api = manage(server)
        worker = api.get("/horse/workers")["workers"][0]["id"]
        found: list[Any] = []
        follower = threading.Thread(target=lambda: found.extend(api.lines(worker, "?tail=0")))
        follower.start()
        until(lambda: any("/logs" in request.path for request in server.requests))
        jobs.run_sync()
        # A comment keeps the connection open.
        server.advance(_PING)
        manage(server).scale(0, 0)
        follower.join(TIMEOUT)
        assert [f"Worker {worker} stopped."] == [data["line"] for _, data in found][2:]
        assert 404 == api.request("GET", f"/horse/workers/{worker}/logs").status_code


def test_following_ends_with_the_server(gate: Gate, manage: Manage) -> None:
    with LocalServer({"horse": gate}) as server:
        api = manage(server)
        worker = api.get("/horse/workers")["workers"][0]["id"]
        found: list[Any] = []
        follower = threading.Thread(target=lambda: found.extend(api.lines(worker)))
        follower.start()
        until(lambda: any("/logs" in request.path for request in server.requests))
    follower.join(TIMEOUT)
    assert 1 == len(found)


def test_the_latest_5000_lines_are_kept() -> None:
    book = LogBook(lambda: datetime(2026, 6, 1, tzinfo=timezone.utc))
    for number in range(5002):
        book.add("container", f"line {number}")
    assert 5002 == book.last
    assert ["line 2", "line 5001"] == [book.after(0)[0].line, book.after(0)[-1].line]
    assert ["line 5001"] == [entry.line for entry in book.after(5001)]
    assert [] == book.after(5002)
    book.add("container", "a\nb")
    assert ["a", "b"] == [entry.line for entry in book.after(5002)]


def test_late_lines_of_a_worker_that_has_ended_are_dropped() -> None:
    logs = WorkerLogs()
    logs.open("w", "begin")
    book = logs.get("w")
    assert book is not None
    logs.close("w", "end")
    logs.add("w", "container", "late")
    logs.close("w", "again")
    assert ["begin", "end"] == [entry.line for entry in book.after(0)]
    assert logs.get("w") is None
