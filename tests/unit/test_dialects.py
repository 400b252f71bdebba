"""How calls meet the API server of one worker; the released one is in tests/conformance."""

from __future__ import annotations

import math

import httpx
import pytest

from runpod import APIConnectionError, ConfigurationError, InvalidRequestError, JobExpiredError, NotFoundError, Runpod
from runpod._config import load_config
from runpod._protocol import operations
from runpod._protocol.dialects import SERVICE, WORKER
from runpod._protocol.operations import Call, Operation
from runpod._protocol.outcomes import Answer, NoAnswer
from runpod.models.retry import RetryPolicy

E, J = "horse", "job/1"
FORGOTTEN = b'{"id": "job/1", "status": "FAILED", "error": "Job ID not found"}'


@pytest.mark.parametrize(
    ("operation", "job_id", "method", "target"),
    [
        (operations.RUN, None, "POST", "/run"),
        (operations.RUN_SYNC, None, "POST", "/runsync"),
        (operations.STATUS, J, "POST", "/status/job%2F1"),
        (operations.STREAM, J, "POST", "/stream/job%2F1"),
    ],
    ids=lambda value: value.name if isinstance(value, Operation) else str(value),
)
def test_its_routes_name_no_endpoint(operation: Operation, job_id: str | None, method: str, target: str) -> None:
    call = WORKER.adapt(Call(operation, E, job_id, hold=90.0, body=b"{}"))
    assert (method, target, b"{}") == (call.operation.method, call.target, call.body)
    # The job runs within the call, and a second one would run it again.
    assert math.inf == call.hold
    assert not call.operation.repeatable
    assert f"{operation.name}" in str(call)
    assert f"on endpoint {E!r}" in str(call)


@pytest.mark.parametrize(
    "operation",
    [operations.STATUS_SYNC, operations.CANCEL, operations.RETRY, operations.HEALTH, operations.PURGE_QUEUE],
    ids=lambda operation: operation.name,
)
def test_what_it_does_not_have_is_refused(operation: Operation) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{operation.name} is not possible here") as caught:
        WORKER.adapt(Call(operation, E, J))
    assert (E, J, False) == (caught.value.endpoint_id, caught.value.job_id, caught.value.maybe_submitted)


def test_a_job_that_it_has_forgotten_is_a_404() -> None:
    answer = WORKER.read(Answer(200, {"a": "b"}, FORGOTTEN, "key"))
    assert Answer(404, {"a": "b"}, FORGOTTEN, "key") == answer


@pytest.mark.parametrize(
    "outcome",
    [
        Answer(200, body=b'{"id": "1", "status": "FAILED", "error": "Job ID not found by the handler"}'),
        Answer(200, body=b'{"id": "1", "status": "COMPLETED", "error": "Job ID not found"}'),
        Answer(200, body=b'{"id": "1", "status": "COMPLETED", "output": "Job ID not found"}'),
        Answer(200, body=b'["Job ID not found"]'),
        Answer(200, body=b'{"error": "Job ID not found"'),
        Answer(200, body=b"[" * 2000 + b"Job ID not found"),
        Answer(200, body=FORGOTTEN + b" " * 5000),
        Answer(500, body=FORGOTTEN),
        NoAnswer("reset"),
    ],
    ids=lambda outcome: str(outcome)[:10],
)
def test_everything_else_it_says_is_as_it_is(outcome: Answer | NoAnswer) -> None:
    assert outcome is WORKER.read(outcome)


def test_the_service_is_taken_at_its_word() -> None:
    call = Call(operations.CANCEL, E, J)
    assert call is SERVICE.adapt(call)
    answer = Answer(200, body=FORGOTTEN)
    assert answer is SERVICE.read(answer)


# Its address


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("worker+http://localhost:8000", "http://localhost:8000"),
        ("Worker+http://localhost:8000/", "http://localhost:8000"),
        ("worker+https://pod.example/behind/a/proxy", "https://pod.example/behind/a/proxy"),
    ],
)
def test_an_address_may_say_that_it_is_that_of_a_worker(given: str, expected: str) -> None:
    config = load_config(None, given, allow_insecure=False)
    assert (expected, True, None) == (config.base_url, config.worker, config.api_key)
    with Runpod(base_url=given) as client:
        assert f"Runpod(base_url='worker+{expected}')" == repr(client)


def test_it_gets_no_key_but_one_that_is_meant_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_of_the_account")
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"id": "1", "status": "COMPLETED", "output": 1})

    for key in (None, "for-the-proxy"):
        http_client = httpx.Client(transport=httpx.MockTransport(answer))
        client = Runpod(key, base_url="worker+http://localhost:8000", http_client=http_client)
        assert client.endpoint(E).run_sync(input={"n": 1}).succeeded
    assert [None, "Bearer for-the-proxy"] == [request.headers.get("authorization") for request in sent]
    assert {"http://localhost:8000/runsync"} == {str(request.url) for request in sent}


@pytest.mark.parametrize(
    "bad", ["worker+", "worker+localhost:8000", "worker+ftp://localhost", "worker+worker+http://localhost", "worker"]
)
def test_a_bad_address_of_a_worker(bad: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^base_url "):
        Runpod("key", base_url=bad)


def test_to_another_machine_it_needs_a_word_as_well() -> None:
    with pytest.raises(ConfigurationError, match="allow_insecure=True"):
        Runpod(base_url="worker+http://pod.example:8000")
    Runpod(base_url="worker+http://pod.example:8000", allow_insecure=True).close()


# What is not done twice


def scripted(*answers: httpx.Response | Exception) -> tuple[Runpod, list[str]]:
    rest, sent = list(answers), list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(f"{request.method} {request.url.path}")
        following = rest.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    http_client = httpx.Client(transport=httpx.MockTransport(answer))
    retry = RetryPolicy(initial_delay=0.0)
    return Runpod(base_url="worker+http://localhost:8000", http_client=http_client, retry=retry), sent


RUNNING = httpx.Response(200, json={"id": "1", "status": "IN_PROGRESS"})


@pytest.mark.parametrize("look", ["wait", "stream", "status"])
def test_a_look_without_an_answer_is_the_last_one(look: str) -> None:
    client, sent = scripted(RUNNING, httpx.ReadError("reset"))
    job = client.endpoint(E).run(input={"n": 1})
    with pytest.raises(APIConnectionError, match="The handler may have run all the same") as caught:
        list(job.stream()) if look == "stream" else job.wait() if look == "wait" else job.refresh()
    assert caught.value.maybe_submitted
    assert 2 == len(sent)


def test_a_look_that_was_not_sent_is_repeated() -> None:
    done = httpx.Response(200, json={"id": "1", "status": "COMPLETED", "output": 1})
    client, sent = scripted(RUNNING, httpx.ConnectError("refused"), done)
    assert 1 == client.endpoint(E).run(input={"n": 1}).result(timeout=10)
    assert ["POST /run", "POST /status/1", "POST /status/1"] == sent


def test_a_job_that_is_gone() -> None:
    gone = httpx.Response(200, content=FORGOTTEN)
    client, _ = scripted(RUNNING, gone, gone)
    job = client.endpoint(E).run(input={"n": 1})
    # At once: here a 404 is no sign of a job that is too young.
    with pytest.raises(
        JobExpiredError, match=r"is gone \(last seen IN_PROGRESS\)\. The API server of a worker forgets"
    ):
        job.wait()
    with pytest.raises(NotFoundError, match=r"HTTP 404: Job ID not found\. The API server of a worker forgets"):
        job.refresh()
