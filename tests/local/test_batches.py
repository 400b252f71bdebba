from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local.jobs import batches
from tests.local.api import until

if TYPE_CHECKING:
    import httpx

    from tests.local.api import Api, Gate
    from tests.local.conftest import Serve


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def requests(*numbers: int) -> list[dict[str, Any]]:
    return [{"input": {"n": n}} for n in numbers]


def create(api: Api, *numbers: int) -> str:
    body = api.post("/batch", requests(*numbers))
    assert {"id": body["id"], "status": "DRAFT"} == body
    batch_id: str = body["id"]
    return batch_id


def counts(api: Api, batch_id: str) -> tuple[int, int, int, int]:
    batch = api.get(f"/batch/{batch_id}")
    return tuple(batch[f"request{name}"] for name in ("Total", "InProgress", "Completed", "Failed"))  # type: ignore[return-value]


def done(api: Api, batch_id: str) -> bool:
    total, _, completed, failed = counts(api, batch_id)
    return total == completed + failed


def refused(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert ["error"] == list(body)
    return response.status_code, body["error"]


@pytest.mark.fact(
    "protocol 8: create",
    "protocol 8: add",
    "protocol 8: finalize",
    "protocol 8: state",
    "protocol 8: failed requests",
)
def test_batch_lifecycle(serve: Serve) -> None:
    def handler(job: dict[str, Any]) -> Any:
        return {"error": "odd"} if job["input"]["n"] % 2 else job["input"]["n"]

    api = serve(handler)
    before = time.time()
    batch_id = create(api, 1, 2)
    assert {"id": batch_id, "status": "DRAFT"} == api.post(f"/batch/{batch_id}/requests", {"requests": requests(4)})
    batch = api.get(f"/batch/{batch_id}")
    created = batch.pop("createdAt")
    assert before - 1 < created / 1000 < time.time() + 1
    assert {
        "id": batch_id,
        "endpointId": "horse",
        "status": "DRAFT",
        "requestTotal": 3,
        "requestInProgress": 0,
        "requestCompleted": 0,
        "requestFailed": 0,
    } == batch
    assert {"horse": []} == api.server.jobs
    assert {"id": batch_id, "status": "FINALIZED"} == api.post(f"/batch/{batch_id}/finalize")
    until(lambda: done(api, batch_id))
    assert (3, 0, 2, 1) == counts(api, batch_id)
    assert "FINALIZED" == api.get(f"/batch/{batch_id}")["status"]

    page = api.get(f"/batch/{batch_id}/requests")
    assert (3, 0, 50, False) == (page["total"], page["offset"], page["limit"], page["hasMore"])
    failed, two, four = page["requests"]
    assert {"id", "status", "error", "startedAt", "completedAt"} == set(failed)
    assert ("FAILED", "odd") == (failed["status"], failed["error"])
    assert {"id", "status", "output", "startedAt", "completedAt"} == set(two)
    assert [("COMPLETED", 2), ("COMPLETED", 4)] == [(r["status"], r["output"]) for r in (two, four)]
    started, ended = (datetime.fromisoformat(two[name]).timestamp() for name in ("startedAt", "completedAt"))
    assert before - 1 < started <= ended < time.time() + 1
    # The requests are regular jobs.
    assert "COMPLETED" == api.status(two["id"])["status"]


def test_results_are_kept_after_the_jobs_expire(serve: Serve) -> None:
    api = serve(echo)
    batch_id = create(api, 1)
    api.post(f"/batch/{batch_id}/finalize")
    until(lambda: done(api, batch_id))
    api.server.advance(24 * 3600)
    assert {"horse": []} == api.server.jobs
    (request,) = api.get(f"/batch/{batch_id}/requests")["requests"]
    assert ("COMPLETED", {"n": 1}) == (request["status"], request["output"])


@pytest.mark.fact("protocol 8: rename", "protocol 8: remove", "protocol 8: drafts only")
def test_only_a_draft_can_be_changed(serve: Serve) -> None:
    api = serve(echo)
    batch_id = create(api, 1, 2)
    first, second = (r["id"] for r in api.get(f"/batch/{batch_id}/requests")["requests"])
    path = f"/batch/{batch_id}/requests"
    assert {"id": batch_id, "status": "DRAFT"} == api.ok(api.http.delete(f"{path}/{first}"))
    assert (404, "request not found") == refused(api.http.delete(f"{path}/{first}"))
    assert [{"id": second, "status": "IN_QUEUE"}] == api.get(path)["requests"]
    named = api.ok(api.http.put(f"/batch/{batch_id}", json={"name": "horses", "color": "brown"}))
    assert ("horses", False) == (named["name"], "color" in named)
    assert named == api.get(f"/batch/{batch_id}")
    api.post(f"/batch/{batch_id}/finalize")
    error = (400, "bad request: batch is FINALIZED; only a DRAFT can be changed")
    assert error == refused(api.http.post(path, json={"requests": []}))
    assert error == refused(api.http.delete(f"{path}/{second}"))
    assert error == refused(api.http.post(f"/batch/{batch_id}/finalize"))


@pytest.mark.fact("protocol-2 2: cancelled batch")
def test_cancel_affects_only_queued_jobs(serve: Serve, gate: Gate) -> None:
    api = serve(gate)
    batch_id = create(api, 1, 2, 3)
    api.post(f"/batch/{batch_id}/finalize")
    gate.wait_entered()
    assert (3, 1, 0, 0) == counts(api, batch_id)
    assert {"id": batch_id, "status": "FINALIZED"} == api.post(f"/batch/{batch_id}/cancel")
    assert (3, 1, 0, 2) == counts(api, batch_id)
    gate.open()
    until(lambda: done(api, batch_id))
    assert ("CANCELLED", (3, 0, 1, 2)) == (api.get(f"/batch/{batch_id}")["status"], counts(api, batch_id))
    statuses = [request["status"] for request in api.get(f"/batch/{batch_id}/requests")["requests"]]
    assert ["COMPLETED", "CANCELLED", "CANCELLED"] == statuses
    assert "CANCELLED" == api.post(f"/batch/{batch_id}/cancel")["status"]


def test_a_draft_is_cancelled_at_once(serve: Serve) -> None:
    api = serve(echo)
    batch_id = create(api, 1)
    assert "CANCELLED" == api.post(f"/batch/{batch_id}/cancel")["status"]
    assert 400 == api.http.post(f"/batch/{batch_id}/finalize").status_code


def test_a_purge_ends_the_requests_that_wait(serve: Serve) -> None:
    api = serve(echo, workers=0)
    batch_id = create(api, 1, 2)
    api.post(f"/batch/{batch_id}/finalize")
    assert 2 == api.post("/purge-queue")["removed"]
    assert (2, 0, 0, 2) == counts(api, batch_id)


@pytest.mark.fact("protocol 8: empty batch")
def test_an_empty_batch_is_done(serve: Serve) -> None:
    api = serve(echo)
    batch_id = create(api)
    api.post(f"/batch/{batch_id}/finalize")
    assert (0, 0, 0, 0) == counts(api, batch_id)
    assert [] == api.get(f"/batch/{batch_id}/requests")["requests"]


@pytest.mark.fact("protocol-2 2: list of batches")
def test_batches_are_listed_newest_first(serve: Serve) -> None:
    api = serve(echo)
    ids = [create(api, n) for n in range(3)]
    assert ids[::-1] == [batch["id"] for batch in api.get("/batch")["batches"]]


@pytest.mark.fact("protocol 8: results")
@pytest.mark.parametrize(
    ("query", "numbers", "more"),
    [
        ("limit=2", [0, 1], True),
        ("offset=3&limit=2", [3, 4], False),
        ("offset=9", [], False),
        ("offset=&limit=", [0, 1, 2, 3, 4], False),
    ],
)
def test_pages(serve: Serve, query: str, numbers: list[int], more: bool) -> None:
    api = serve(echo)
    batch_id = create(api, *range(5))
    all_ids = [request["id"] for request in api.get(f"/batch/{batch_id}/requests")["requests"]]
    page = api.get(f"/batch/{batch_id}/requests?{query}")
    assert [all_ids[n] for n in numbers] == [request["id"] for request in page["requests"]]
    assert (5, more) == (page["total"], page["hasMore"])


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "offset=-1", "offset=1e3", "offset=" + "9" * 5000]
)
def test_invalid_pages(serve: Serve, query: str) -> None:
    api = serve(echo)
    assert 400 == api.http.get(f"/batch/{create(api)}/requests?{query}").status_code


