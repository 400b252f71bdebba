"""The server-sent events of the local server's page."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import LocalEndpoint, LocalServer, progress_update
from runpod.local.jobs.history import JobHistory
from runpod.local.jobs.job import Payload
from runpod.local.jobs.queue import JobQueue
from runpod.local.json_text import JSONText
from runpod.local.signals import Signal
from tests.local.api import TIMEOUT, Api, Gate, in_thread, until
from tests.local.page_browser import Browser, Events

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYLOAD = Payload(JSONText('{"n": 1}'), empty=False)


def test_a_job_from_its_submission_to_its_end(gate: Gate) -> None:
    def horse(job: dict[str, Any]) -> Any:
        progress_update(job, "saddling")
        return gate(job)

    with LocalServer({"horse": horse}, page=True) as server, Browser(server) as browser, browser.events() as events:
        snapshot = events.next("snapshot")
        assert server.base_url == snapshot["base_url"]
        assert [] == snapshot["jobs"]
        [endpoint] = snapshot["endpoints"]
        [worker] = endpoint["workers"]
        empty = dict.fromkeys(["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"], 0)
        assert {"id": "horse", "kind": "queue", "workers": [worker], "counts": empty} == endpoint
        assert {"id": worker["id"], "state": "ready", "job_id": None} == worker

        submitted = browser.submit(prompt="a horse")
        assert "IN_QUEUE" == submitted["status"]
        gate.wait_entered()
        running = events.until(lambda data: any(job["progress"] for job in data["jobs"]))
        [job] = running["jobs"]
        assert job["version"] > submitted["version"]
        assert {
            "endpoint": "horse",
            "id": submitted["id"],
            "status": "IN_PROGRESS",
            "submitted_at": submitted["submitted_at"],
            "queued_at": submitted["submitted_at"],
            "started_at": job["started_at"],
            "ended_at": None,
            "worker_id": worker["id"],
            "retries": 0,
            "summary": '{"prompt": "a horse"}',
            "progress": "saddling",
            "version": job["version"],
        } == job
        assert job["submitted_at"] <= job["started_at"] <= running["now"]
        gate.open()
        ended = events.job("COMPLETED")
        assert ended["ended_at"] >= job["started_at"]
        assert ended["progress"] is None


def test_workers_and_counts(gate: Gate) -> None:
    with LocalServer({"horse": gate}, page=True) as server, Browser(server) as browser, browser.events() as events:
        events.next("snapshot")
        job = browser.submit()
        busy = events.until(lambda data: any(each["counts"]["IN_PROGRESS"] for each in data["endpoints"]))
        [endpoint] = busy["endpoints"]
        assert "horse" == endpoint["id"]
        assert [("running", job["id"])] == states(busy)
        gate.open()
        idle = events.until(lambda data: any(each["counts"]["COMPLETED"] for each in data["endpoints"]))
        assert [("ready", None)] == states(idle)


def test_states_of_workers_that_no_job_changes() -> None:
    slow = LocalEndpoint(lambda job: 1, cold_start=timedelta(seconds=20))
    with LocalServer({"horse": slow}, page=True) as server, Browser(server) as browser, browser.events() as events:
        [endpoint] = events.next("snapshot")["endpoints"]
        assert [] == endpoint["workers"]
        browser.submit()
        events.until(lambda data: states(data) == [("initializing", None)])
        server.advance(20)
        events.job("COMPLETED")
        server.throttle("horse")
        events.until(lambda data: states(data) == [("throttled", None)])


def states(data: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(worker["state"], worker["job_id"]) for each in data["endpoints"] for worker in each["workers"]]


def test_worker_processes(tmp_path: Path) -> None:
    processes = LocalEndpoint(command=[sys.executable, str(Path(__file__).with_name("worker.py"))])
    with LocalServer({"horse": processes}, page=True) as server, Browser(server) as browser, browser.events() as events:
        [(state, _)] = states(events.next("snapshot"))
        assert state in {"initializing", "ready"}
        job = browser.submit(do="hang", mark=str(tmp_path / "mark"))
        events.until(lambda data: states(data) == [("running", job["id"])])
        browser.post(f"/page/endpoints/horse/jobs/{job['id']}/cancel")
        events.job("CANCELLED")


def test_workers_started_by_hand() -> None:
    server = LocalServer({"horse": LocalEndpoint(workers=0)}, page=True)
    with server, Browser(server) as browser, browser.events() as events, Api(server) as api:
        assert [] == states(events.next("snapshot"))
        job = browser.submit()
        api.get("/job-take/w1?job_in_progress=0")
        events.until(lambda data: states(data) == [("running", job["id"])])
        api.post(f"/job-stream/w1/{job['id']}", {"output": "chunk"})
        api.post(f"/job-done/w1/{job['id']}", {"output": 1e300})
        assert "w1" == events.job("COMPLETED")["worker_id"]
        assert [{"json": "chunk"}] == browser.details(job["id"])["chunks"]["items"]


def test_deleted_and_purged_jobs_are_removed(gate: Gate) -> None:
    with LocalServer({"horse": gate}, page=True) as server, Browser(server) as browser, browser.events() as events:
        events.next("snapshot")
        running, waiting = browser.submit(), browser.submit()
        gate.wait_entered()
        assert {"removed": 1} == browser.post("/page/endpoints/horse/purge-queue")
        gone = events.until(lambda data: bool(data["removed"]))
        assert [["horse", waiting["id"]]] == gone["removed"]
        gate.open()
        events.job("COMPLETED")
        server.advance(30 * 60)
        gone = events.until(lambda data: bool(data["removed"]))
        assert [["horse", running["id"]]] == gone["removed"]
        assert [] == gone["jobs"]


def test_an_advanced_clock_is_an_update() -> None:
    server = LocalServer({"horse": lambda job: 1}, page=True)
    with server, Browser(server) as browser, browser.events() as events:
        before = events.next("snapshot")["now"]
        server.advance(3600)
        update = events.next("update")
        assert update["now"] - before >= 3_600_000
        assert ([], [], []) == (update["endpoints"], update["jobs"], update["removed"])


def test_a_reconnected_feed_begins_with_a_snapshot() -> None:
    with LocalServer({"horse": lambda job: 1, "cow": lambda job: 2}, page=True) as server, Browser(server) as browser:
        jobs = [browser.submit(endpoint) for endpoint in ("horse", "cow", "horse")]
        with browser.events() as events:
            events.next("snapshot")
        with browser.events() as events:
            # Oldest first, whichever their endpoint.
            assert [job["id"] for job in jobs] == [job["id"] for job in events.next("snapshot")["jobs"]]


def test_the_feed_says_bye_when_the_server_stops() -> None:
    server = LocalServer({"horse": lambda job: 1}, page=True)
    with server, Browser(server) as browser, browser.events() as events:
        events.next("snapshot")
        stopping = in_thread(server.stop)
        assert [("bye", {})] == [event for event in events if event[0] != "update"]
        stopping.result(TIMEOUT)


def test_a_server_with_a_stopped_reader_stops() -> None:
    with LocalServer({"horse": lambda job: 1}, page=True) as server, Browser(server) as browser:
        with browser.events() as events:
            events.next("snapshot")
            # Nothing reads the feed any more.
            for _ in range(50):
                browser.submit(text="x" * 10_000)
        in_thread(server.stop).result(TIMEOUT)


def test_too_many_feeds() -> None:
    with LocalServer({"horse": lambda job: 1}, page=True) as server, Browser(server) as browser, ExitStack() as stack:
        limits = httpx.Limits(max_connections=None)
        cookies = httpx.Cookies(browser.http.cookies)
        http = stack.enter_context(
            httpx.Client(base_url=browser.http.base_url, cookies=cookies, limits=limits, trust_env=False)
        )
        feeds = [stack.enter_context(http.stream("GET", "/page/events")) for _ in range(50)]
        events = [Events(feed.iter_lines()) for feed in feeds]  # Kept, as the end of an iterator closes its feed.
        for each in events:
            each.next("snapshot")
        refused = http.get("/page/events")
        assert 429 == refused.status_code
        assert "Close it elsewhere." in refused.json()["error"]
        feeds[0].close()
        until(lambda: status(http) == 200)


def status(http: httpx.Client) -> int:
    with http.stream("GET", "/page/events") as feed:
        return feed.status_code


@pytest.mark.parametrize(
    ("job_input", "summary"),
    [
        ({"prompt": "</script>\u2028\0\ud800\n\nevent: bye\ndata: {}"}, None),
        ({"prompt": "x" * 1000}, '{"prompt": "' + "x" * 147 + "…"),
    ],
)
def test_hostile_inputs(job_input: dict[str, str], summary: str | None) -> None:
    server = LocalServer({"horse": lambda job: 1}, page=True)
    with server, Browser(server) as browser, browser.events() as events:
        events.next("snapshot")
        body = json.dumps({"input": job_input}).encode()
        headers = {"Content-Type": "application/json"}
        response = browser.http.post("/page/endpoints/horse/jobs", content=body, headers=headers)
        assert 200 == response.status_code
        expected = summary or json.dumps(job_input, ensure_ascii=False)
        assert expected == events.job("COMPLETED")["summary"]
        assert expected == response.json()["summary"]


@pytest.mark.parametrize("update", ["x" * 1000, {"image": "x" * 1_000_000}, "\ud800", 12, None, [], "\u2028"])
def test_progress_of_any_kind(gate: Gate, update: Any) -> None:
    def horse(job: dict[str, Any]) -> Any:
        progress_update(job, update)
        return gate(job)

    with LocalServer({"horse": horse}, page=True) as server, Browser(server) as browser, browser.events() as events:
        events.next("snapshot")
        browser.submit()
        gate.wait_entered()
        found = events.until(lambda data: any(job["progress"] is not None for job in data["jobs"]))
        text = update if isinstance(update, str) else json.dumps(update, separators=(",", ":"))
        assert text[:100] == found["jobs"][0]["progress"][:100]
        assert len(found["jobs"][0]["progress"]) <= 160


def test_load_balancing_endpoints_show_workers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    endpoint = LocalEndpoint(app=app, workers=2)
    with LocalServer({"api": endpoint}, page=True) as server, Browser(server) as browser, browser.events() as events:
        snapshot = events.next("snapshot")
        ready = [snapshot] if _ready(snapshot) == 2 else [events.until(lambda data: _ready(data) == 2)]
        [shown] = ready[0]["endpoints"]
        assert ("load_balancer", [None, None]) == (shown["kind"], [worker["job_id"] for worker in shown["workers"]])
        response = browser.http.post("/page/endpoints/api/jobs", json={"input": {"n": 1}})
        assert 400 == response.status_code
        assert "has no queue" in response.json()["error"]
        assert {"json": {}, "text": "{}"} == browser.get("/page/endpoints/api/last-input")


def _ready(data: dict[str, Any]) -> int:
    return sum(worker["state"] == "ready" for each in data["endpoints"] for worker in each["workers"])


def test_a_burst_does_not_hold_up_the_server() -> None:
    size = 10_000
    with LocalServer({"horse": LocalEndpoint(workers=0)}, page=True) as server, Browser(server) as browser:
        queue = server._endpoints["horse"].queue  # pyright: ignore[reportPrivateUsage]  # Thousands of requests take too long.
        with browser.events() as events, Api(server) as api:
            events.next("snapshot")
            submitting = in_thread(lambda: [queue.submit(PAYLOAD) for _ in range(size)])
            while not submitting.done():  # Other requests are served meanwhile.
                assert api.get("/health")["jobs"]["inQueue"] <= size
            seen: set[str] = set()
            largest = 0
            for _, data in events:
                largest = max(largest, len(data["jobs"]))
                seen.update(job["id"] for job in data["jobs"])
                if len(seen) == size:
                    break
            assert {job.id for job in submitting.result()} == seen
            assert largest <= 2000
        with browser.events() as events:
            snapshot = events.next("snapshot")
            assert [job.id for job in submitting.result()[-5000:]] == [job["id"] for job in snapshot["jobs"]]
            assert size == snapshot["endpoints"][0]["counts"]["IN_QUEUE"]


# Of the history of changes


@pytest.fixture
def history() -> JobHistory:
    return JobHistory(Signal())


@pytest.fixture
def queue(history: JobHistory) -> Iterator[JobQueue]:
    queue = JobQueue(history=history)
    yield queue
    queue.close()


def test_each_job_is_once_in_the_changes(queue: JobQueue, history: JobHistory) -> None:
    first, second = queue.submit(PAYLOAD), queue.submit(PAYLOAD)
    lease = queue.take("w1")
    assert lease is not None
    for number in range(1000):
        queue.progress(lease, JSONText(str(number)))
    changes = history.since(0, 100)
    assert changes is not None
    assert [second.id, first.id] == [row.id for row in changes.jobs]
    assert "999" == changes.jobs[1].progress
    assert {"w1": first.id} == history.workers()
    assert (changes.version, [], []) == history.since(changes.version, 100)


def test_changes_come_in_parts(queue: JobQueue, history: JobHistory) -> None:
    jobs = [queue.submit(PAYLOAD).id for _ in range(5)]
    version, found = 0, list[str]()
    for _ in range(3):
        changes = history.since(version, 2)
        assert changes is not None
        version = changes.version
        found += [row.id for row in changes.jobs]
    assert jobs == found


def test_deleted_jobs_are_forgotten_in_the_end(queue: JobQueue, history: JobHistory) -> None:
    for _ in range(10_001):
        queue.submit(PAYLOAD)
    before = history.version
    queue.purge()
    assert history.since(before, 100) is None  # The reader needs a snapshot.
    changes = history.since(history.version - 10_000, 20_000)
    assert changes is not None
    assert 10_000 == len(changes.removed)


def test_changes_from_many_threads(queue: JobQueue, history: JobHistory) -> None:
    def work() -> None:
        for _ in range(200):
            queue.submit(PAYLOAD)
            lease = queue.take(threading.current_thread().name)
            if lease is not None:
                queue.progress(lease, JSONText("1"))
                queue.lose(lease)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    changes = history.since(0, 10_000)
    assert changes is not None
    with queue.reading() as (jobs, counts):
        assert jobs.keys() == {row.id for row in changes.jobs}
        assert {status: number for status, number in counts.items() if number} == Counter(
            row.status for row in changes.jobs
        )
    versions = [row.version for row in changes.jobs]
    assert sorted(set(versions)) == versions
    assert {} == history.workers()
