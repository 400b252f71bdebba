"""Answers that the protocol does not allow, or hardly: a clear error or a good guess, and no job id lost."""

from __future__ import annotations

import json
import pickle
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

from runpod import (
    APIResponseError,
    AsyncRunpod,
    JobExpiredError,
    JobOutputError,
    JobStatus,
    NotFoundError,
    RunpodTimeoutError,
    ServerError,
)
from tests._async.calls import (
    BY_NAME,
    CANCELLED,
    DONE,
    INPUT,
    JOB,
    OPERATIONS,
    PATH,
    QUEUED,
    RUNNING,
    SIMPLE,
    Operation,
    collect,
    name_of,
)
from tests.servers import Held

if TYPE_CHECKING:
    from runpod import AsyncEndpoint
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

HTML = "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body>" + "x" * 5000 + "</body></html>"

# Bodies of a 2xx that are no answer of any operation, with what the error says.
NO_ANSWERS: list[Any] = [
    pytest.param(HTML, "HTML", id="html"),
    pytest.param("", "empty", id="empty"),
    pytest.param("  \n", "empty", id="blank"),
    pytest.param('{"id":"', "cut short", id="truncated"),
    pytest.param('{"jobs":{"inQueue":', "cut short", id="truncated-health"),
    pytest.param("horse", "not JSON", id="text"),
    pytest.param("\x00\x01\x02", "not JSON", id="binary"),
    pytest.param("[" * 100_000, "not JSON", id="deep"),
    pytest.param('"COMPLETED"', "not", id="json-text"),
    pytest.param("7", "not", id="json-number"),
    pytest.param("null", "not", id="json-null"),
]
# The same for those that tell of a job.
NO_JOBS: list[Any] = [
    pytest.param([DONE], "not", id="list"),
    pytest.param({}, "id is missing", id="object"),
    pytest.param({"status": "IN_QUEUE"}, "id is missing", id="no-id"),
    pytest.param({"id": "", "status": "IN_QUEUE"}, "id", id="empty-id"),
    pytest.param({"id": None, "status": "IN_QUEUE"}, "id", id="null-id"),
    pytest.param({"id": ["job-1"], "status": "IN_QUEUE"}, "id", id="list-as-id"),
    pytest.param({"id": JOB}, "status is missing", id="no-status"),
    pytest.param({"id": JOB, "status": ""}, "status", id="empty-status"),
    pytest.param({"id": JOB, "status": None}, "status", id="null-status"),
    pytest.param({"id": JOB, "status": 200}, "status", id="number-as-status"),
    pytest.param({"error": "no workers"}, "id is missing", id="error-object"),
]
JOB_OPERATIONS = tuple(operation for operation in SIMPLE if operation.name not in {"health", "purge_queue"})


def ok(body: Any) -> httpx.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(200, content=content, headers={"cf-ray": "8f00-FRA"})