@pytest.mark.parametrize("body", [None, {}, {"requests": []}, [1], [{"input": 1}], [{}], "text"])
def test_invalid_bodies_create_no_batch(serve: Serve, body: Any) -> None:
    api = serve(echo)
    status, text = refused(api.http.post("/batch", json=body))
    assert (400, True) == (status, text.startswith("bad request: body: "))
    assert [] == api.get("/batch")["batches"]


@pytest.mark.fact("protocol 8: add")
@pytest.mark.parametrize("body", [None, {}, [], {"requests": {}}, {"requests": [{"input": {"n": 1}}, {"input": []}]}])
def test_invalid_bodies_add_no_requests(serve: Serve, body: Any) -> None:
    api = serve(echo)
    batch_id = create(api)
    assert 400 == refused(api.http.post(f"/batch/{batch_id}/requests", json=body))[0]
    assert (0, 0, 0, 0) == counts(api, batch_id)


@pytest.mark.parametrize("body", [None, [], {"name": 1}])
def test_invalid_attributes(serve: Serve, body: Any) -> None:
    api = serve(echo)
    assert 400 == refused(api.http.put(f"/batch/{create(api)}", json=body))[0]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {}),
        ("GET", "/requests", None),
        ("POST", "/requests", {"requests": []}),
        ("DELETE", "/requests/x", None),
        ("POST", "/finalize", None),
        ("POST", "/cancel", None),
    ],
)
def test_unknown_batch(serve: Serve, method: str, path: str, body: Any) -> None:
    api = serve(echo)
    assert (404, "batch not found") == refused(api.http.request(method, f"/batch/x{path}", json=body))
    assert 405 == api.http.request("PATCH", f"/batch/x{path}").status_code


@pytest.mark.fact("protocol 8: limits")
def test_limits(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (5_000, 50_000) == (batches._MAX_REQUESTS, batches._MAX_QUEUED)
    monkeypatch.setattr(batches, "_MAX_REQUESTS", 3)
    monkeypatch.setattr(batches, "_MAX_QUEUED", 5)
    api = serve(echo, workers=0)
    first, second = create(api, 1, 2, 3), create(api, 1, 2)
    assert "at most" in refused(api.http.post(f"/batch/{first}/requests", json={"requests": requests(4)}))[1]
    assert "at most" in refused(api.http.post("/batch", json=requests(1, 2, 3, 4)))[1]
    api.post(f"/batch/{first}/finalize")
    api.post(f"/batch/{second}/finalize")
    third = create(api, 1)
    assert (400, "bad request: an endpoint has 5 queued requests at most") == refused(
        api.http.post(f"/batch/{third}/finalize")
    )
    assert "DRAFT" == api.get(f"/batch/{third}")["status"]
    for _ in range(7):
        create(api)
    assert (400, "bad request: there are 10 active batches already") == refused(api.http.post("/batch", json=[]))
    api.post(f"/batch/{first}/cancel")
    create(api)
