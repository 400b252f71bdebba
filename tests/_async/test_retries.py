from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod import (
    APIConnectionError,
    APIStatusError,
    AsyncRunpod,
    RateLimitError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
)
from tests._async.calls import (
    BY_NAME,
    DONE,
    FAILED,
    INPUT,
    JOB,
    OPERATIONS,
    QUEUED,
    SIMPLE,
    SUBMISSIONS,
    Operation,
    name_of,
)
from tests.servers import BASE_URL, KEY, Held

if TYPE_CHECKING:
    from runpod import AsyncEndpoint
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

NOT_SENT = {
    "refused": httpx.ConnectError("Connection refused"),
    "connect-timeout": httpx.ConnectTimeout("timed out"),
    "pool-timeout": httpx.PoolTimeout("no connection free"),
    "proxy": httpx.ProxyError("the proxy said no"),
}
NO_ANSWER = {
    "reset": httpx.ReadError("Connection reset by peer"),
    "write": httpx.WriteError("Broken pipe"),
    "closed": httpx.RemoteProtocolError("Server disconnected without sending a response."),
    "read-timeout": httpx.ReadTimeout("timed out"),
}
PASSING = (408, 429, 500, 502, 503, 504, 520, 522, 524)
FINAL = (400, 401, 403, 404, 405, 409, 413, 422)


def trouble(*tables: dict[str, Exception], statuses: tuple[int, ...] = ()) -> list[object]:
    return [
        *(pytest.param(error, id=name) for table in tables for name, error in table.items()),
        *(pytest.param(status, id=str(status)) for status in statuses),
    ]


def without_times(sent: list[str], operation: Operation) -> list[str]:
    """What was sent, with the first `wait` for all: the later ones depend on the pauses in between."""
    path, _, _ = operation.sent.partition("?")
    return [operation.sent if line.partition("?")[0] == path else line for line in sent]


