"""How calls meet the API server of one worker; the released one is in tests/conformance."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from runpod import APIConnectionError, InvalidRequestError, JobExpiredError, NotFoundError, RetryPolicy, Runpod
from runpod._protocol import operations
from runpod._protocol.dialects import SERVICE, WORKER
from runpod._protocol.operations import Call, Operation
from runpod._protocol.outcomes import Answer, NoAnswer

E, J = "horse", "job/1"
FORGOTTEN = b'{"id": "job/1", "status": "FAILED", "error": "Job ID not found"}'


@pytest.mark.parametrize(
    ("operation", "job_id", "target"),
    [
        (operations.RUN, None, "/run"),
        (operations.RUN_SYNC, None, "/runsync"),
        (operations.STATUS, J, "/status/job%2F1"),
        (operations.STREAM, J, "/stream/job%2F1"),
    ],
)
def test_its_routes_name_no_endpoint(operation: Operation, job_id: str | None, target: str) -> None:
    call = WORKER.adapt(Call(operation, E, job_id, hold=90.0, body=b"{}"))
    assert ("POST", target, b"{}") == (call.operation.method, call.target, call.body)
    # The job runs within the call, and a second one would run it again.
    assert (math.inf, False) == (call.hold, call.operation.repeatable)
    assert str(call) == str(Call(operation, E, job_id))
    assert ("Check base_url." if job_id is None else WORKER.routes().retention) == call.if_missing


@pytest.mark.parametrize("name", ["STATUS_SYNC", "CANCEL", "RETRY", "HEALTH", "PURGE_QUEUE"])
def test_what_it_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name.lower()} is not possible here") as caught:
        WORKER.adapt(Call(getattr(operations, name), E, J))
    assert (E, J, False) == (caught.value.endpoint_id, caught.value.job_id, caught.value.maybe_submitted)


def test_a_job_that_it_has_forgotten_is_a_404() -> None:
    assert Answer(404, {"a": "b"}, FORGOTTEN, "key") == WORKER.read(Answer(200, {"a": "b"}, FORGOTTEN, "key"))


def test_everything_else_it_says_is_as_it_is() -> None:
    bodies = [b'{"id": "1", "status": "FAILED", "error": "Job ID not found by the handler"}', FORGOTTEN + b" " * 5000]
    bodies += [FORGOTTEN.replace(b"FAILED", b"COMPLETED"), b'["Job ID not found"]', b'{"error": "Job ID not found"']
    bodies += [b"[" * 2000 + b"Job ID not found"]
    for outcome in [*[Answer(200, body=body) for body in bodies], Answer(500, body=FORGOTTEN), NoAnswer("reset")]:
        assert outcome is WORKER.read(outcome)
    call, answer = Call(operations.CANCEL, E, J), Answer(200, body=FORGOTTEN)
    assert (call, answer) == (SERVICE.adapt(call), SERVICE.read(answer))
    assert (True, True) == (SERVICE.routes().long_poll, SERVICE.shows_jobs_late)
    assert (False, False) == (WORKER.routes().long_poll, WORKER.shows_jobs_late)


RUNNING: dict[str, Any] = {"id": "1", "status": "IN_PROGRESS"}
DONE = {"id": "1", "status": "COMPLETED", "output": 1}


def scripted(*script: Any, key: str | None = None) -> tuple[Runpod, list[httpx.Request]]:
    rest, sent = list(script), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        following = rest.pop(0)
        if isinstance(following, Exception):
            raise following
        return httpx.Response(200, **{"content" if isinstance(following, bytes) else "json": following})

    http_client, retry = httpx.Client(transport=httpx.MockTransport(answer)), RetryPolicy(initial_delay=0.0)
    return Runpod(key, base_url="worker+http://localhost:8000", http_client=http_client, retry=retry), sent


@pytest.mark.parametrize("key", [None, "for-the-proxy"])
def test_it_gets_no_key_but_one_that_is_meant_for_it(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_of_the_account")
    client, sent = scripted(DONE, key=key)
    assert client.endpoint(E).run_sync(input={"n": 1}).succeeded
    assert (None if key is None else f"Bearer {key}") == sent[0].headers.get("authorization")
    assert "http://localhost:8000/runsync" == str(sent[0].url)


@pytest.mark.parametrize("poll", ["wait", "stream", "refresh"])
def test_a_poll_without_a_response_is_the_last_one_but_one_that_was_not_sent_is_repeated(poll: str) -> None:
    client, sent = scripted(RUNNING, httpx.ConnectError("refused"), httpx.ReadError("reset"))
    job = client.endpoint(E).run(input={"n": 1})
    with pytest.raises(APIConnectionError, match="The handler may have run all the same") as caught:
        list(job.stream()) if poll == "stream" else getattr(job, poll)()
    assert (True, 3) == (caught.value.maybe_submitted, len(sent))


def test_a_job_that_is_gone() -> None:
    client, _ = scripted(RUNNING, FORGOTTEN, FORGOTTEN)
    job = client.endpoint(E).run(input={"n": 1})
    # At once: here a 404 is no sign of a job that is too young.
    with pytest.raises(
        JobExpiredError, match=r"is gone \(last seen IN_PROGRESS\)\. The API server of a worker forgets"
    ):
        job.wait()
    with pytest.raises(NotFoundError, match=r"HTTP 404: Job ID not found\. The API server of a worker forgets"):
        job.refresh()
