# Generated from tests/_async/test_waiting.py by scripts/generate_sync.py. Do not edit.

"""Waiting for a job, on a virtual clock: `wait`, `result`, `watch`, `run_sync` and `status_sync`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

from runpod import (
    APIConnectionError,
    APIStatusError,
    Runpod,
    AuthenticationError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobTimedOutError,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
)
from tests._sync.calls import CANCELLED, DONE, FAILED, INPUT, JOB, PATH, QUEUED, RUNNING, TIMED_OUT, collect
from tests.servers import Held

if TYPE_CHECKING:
    from runpod import Endpoint
    from tests.clocks import VirtualClock
    from tests.servers import Wire

LONG_POLL = f"GET {PATH}/ep/status-sync/{JOB}"
POLL = f"GET {PATH}/ep/status/{JOB}"
ENDS = [DONE, FAILED, CANCELLED, TIMED_OUT]


@pytest.fixture(autouse=True)
def _virtual(clock: VirtualClock) -> None:
    """No test here takes time."""


def paths(wire: Wire) -> list[str]:
    return [line.partition("?")[0] for line in wire.sent]


def holds(wire: Wire) -> list[float]:
    """The `wait` of every long poll, in seconds."""
    return [int(request.url.params["wait"]) / 1000 for request in wire.requests if "wait" in request.url.params]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end["status"])
@pytest.mark.parametrize("seconds", [0.001, 1, 30, 89])
def test_a_job_costs_two_requests(
    end: dict[str, Any], seconds: float, endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(QUEUED, Held(seconds, end))
    job = endpoint.run(input=INPUT)
    state = job.wait()
    assert end["status"] == state.status == job.status
    assert state is job.state
    assert [f"POST {PATH}/ep/run", f"{LONG_POLL}?wait=90000"] == wire.sent


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end["status"])
def test_a_run_sync_costs_two_requests(end: dict[str, Any], endpoint: Endpoint, wire: Wire) -> None:
    wire.say(Held(1, RUNNING), Held(60, end))
    state = endpoint.run_sync(input=INPUT)
    assert end["status"] == state.status
    assert [f"POST {PATH}/ep/runsync?wait=1000", f"{LONG_POLL}?wait=88750"] == wire.sent


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end["status"])
def test_a_quick_run_sync_costs_one_request(end: dict[str, Any], endpoint: Endpoint, wire: Wire) -> None:
    wire.say(Held(0.5, end))
    state = endpoint.run_sync(input=INPUT)
    assert end["status"] == state.status
    assert [f"POST {PATH}/ep/runsync?wait=1000"] == wire.sent


def test_the_end_is_seen_without_a_pause(endpoint: Endpoint, wire: Wire, clock: VirtualClock) -> None:
    wire.say(QUEUED, Held(90, RUNNING), Held(90, RUNNING), Held(12.3, DONE))
    start = clock.now()
    (endpoint.run(input=INPUT)).wait()
    assert start + 192.3 == pytest.approx(clock.now())
    assert [] == clock.pauses


def test_waiting_for_a_job_that_ended_asks_nothing(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, DONE)
    job = endpoint.run(input=INPUT)
    first = job.wait()
    assert first is job.wait()
    assert {"n": 1} == job.result()
    assert 2 == len(wire.requests)


@pytest.mark.parametrize("timeout", [10, 10.0, timedelta(seconds=10), timedelta(minutes=1 / 6)])
@pytest.mark.parametrize("how", ["wait", "result", "watch"])
def test_the_timeout_ends_a_wait(
    how: str, timeout: float | timedelta, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(QUEUED)
    job = endpoint.run(input=INPUT)
    held = Held(5, RUNNING)
    wire.always(held)
    start = clock.now()
    with pytest.raises(RunpodTimeoutError, match=r"10 s.*IN_PROGRESS.*goes on") as caught:
        if how == "watch":
            collect(job.watch(timeout=timeout))
        else:
            getattr(job, how)(timeout=timeout)
    error = caught.value
    assert isinstance(error, TimeoutError)
    assert (JOB, "ep", "IN_PROGRESS") == (error.job_id, error.endpoint_id, error.state.status)
    assert error.maybe_submitted is False
    assert start + 10 <= clock.now() <= start + 15
    assert max(holds(wire), default=0) < 10
    # The handle knows what was seen, and the job can be looked at again.
    assert "IN_PROGRESS" == job.status
    wire.say(DONE)
    assert {"n": 1} == job.result(timeout=10)


def test_a_long_poll_ends_before_the_deadline(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    deadline = clock.now() + 100
    ends: list[float] = []

    def held() -> dict[str, Any]:
        seconds = int(wire.requests[-1].url.params.get("wait", 0)) / 1000
        clock.advance(seconds)
        ends.append(clock.now())
        return RUNNING

    wire.always(held)
    with pytest.raises(RunpodTimeoutError):
        endpoint.job(JOB).wait(timeout=100)
    assert all(end < deadline for end in ends)
    assert deadline == pytest.approx(clock.now(), abs=0.006)
    assert [90.0] == [hold for hold in holds(wire) if hold > 10]


@pytest.mark.parametrize("timeout", [0.001, 0.1, 0.5, 1, 1.2])
def test_a_timeout_too_short_for_a_long_poll(
    timeout: float, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.always(RUNNING)
    start = clock.now()
    with pytest.raises(RunpodTimeoutError):
        endpoint.job(JOB).wait(timeout=timeout)
    assert {POLL} == set(wire.sent)
    # What ends just before the deadline counts as ended by it.
    assert start + timeout == pytest.approx(clock.now(), abs=0.006)
    assert len(wire.requests) <= 20


def test_run_sync_that_takes_too_long_names_the_job(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(Held(1, QUEUED))
    wire.always(Held(4, RUNNING))
    with pytest.raises(RunpodTimeoutError, match=JOB) as caught:
        endpoint.run_sync(input=INPUT, timeout=10)
    assert (JOB, "IN_PROGRESS", False) == (
        caught.value.job_id,
        caught.value.state.status,
        caught.value.maybe_submitted,
    )


def test_run_sync_has_one_clock_for_everything(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(Held(3, 429), Held(3, QUEUED))
    wire.always(Held(1, RUNNING))
    start = clock.now()
    with pytest.raises(RunpodTimeoutError):
        endpoint.run_sync(input=INPUT, timeout=10)
    assert start + 10 <= clock.now() <= start + 11
    assert holds(wire)[2] <= 4


@pytest.mark.parametrize("refusal", [404, 405, 400])
def test_a_server_without_long_polls_is_polled_and_that_is_remembered(
    refusal: int, client: Runpod, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(refusal, *[RUNNING] * 12, DONE)
    job = client.endpoint("ep").job(JOB)
    assert {"n": 1} == job.result()
    assert [LONG_POLL, *[POLL] * 13] == paths(wire)
    assert clock.pauses[0] <= 0.15
    assert clock.pauses == pytest.approx(sorted(clock.pauses), rel=0.5), "it eases off"
    assert max(clock.pauses) <= 6

    # For every job and endpoint of this client, and for those with other options.
    for other in (client.endpoint("ep"), client.endpoint("other"), client.with_options(timeout=9).endpoint("ep")):
        wire.say(DONE)
        other.job(JOB).wait()
        assert "/status/" in wire.sent[-1]


def test_a_poll_of_a_sync_job_comes_at_least_every_30_seconds(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    job_id = "sync-1"
    running = {"id": job_id, "status": "IN_PROGRESS"}
    busy = httpx.Response(429, headers={"Retry-After": "3600"})
    wire.say(busy, running, busy, 405, *[running] * 30, {"id": job_id, "status": "COMPLETED"})
    endpoint.job(job_id).wait()
    assert max(clock.pauses) <= 30


def test_a_hold_that_the_server_does_not_keep_makes_no_hot_loop(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.always(RUNNING)
    with pytest.raises(RunpodTimeoutError):
        endpoint.job(JOB).wait(timeout=60)
    assert len(wire.requests) < 40


def test_a_404_of_both_routes_right_after_the_submission(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(QUEUED, 404, 404, 404, 404, Held(5, DONE))
    job = endpoint.run(input=INPUT)
    assert {"n": 1} == job.result()
    assert [LONG_POLL, POLL, LONG_POLL, POLL, LONG_POLL] == paths(wire)[1:]


def test_a_job_that_stays_unknown_is_an_error(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(QUEUED)
    wire.always(404)
    job = endpoint.run(input=INPUT)
    start = clock.now()
    with pytest.raises(JobExpiredError, match="is gone") as caught:
        job.wait()
    assert 5 <= clock.now() - start <= 20, "some seconds of grace"
    assert (JOB, "IN_QUEUE") == (caught.value.job_id, caught.value.state.status)


@pytest.mark.parametrize("how", ["wait", "result", "watch", "run_sync"])
def test_a_job_that_expired(how: str, endpoint: Endpoint, wire: Wire) -> None:
    wire.say(QUEUED, Held(60, RUNNING))
    wire.always(404)
    with pytest.raises(JobExpiredError, match=r"last seen IN_PROGRESS.*30 minutes") as caught:
        if how == "run_sync":
            endpoint.run_sync(input=INPUT, timeout=200)
        elif how == "watch":
            collect((endpoint.run(input=INPUT)).watch())
        else:
            getattr(endpoint.run(input=INPUT), how)()
    assert isinstance(caught.value, JobError)
    assert (JOB, "ep", "IN_PROGRESS") == (caught.value.job_id, caught.value.endpoint_id, caught.value.state.status)
    assert caught.value.maybe_submitted is False


TROUBLE: list[Any] = [
    httpx.ConnectError("refused"),
    httpx.ReadError("reset"),
    httpx.ReadTimeout("stalled"),
    408,
    429,
    500,
    503,
    524,
    httpx.Response(200, text="<html>"),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=repr)
def test_trouble_on_the_way_does_not_end_a_wait(
    trouble: Any, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    # With a deadline it is more patient than ten looks.
    wire.say(QUEUED, *[trouble] * 25, DONE)
    job = endpoint.run(input=INPUT)
    assert {"n": 1} == job.result(timeout=3600)
    assert 25 == len(clock.pauses)
    assert min(clock.pauses) >= 0


@pytest.mark.parametrize("trouble", TROUBLE, ids=repr)
def test_without_a_deadline_ten_looks_in_a_row_may_fail(
    trouble: Any, endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(QUEUED, *[trouble] * 9, RUNNING, *[trouble] * 9, DONE)
    assert {"n": 1} == (endpoint.run(input=INPUT)).result()

    wire.say(QUEUED, *[trouble] * 10)
    job = endpoint.run(input=INPUT)
    with pytest.raises(RunpodError) as caught:
        job.wait()
    assert JOB == caught.value.job_id
    assert not isinstance(caught.value, RunpodTimeoutError)
    assert caught.value.maybe_submitted is False


@pytest.mark.parametrize("trouble", TROUBLE, ids=repr)
def test_trouble_for_ever_ends_at_the_deadline(
    trouble: Any, endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(QUEUED)
    job = endpoint.run(input=INPUT)
    wire.always(trouble)
    start = clock.now()
    with pytest.raises(RunpodTimeoutError, match="The last look failed") as caught:
        job.wait(timeout=60)
    assert (JOB, "IN_QUEUE") == (caught.value.job_id, caught.value.state.status)
    assert start + 60 == pytest.approx(clock.now(), abs=0.006)


@pytest.mark.parametrize(
    ("refusal", "error_class"), [(401, AuthenticationError), (403, APIStatusError), (410, APIStatusError)]
)
@pytest.mark.parametrize("how", ["wait", "run_sync", "status_sync"])
def test_a_refusal_ends_a_wait(
    how: str, refusal: int, error_class: type[Exception], endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(*([QUEUED] if how == "run_sync" else []), refusal)
    with pytest.raises(error_class) as caught:
        if how == "wait":
            endpoint.job(JOB).wait()
        elif how == "run_sync":
            endpoint.run_sync(input=INPUT)
        else:
            endpoint.status_sync(JOB)
    assert JOB == caught.value.job_id
    assert caught.value.maybe_submitted is False


@pytest.mark.parametrize(
    ("end", "error_class", "says"),
    [
        (FAILED, JobFailedError, "failed: the horse would not fit"),
        (CANCELLED, JobCancelledError, "was cancelled"),
        (TIMED_OUT, JobTimedOutError, "TIMED_OUT"),
    ],
)
def test_a_result_is_an_output_or_an_error(
    end: dict[str, Any], error_class: type[JobError], says: str, endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(QUEUED, end)
    job = endpoint.run(input=INPUT)
    with pytest.raises(error_class, match=says) as caught:
        job.result()
    assert error_class is type(caught.value)
    assert job.state is caught.value.state
    assert (JOB, "ep") == (caught.value.job_id, caught.value.endpoint_id)
    for part in (JOB, "ep"):
        assert part in str(caught.value)
    # The same again, without asking again.
    with pytest.raises(error_class):
        job.result()
    with pytest.raises(error_class):
        job.state.raise_for_status()
    assert 2 == len(wire.requests)


class Output(BaseModel):
    n: int


def test_a_result_of_a_type(client: Runpod, wire: Wire) -> None:
    endpoint = client.endpoint("ep", output_type=Output)
    wire.say(QUEUED, DONE)
    job = endpoint.run(input=INPUT)
    assert Output(n=1) == job.result() == job.state.output
    wire.say(DONE, DONE, DONE)
    assert Output(n=1) == (endpoint.run_sync(input=INPUT)).output
    assert Output(n=1) == (endpoint.status_sync(JOB)).output
    assert Output(n=1) == (endpoint.job(JOB).refresh()).output


def test_status_sync_polls_where_there_are_no_long_polls(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock
) -> None:
    wire.say(405)
    wire.always(RUNNING)
    start = clock.now()
    state = endpoint.status_sync(JOB, timeout=20)
    assert "IN_PROGRESS" == state.status
    assert start + 20 >= clock.now() > start + 15
    assert {POLL} == set(wire.sent[1:])


def test_status_sync_without_a_timeout_is_one_long_poll(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(Held(90, RUNNING))
    assert "IN_PROGRESS" == (endpoint.status_sync(JOB, timeout=None)).status
    assert [f"{LONG_POLL}?wait=90000"] == wire.sent


def test_status_sync_that_is_told_nothing(endpoint: Endpoint, wire: Wire) -> None:
    wire.always(Held(3, 503))
    with pytest.raises(RunpodTimeoutError, match="503") as caught:
        endpoint.status_sync(JOB, timeout=20)
    assert (JOB, None) == (caught.value.job_id, caught.value.state)


def test_the_last_error_of_a_wait_is_that_of_its_last_look(endpoint: Endpoint, wire: Wire) -> None:
    wire.say(*[500] * 9, httpx.ConnectError("refused"), *[httpx.ReadError("reset")] * 9, 502)
    with pytest.raises(APIConnectionError, match="refused"):
        endpoint.job(JOB).wait()
    with pytest.raises(ServerError, match="502"):
        endpoint.job(JOB).wait()


def test_a_job_that_nobody_looked_at(endpoint: Endpoint) -> None:
    job = endpoint.job(JOB)
    assert ("UNKNOWN", JOB, False, False) == (job.status, job.state.id, job.state.started, job.state.completed)