@pytest.mark.parametrize("answer", trouble(NOT_SENT, statuses=(429,)))
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_what_was_not_carried_out_is_sent_again(
    operation: Operation, answer: object, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(answer, answer, operation.good)
    await operation(endpoint)
    assert [operation.sent] * 3 == without_times(wire.sent, operation)
    assert {operation.body} == {request.content for request in wire.requests}


@pytest.mark.parametrize("answer", trouble(NO_ANSWER, statuses=PASSING))
@pytest.mark.parametrize("operation", [operation for operation in OPERATIONS if operation.repeatable], ids=name_of)
async def test_what_may_be_asked_twice_is_sent_again(
    operation: Operation, answer: object, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(answer, answer, operation.good)
    await operation(endpoint)
    assert [operation.sent] * 3 == without_times(wire.sent, operation)


@pytest.mark.parametrize("answer", trouble(NO_ANSWER, statuses=tuple(status for status in PASSING if status != 429)))
@pytest.mark.parametrize("operation", SUBMISSIONS, ids=name_of)
async def test_a_submission_that_may_have_arrived_is_not_sent_again(
    operation: Operation, answer: object, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.say(answer)
    with pytest.raises(RunpodError, match=r"may have been carried out.*twice") as caught:
        await operation(endpoint)
    assert caught.value.maybe_submitted is True
    assert isinstance(caught.value, APIConnectionError if isinstance(answer, Exception) else APIStatusError)
    assert 1 == len(wire.requests)


@pytest.mark.parametrize("answer", trouble(NO_ANSWER, statuses=PASSING))
@pytest.mark.parametrize("operation", SUBMISSIONS, ids=name_of)
async def test_resubmit_is_the_callers_word(
    operation: Operation, answer: object, wire: Wire, endpoint: AsyncEndpoint
) -> None:
    wire.say(answer, operation.good)
    await operation(endpoint.with_options(retry=RetryPolicy(initial_delay=0, resubmit=True)))
    assert [operation.sent] * 2 == wire.sent


@pytest.mark.parametrize("status", FINAL)
@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
async def test_other_refusals_are_final(operation: Operation, status: int, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(status)
    with pytest.raises(APIStatusError) as caught:
        await operation(endpoint.with_options(retry=RetryPolicy(initial_delay=0, resubmit=True)))
    assert caught.value.maybe_submitted is False
    assert 1 == len(wire.requests)


@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
@pytest.mark.parametrize("retries", [0, 1, 5])
async def test_max_retries(operation: Operation, retries: int, endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.always(429)
    with pytest.raises(RateLimitError) as caught:
        await operation(endpoint.with_options(retry=RetryPolicy(max_retries=retries, initial_delay=0)))
    assert retries + 1 == len(wire.requests)
    assert (f"({retries + 1} attempts)" in str(caught.value)) is (retries > 0)
    assert caught.value.maybe_submitted is False


@pytest.mark.parametrize("operation", SUBMISSIONS, ids=name_of)
async def test_a_connection_that_never_comes_about_is_an_error_without_doubt(
    operation: Operation, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.always(httpx.ConnectError("Connection refused"))
    with pytest.raises(APIConnectionError, match=r"could not be sent \(4 attempts\): .*refused") as caught:
        await operation(endpoint)
    assert caught.value.maybe_submitted is False
    assert 4 == len(wire.requests)


async def test_after_a_doubt_the_last_attempt_counts(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(429, httpx.ConnectError("refused"), httpx.ReadError("reset"))
    with pytest.raises(APIConnectionError) as caught:
        await endpoint.run(input=INPUT)
    assert caught.value.maybe_submitted is True


@pytest.mark.parametrize("answer", trouble(NOT_SENT, statuses=(401, 429)))
async def test_after_a_resubmission_a_doubt_stays(answer: object, endpoint: AsyncEndpoint, wire: Wire) -> None:
    # The first one may be out there, however the second one ended.
    wire.say(httpx.ReadError("reset"), answer)
    with pytest.raises(RunpodError) as caught:
        await endpoint.with_options(retry=RetryPolicy(max_retries=1, initial_delay=0, resubmit=True)).run(input=INPUT)
    assert caught.value.maybe_submitted is True


async def test_the_pause_grows_up_to_its_bound(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.always(503)
    policy = RetryPolicy(max_retries=12, initial_delay=0.5, max_delay=8)
    with pytest.raises(ServerError):
        await endpoint.with_options(retry=policy, timeout=None).health()
    assert 12 == len(clock.pauses)
    bounds = [0.5, 1, 2, 4, *[8] * 8]
    assert all(0 <= pause <= bound for pause, bound in zip(clock.pauses, bounds, strict=True))
    assert 12 == len(set(clock.pauses)), "no two waiters may march in step"


@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        {"Retry-After": "Wed, 21 Oct 2026 07:28:07 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
    ],
    ids=["seconds", "date"],
)
async def test_retry_after_is_honoured(
    operation: Operation,
    headers: dict[str, str],
    endpoint: AsyncEndpoint,
    wire: Wire,
    clock: AsyncVirtualClock,
) -> None:
    wire.say(httpx.Response(429, headers=headers), operation.good)
    await operation(endpoint)
    assert [7.0] == clock.pauses


@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
@pytest.mark.parametrize("asked", ["31", "86400", "1e300"])
async def test_retry_after_beyond_the_deadline_is_told_at_once(
    operation: Operation, asked: str, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(httpx.Response(429, headers={"Retry-After": asked}))
    with pytest.raises(RateLimitError) as caught:
        await operation(endpoint, timeout=30)
    assert float(asked) == caught.value.retry_after
    assert [] == clock.pauses


@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
async def test_without_a_deadline_an_absurd_retry_after_is_told(
    operation: Operation, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(httpx.Response(429, headers={"Retry-After": "86400"}))
    with pytest.raises(RateLimitError):
        await operation(endpoint, timeout=None)
    assert [] == clock.pauses


@pytest.mark.parametrize("timeout", [2, 2.0, timedelta(seconds=2)])
@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
async def test_retries_end_at_the_deadline(
    operation: Operation, timeout: float | timedelta, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    start = clock.now()
    wire.always(Held(0.3, 429))
    policy = RetryPolicy(max_retries=10**6, initial_delay=0.5)
    with pytest.raises((RateLimitError, RunpodTimeoutError)) as caught:
        await operation(endpoint.with_options(retry=policy), timeout=timeout)
    assert clock.now() <= start + 2.3
    assert caught.value.maybe_submitted is False


@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
async def test_one_debug_line_per_attempt(
    operation: Operation, endpoint: AsyncEndpoint, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.say(429, httpx.ConnectError("refused"), operation.good)
    with caplog.at_level(logging.DEBUG, logger="runpod"):
        await operation(endpoint)
    attempts = [r.getMessage() for r in caplog.records if r.levelno == logging.DEBUG and " after " in r.getMessage()]
    assert 3 == len(attempts)
    for line, what in zip(attempts, ("429", "NotSent", "200"), strict=True):
        assert what in line
        assert operation.name in line


async def test_a_404_right_after_the_submission_is_not_an_answer(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(QUEUED, 404, 404, QUEUED, 404, {"id": JOB, "status": "CANCELLED"})
    job = await endpoint.run(input=INPUT)
    assert "IN_QUEUE" == (await job.refresh()).status
    assert "CANCELLED" == (await job.cancel()).status


async def test_the_policy_of_the_client_holds_for_its_endpoints(wire: Wire) -> None:
    wire.always(429)
    policy = RetryPolicy(max_retries=2, initial_delay=0)
    async with AsyncRunpod(KEY, base_url=BASE_URL, retry=policy) as client:
        with pytest.raises(RateLimitError):
            await client.endpoint("ep").health()
    assert 3 == len(wire.requests)


async def test_trouble_while_run_sync_waits_sends_no_second_submission(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(QUEUED, httpx.ReadError("reset"), 502, 429, httpx.ConnectError("refused"), FAILED)
    state = await endpoint.run_sync(input=INPUT)
    assert "FAILED" == state.status
    assert 1 == sum("/runsync" in line for line in wire.sent)


async def test_a_good_answer_needs_no_pause(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.say(DONE)
    await BY_NAME["status"](endpoint)
    assert [] == clock.pauses
