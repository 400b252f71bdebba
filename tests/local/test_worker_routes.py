"""The routes that workers call, called by hand: the endpoint has no worker of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import Behavior, LocalEndpoint, LocalServer
from runpod.local.http.validation import payload
from runpod.local.jobs.queue import JobQueue
from runpod.local.workers.remote_workers import Workers
from tests.local.api import PATIENCE, Api, in_thread, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future


class Hand:
    """A worker whose requests a test makes."""

    def __init__(self, api: Api, worker_id: str = "w1") -> None:
        self.api = api
        self.id = worker_id

    def get(self, operation: str, **query: Any) -> httpx.Response:
        return self.api.http.get(f"/{operation}/{self.id}", params={"gpu": "none", **query})

    def take(self, **query: Any) -> Any:
        return self.api.ok(self.get("job-take", job_in_progress="0", **query))

    def taking(self) -> Future[httpx.Response]:
        """Ask for a job where there is none; returns once the server knows that it asks."""
        answer = in_thread(lambda: self.get("job-take", job_in_progress="0"))
        until(lambda: 1 == self.api.get("/health")["workers"]["idle"])
        return answer

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
def hand(api: Api) -> Hand:
    return Hand(api)


def workers(api: Api) -> dict[str, int]:
    return {state: number for state, number in api.get("/health")["workers"].items() if number}


def test_a_worker_takes_a_job_and_posts_what_came_of_it(api: Api, hand: Hand) -> None:
    job_id = api.run(prompt="a horse")
    assert {"id": job_id, "input": {"prompt": "a horse"}} == hand.take()
    running = api.status(job_id)
    assert ("IN_PROGRESS", "w1") == (running["status"], running["workerId"])
    assert {"running": 1} == workers(api)
    hand.done(job_id, output={"image": "…"})
    done = api.status(job_id)
    assert ("COMPLETED", {"image": "…"}) == (done["status"], done["output"])
    assert {"idle": 1, "ready": 1} == workers(api)


def test_what_else_a_job_brings_reaches_the_worker(api: Api, hand: Hand) -> None:
    job_id = api.post("/run", {"input": {"n": 1}, "s3Config": {"bucketName": "b"}, "policy": {"ttl": 60_000}})["id"]
    assert {"id": job_id, "input": {"n": 1}, "s3Config": {"bucketName": "b"}} == hand.take()


def test_a_worker_that_asks_before_there_is_a_job_waits_for_it(api: Api, hand: Hand) -> None:
    answer = hand.taking()
    job_id = api.run(n=1)
    assert job_id == api.ok(answer.result(PATIENCE))["id"]


def test_of_several_workers_one_gets_the_job(api: Api) -> None:
    first, second = Hand(api, "w1"), Hand(api, "w2")
    answers = [in_thread(lambda hand=hand: hand.get("job-take")) for hand in (first, second)]  # type: ignore[misc]
    until(lambda: 2 == workers(api).get("idle"))
    job_id = api.run()
    results = [answer.result(PATIENCE) for answer in answers]
    assert [200, 204] == sorted(result.status_code for result in results)
    assert [job_id] == [result.json()["id"] for result in results if result.content]


def test_several_jobs_at_once(api: Api, hand: Hand) -> None:
    ids = [api.run(n=n) for n in range(3)]
    first = api.ok(hand.get("job-take-batch", batch_size=2, job_in_progress=0))
    assert ids[:2] == [job["id"] for job in first]
    assert {"running": 1} == workers(api)
    second = api.ok(hand.get("job-take-batch", batch_size=2, job_in_progress=1))
    assert ids[2:] == [job["id"] for job in second]
    for number, job_id in enumerate(ids):
        hand.done(job_id, output=number)
    assert [0, 1, 2] == [api.status(job_id)["output"] for job_id in ids]


@pytest.mark.parametrize("size", ["0", "-1", "x", "²"])
def test_a_batch_of_no_size(hand: Hand, size: str) -> None:
    response = hand.get("job-take-batch", batch_size=size)
    assert (400, {"error": "batch_size is invalid; must be 1 or more"}) == (response.status_code, response.json())


def test_a_worker_that_waits_hears_nothing_at_the_end_of_the_server(api: Api, hand: Hand) -> None:
    answer = hand.taking()
    api.server.stop()
    assert 204 == answer.result(PATIENCE).status_code


@pytest.mark.parametrize("authorization", ["{key}", "Bearer {key}"])
def test_the_key_lets_a_worker_in(api: Api, hand: Hand, authorization: str) -> None:
    api.http.headers["authorization"] = authorization.format(key=api.server.api_key)
    api.run()
    hand.take()


def test_nothing_else_does(api: Api, hand: Hand) -> None:
    job_id = api.run()
    api.http.headers["authorization"] = "key-of-a-config-file"
    assert 401 == hand.get("job-take").status_code
    assert 401 == hand.get("job-take", token="guessed").status_code
    assert 401 == hand.post("job-done", job_id, {"output": 1}).status_code


def test_routes_that_are_not_there(api: Api, hand: Hand) -> None:
    assert 404 == api.http.get("/job-take").status_code
    assert 404 == api.http.get("/job-take/w1/extra").status_code
    assert 404 == api.http.post("/job-done/w1").status_code
    assert 404 == api.http.get(f"{api.server.base_url}/cow/job-take/w1").status_code
    refused = api.http.post("/job-take/w1")
    assert (405, "GET") == (refused.status_code, refused.headers["allow"])


def test_workers_are_no_clients_to_be_recorded(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    hand.done(job_id)
    assert ["/v2/horse/run"] == [request.path for request in api.server.requests]


# What comes of a job


def test_an_error(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    hand.done(job_id, error="bad seed", output={"detail": 1})
    job = api.status(job_id)
    assert ("FAILED", "bad seed", {"detail": 1}) == (job["status"], job["error"], job["output"])


def test_a_progress_update_does_not_finish_a_job(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    hand.done(job_id, status="IN_PROGRESS", output="saddling")
    job = api.status(job_id)
    assert ("IN_PROGRESS", "saddling") == (job["status"], job["output"])
    hand.done(job_id, output="done")
    # "may arrive after the final result (ignore it then)"
    hand.done(job_id, status="IN_PROGRESS", output="saddling")
    job = api.status(job_id)
    assert ("COMPLETED", "done") == (job["status"], job["output"])


def test_a_progress_update_that_is_refused_leaves_the_job_as_it_is(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    assert 400 == hand.post("job-done", job_id, b'{"status": "IN_PROGRESS", "output": 1e999}').status_code
    assert "IN_PROGRESS" == api.status(job_id)["status"]


def test_a_second_result_is_ignored(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    hand.done(job_id, output=1)
    hand.done(job_id, output=2)
    hand.done(job_id, error="no")
    assert 1 == api.status(job_id)["output"]


def test_a_job_of_another_worker_is_not_to_be_finished(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    Hand(api, "w2").done(job_id, output="stolen")
    assert "IN_PROGRESS" == api.status(job_id)["status"]


def test_a_job_that_is_not_there(hand: Hand) -> None:
    for operation in ("job-done", "job-stream"):
        response = hand.post(operation, "no-such-job", {"output": 1})
        assert (404, {"error": "job not found"}) == (response.status_code, response.json())


# "Result post refused by platform (size/400): COMPLETED with no `output`"; and of an error that is no text: "if you use
# a dict, it will result in the job returning as COMPLETED instead of FAILED without any output".
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
    ids=["error that is no text", "no JSON", "NaN", "infinity", "no object", "too large"],
)
def test_a_result_that_is_refused_leaves_a_job_that_completed_with_nothing(
    api: Api, hand: Hand, body: Any, reason: str
) -> None:
    job_id = api.run()
    hand.take()
    response = hand.post("job-done", job_id, body)
    assert 400 == response.status_code
    assert reason in response.json()["error"]
    job = api.status(job_id)
    assert "COMPLETED" == job["status"]
    assert not {"output", "error"} & job.keys()


def test_a_stream(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    for number in range(2):
        assert 200 == hand.post("job-stream", job_id, {"output": {"photo": number}}).status_code
    assert {"status": "IN_PROGRESS", "stream": [{"output": {"photo": 0}}, {"output": {"photo": 1}}]} == api.stream(
        job_id
    )
    assert 400 == hand.post("job-stream", job_id, b"no JSON").status_code
    assert 400 == hand.post("job-stream", job_id, b"x" * (20 * 1024 * 1024 + 1)).status_code
    hand.done(job_id, output=[])
    assert 200 == hand.post("job-stream", job_id, {"output": "too late"}).status_code
    assert {"status": "COMPLETED", "stream": []} == api.stream(job_id)


# What becomes of a job that is not finished


def test_a_worker_is_told_of_a_cancelled_job_once(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    answer = in_thread(lambda: hand.get("job-stop"))
    api.post(f"/cancel/{job_id}")
    assert {"jobsToStop": [job_id]} == api.ok(answer.result(PATIENCE))
    # True, if odd: it is busy with a job that has ended, as long as it says nothing else.
    assert {"running": 1} == workers(api)
    hand.done(job_id, output="too late")
    assert {"idle": 1, "ready": 1} == workers(api)
    assert "CANCELLED" == api.status(job_id)["status"]
    assert [] == api.server._endpoints["horse"].workers.get("w1").stops


def test_a_worker_that_died_while_it_was_asking_gets_nothing() -> None:
    async def main() -> None:
        workers = registry()
        worker = workers.started_here("w1")
        workers.gone("w1")
        assert [] == workers.take(worker, 1)
        # A request that was on its way while it died.
        assert [] == workers.take(workers.get("w1"), 1)
        assert 0 == sum(workers.counts().values())

    asyncio.run(main())


def test_a_worker_that_asks_for_the_next_job_is_done_with_a_cancelled_one(api: Api, hand: Hand) -> None:
    cancelled, following = api.run(n=1), api.run(n=2)
    hand.take()
    api.post(f"/cancel/{cancelled}")
    until(lambda: {"running": 1} == workers(api))
    assert following == hand.take()["id"]
    hand.done(following, output=1)
    assert {"idle": 1, "ready": 1} == workers(api)


def test_a_worker_that_asks_again_has_dropped_its_job(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    assert job_id == hand.take()["id"]
    assert 1 == api.status(job_id)["retries"]
    answer = in_thread(lambda: hand.get("job-take", job_in_progress="0"))
    # "re-dispatched once and ends FAILED"
    job = api.end(job_id)
    assert ("FAILED", "job timed out after 1 retries", 1) == (job["status"], job["error"], job["retries"])
    api.server.stop()
    answer.result(PATIENCE)


def test_a_worker_that_does_not_say_what_it_does_keeps_its_job(api: Api, hand: Hand) -> None:
    first, second = api.run(n=1), api.run(n=2)
    for job_id in (first, second):
        assert job_id == api.ok(hand.get("job-take"))["id"]
    assert "IN_PROGRESS" == api.status(first)["status"]


def test_an_empty_input_does_not_reach_the_worker(api: Api, hand: Hand) -> None:
    # "the platform strips empty dicts"
    job_id = api.post("/run", {"input": {}})["id"]
    assert {"id": job_id} == hand.take()


def test_a_worker_that_closes_its_connection_has_gone(api: Api, hand: Hand) -> None:
    job_id = api.run()
    hand.take()
    with httpx.Client(base_url=api.http.base_url, headers=api.http.headers, trust_env=False) as other:
        for operation in ("job-stop", "job-take"):
            with pytest.raises(httpx.ReadTimeout):
                other.get(f"/{operation}/w1", timeout=httpx.Timeout(PATIENCE, read=0.05))
            until(lambda: {} == workers(api))
            if operation == "job-stop":
                until(lambda: "IN_QUEUE" == api.status(job_id)["status"])
                assert 1 == api.post("/purge-queue")["removed"]


def test_a_ping_alone_makes_no_worker(api: Api, hand: Hand) -> None:
    # Pings come "from a process of its own", which can outlive the worker.
    assert {} == api.ok(hand.get("ping", runpod_version="1.12.0"))
    assert {} == workers(api)


def test_a_worker_that_is_not_fit_says_so(api: Api, hand: Hand) -> None:
    hand.taking()
    hand.get("ping", status="unhealthy", check="memory", reason="none")
    assert {"unhealthy": 1} == workers(api)


# What takes time, on a loop of its own


def registry(**settings: float) -> Workers:
    queue = JobQueue()
    queue.submit(payload(b'{"input": {"n": 1}}', Behavior()))
    return Workers(queue, **settings)


@pytest.mark.parametrize("busy", [True, False])
def test_a_worker_that_is_not_heard_of_any_more_is_gone(busy: bool) -> None:
    async def main() -> None:
        workers = registry(**{"silence" if busy else "idle_silence": 0})
        worker = workers.get("w1")
        back = asyncio.Event()
        with workers.request(worker):
            if busy:
                workers.take(worker, 1)
            workers.queue.arrivals.connect(back.set)
        workers.ping("w1", {})
        assert 1 == sum(workers.counts().values())
        if busy:
            await asyncio.wait_for(back.wait(), PATIENCE)
        while workers.counts()["initializing"]:  # noqa: ASYNC110  # Nothing tells of it.
            await asyncio.sleep(0)
        assert 0 == sum(workers.counts().values())
        assert 1 == workers.queue.waiting

    asyncio.run(main())


def test_a_worker_that_never_pinged_may_be_silent_as_long_as_it_has_a_job() -> None:
    async def main() -> None:
        workers = registry(silence=0)
        worker = workers.get("w1")
        with workers.request(worker):
            workers.take(worker, 1)
        for _ in range(10):
            await asyncio.sleep(0)
        assert 1 == workers.counts()["running"]
        workers.close()
        assert worker.timer is not None
        assert worker.timer.cancelled()

    asyncio.run(main())


def test_a_worker_that_is_being_held_is_there() -> None:
    async def main() -> None:
        workers = registry(idle_silence=0)
        worker = workers.get("w1")
        with workers.request(worker):
            workers.ping("w1", {})
            for _ in range(10):
                await asyncio.sleep(0)
            assert 1 == workers.counts()["initializing"]
        workers.close()

    asyncio.run(main())


def test_a_worker_that_cannot_let_go_of_a_job_is_replaced() -> None:
    async def main() -> None:
        workers = registry(stop_grace=0)
        replaced = asyncio.Event()
        workers.restart = lambda worker_id: replaced.set()
        worker = workers.get("w1")
        workers.take(worker, 1)
        [lease] = worker.leases.values()
        lease.revoked = lease.killed = True
        lease.revocation.fire()
        await asyncio.wait_for(replaced.wait(), PATIENCE)
        assert [lease.job.id] == worker.stops

    asyncio.run(main())
