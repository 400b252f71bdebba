"""Tests of `wait`, `result`, `run_sync` and `status_sync` on a virtual clock. Poll timing is tested in tests/unit."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio  # async-only
import httpx
import pytest
from pydantic import BaseModel

from runpod import AsyncRunpod, EndpointLimits, RetryPolicy, errors
from runpod._protocol.limiter import Permit
from tests._async.calls import CANCELLED, DONE, FAILED, INPUT, JOB, PATH, QUEUED, RUNNING, STREAMED, collect, job_calls
from tests.servers import Delayed

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import AsyncEndpoint
    from runpod._protocol.limiter import Limiter
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

RUN_SYNC = f"POST {PATH}/ep/runsync?wait=1000"
LONG_POLL = f"GET {PATH}/ep/status-sync/{JOB}"
POLL = f"GET {PATH}/ep/status/{JOB}"
TRANSIENT: list[Any] = [httpx.ConnectError("refused"), httpx.ReadError("reset"), 408, 429, 503, httpx.Response(200)]


@pytest.fixture(autouse=True)
def _virtual(clock: AsyncVirtualClock) -> None:
    """Run every test of this module on the virtual clock."""


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


# --- number of requests -----------------------------------------------------------------------


@pytest.mark.fact("protocol 1.6: status-sync is held")
@pytest.mark.parametrize("final", [DONE, FAILED], ids=["completed", "failed"])
async def test_run_and_wait_send_two_requests(
    final: dict[str, Any], endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.respond(QUEUED, Delayed(89, final))
    job = await endpoint.run(input=INPUT)
    state = await job.wait()
    assert final["status"] == state.status == job.status
    assert state is job.state is await job.wait()
    assert [f"POST {PATH}/ep/run", f"{LONG_POLL}?wait=90000"] == wire.sent
    assert [] == clock.pauses


@pytest.mark.fact("protocol 1.5: unfinished", "protocol 1.5: billed without an ID")
async def test_run_sync_sends_one_or_two_requests(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(Delayed(0.5, DONE), Delayed(1, RUNNING), Delayed(60, FAILED))
    assert "COMPLETED" == (await endpoint.run_sync(input=INPUT)).status
    assert "FAILED" == (await endpoint.run_sync(input=INPUT)).status
    assert [RUN_SYNC, RUN_SYNC, f"{LONG_POLL}?wait=88750"] == wire.sent


async def test_run_that_returns_a_completed_job_is_not_polled(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(DONE)
    assert {"n": 1} == await (await endpoint.run(input=INPUT)).result()


@pytest.mark.fact("protocol 1.1: status-sync exists")
async def test_missing_long_poll_support_is_remembered(
    client: AsyncRunpod, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.respond(405, *[RUNNING] * 12, DONE)
    assert {"n": 1} == await client.endpoint("ep").job(JOB).result()
    assert [f"{LONG_POLL}?wait=90000", *[POLL] * 13] == wire.sent
    assert 12 == len(clock.pauses)
    # This applies to every job and endpoint of the client, and to clients derived with `with_options`.
    for other in (client.endpoint("ep"), client.endpoint("other"), client.with_options(timeout=9).endpoint("ep")):
        wire.respond(DONE)
        await other.job(JOB).wait()
        assert "/status/" in wire.sent[-1]


# --- outcomes ---------------------------------------------------------------------------------


async def test_result_returns_the_output_or_raises(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, FAILED)
    job = await endpoint.run(input=INPUT)
    # The second call sends no request.
    for _ in range(2):
        with pytest.raises(errors.JobFailedError, match=f"'{JOB}' on endpoint 'ep' failed: the horse would") as caught:
            await job.result()
        assert job.state is caught.value.state
        assert (JOB, "ep") == (caught.value.job_id, caught.value.endpoint_id)


@pytest.mark.fact("protocol 1.3: output too large", "protocol 1.7: missing output")
async def test_a_failure_or_missing_output_is_logged_once(
    endpoint: AsyncEndpoint, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="runpod")
    bare = {"id": JOB, "status": "COMPLETED"}
    wire.respond(QUEUED, bare, bare, QUEUED, FAILED, FAILED, DONE)
    assert await (await endpoint.run(input=INPUT)).result() is None
    assert (await endpoint.run_sync(input=INPUT)).output is None
    job = await endpoint.run(input=INPUT)
    await job.wait()
    await job.wait()
    await endpoint.run_sync(input=INPUT)
    await endpoint.run_sync(input=INPUT)
    without, failed = (
        f"Job {JOB} on endpoint ep completed without output: ",
        f"Job {JOB} on endpoint ep ended with status FAILED",
    )
    warnings = logged(caplog, logging.WARNING)
    assert [without, without, failed, failed] == [line[: len(without)] for line in warnings]


async def test_transient_errors_do_not_end_a_wait_or_resubmit(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    # With a deadline, more than ten consecutive polls may fail.
    wire.respond(QUEUED, *TRANSIENT * 3, DONE)
    slow = endpoint.with_options(
        retry=RetryPolicy(initial_delay=timedelta(seconds=1000), max_delay=timedelta(seconds=1000))
    )
    assert {"n": 1} == (await slow.run_sync(input=INPUT, timeout=3600)).output
    assert 18 == len(clock.pauses)
    assert max(clock.pauses) > 10, "the retry policy of with_options is not used"
    assert [RUN_SYNC] == [line for line in wire.sent if line.startswith("POST")]


@pytest.mark.parametrize("how", ["wait", "result", "watch"])
async def test_wait_raises_at_the_timeout(
    how: str, endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.respond(QUEUED)
    job = await endpoint.run(input=INPUT)
    wire.always(Delayed(5, RUNNING))
    start = clock.now()
    with pytest.raises(
        errors.RunpodTimeoutError, match=rf"10 s.*IN_PROGRESS.*not cancelled.*endpoint\.job\('{JOB}'\)"
    ) as caught:
        await collect(job.watch(timeout=10)) if how == "watch" else await getattr(job, how)(timeout=10)
    error = caught.value
    assert (JOB, "ep", "IN_PROGRESS") == (error.job_id, error.endpoint_id, error.state.status)
    assert (False, True) == (error.maybe_submitted, error.retryable)
    assert "health" not in str(error)
    assert start + 10 <= clock.now() <= start + 15
    # The handle keeps the last state, and waiting can be resumed.
    assert "IN_PROGRESS" == job.status
    wire.respond(DONE)
    assert {"n": 1} == await job.result(timeout=10)


async def test_timeout_of_a_queued_job_suggests_diagnose(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED)
    wire.always(Delayed(5, 503))
    job = await endpoint.run(input=INPUT)
    with pytest.raises(
        errors.RunpodTimeoutError, match=r"IN_QUEUE.*No worker has taken it: endpoint\.diagnose\(\) says why\."
    ) as caught:
        await job.wait(timeout=10)
    # The state from the submission is the last known one.
    assert "IN_QUEUE" == caught.value.state.status == job.status
    assert "The last poll failed: status_sync of job" in str(caught.value)


@pytest.mark.fact("protocol 4: 404 after the submission", "protocol 5: expired job")
async def test_a_404_ends_a_wait_unless_the_job_was_recently_submitted(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, 404, 404, 404, 404, Delayed(60, RUNNING), 404, 404)
    job = await endpoint.run(input=INPUT)
    with pytest.raises(errors.JobExpiredError, match=r"no longer exists \(last status: IN_PROGRESS\)") as caught:
        await job.wait()
    assert (JOB, "ep", "IN_PROGRESS") == (caught.value.job_id, caught.value.endpoint_id, caught.value.state.status)


class Output(BaseModel):
    n: int


@pytest.mark.parametrize(
    ("responses", "options", "error_class"),
    [
        ([Delayed(4, RUNNING)] * 3, {"timeout": 10}, errors.RunpodTimeoutError),
        ([401], {}, errors.AuthenticationError),
        ([Delayed(60, RUNNING), 404, 404], {}, errors.JobExpiredError),
        ([httpx.ReadError("reset")] * 10, {"timeout": None}, errors.APIConnectionError),
        ([{**DONE, "output": {"n": "many"}}], {}, errors.JobOutputError),
    ],
    ids=range(5),
)
async def test_run_sync_errors_after_submission_have_the_job_id(
    responses: list[Any], options: Any, error_class: type[errors.RunpodError], client: AsyncRunpod, wire: Wire
) -> None:
    wire.respond(Delayed(1, QUEUED), *responses)
    with pytest.raises(error_class) as caught:
        await client.endpoint("ep", output_type=Output).run_sync(input=INPUT, **options)
    error = caught.value
    assert (JOB, "ep", False) == (error.job_id, error.endpoint_id, error.maybe_submitted)
    # Repeating the call would submit another job.
    assert error.retryable is False
    assert 1 == wire.sent.count(RUN_SYNC)


async def test_closing_the_client_while_run_sync_waits(
    client: AsyncRunpod, wire: Wire, clock: AsyncVirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        await client.aclose()

    monkeypatch.setattr(clock, "sleep", sleep)
    wire.respond(QUEUED, RUNNING)
    with pytest.raises(errors.ClientClosedError, match="Cannot send a request: the client is closed") as caught:
        await client.endpoint("ep").run_sync(input=INPUT)
    error = caught.value
    assert (JOB, "ep", False, False) == (error.job_id, error.endpoint_id, error.maybe_submitted, error.retryable)


async def test_a_timeout_keeps_the_final_state_of_another_wait(
    endpoint: AsyncEndpoint, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.respond(RUNNING, DONE)
    job = endpoint.job(JOB)
    wait = job._session.wait

    async def ends_meanwhile(waiter: Any) -> Any:
        monkeypatch.setattr(job._session, "wait", wait)
        waiter.state = await job.refresh()
        await job.wait()
        raise errors.RunpodTimeoutError("late")

    monkeypatch.setattr(job._session, "wait", ends_meanwhile)
    with pytest.raises(errors.RunpodTimeoutError):
        await job.wait(timeout=10)
    assert "COMPLETED" == job.status


# --- cancel_on_timeout ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("responses", "message", "status"),
    [
        ([CANCELLED], r"\(last status: IN_PROGRESS\)\. It was cancelled\. See ", "CANCELLED"),
        ([RUNNING], r"\. Its cancellation was requested; its status is IN_PROGRESS\. See ", "IN_PROGRESS"),
        ([401], r"\. It was not cancelled: cancel of job .* HTTP 401.*API key\. See ", "IN_PROGRESS"),
        (
            [{"id": JOB, "status": "COMPLETED"}, 401],
            r"\. It has ended, but its result was not received: status of job .* HTTP 401.*API key\. See ",
            "COMPLETED",
        ),
    ],
)
async def test_cancel_on_timeout(
    responses: list[Any], message: str, status: str, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.respond(QUEUED, *[Delayed(6, RUNNING)] * 2, *responses)
    job = await endpoint.run(input=INPUT)
    with pytest.raises(errors.RunpodTimeoutError, match=message) as caught:
        await job.result(timeout=10, cancel_on_timeout=True)
    assert "endpoint.job(" not in str(caught.value)
    assert (JOB, False, status) == (caught.value.job_id, caught.value.retryable, job.status)
    assert f"POST {PATH}/ep/cancel/{JOB}" in wire.sent[-2:]


async def test_cancel_on_timeout_of_a_queued_job(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(QUEUED, Delayed(6, QUEUED), Delayed(6, QUEUED), CANCELLED)
    job = await endpoint.run(input=INPUT)
    message = r"IN_QUEUE\)\. It was cancelled\. No worker has taken it: endpoint\.diagnose\(\) says why\. See "
    with pytest.raises(errors.RunpodTimeoutError, match=message):
        await job.result(timeout=10, cancel_on_timeout=True)


async def test_cancel_on_timeout_of_a_job_that_just_ended(
    client: AsyncRunpod, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    for responses in ([DONE], [{"id": JOB, "status": "COMPLETED"}, Delayed(1, 503), DONE]):
        wire.respond(Delayed(12, RUNNING), *responses)
        assert {"n": 1} == await endpoint.job(JOB).result(timeout=10, cancel_on_timeout=True)
    wire.respond(Delayed(12, RUNNING), FAILED)
    with pytest.raises(errors.JobFailedError, match="would not fit"):
        await endpoint.job(JOB).result(timeout=10, cancel_on_timeout=True)
    wire.respond(Delayed(12, RUNNING), DONE)
    with pytest.raises(errors.JobOutputError, match="output_type"):
        await client.endpoint("ep", output_type=int).job(JOB).result(timeout=10, cancel_on_timeout=True)


# --- status_sync ------------------------------------------------------------------------------


async def test_status_sync_returns_the_latest_state_on_timeout(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    wire.respond(Delayed(19.75, RUNNING), Delayed(90, RUNNING), 405)
    assert "IN_PROGRESS" == (await endpoint.status_sync(JOB, timeout=20)).status
    assert "IN_PROGRESS" == (await endpoint.status_sync(JOB, timeout=None)).status
    assert [f"{LONG_POLL}?wait=19750", f"{LONG_POLL}?wait=90000"] == wire.sent
    # Without long polls, it polls `status` for the same time.
    wire.always(RUNNING)
    start = clock.now()
    assert "IN_PROGRESS" == (await endpoint.status_sync(JOB, timeout=20)).status
    assert start + 15 < clock.now() <= start + 20
    assert {POLL} == set(wire.sent[3:])
    assert [] == logged(caplog, logging.WARNING)


async def test_status_sync_raises_without_any_state(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.always(Delayed(3, 503))
    with pytest.raises(errors.RunpodTimeoutError, match=r"last status: unknown.*The last poll failed: .*503") as caught:
        await endpoint.status_sync(JOB, timeout=20)
    assert (JOB, None) == (caught.value.job_id, caught.value.state)


# --- permits from the shared limits -----------------------------------------------------------

NARROW = EndpointLimits(concurrent_polls=1, polls_per_second=100)


class Wakeup:
    """A stub for the wakeup of a waiter."""

    def set(self) -> None: ...


@pytest.fixture
def narrow(client: AsyncRunpod) -> AsyncEndpoint:
    """An endpoint whose limits allow one poll at a time."""
    return client.endpoint("ep").with_options(limits=NARROW)


@pytest.fixture
def limiter(client: AsyncRunpod) -> Limiter:
    return client._session._limiters.polls("ep", NARROW)


async def test_each_poll_of_a_wait_holds_a_permit(narrow: AsyncEndpoint, limiter: Limiter, wire: Wire) -> None:
    def during(response: Any) -> Callable[[], Any]:
        def respond() -> Any:
            running.append(len(limiter._running))
            return response

        return respond

    calls = [narrow.job(JOB).wait, narrow.job(JOB).result, lambda: narrow.status_sync(JOB)]
    calls += [lambda: collect(narrow.job(JOB).watch()), lambda: collect(narrow.stream(JOB))]
    for call, response in zip(calls, [DONE, DONE, DONE, DONE, STREAMED], strict=True):
        running: list[int] = []
        wire.respond(during(response))
        await call()
        assert [1] == running
    running = []
    wire.respond(during(QUEUED), during(DONE), during(RUNNING))
    await narrow.run_sync(input=INPUT)
    await narrow.status(JOB)
    assert [0, 1, 0] == running
    assert 0 == limiter.waiting


async def test_waits_queue_for_permits_but_status_does_not(
    client: AsyncRunpod, narrow: AsyncEndpoint, limiter: Limiter, wire: Wire, clock: AsyncVirtualClock
) -> None:
    job = narrow.job(JOB)
    other = Permit(Wakeup())
    assert 0 == limiter.acquire(other, clock.now())
    for call in (
        lambda: job.wait(timeout=5),
        lambda: collect(job.watch(timeout=5)),
        lambda: collect(job.stream(timeout=5)),
    ):
        with pytest.raises(errors.RunpodTimeoutError, match="did not end within the timeout of 5 s"):
            await call()
    assert [] == wire.requests
    assert (1, 1) == (len(limiter._running), limiter.waiting)
    wire.respond(RUNNING, RUNNING, DONE, DONE)
    await job.refresh()
    await narrow.status(JOB)
    # Other endpoints and other limits have separate permits.
    await client.with_options(limits=NARROW).endpoint("other").job(JOB).wait()
    await client.endpoint("ep").job(JOB).wait()
    limiter.release(other, clock.now())
    wire.respond(DONE)
    await job.wait(timeout=5)


async def test_permits_limit_poll_rate_and_hold_time(client: AsyncRunpod, wire: Wire, clock: AsyncVirtualClock) -> None:
    limits = EndpointLimits(concurrent_polls=2, polls_per_second=3)
    narrow = client.with_options(limits=limits).endpoint("ep")
    client._session._limiters.polls("ep", limits).acquire(Permit(Wakeup()), clock.now())
    wire.respond(RUNNING, RUNNING, DONE)
    # These two are not delayed, but count towards the rate.
    await narrow.status(JOB)
    await narrow.status(JOB)
    assert [] == clock.pauses
    await narrow.job(JOB).wait()
    assert [pytest.approx(1.0)] == clock.pauses
    assert f"{LONG_POLL}?wait=2000" == wire.sent[-1]


async def test_a_429_pauses_all_waits(narrow: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.respond(httpx.Response(429, headers={"Retry-After": "3"}), {**DONE, "id": "job-2"})
    start = clock.now()
    with pytest.raises(errors.RunpodTimeoutError):
        await narrow.job(JOB).wait(timeout=1)
    await narrow.job("job-2").wait()
    assert start + 3 == pytest.approx(clock.now())


@pytest.mark.fact("protocol 5: allowance per worker")
async def test_a_429_pauses_and_slows_down_all_submissions(
    client: AsyncRunpod, wire: Wire, clock: AsyncVirtualClock
) -> None:
    limited = client.endpoint("ep").with_options(limits=EndpointLimits(submissions_per_second=10))
    wire.respond(httpx.Response(429, headers={"Retry-After": "3"}), QUEUED, QUEUED, QUEUED)
    start = clock.now()
    with pytest.raises(errors.RateLimitError):
        await limited.run(input=INPUT, timeout=1)
    sent = []
    for _ in range(3):
        await limited.run(input=INPUT)
        sent.append(clock.now() - start)
    # Without the 429, all of them would be sent at once.
    assert [3.0, 3.2, 3.4] == pytest.approx(sent)


async def test_an_error_releases_the_permit(narrow: AsyncEndpoint, limiter: Limiter, wire: Wire) -> None:
    for problem, error_class in ((401, errors.AuthenticationError), (KeyboardInterrupt(), KeyboardInterrupt)):
        for call in job_calls(narrow.job(JOB)):
            wire.respond(problem)
            with pytest.raises(error_class):
                await call()
            assert (0, 0) == (len(limiter._running), limiter.waiting)


async def test_a_cancelled_wait_releases_its_permit(  # async-only: threads cannot be cancelled
    narrow: AsyncEndpoint, limiter: Limiter, wire: Wire, clock: AsyncVirtualClock
) -> None:
    def cancelled() -> Any:
        scope.cancel()
        return RUNNING

    other = Permit(Wakeup())
    for responses in ([cancelled], []):
        wire.respond(*responses)
        with anyio.CancelScope() as scope:
            if not responses:
                limiter.acquire(other, clock.now())
                scope.cancel()
            await narrow.job(JOB).wait()
        assert scope.cancelled_caught
        assert len(limiter._running) == limiter.waiting == (0 if responses else 1)
    limiter.release(other, clock.now())
    wire.respond(DONE)
    await narrow.job(JOB).wait()