@pytest.mark.parametrize(("body", "says"), NO_ANSWERS)
@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
async def test_a_body_that_is_no_answer(
    operation: Operation, body: str, says: str, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.say(ok(body))
    with pytest.raises(APIResponseError, match=says) as caught:
        await operation(endpoint)
    shows_what_came(caught.value, body)
    assert operation.repeatable is not caught.value.maybe_submitted
    assert 1 == len(wire.requests)


@pytest.mark.parametrize(("body", "says"), NO_JOBS)
@pytest.mark.parametrize("operation", JOB_OPERATIONS, ids=name_of)
async def test_a_body_that_tells_of_no_job(
    operation: Operation, body: Any, says: str, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.say(ok(body))
    with pytest.raises(APIResponseError, match=says) as caught:
        await operation(endpoint)
    shows_what_came(caught.value, json.dumps(body))
    assert operation.repeatable is not caught.value.maybe_submitted


def shows_what_came(error: APIResponseError, body: str) -> None:
    assert (200, body) == (error.status_code, error.body)
    assert "8f00-FRA" == error.request_id
    assert "ep" == error.endpoint_id
    assert "base_url" in str(error)
    assert len(str(error)) < 600
    assert "\n" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert vars(error) == vars(again)


@pytest.mark.parametrize(
    "body",
    [
        '{"id":"job-1"}',
        '{"id":"job-1","status":""}',
        '{"id":"job-1","status":"IN_QU',
        '{"status":7,"id": "job-1"}',
    ],
)
@pytest.mark.parametrize("name", ["run", "run_sync", "retry"])
async def test_an_id_in_a_broken_answer_is_not_lost(name: str, body: str, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(ok(body))
    with pytest.raises(APIResponseError, match="'job-1'") as caught:
        await BY_NAME[name](endpoint)
    assert JOB == caught.value.job_id
    assert caught.value.maybe_submitted is True


@pytest.mark.parametrize("status", [500, 502, 504, 524])
async def test_an_id_in_a_5xx_is_not_lost(status: int, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(httpx.Response(status, json={"id": JOB, "status": "IN_QUEUE", "error": "the gateway lost it"}))
    with pytest.raises(ServerError, match="'job-1'") as caught:
        await endpoint.run(input=INPUT)
    assert (JOB, True) == (caught.value.job_id, caught.value.maybe_submitted)


@pytest.mark.parametrize("name", ["status", "cancel", "retry"])
async def test_an_answer_about_another_job(name: str, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say({"id": "job-2", "status": "COMPLETED"})
    with pytest.raises(APIResponseError, match="another job, 'job-2'") as caught:
        await BY_NAME[name](endpoint)
    assert JOB == caught.value.job_id


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_html_with_502(
    operation: Operation, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    page = httpx.Response(502, html="<html><head><title>502 Bad Gateway</title></head></html>")
    if operation.repeatable:
        wire.say(page, operation.good)
        await operation(endpoint)
        return
    wire.say(page)
    with pytest.raises(ServerError, match="502 Bad Gateway") as caught:
        await operation(endpoint)
    assert caught.value.maybe_submitted is True


@pytest.mark.parametrize(("body", "says"), [*NO_ANSWERS, *NO_JOBS])
async def test_waiting_goes_on_after_a_broken_answer(
    body: Any, says: str, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(QUEUED, ok(body), ok(body), DONE)
    job = await endpoint.run(input=INPUT)
    assert {"n": 1} == await job.result(timeout=60)


@pytest.mark.parametrize(("body", "says"), NO_ANSWERS)
async def test_streaming_goes_on_after_a_broken_answer(
    body: Any, says: str, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(ok(body), {"status": "COMPLETED", "stream": [{"output": 1}]}, ok(body), {"status": "COMPLETED"})
    assert [1] == [chunk.output for chunk in await collect(endpoint.stream(JOB, timeout=60))]


async def test_broken_answers_for_ever_end_a_wait(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.always(ok(HTML))
    with pytest.raises(RunpodTimeoutError, match="HTML") as caught:
        await endpoint.job(JOB).wait(timeout=30)
    assert JOB == caught.value.job_id
    with pytest.raises(APIResponseError, match="HTML") as caught:
        await endpoint.job(JOB).wait()
    assert JOB == caught.value.job_id


@pytest.mark.parametrize("status", ["RUNNING", "EXPIRED", "PAUSED", "a status of tomorrow"])
async def test_an_unknown_status_is_kept_and_not_the_end(
    status: str, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    told = {"id": JOB, "status": status}
    wire.say(told, Held(1, told), DONE)
    state = await endpoint.status(JOB)
    assert status == state.status == str(state.status)
    assert isinstance(state.status, JobStatus)
    assert (True, False, False) == (state.started, state.completed, state.succeeded)
    assert "COMPLETED" == (await endpoint.job(JOB).wait(timeout=20)).status


@pytest.mark.parametrize("status", ["completed", "Completed", "COMPLETED"])
async def test_a_known_status_in_other_letters(status: str, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say({"id": JOB, "status": status})
    state = await endpoint.status(JOB)
    assert JobStatus.COMPLETED == state.status
    assert state.succeeded


async def test_unknown_fields_are_kept(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say({**DONE, "cost": 0.1, "webhook": None})
    state = await endpoint.status(JOB)
    assert {"cost": 0.1, "webhook": None} == state.model_extra
    assert 0.1 == state.cost


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("delayTime", "1500", "delay_time", timedelta(seconds=1.5)),
        ("delayTime", 1500.5, "delay_time", timedelta(milliseconds=1500.5)),
        ("executionTime", "0", "execution_time", timedelta(0)),
        ("executionTime", None, "execution_time", None),
        ("executionTime", "soon", "execution_time", None),
        ("executionTime", 1e300, "execution_time", None),
        ("executionTime", {"ms": 1}, "execution_time", None),
        ("retries", "2", "retries", 2),
        ("retries", [], "retries", None),
        ("workerId", 12, "worker_id", "12"),
        ("id", JOB, "id", JOB),
    ],
)
async def test_numbers_as_text_and_nonsense_beside_a_result(
    field: str, value: Any, attribute: str, expected: Any, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.say({**DONE, field: value})
    state = await endpoint.status(JOB)
    assert expected == getattr(state, attribute)
    assert {"n": 1} == state.output


async def test_an_id_that_is_a_number(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say({"id": 4711, "status": "IN_QUEUE"}, {"id": 4711, "status": "COMPLETED"})
    job = await endpoint.run(input=INPUT)
    assert "4711" == job.id
    assert "COMPLETED" == (await job.refresh()).status


@pytest.mark.parametrize(
    "output",
    [
        2**53 + 1,
        -(2**70),
        {"seeds": [18446744073709551615]},
        0.1,
        1e308,
        "ü🐎\u2028",
        "\ud800",
        "",
        [],
        {},
        None,
        False,
    ],
    ids=ascii,
)
async def test_outputs_come_as_they_are(output: Any, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(ok({"id": JOB, "status": "COMPLETED", "output": output}))
    state = await endpoint.status(JOB)
    assert output == state.output
    assert type(output) is type(state.output)
    assert state.has_output


async def test_no_output_is_not_null(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say({"id": JOB, "status": "COMPLETED"}, {"id": JOB, "status": "COMPLETED"})
    state = await endpoint.status(JOB)
    assert (None, False) == (state.output, state.has_output)
    assert await endpoint.job(JOB).result() is None


class Horse(BaseModel):
    legs: int


@pytest.mark.parametrize(
    "told", [{"output": {"legs": "many"}}, {"output": None}, {"output": [1]}, {}], ids=["wrong", "null", "list", "none"]
)
@pytest.mark.parametrize("name", ["status", "status_sync", "run_sync"])
async def test_an_output_that_does_not_fit(name: str, told: Any, client: AsyncRunpod, wire: Wire) -> None:
    body = {"id": JOB, "status": "COMPLETED", **told}
    wire.say(body)
    endpoint = client.endpoint("ep", output_type=Horse)
    with pytest.raises(JobOutputError, match="output_type") as caught:
        await BY_NAME[name](endpoint)
    assert JOB == caught.value.job_id
    assert told.get("output") == caught.value.state.output
    assert "output" in told or "without output" in str(caught.value)


async def test_an_output_type_is_for_completed_jobs(client: AsyncRunpod, wire: Wire) -> None:
    wire.say({**RUNNING, "output": "50 %"}, CANCELLED, {**DONE, "output": {"legs": 4}})
    endpoint = client.endpoint("ep", output_type=Horse)
    assert "50 %" == (await endpoint.status(JOB)).progress
    assert (await endpoint.status(JOB)).output is None
    assert Horse(legs=4) == (await endpoint.status(JOB)).output


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "IN_PROGRESS"},
        {"status": "IN_PROGRESS", "stream": None},
        {"status": "IN_PROGRESS", "stream": [], "id": JOB, "delayTime": 3},
        [],
        {"stream": []},
        {"status": "IN_QUEUE", "stream": []},
        {"status": "RUNNING", "stream": []},
    ],
    ids=json.dumps,
)
async def test_a_stream_with_nothing_in_it(
    answer: Any, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(answer)
    if answer in ([], {"stream": []}):
        wire.say(RUNNING)  # Without a status in the stream, /status has to tell.
    wire.say(
        {"status": "COMPLETED", "stream": [{"output": 1}]},
        {"status": "COMPLETED", "stream": None},
    )
    assert [1] == [chunk.output for chunk in await collect(endpoint.stream(JOB))]


async def test_a_stream_as_a_bare_list(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    # So the operation reference shows it.
    wire.say([{"output": 1}, {"output": 2}], [], DONE, [{"output": 3}], [])
    assert [1, 2, 3] == [chunk.output for chunk in await collect(endpoint.stream(JOB))]


@pytest.mark.parametrize(
    "stream", [[1, "two", None, ["three"]], [{"output": 1}, {"output": "two"}, {}, {"output": ["three"]}]]
)
async def test_chunks_with_and_without_a_wrapper(stream: Any, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say({"status": "COMPLETED", "stream": stream}, {"status": "COMPLETED"})
    assert [1, "two", None, ["three"]] == [chunk.output for chunk in await collect(endpoint.stream(JOB))]


@pytest.mark.parametrize("status", ["IN_PROGRESS", "IN_QUEUE", "RUNNING"])
async def test_a_run_sync_that_is_answered_too_early(
    status: str, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say({"id": f"sync-{JOB}", "status": status}, {**DONE, "id": f"sync-{JOB}"})
    state = await endpoint.run_sync(input=INPUT)
    assert (f"sync-{JOB}", "COMPLETED") == (state.id, state.status)
    assert f"GET {PATH}/ep/status-sync/sync-{JOB}?wait=89750" == wire.sent[1]


async def test_a_run_that_is_done_at_once(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(DONE)
    job = await endpoint.run(input=INPUT)
    assert {"n": 1} == await job.result()
    assert 1 == len(wire.requests)


async def test_a_404_right_after_the_submission_is_not_yet_an_answer(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(QUEUED, 404, 404, 404, 404, DONE)
    job = await endpoint.run(input=INPUT)
    assert {"n": 1} == await job.result()


async def test_a_404_after_the_job_was_seen_is_its_end(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(QUEUED, Held(60, RUNNING))
    wire.always(404)
    job = await endpoint.run(input=INPUT)
    with pytest.raises(JobExpiredError, match="is gone") as caught:
        await job.wait()
    assert (JOB, "IN_PROGRESS") == (caught.value.job_id, caught.value.state.status)


async def test_a_404_for_a_job_that_nobody_saw(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.always(404)
    job = endpoint.job(JOB)
    for call in (job.refresh, job.wait, job.result, job.cancel, job.retry):
        with pytest.raises(NotFoundError, match="job id") as caught:
            await call()
        assert JOB == caught.value.job_id


async def test_an_id_that_steers_a_terminal_does_not_get_into_the_log_as_it_is(
    endpoint: AsyncEndpoint, wire: Wire, clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="runpod")
    evil = "job\x1b[2J\r\n\u202e"
    wire.say({"id": evil, "status": "IN_QUEUE"}, {"id": evil, "status": "FAILED", "error": "\x1b[2J"})
    job = await endpoint.run({"input": {"n": 1}})
    assert evil == job.id
    await job.wait()
    messages = [record.getMessage() for record in caplog.records if record.name == "runpod"]
    assert len(messages) >= 4
    assert all(message.isprintable() for message in messages)
    assert repr(job).isprintable()
