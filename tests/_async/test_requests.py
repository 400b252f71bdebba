"""Validation, retries and errors of each operation. The rules in `runpod._protocol` are tested in tests/unit."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import AsyncRunpod, EndpointLimits, RetryPolicy, errors
from tests._async.calls import BY_NAME, DONE, INPUT, JOB, OPERATIONS, QUEUED, SIMPLE, SUBMISSIONS, collect, job_calls
from tests.servers import BASE_URL, KEY, Delayed

if TYPE_CHECKING:
    from runpod import AsyncEndpoint
    from tests._async.calls import Operation
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

every = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
simple = pytest.mark.parametrize("operation", SIMPLE, ids=str)
submissions = pytest.mark.parametrize("operation", SUBMISSIONS, ids=str)

REFUSED = httpx.ConnectError("Connection refused")
RESET = httpx.ReadError("Connection reset by peer")
HTML = httpx.Response(200, text="<!DOCTYPE html><title>Welcome to nginx!</title>")
RESUBMIT = RetryPolicy(initial_delay=timedelta(0), resubmit=True)


# --- invalid arguments: nothing is sent -------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "keywords", "message"),
    [
        ((), {}, "input is missing"),
        ((), {"input": [INPUT]}, "input must be a mapping"),
        ((), {"input": INPUT, "policy": {"ttl": 0}}, r"ttl.*must be a positive number of milliseconds"),
        ((), {"input": INPUT, "s3_config": {}}, "access_id is missing"),
        (({"input": {"a": [b"x"]}},), {}, r"input\.a\[0\] has type bytes"),
        (({"input": INPUT, "webhook": "example.test"},), {}, r"webhook.*https://"),
        (({"input": INPUT, "polcy": {}},), {}, "did you mean 'policy'"),
        (({"prompt": "a horse"},), {}, r"'input'.*run\(input="),
        (({"input": INPUT},), {"input": INPUT}, "not both"),
    ],
    ids=range(9),
)
async def test_an_invalid_request(
    args: tuple[Any, ...], keywords: dict[str, Any], message: str, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    for submit in (endpoint.run, endpoint.run_sync):
        with pytest.raises(errors.InvalidRequestError, match=message) as caught:
            await submit(*args, **keywords)
        assert (False, False) == (caught.value.maybe_submitted, caught.value.retryable)
    assert [] == wire.requests


async def test_an_invalid_timeout(client: AsyncRunpod, endpoint: AsyncEndpoint, wire: Wire) -> None:
    calls = [lambda operation=operation: operation(endpoint, timeout=0) for operation in OPERATIONS]
    for call in calls + job_calls(endpoint.job(JOB), timeout=0):
        with pytest.raises(errors.InvalidRequestError, match="timeout must be"):
            await call()
    for made in (client, endpoint):
        with pytest.raises(errors.ConfigurationError, match=r"timeout must be positive, got 0\."):
            made.with_options(timeout=0)
    assert [] == wire.requests


@pytest.mark.parametrize(
    ("bad", "message"), [("", "_id is blank"), (None, "IDs must be str, not NoneType"), ("x" * 70_000, "job IDs")]
)
async def test_an_invalid_id(bad: Any, message: str, client: AsyncRunpod, endpoint: AsyncEndpoint, wire: Wire) -> None:
    with pytest.raises(errors.InvalidRequestError, match=message):
        await client.endpoint(bad).health()
    with pytest.raises(errors.InvalidRequestError, match=message):
        await endpoint.job(bad).refresh()
    for call in (endpoint.status, endpoint.status_sync, endpoint.cancel, endpoint.retry):
        with pytest.raises(errors.InvalidRequestError, match=message):
            await call(bad)
    with pytest.raises(errors.InvalidRequestError, match=message):
        await collect(endpoint.stream(bad))
    assert [] == wire.requests


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": "https://\uff41pi.runpod.ai/v2"}, "base_url cannot be used"),
        ({"base_url": "https://xn--.com/v2"}, "base_url cannot be used"),
        ({"base_url": "https://api.runpod.ai/" + "x" * 70_000}, "base_url cannot be used: .*too long"),
        ({"timeout": 0}, "timeout must be"),
        ({"retry": 3}, "retry must be a RetryPolicy, not int"),
        ({"retry": RetryPolicy}, "retry must be a RetryPolicy"),
        ({"limits": {"concurrent": 3}}, "limits must be a EndpointLimits, not dict"),
    ],
    ids=range(7),
)
async def test_invalid_settings(settings: dict[str, Any], message: str, endpoint: AsyncEndpoint) -> None:
    with pytest.raises(errors.ConfigurationError, match=message):
        AsyncRunpod(**{"api_key": KEY, **settings})
    if settings.keys() <= {"retry", "limits"}:
        for made in (AsyncRunpod(KEY), endpoint):
            with pytest.raises(errors.ConfigurationError, match=message):
                made.with_options(**settings)


# --- 3xx and 4xx ------------------------------------------------------------------------------


@pytest.mark.fact("protocol 4: 403", "protocol 4: cf-ray")
@every
async def test_a_4xx_is_not_retried(operation: Operation, endpoint: AsyncEndpoint, wire: Wire) -> None:
    headers = {"cf-ray": "8f00-FRA", "X-Other": "1"}
    wire.respond(httpx.Response(403, text='{"error":"no horse today"}', headers=headers))
    with pytest.raises(errors.PermissionDeniedError, match=f"^{operation.name} .*'ep'.*403.*no horse today") as caught:
        await operation(endpoint.with_options(retry=RESUBMIT))
    error = caught.value
    assert (403, '{"error":"no horse today"}', "1") == (error.status_code, error.body, error.headers["x-other"])
    assert "8f00-FRA" == error.request_id
    assert ("ep", operation.job_id) == (error.endpoint_id, error.job_id)
    assert (False, False) == (error.maybe_submitted, error.retryable)
    assert [operation.sent] == wire.sent


async def test_a_redirect_is_not_followed(endpoint: AsyncEndpoint, wire: Wire) -> None:
    elsewhere = httpx.Response(307, headers={"Location": "https://elsewhere.test/v2/ep"})
    wire.respond(elsewhere, elsewhere)
    async with httpx.AsyncClient(follow_redirects=True) as mine:
        with_callers_client = AsyncRunpod(KEY, base_url=BASE_URL, http_client=mine).endpoint("ep")
        for one in (endpoint, with_callers_client):
            with pytest.raises(errors.APIStatusError, match=r"redirect to https://elsewhere\.test.*base_url") as caught:
                await one.run(input=INPUT)
            assert (307, False) == (caught.value.status_code, caught.value.maybe_submitted)
    assert ["api.example.test"] * 2 == [request.url.host for request in wire.requests]


@pytest.mark.fact("protocol 4: unknown job")
async def test_an_unknown_job(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.always(404)
    for call in job_calls(endpoint.job(JOB)):
        with pytest.raises(errors.NotFoundError, match="Check the job ID") as caught:
            await call()
        assert JOB == caught.value.job_id
    assert [] == clock.pauses


@pytest.mark.fact("protocol 4: 404 after the submission")
async def test_a_404_right_after_the_submission_is_retried(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.respond(QUEUED, 404, 404, QUEUED, 404, QUEUED)
    await endpoint.run(input=INPUT)
    # Clients derived with `with_options` share the list of recently submitted jobs.
    job = endpoint.with_options(retry=RetryPolicy(max_retries=0)).job(JOB)
    assert "IN_QUEUE" == (await job.refresh()).status
    assert "IN_QUEUE" == (await job.cancel()).status
    assert 3 == len(clock.pauses)


# --- retries ----------------------------------------------------------------------------------


@pytest.mark.fact("protocol 4: 429", "protocol 4: gateway errors")
@every
async def test_failures_that_are_safe_to_retry_are_retried(
    operation: Operation, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    # The first two requests were not processed. The third one may have been.
    responses = [429, REFUSED, *([RESET] if operation.repeatable else [])]
    wire.respond(*responses, operation.good)
    await operation(endpoint)
    # Without the query: the `wait` of long polls depends on the time left.
    assert [operation.sent.partition("?")[0]] * (len(responses) + 1) == [line.partition("?")[0] for line in wire.sent]
    assert {operation.body} == {request.content for request in wire.requests}


@pytest.mark.fact("protocol 4: submission in doubt")
@submissions
@pytest.mark.parametrize(("response", "error_class"), [(RESET, errors.APIConnectionError), (502, errors.ServerError)])
async def test_a_submission_that_may_have_arrived_is_retried_only_with_resubmit(
    operation: Operation, response: Any, error_class: type[errors.RunpodError], endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.respond(response)
    with pytest.raises(error_class, match=r"may have been executed.*twice") as caught:
        await operation(endpoint)
    assert (True, False) == (caught.value.maybe_submitted, caught.value.retryable)
    wire.respond(response, operation.good)
    await operation(endpoint.with_options(retry=RESUBMIT))
    assert [operation.sent] * 3 == wire.sent


@pytest.mark.parametrize(
    ("responses", "maybe"),
    [
        # The first request may have been processed, whatever the outcome of the second.
        ((RESET, 429, 429), True),
        ((RESET, 401), True),
        ((502, REFUSED), True),
        ((429, RESET), True),
        ((429, REFUSED), False),
    ],
    ids=range(5),
)
async def test_maybe_submitted_covers_all_attempts(
    responses: tuple[Any, ...], maybe: bool, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.respond(*responses)
    policy = RetryPolicy(max_retries=len(responses) - 1, initial_delay=timedelta(0), resubmit=True)
    with pytest.raises(errors.RunpodError) as caught:
        await endpoint.with_options(retry=policy).run(input=INPUT)
    assert maybe is caught.value.maybe_submitted


async def test_with_options_sets_the_retry_policy(wire: Wire) -> None:
    wire.always(429)
    async with AsyncRunpod(
        KEY, base_url=BASE_URL, retry=RetryPolicy(max_retries=2, initial_delay=timedelta(0))
    ) as client:
        never, once = RetryPolicy(max_retries=0), RetryPolicy(max_retries=1, initial_delay=timedelta(0))
        for endpoint, sent in (
            (client.endpoint("ep"), 3),
            (client.with_options(retry=never).endpoint("ep"), 1),
            (client.endpoint("ep").with_options(retry=once), 2),
            # The original client is unchanged.
            (client.with_options(timeout=9, limits=EndpointLimits()).endpoint("ep"), 3),
        ):
            wire.requests.clear()
            with pytest.raises(errors.RateLimitError) as caught:
                await endpoint.run(input=INPUT)
            assert sent == len(wire.requests)
            assert (f"({sent} attempts)" in str(caught.value)) is (sent > 1)
            assert (False, True) == (caught.value.maybe_submitted, caught.value.retryable)


@pytest.mark.fact("protocol 4: Retry-After")
async def test_retry_after_is_honoured_up_to_the_deadline(
    client: AsyncRunpod, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.respond(httpx.Response(429, headers={"Retry-After": "7"}), QUEUED)
    await endpoint.run(input=INPUT)
    assert [7.0] == clock.pauses
    for timeout in (30, None):
        wire.respond(httpx.Response(429, headers={"Retry-After": "86400"}))
        with pytest.raises(errors.RateLimitError) as caught:
            await client.endpoint(f"ep-{timeout}").run(input=INPUT, timeout=timeout)
        assert 86400.0 == caught.value.retry_after
    assert [7.0] == clock.pauses


@simple
async def test_the_deadline_ends_retries(
    operation: Operation, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.always(Delayed(0.3, 429))
    policy = RetryPolicy(max_retries=10**6, initial_delay=timedelta(seconds=0.5))
    for timeout in (2, timedelta(seconds=2)):
        start = clock.now()
        with pytest.raises((errors.RateLimitError, errors.RunpodTimeoutError)) as caught:
            await operation(endpoint.with_options(retry=policy), timeout=timeout)
        assert clock.now() <= start + 2.3
        assert caught.value.maybe_submitted is False
    assert len(set(clock.pauses)) == len(clock.pauses) >= 2, "the pauses have no jitter"


async def test_each_attempt_is_logged_at_debug(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="runpod")
    wire.respond(429, REFUSED, Delayed(1.5, QUEUED))
    await endpoint.run(input=INPUT)
    attempts = [record.getMessage() for record in caplog.records if " after " in record.getMessage()]
    assert [
        f"run on endpoint 'ep': {outcome} s"
        for outcome in ("HTTP 429 after 0.000", "ConnectError: Connection refused after 0.000", "HTTP 200 after 1.500")
    ] == (attempts)


async def test_retries_are_logged_at_info(
    endpoint: AsyncEndpoint, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="runpod")
    wire.respond(429, REFUSED, QUEUED, 503, DONE)
    await (await endpoint.run(input=INPUT)).wait()
    messages = [record.getMessage() for record in caplog.records]
    assert messages[:2] == [
        "Retrying run on endpoint 'ep' in 0.00 s (attempt 2): HTTP 429",
        "Retrying run on endpoint 'ep' in 0.00 s (attempt 3): ConnectError: Connection refused",
    ]
    assert f"status_sync of job '{JOB}' on endpoint 'ep' failed: HTTP 503" in messages


# --- 2xx with a body that cannot be used ------------------------------------------------------


@simple
async def test_a_2xx_with_an_unusable_body(operation: Operation, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(HTML)
    with pytest.raises(errors.APIResponseError, match=r"HTML.*base_url") as caught:
        await operation(endpoint)
    error = caught.value
    assert (200, HTML.text, "ep", operation.job_id) == (error.status_code, error.body, error.endpoint_id, error.job_id)
    assert operation.repeatable is not error.maybe_submitted
    assert operation.repeatable is error.retryable


@pytest.mark.fact("protocol 4: error in a 200")
async def test_a_2xx_with_an_error_reports_it(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.always({"error": "no horse today"})
    for name in ("run", "status", "stream", "health", "purge_queue"):
        with pytest.raises(errors.APIResponseError, match="it is an error: 'no horse today'"):
            await BY_NAME[name](endpoint)


@pytest.mark.fact("protocol 1.4: response without an ID")
@pytest.mark.parametrize("body", ['{"id":"job-1"}', '{"status":7,"id": "job-1"', '{"id":"job-1","status":"IN_QU'])
async def test_the_job_id_of_a_malformed_response_is_kept(body: str, endpoint: AsyncEndpoint, wire: Wire) -> None:
    for name in ("run", "run_sync"):
        wire.respond(httpx.Response(200, text=body))
        with pytest.raises(errors.APIResponseError, match="with the ID 'job-1'") as caught:
            await BY_NAME[name](endpoint)
        assert (JOB, True) == (caught.value.job_id, caught.value.maybe_submitted)


@pytest.mark.parametrize("name", ["status", "cancel", "retry"])
async def test_a_response_about_another_job(name: str, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond({"id": "job-2", "status": "COMPLETED"})
    with pytest.raises(errors.APIResponseError, match="another job, 'job-2'") as caught:
        await BY_NAME[name](endpoint)
    assert JOB == caught.value.job_id


async def test_control_characters_in_an_id_do_not_reach_the_log(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="runpod")
    evil = "job\x1b[2J\r\n\u202e"
    for status in ("FAILED", "COMPLETED"):
        wire.respond({"id": evil, "status": "IN_QUEUE"}, {"id": evil, "status": status, "error": "\x1b[2J"})
        job = await endpoint.run(input=INPUT)
        await job.wait()
        assert evil == job.id
        assert repr(job).isprintable()
    await job.result()
    messages = [record.getMessage() for record in caplog.records if record.name == "runpod"]
    assert len(messages) >= 8
    assert all(message.isprintable() for message in messages)
