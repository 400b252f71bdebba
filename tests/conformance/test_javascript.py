"""The released JavaScript SDK against the local server, with the behavior that its README describes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import LocalServer
from tests.conformance.environments import JAVASCRIPT_SDK
from tests.conformance.programs import ProgramError
from tests.local.api import Api, Gate, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.programs import Call, Driver

PROMPT = {"prompt": "a photo of a horse the size of a Boeing 787"}


class Endpoint:
    """An endpoint of a local server, called with the JavaScript SDK or with plain HTTP requests."""

    def __init__(self, driver: Driver, server: LocalServer) -> None:
        self.driver = driver
        self.server = server
        self.api = Api(server)
        self._where = {"baseUrl": server.base_url, "apiKey": server.api_key, "endpoint": "horse"}

    def start(self, name: str, *arguments: Any, **where: str) -> Call:
        return self.driver.start(name, **{**self._where, **where}, arguments=arguments)

    def call(self, name: str, *arguments: Any, **where: str) -> Any:
        return self.start(name, *arguments, **where).result()

    def run(self, **job_input: Any) -> str:
        job_id: str = self.call("run", {"input": job_input or PROMPT})["id"]
        return job_id

    @property
    def sent(self) -> list[str]:
        """The requests of the SDK: method, operation and query, without job IDs."""
        return [
            f"{request.method} {request.path.split('/')[3]}" + (f" {dict(request.query)}" if request.query else "")
            for request in self.server.requests
            if "js-sdk" in request.headers.get("user-agent", "").lower()
        ]


@pytest.fixture
def serve(javascript: Driver) -> Iterator[Callable[..., Endpoint]]:
    opened: list[Endpoint] = []

    def serve(handler: Callable[[dict[str, Any]], Any], **settings: Any) -> Endpoint:
        server = LocalServer({"horse": handler}, **settings)
        server.start()
        opened.append(Endpoint(javascript, server))
        return opened[-1]

    yield serve
    for endpoint in opened:
        endpoint.api.http.close()
        endpoint.server.stop()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


def horse(job: dict[str, Any]) -> dict[str, Any]:
    if "unicorn" in job["input"]["prompt"]:
        raise ValueError("there are no unicorns")
    return {"image": "…", "prompt": job["input"]["prompt"]}


def without_times(job: dict[str, Any]) -> dict[str, Any]:
    """A job without its times, which must be present and in milliseconds."""
    job = dict(job)
    assert isinstance(job.pop("delayTime"), int)
    assert isinstance(job.pop("executionTime"), int)
    assert isinstance(job.pop("workerId"), str)
    return job


def test_all_functions_are_tested(serve):
    functions = {"run", "status", "statusSync", "runSync", "stream", "cancel", "health", "purgeQueue"}
    assert functions == set(serve(horse).call("functions"))


# "Once an endpoint has been created, you can send requests to the queue"


def test_run_returns_the_id(serve):
    endpoint = serve(horse)
    response = endpoint.call("run", {"input": PROMPT}, 3000)
    assert {"id": response["id"], "status": "IN_QUEUE"} == response
    request = endpoint.server.requests[0]
    assert ("POST", "/v2/horse/run") == (request.method, request.path)
    assert {"input": PROMPT} == json.loads(request.body)
    assert f"RunPod-JS-SDK/{JAVASCRIPT_SDK[1]} (Unknown Environment)" == request.headers["user-agent"]


def test_run_with_a_complete_request(serve):
    # The documented minimum of executionTimeout is 5000, without the behavior below it. The README's example has 3000.
    request = {
        "input": PROMPT,
        "policy": {"executionTimeout": 3000, "lowPriority": False, "ttl": 60_000},
        "s3Config": {"accessId": "id", "accessSecret": "secret", "bucketName": "horses", "endpointUrl": "s3.test"},
        "webhookV2": "unknown",
    }
    endpoint = serve(sorted)
    job_id = endpoint.call("run", request)["id"]
    # "handed to the worker, never echoed back in the job"
    assert ["id", "input", "s3Config", "webhookV2"] == endpoint.api.end(job_id)["output"]


# "You can check on the status of this request once you have the id"


def test_status_of_a_job_that_completed_has_its_output(serve):
    endpoint = serve(horse)
    job_id = endpoint.run()
    endpoint.api.end(job_id)
    expected = {
        "id": job_id,
        "status": "COMPLETED",
        "output": {"image": "…", **PROMPT},
        "started": True,
        "completed": True,
        "succeeded": True,
    }
    assert expected == without_times(endpoint.call("status", job_id))


def test_status_of_a_job_that_is_queued_or_running(serve, gate):
    endpoint = serve(gate)
    running, queued = endpoint.run(), endpoint.run()
    gate.wait_entered()
    # The SDK sets `started` after every successful response, even if the job is queued.
    waiting = {"started": True, "completed": False, "succeeded": False}
    assert {"id": queued, "status": "IN_QUEUE", **waiting} == endpoint.call("status", queued)
    state = endpoint.call("status", running)
    assert state.keys() == {"id", "status", "delayTime", "workerId", *waiting}
    assert "IN_PROGRESS" == state["status"]
    assert waiting.items() <= state.items()


def test_status_sync_waits_for_the_end(serve, gate):
    endpoint = serve(gate)
    job_id = endpoint.run()
    gate.wait_entered()
    call = endpoint.start("statusSync", job_id, 60_000)
    gate.open()
    state = call.result()
    assert ("COMPLETED", True, True) == (state["status"], state["completed"], state["succeeded"])
    assert "GET status-sync {'wait': '60000'}" == endpoint.sent[-1]


def test_status_sync_returns_the_latest_state_on_timeout(serve, gate):
    endpoint = serve(gate)
    job_id = endpoint.run()
    gate.wait_entered()
    # Its `wait` is never below a second.
    state = endpoint.call("statusSync", job_id, 1)
    assert ("IN_PROGRESS", False) == (state["status"], state["completed"])
    assert "GET status-sync {'wait': '1000'}" == endpoint.sent[-1]


# "runSync … will enqueue the request and then poll until the request completes, fails or times out"


def test_run_sync_returns_the_output(serve):
    endpoint = serve(horse)
    result = endpoint.call("runSync", {"input": PROMPT})
    assert result["id"].startswith("sync-")
    expected = {"status": "COMPLETED", "output": {"image": "…", **PROMPT}, "started": True}
    assert {"id": result["id"], **expected, "completed": True, "succeeded": True} == without_times(result)
    assert ["POST runsync {'wait': '90000'}"] == endpoint.sent


@pytest.mark.fact("protocol 13: failed jobs")
def test_run_sync_of_a_failing_job_returns_its_state(serve):
    result = serve(horse).call("runSync", {"input": {"prompt": "a unicorn"}})
    assert ("FAILED", True, False) == (result["status"], result["completed"], result["succeeded"])
    assert "there are no unicorns" == json.loads(result["error"])["error_message"]
    assert "output" not in result


@pytest.mark.fact("protocol 13: runSync")
def test_run_sync_polls_while_the_job_takes_longer_than_one_request(serve, gate):
    endpoint = serve(gate)
    # The `wait` of its first request is at most its timeout, so a short timeout makes it poll. "`runsync` … Not done
    # within `wait`: HTTP 200", captured, with ID and status alone.
    call = endpoint.start("runSync", {"input": PROMPT}, 1000)
    gate.wait_entered()
    endpoint.driver.printed.clear()
    until(lambda: "GET status-sync {'wait': '1000'}" in endpoint.sent)
    gate.open()
    result = call.result()
    assert ("COMPLETED", PROMPT) == (result["status"], result["output"])
    assert ["POST runsync {'wait': '1000'}", "GET status-sync {'wait': '1000'}"] == endpoint.sent
    assert [f"{result['id']}: COMPLETED"] == endpoint.driver.printed


@pytest.mark.fact("protocol 13: timeout")
def test_run_sync_returns_the_latest_state_on_timeout(serve, gate):
    endpoint = serve(gate)
    endpoint.driver.printed.clear()
    result = endpoint.call("runSync", {"input": PROMPT}, 500)
    assert ("IN_PROGRESS", True, False) == (result["status"], result["started"], result["completed"])
    assert f"{result['id']} timed out after 0.5 seconds" == endpoint.driver.printed[-1]
    # "this is the timeout on the *local* function call, not the underlying request in the queue"
    assert "IN_PROGRESS" == endpoint.api.status(result["id"])["status"]


# "Some Runpod endpoints are configured to yield multiple results for a single input, which can be streamed locally"


def test_stream_yields_while_the_job_runs(serve, gate):
    def photos(job):
        yield {"photo": 1}
        gate(job)
        for number in range(2, 8):
            yield {"photo": number}

    endpoint = serve(photos)
    job_id = endpoint.run(prompt="7 photos of a horse the size of a Boeing 787")
    call = endpoint.start("stream", job_id)
    assert {"output": {"photo": 1}} == call.item()
    gate.open()
    # The last chunks arrive with the final status, after which it stops polling.
    assert [{"output": {"photo": number}} for number in range(2, 8)] == call.result()
    assert {"GET stream"} == set(endpoint.sent[1:])


def test_stream_that_was_fetched_before_is_empty(serve):
    endpoint = serve(lambda job: (yield 1))
    job_id = endpoint.run()
    assert [{"output": 1}] == endpoint.call("stream", job_id)
    assert [] == endpoint.call("stream", job_id)


def test_stream_of_a_handler_that_yields_nothing_is_empty(serve):
    endpoint = serve(horse)
    assert [] == endpoint.call("stream", endpoint.run())


@pytest.mark.fact("protocol 13: streams")
def test_stream_of_a_failing_job_ends_without_error(serve):
    def photos(job):
        yield {"photo": 1}
        raise ValueError("the film is full")

    endpoint = serve(photos)
    job_id = endpoint.run()
    # Captured: `{"status":"FAILED","stream":[]}`, "no error text on /stream".
    assert [{"output": {"photo": 1}}] == endpoint.call("stream", job_id)
    assert endpoint.call("status", job_id)["error"].startswith("handler: the film is full")


# "you can cancel it if it's taking too long or no longer necessary"


def test_cancel(serve, gate):
    endpoint = serve(gate)
    running, queued = endpoint.run(), endpoint.run()
    gate.wait_entered()
    for job_id in (queued, running):
        # Its types also declare delayTime and executionTime. The documentation has only these two fields.
        assert {"id": job_id, "status": "CANCELLED"} == endpoint.call("cancel", job_id)
        state = endpoint.call("status", job_id)
        assert ("CANCELLED", True, False) == (state["status"], state["completed"], state["succeeded"])
    assert [] == endpoint.call("stream", running)


def test_cancel_ends_a_run_sync(serve, gate):
    endpoint = serve(gate)
    call = endpoint.start("runSync", {"input": PROMPT})
    gate.wait_entered()
    endpoint.call("cancel", endpoint.server.jobs["horse"][0]["id"])
    result = call.result()
    assert ("CANCELLED", True, False) == (result["status"], result["completed"], result["succeeded"])


# "For long running applications or troubleshooting, you may want to check the health of the endpoint workers"


def test_health(serve, gate):
    endpoint = serve(gate, workers=2)
    jobs = [endpoint.run() for _ in range(5)]
    until(lambda: "IN_PROGRESS" == endpoint.api.status(jobs[1])["status"])
    health = endpoint.call("health")
    # Its types declare five worker counts. The captured response has six, with `unhealthy`.
    assert {"idle", "initializing", "ready", "running", "throttled", "unhealthy"} == health["workers"].keys()
    assert {"completed": 0, "failed": 0, "inProgress": 2, "inQueue": 3, "retried": 0} == health["jobs"]


def test_purge_queue(serve, gate):
    endpoint = serve(gate)
    running, *_ = [endpoint.run() for _ in range(4)]
    gate.wait_entered()
    assert {"removed": 3, "status": "completed"} == endpoint.call("purgeQueue")
    assert {"removed": 0, "status": "completed"} == endpoint.call("purgeQueue")
    gate.open()
    assert "COMPLETED" == endpoint.call("statusSync", running)["status"]


# Errors. They are not in its README: the promise is rejected with the status of the response.


def test_error_responses_are_errors(serve):
    endpoint = serve(horse)
    refused = [
        (401, ("health",), {"apiKey": "wrong"}),
        (401, ("run", {"input": PROMPT}), {"apiKey": "wrong"}),
        (404, ("run", {"input": PROMPT}), {"endpoint": "cow"}),
        (404, ("status", "no-such-job"), {}),
        (404, ("statusSync", "no-such-job"), {}),
        (404, ("cancel", "no-such-job"), {}),
        (404, ("stream", "no-such-job"), {}),
        (400, ("run", {"input": [1, 2]}), {}),
        (400, ("runSync", {"prompt": "without input"}), {}),
    ]
    for status, call, where in refused:
        with pytest.raises(ProgramError) as caught:
            endpoint.call(*call, **where)
        assert status == caught.value.status, call
