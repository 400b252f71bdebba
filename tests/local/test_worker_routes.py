"""The worker routes, called by the tests: the endpoint has no workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import LocalEndpoint, LocalServer
from tests.local.api import TIMEOUT, Api, in_thread, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future


class FakeWorker:
    """A worker whose requests are sent by a test."""

    def __init__(self, api: Api, worker_id: str = "w1") -> None:
        self.api = api
        self.id = worker_id

    def get(self, operation: str, **query: Any) -> httpx.Response:
        return self.api.http.get(f"/{operation}/{self.id}", params={"gpu": "none", **query})

    def take(self, **query: Any) -> Any:
        return self.api.ok(self.get("job-take", job_in_progress="0", **query))

    def taking(self) -> Future[httpx.Response]:
        """Request a job from an empty queue; returns once the request is held."""
        response = in_thread(lambda: self.get("job-take", job_in_progress="0"))
        until(lambda: 1 == self.api.get("/health")["workers"]["idle"])
        return response

    def post(self, operation: str, job_id: str, body: Any) -> httpx.Response:
        path = f"/{operation}/{self.id}/{job_id}"
        kind = {"content-type": "application/x-www-form-urlencoded"}
        if isinstance(body, bytes):
            return self.api.http.post(path, content=body, headers=kind)
        return self.api.http.post(path, json=body, headers=kind, params={"gpu": "none", "isStream": "false"})

    def done(self, job_id: str, **result: Any) -> None:
        assert 200 == self.post("job-done", job_id, result).status_code


@pytest.fixture
def api() -> Iterator[Api]:
    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server, Api(server) as api:
        yield api


@pytest.fixture
def worker(api: Api) -> FakeWorker:
    return FakeWorker(api)


def workers(api: Api) -> dict[str, int]:
    return {state: number for state, number in api.get("/health")["workers"].items() if number}


@pytest.mark.fact("protocol 15: take a job", "protocol 15: result")
def test_worker_takes_a_job_and_posts_its_result(api: Api, worker: FakeWorker) -> None:
    job_id = api.run(prompt="a horse")
    assert {"id": job_id, "input": {"prompt": "a horse"}} == worker.take()
    running = api.status(job_id)
    assert ("IN_PROGRESS", "w1") == (running["status"], running["workerId"])
    assert {"running": 1} == workers(api)
    worker.done(job_id, output={"image": "…"})
    done = api.status(job_id)
    assert ("COMPLETED", {"image": "…"}) == (done["status"], done["output"])
    assert {"idle": 1, "ready": 1} == workers(api)


@pytest.mark.fact("protocol 1.2: s3Config")
def test_other_fields_are_passed_on_to_the_worker(api: Api, worker: FakeWorker) -> None:
    job_id = api.post("/run", {"input": {"n": 1}, "s3Config": {"bucketName": "b"}, "policy": {"ttl": 60_000}})["id"]
    assert {"id": job_id, "input": {"n": 1}, "s3Config": {"bucketName": "b"}} == worker.take()


@pytest.mark.fact("protocol 15: take a job")
def test_request_for_a_job_is_held_until_there_is_one(api: Api, worker: FakeWorker) -> None:
    response = worker.taking()
    job_id = api.run(n=1)
    assert job_id == api.ok(response.result(TIMEOUT))["id"]


def test_one_of_several_workers_gets_the_job(api: Api) -> None:
    first, second = FakeWorker(api, "w1"), FakeWorker(api, "w2")
    responses = [in_thread(lambda worker=worker: worker.get("job-take")) for worker in (first, second)]  # type: ignore[misc]
    until(lambda: 2 == workers(api).get("idle"))
    job_id = api.run()
    results = [response.result(TIMEOUT) for response in responses]
    assert [200, 204] == sorted(result.status_code for result in results)
    assert [job_id] == [result.json()["id"] for result in results if result.content]


@pytest.mark.fact("protocol 15: take several jobs")
def test_taking_several_jobs(api: Api, worker: FakeWorker) -> None:
    ids = [api.run(n=n) for n in range(3)]
    first = api.ok(worker.get("job-take-batch", batch_size=2, job_in_progress=0))
    assert ids[:2] == [job["id"] for job in first]
    assert {"running": 1} == workers(api)
    second = api.ok(worker.get("job-take-batch", batch_size=2, job_in_progress=1))
    assert ids[2:] == [job["id"] for job in second]
    for number, job_id in enumerate(ids):
        worker.done(job_id, output=number)
    assert [0, 1, 2] == [api.status(job_id)["output"] for job_id in ids]


@pytest.mark.parametrize("size", ["0", "-1", "x", "²"])
def test_invalid_batch_size(worker: FakeWorker, size: str) -> None:
    response = worker.get("job-take-batch", batch_size=size)
    assert (400, {"error": "batch_size is invalid; must be 1 or more"}) == (response.status_code, response.json())


@pytest.mark.fact("protocol 15: take a job")
def test_held_request_for_a_job_returns_204_on_stop(api: Api, worker: FakeWorker) -> None:
    response = worker.taking()
    api.server.stop()
    assert 204 == response.result(TIMEOUT).status_code


@pytest.mark.fact("protocol 15: key of a worker")
@pytest.mark.parametrize("authorization", ["{key}", "Bearer {key}"])
def test_worker_is_authorized_by_the_api_key(api: Api, worker: FakeWorker, authorization: str) -> None:
    api.http.headers["authorization"] = authorization.format(key=api.server.api_key)
    api.run()
    worker.take()


def test_worker_is_not_authorized_without_key_or_token(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    api.http.headers["authorization"] = "key-of-a-config-file"
    assert 401 == worker.get("job-take").status_code
    assert 401 == worker.get("job-take", token="guessed").status_code
    assert 401 == worker.post("job-done", job_id, {"output": 1}).status_code


def test_unknown_routes(api: Api, worker: FakeWorker) -> None:
    assert 404 == api.http.get("/job-take").status_code
    assert 404 == api.http.get("/job-take/w1/extra").status_code
    assert 404 == api.http.post("/job-done/w1").status_code
    assert 404 == api.http.get(f"{api.server.base_url}/cow/job-take/w1").status_code
    refused = api.http.post("/job-take/w1")
    assert (405, "GET") == (refused.status_code, refused.headers["allow"])


def test_requests_of_workers_are_not_recorded(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    worker.done(job_id)
    assert ["/v2/horse/run"] == [request.path for request in api.server.requests]


# Results


@pytest.mark.fact("protocol 15: result")
def test_error_result(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    worker.done(job_id, error="bad seed", output={"detail": 1})
    job = api.status(job_id)
    assert ("FAILED", "bad seed", {"detail": 1}) == (job["status"], job["error"], job["output"])


@pytest.mark.fact("protocol 1.7: late progress", "protocol 15: progress update")
def test_progress_update_does_not_end_a_job(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    worker.done(job_id, status="IN_PROGRESS", output="saddling")
    job = api.status(job_id)
    assert ("IN_PROGRESS", "saddling") == (job["status"], job["output"])
    worker.done(job_id, output="done")
    # An update that arrives after the result is ignored.
    worker.done(job_id, status="IN_PROGRESS", output="saddling")
    job = api.status(job_id)
    assert ("COMPLETED", "done") == (job["status"], job["output"])


def test_refused_progress_update_does_not_change_the_job(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    assert 400 == worker.post("job-done", job_id, b'{"status": "IN_PROGRESS", "output": 1e999}').status_code
    assert "IN_PROGRESS" == api.status(job_id)["status"]


def test_second_result_is_ignored(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    worker.done(job_id, output=1)
    worker.done(job_id, output=2)
    worker.done(job_id, error="no")
    assert 1 == api.status(job_id)["output"]


def test_result_for_a_job_of_another_worker_is_ignored(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    FakeWorker(api, "w2").done(job_id, output="stolen")
    assert "IN_PROGRESS" == api.status(job_id)["status"]


def test_result_for_an_unknown_job(worker: FakeWorker) -> None:
    for operation in ("job-done", "job-stream"):
        response = worker.post(operation, "no-such-job", {"output": 1})
        assert (404, {"error": "job not found"}) == (response.status_code, response.json())


# On the service, too, a job is COMPLETED without output if its result is refused, for its size or because its error is
# not a string.
@pytest.mark.fact("protocol 1.8: refused result")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": {"code": 1}, "output": 1}, "error must be a string"),
        (b"\xff", "invalid JSON"),
        (b'{"output": NaN}', "invalid literal NaN"),
        (b'{"output": 1e999}', "invalid JSON"),
        (b"[1]", "must be a JSON object"),
        (b'{"output": "' + b"x" * 20 * 1024 * 1024 + b'"}', "exceeded max body size of 20MiB"),
    ],
    ids=["error is not a string", "invalid JSON", "NaN", "infinity", "not an object", "too large"],
)
def test_refused_result_completes_the_job_without_output(api: Api, worker: FakeWorker, body: Any, reason: str) -> None:
    job_id = api.run()
    worker.take()
    response = worker.post("job-done", job_id, body)
    assert 400 == response.status_code
    assert reason in response.json()["error"]
    job = api.status(job_id)
    assert "COMPLETED" == job["status"]
    assert not {"output", "error"} & job.keys()


@pytest.mark.fact("protocol 15: chunk")
def test_stream(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    for number in range(2):
        assert 200 == worker.post("job-stream", job_id, {"output": {"photo": number}}).status_code
    assert {"status": "IN_PROGRESS", "stream": [{"output": {"photo": 0}}, {"output": {"photo": 1}}]} == api.stream(
        job_id
    )
    assert 400 == worker.post("job-stream", job_id, b"no JSON").status_code
    assert 400 == worker.post("job-stream", job_id, b"x" * (20 * 1024 * 1024 + 1)).status_code
    worker.done(job_id, output=[])
    assert 200 == worker.post("job-stream", job_id, {"output": "too late"}).status_code
    assert {"status": "COMPLETED", "stream": []} == api.stream(job_id)


# Unfinished jobs


@pytest.mark.fact("protocol 15: jobs to stop")
def test_cancelled_job_is_reported_to_its_worker_once(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    response = in_thread(lambda: worker.get("job-stop"))
    api.post(f"/cancel/{job_id}")
    assert {"jobsToStop": [job_id]} == api.ok(response.result(TIMEOUT))
    # It counts as running until it reports that it has stopped the job.
    assert {"running": 1} == workers(api)
    worker.done(job_id, output="too late")
    assert {"idle": 1, "ready": 1} == workers(api)
    assert "CANCELLED" == api.status(job_id)["status"]
    assert [] == api.server._endpoints["horse"].remote_workers.get("w1").jobs_to_stop


def test_next_request_for_a_job_ends_a_cancelled_one(api: Api, worker: FakeWorker) -> None:
    cancelled, following = api.run(n=1), api.run(n=2)
    worker.take()
    api.post(f"/cancel/{cancelled}")
    until(lambda: {"running": 1} == workers(api))
    assert following == worker.take()["id"]
    worker.done(following, output=1)
    assert {"idle": 1, "ready": 1} == workers(api)


def test_idle_request_for_a_job_requeues_the_last_one(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    assert job_id == worker.take()["id"]
    assert 1 == api.status(job_id)["retries"]
    response = in_thread(lambda: worker.get("job-take", job_in_progress="0"))
    # A job is requeued once, then it is FAILED.
    job = api.end(job_id)
    assert ("FAILED", "job timed out after 1 retries", 1) == (job["status"], job["error"], job["retries"])
    api.server.stop()
    response.result(TIMEOUT)


def test_request_without_job_in_progress_keeps_the_last_job(api: Api, worker: FakeWorker) -> None:
    first, second = api.run(n=1), api.run(n=2)
    for job_id in (first, second):
        assert job_id == api.ok(worker.get("job-take"))["id"]
    assert "IN_PROGRESS" == api.status(first)["status"]


def test_empty_input_is_not_passed_on(api: Api, worker: FakeWorker) -> None:
    # The service removes an empty dict.
    job_id = api.post("/run", {"input": {}})["id"]
    assert {"id": job_id} == worker.take()


def test_worker_that_disconnects_is_removed(api: Api, worker: FakeWorker) -> None:
    job_id = api.run()
    worker.take()
    with httpx.Client(base_url=api.http.base_url, headers=api.http.headers, trust_env=False) as other:
        for operation in ("job-stop", "job-take"):
            with pytest.raises(httpx.ReadTimeout):
                other.get(f"/{operation}/w1", timeout=httpx.Timeout(TIMEOUT, read=0.05))
            until(lambda: {} == workers(api))
            if operation == "job-stop":
                until(lambda: "IN_QUEUE" == api.status(job_id)["status"])
                assert 1 == api.post("/purge-queue")["removed"]


@pytest.mark.fact("protocol 15: ping")
def test_ping_does_not_register_a_worker(api: Api, worker: FakeWorker) -> None:
    # Pings are sent by a separate process, which can outlive the worker.
    assert {} == api.ok(worker.get("ping", runpod_version="1.12.0"))
    assert {} == workers(api)


def test_unhealthy_worker(api: Api, worker: FakeWorker) -> None:
    worker.taking()
    worker.get("ping", status="unhealthy", check="memory", reason="none")
    assert {"unhealthy": 1} == workers(api)
