"""Submitting, cancelling, retrying and purging on the local server's page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import LocalEndpoint, LocalServer
from tests.local.page_browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.api import Gate

JOBS = "/page/endpoints/horse/jobs"


@pytest.fixture
def idle() -> Iterator[Browser]:
    """A browser of a server whose jobs stay in the queue."""
    with LocalServer({"horse": LocalEndpoint(workers=0)}, page=True) as server, Browser(server) as browser:
        yield browser


def refused(browser: Browser, path: str, body: object = None) -> tuple[int, str]:
    response = browser.http.post(path, json={} if body is None else body)
    text: str = response.json()["error"]
    return response.status_code, text


def test_submit(idle: Browser) -> None:
    row = idle.submit(prompt="a horse")
    assert ("horse", "IN_QUEUE", '{"prompt": "a horse"}') == (row["endpoint"], row["status"], row["summary"])
    assert [row["id"]] == [job["id"] for job in idle.server.jobs["horse"]]
    assert not row["id"].startswith("sync-")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "invalid JSON"),
        (b"{", "invalid JSON"),
        (b"\xff", "invalid JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "input is required"),
        (b'{"input": null}', "input is required"),
        (b'{"input": []}', "input must be an object"),
        (b'{"input": {}, "policy": {"ttl": "x"}}', "policy.ttl must be an integer"),
        (b'{"input": {"x": NaN}}', "invalid JSON"),
    ],
)
def test_invalid_submissions(idle: Browser, body: bytes, message: str) -> None:
    response = idle.http.post(JOBS, content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert 400 == response.status_code
    assert message in response.json()["error"]
    assert "bad request" not in response.json()["error"]
    assert [] == idle.server.jobs["horse"]


def test_submission_that_is_too_large(idle: Browser) -> None:
    body = {"input": {"text": "x" * (10 * 1024 * 1024)}}
    assert (413, "The request has more than 10 MiB.") == refused(idle, JOBS, body)


def test_cancel(idle: Browser) -> None:
    job = idle.submit()
    path = f"{JOBS}/{job['id']}/cancel"
    row = idle.post(path)
    assert (job["id"], "CANCELLED") == (row["id"], row["status"])
    assert row["version"] > job["version"]
    assert (409, "The job has ended already: it is CANCELLED.") == refused(idle, path)


def test_cancel_a_running_job(gate: Gate) -> None:
    with LocalServer({"horse": gate}, page=True) as server, Browser(server) as browser, browser.events() as events:
        events.next("snapshot")
        job = browser.submit()
        gate.wait_entered()
        browser.post(f"{JOBS}/{job['id']}/cancel")
        assert job["id"] == events.job("CANCELLED")["id"]


def test_retry() -> None:
    failures = iter([ValueError("no")])

    def horse(job: dict[str, Any]) -> Any:
        for failure in failures:
            raise failure
        return 1

    with LocalServer({"horse": horse}, page=True) as server, Browser(server) as browser:
        job = browser.ended()
        assert "FAILED" == job["status"]
        with browser.events() as events:
            events.next("snapshot")
            row = browser.post(f"{JOBS}/{job['id']}/retry")
            assert job["id"] == row["id"]
            assert row["version"] > job["version"]
            again = events.job("COMPLETED")
            assert again["submitted_at"] == job["submitted_at"]
            assert again["queued_at"] >= job["ended_at"]
        expected = (409, "The job is COMPLETED; only FAILED or TIMED_OUT jobs can be retried.")
        assert expected == refused(browser, f"{JOBS}/{job['id']}/retry")


def test_purge(idle: Browser) -> None:
    for _ in range(3):
        idle.submit()
    assert {"removed": 3} == idle.post("/page/endpoints/horse/purge-queue")
    assert {"removed": 0} == idle.post("/page/endpoints/horse/purge-queue")


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_unknown_jobs(idle: Browser, action: str) -> None:
    assert (404, "The job does not exist, or not any more.") == refused(idle, f"{JOBS}/x/{action}")
    assert (404, "The endpoint does not exist.") == refused(idle, f"/page/endpoints/cow/jobs/x/{action}")


def test_the_last_input_is_exact(idle: Browser) -> None:
    path = "/page/endpoints/horse/last-input"
    assert {"json": {}, "text": "{}"} == idle.get(path)
    text = "x" * 5000
    content = f'{{"seed": 18446744073709551615, "far": 1e999, "text": "{text}", "$string": "é"}}'
    headers = {"Content-Type": "application/json"}
    idle.submit(n=1)
    for _ in range(2):
        idle.http.post(JOBS, content=f'{{"input":{content}}}'.encode(), headers=headers)
        found = idle.get(path)
        # What the form shows is JSON that can be sent again as it is.
        assert json.loads(content) == json.loads(found["text"])
        assert found["text"].startswith('{\n  "seed": 18446744073709551615,\n  "far": 1e999,')
        expected = {"seed": {"$number": "18446744073709551615"}, "far": float("inf"), "text": text, "$$string": "é"}
        assert expected == found["json"]
        content = found["text"]


def test_a_large_last_input_is_a_link(idle: Browser) -> None:
    job = idle.submit(text="x" * 300_000)
    found = idle.get("/page/endpoints/horse/last-input")
    assert {"size", "href", "head"} == found.keys()
    assert f"{JOBS}/{job['id']}/input" == found["href"]
    assert {"text": "x" * 300_000} == idle.get(found["href"])
