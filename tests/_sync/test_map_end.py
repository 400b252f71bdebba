# Generated from tests/_async/test_map_end.py by scripts/generate_sync.py. Do not edit.

"""Tests of how `map` and `map_unordered` end: time limits, loops that are left, closed clients."""

from __future__ import annotations
import gc
import json
import logging
import re
import threading
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
import httpx
import pytest

from runpod import (
    Runpod,
    ClientClosedError,
    InvalidRequestError,
    JobCancelledError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
)
from runpod._primitives import Clock
from runpod._protocol import rate_limits
from tests._sync.calls import collect
from tests._sync.mapped import SkippingClock, Service, numbers, running, until
from tests.servers import KEY, TEST_TIMEOUT, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests._sync.local_server import Serve
    from tests.local.api import Gate
    from tests.servers import Connection


@pytest.fixture
def service() -> Service:
    """All jobs but the first go on forever."""
    service = Service()
    service.answer = lambda operation, what: (
        running(what) if operation.startswith("status") and what not in {"job-0", *service.cancelled} else None
    )
    return service


@pytest.fixture
def client(service: Service) -> Iterator[Runpod]:
    with service.client() as client:
        yield client


def endless() -> Iterator[dict[str, int]]:
    return ({"n": n} for n in count())


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


# --- time limits ------------------------------------------------------------------------------


def test_job_timeout_cancels_the_job(serve: Serve, gate: Gate) -> None:
    endpoint = serve(gate)
    found = sorted(collect(endpoint.map_unordered(numbers(3), job_timeout=0.3)), key=lambda each: each.index)
    for result in found:
        assert isinstance(result.error, RunpodTimeoutError)
        assert (result.job_id, False, False) == (result.error.job_id, result.maybe_submitted, result.succeeded)
        assert "within the timeout of 0.3 s" in str(result.error)
        assert "It was cancelled." in str(result.error)
    jobs = {job["id"]: job["status"] for job in serve.server.jobs["horse"]}
    assert {result.job_id: "CANCELLED" for result in found} == jobs
    with pytest.raises(RunpodTimeoutError, match=r"^Input 0: Job .* within the timeout of 0.3 s"):
        collect(endpoint.map(numbers(3), job_timeout=0.3))


def test_job_timeout_counts_from_the_submission(client: Runpod, service: Service) -> None:
    clock: Any = client._session.clock

    def answer(operation: str, what: Any) -> Any:
        if operation != "run":
            clock.skip_to(clock.now() + 60)  # a poll that is held
        elif what == {"n": 2} and service.sent("run").count(what) <= 5:
            return httpx.Response(429, headers={"Retry-After": "30"})
        return None

    service.answer = answer
    start = clock.now()
    # The last one waits for more than 100 s for its turn, and then for as long until it is accepted.
    assert numbers(3) == collect(client.endpoint("ep").map(numbers(3), in_flight=1, job_timeout=100))
    assert clock.now() - start >= 3 * 60 + 5 * 30
    assert [] == service.cancelled


def test_a_job_that_ends_at_its_timeout_is_not_lost(client: Runpod, service: Service) -> None:
    def answer(operation: str, what: Any) -> Any:
        if operation == "cancel":
            return {"id": what, "status": "COMPLETED", "output": "in time"}
        return None if operation == "run" else running(what)

    service.answer = answer
    results = client.endpoint("ep").map_unordered(numbers(2), job_timeout=60)
    assert ["in time"] * 2 == [result.output for result in results]
    assert (2, 0) == (results.report.completed, results.report.timed_out)


@pytest.mark.parametrize("ordered", [True, False])
def test_timeout_raises_after_cancelling(ordered: bool, client: Runpod, service: Service) -> None:
    clock: Any = client._session.clock
    # All are submitted, and the first was polled.
    clock.skips = lambda: len(service.inputs) == 5 and bool(service.ended)
    run: Any = client.endpoint("ep").map if ordered else client.endpoint("ep").map_unordered
    results = run(numbers(5), timeout=60)
    seen = []
    with pytest.raises(
        RunpodTimeoutError, match=r"within the timeout of 60 s \(submitted: 5, completed: 1, in doubt: 0\)\."
    ) as caught:
        for result in results:
            seen += [result]
    assert 1 == len(seen)
    assert ["job-1", "job-2", "job-3", "job-4"] == sorted(service.cancelled)
    assert (None, "ep", False) == (caught.value.job_id, caught.value.endpoint_id, caught.value.maybe_submitted)
    with pytest.raises(StopIteration):
        next(results)


def test_timeout_keeps_the_jobs_if_asked_to(
    client: Runpod, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    clock: Any = client._session.clock
    clock.skips = lambda: len(service.inputs) == 4
    results = client.endpoint("ep").map_unordered(endless(), in_flight=3, timeout=60, on_exit="keep")
    next(results)
    until(clock.skips)
    with pytest.raises(RunpodTimeoutError):
        next(results)
    assert [] == service.cancelled
    assert all(f"Job {job} on endpoint ep was not cancelled" in logged(caplog) for job in ("job-1", "job-2", "job-3"))


def test_a_job_that_is_at_its_time_limit_when_the_run_ends(
    client: Runpod, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    answer = service.answer

    def ends_the_run(operation: str, what: Any) -> Any:
        if operation != "cancel":
            return answer(operation, what)
        results._runner.close_soon()
        return 500

    service.answer = ends_the_run
    results = client.endpoint("ep").map_unordered(numbers(2), job_timeout=60)
    assert [0] == [result.index for result in results]
    client.close()
    assert re.search(r"Input 1: Job 'job-1' .* within the timeout of 60 s.* It was not cancelled: ", logged(caplog))
    assert ["job-1"] == results._runner._uncancelled


# --- loops that are left ----------------------------------------------------------------------

Leave = "Callable[[Runpod, dict[str, Any]], None]"


def by_break(client: Runpod, options: dict[str, Any]) -> None:
    for _ in client.endpoint("horse").map_unordered(endless(), **options):
        break


def by_error(client: Runpod, options: dict[str, Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        for _ in client.endpoint("horse").map(endless(), **options):
            _ = 1 / 0


def by_close(client: Runpod, options: dict[str, Any]) -> None:
    results = client.endpoint("horse").map(endless(), **options)
    next(results)
    results.close()
    with pytest.raises(StopIteration):
        next(results)
    results.close()


def by_with(client: Runpod, options: dict[str, Any]) -> None:
    with client.endpoint("horse").map_unordered(endless(), **options) as results:
        for _ in results:
            break
    with pytest.raises(StopIteration):
        next(results)


def by_closed_client(client: Runpod, options: dict[str, Any]) -> None:
    results = client.endpoint("horse").map(endless(), **options)
    next(results)
    client.close()
    with pytest.raises(ClientClosedError, match="closed before the run ended"):
        collect(results)


def by_timeout(client: Runpod, options: dict[str, Any]) -> None:
    clock = SkippingClock()
    clock.skips = lambda: False
    client._session.clock = clock
    results = client.endpoint("horse").map(endless(), timeout=60, **options)
    next(results)
    until(lambda: results.report.submitted == 6)
    clock.skip_to(clock.now() + 60)
    with pytest.raises(RunpodTimeoutError):
        collect(results)


def by_garbage_collection(client: Runpod, options: dict[str, Any]) -> None:
    results = client.endpoint("horse").map(endless(), **options)
    next(results)
    cycle: list[Any] = [results]
    cycle.append(cycle)
    del results, cycle
    # As in any thread that happens to collect garbage.
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()


WAYS = [by_break, by_error, by_close, by_with, by_closed_client, by_timeout, by_garbage_collection]


@pytest.mark.parametrize("on_exit", ["cancel", "keep"])
@pytest.mark.parametrize("leave", WAYS)
def test_what_becomes_of_unfinished_jobs(
    leave: Any, on_exit: str, serve: Serve, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(job: dict[str, Any]) -> Any:
        return gate(job) if job["input"]["n"] else 0

    serve(handler, workers=10)
    with Runpod(serve.server.api_key, base_url=serve.server.base_url) as client:
        leave(client, {"in_flight": 5, "on_exit": on_exit})
    jobs = serve.server.jobs["horse"]
    unfinished = [job for job in jobs if job["status"] != "COMPLETED"]
    assert 1 == len(jobs) - len(unfinished)
    if on_exit == "cancel":
        assert {job["status"] for job in unfinished} <= {"CANCELLED"}
        message = "Job {} on endpoint horse was unfinished when its run ended; after its cancellation its status is CAN"
    else:
        assert "CANCELLED" not in {job["status"] for job in unfinished}
        message = "Job {} on endpoint horse was not cancelled when its run ended"
    for job in unfinished:
        assert 1 == logged(caplog).count(message.format(job["id"]))
    # Nothing is submitted afterwards.
    assert jobs == [{**job, "status": now["status"]} for job, now in zip(jobs, serve.server.jobs["horse"], strict=True)]


def test_a_failure_cancels_the_others_in_the_background(client: Runpod, service: Service) -> None:
    answer = service.answer
    service.answer = lambda operation, what: (
        {"id": what, "status": "FAILED"} if operation != "run" and what == "job-0" else answer(operation, what)
    )
    results = client.endpoint("ep").map(endless(), in_flight=4)
    with pytest.raises(RunpodError, match=r"^Input \d: "):
        next(results)
    until(lambda: len(service.inputs) - 1 == len(service.cancelled))
    with pytest.raises(StopIteration):
        next(results)
    # At most, those that were being submitted.
    assert len(service.inputs) <= 8


def test_a_map_that_is_never_iterated_sends_nothing(client: Runpod, service: Service) -> None:
    given: list[int] = []

    def rows() -> Iterator[dict[str, int]]:
        given.append(1)
        yield {"n": 1}

    endpoint = client.endpoint("ep")
    endpoint.map(rows())
    with endpoint.map_unordered(rows()) as results:
        assert 0 == results.report.submitted
    endpoint.map(rows()).close()
    with pytest.raises(StopIteration):
        next(results)
    assert ([], []) == (given, service.requests)


def test_two_closes_at_once_both_wait(client: Runpod, service: Service) -> None:
    results = client.endpoint("ep").map_unordered(endless(), in_flight=4)
    next(results)
    until(lambda: len(service.inputs) == 5)
    service.inputs = dict(service.inputs)

    def close(index: int) -> int:
        (results.close() if index else client.close())
        return len(service.cancelled)

    closed = [each for each in [close(1), close(0)]]
    assert [4, 4] == closed


def test_results_that_were_not_read_are_kept_after_the_end(client: Runpod, service: Service) -> None:
    service.answer = lambda *_: None
    results = client.endpoint("ep").map_unordered(numbers(3))
    next(results)
    until(lambda: len(service.ended) == 3 and results.report.completed == 3)
    client.close()
    assert {0, 1, 2} > {(next(results)).index, (next(results)).index}


def test_inputs_can_close_the_map(client: Runpod, service: Service) -> None:
    def rows() -> Iterator[dict[str, int]]:
        yield {"n": 0}
        results.close()
        yield {"n": 1}

    results: Any = client.endpoint("ep").map_unordered(rows(), in_flight=5)
    assert [0] >= [result.index for result in results]
    client.close()
    assert not service.unfinished


def test_the_iteration_ends_with_its_first_error(client: Runpod, service: Service) -> None:
    service.answer = lambda _operation, _what: None
    results = client.endpoint("ep").map([{"n": 0}, object(), {"n": 2}])
    assert {"n": 0} == next(results)
    with pytest.raises(InvalidRequestError):
        next(results)
    assert [] == collect(results)


def test_a_job_that_cannot_be_polled_is_cancelled(client: Runpod, service: Service) -> None:
    service.answer = lambda operation, what: 418 if operation.startswith("status") and what == "job-0" else None
    # By job: the sync client may submit the second input first.
    found = {result.job_id: result for result in client.endpoint("ep").map_unordered(numbers(2))}
    assert (["job-0"], {"job-0", "job-1"}, True) == (service.cancelled, set(found), found["job-1"].succeeded)
    assert found["job-0"].error is not None
    assert found["job-0"].error.message.endswith("It was cancelled.")


def test_an_input_in_doubt_is_logged_when_the_loop_is_left(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    retry = RetryPolicy(resubmit=True, initial_delay=timedelta(hours=1), max_delay=timedelta(hours=1))
    service.answer = lambda operation, what: 500 if operation == "run" and what == {"n": 1} else None
    with service.client(is_virtual=False, retry=retry) as client:
        results = client.endpoint("ep").map_unordered(numbers(2))
        for _ in results:
            while {"n": 1} not in service.sent("run"):
                client._session.clock.sleep(0.01)
            break
        results.close()
        assert 1 == results.report.in_doubt
    assert "Input 1 may have been submitted to endpoint ep: its run ended before the next attempt" in caplog.text


def test_a_progress_callable_that_raises_loses_no_result(client: Runpod, service: Service) -> None:
    service.answer = lambda _operation, _what: None

    def progress(result: Any) -> None:
        raise ZeroDivisionError

    results = client.endpoint("ep").map_unordered(numbers(3), in_flight=1, progress=progress)
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert [] == collect(results)


def test_cancelled_by_others(client: Runpod, service: Service) -> None:
    endpoint = client.endpoint("ep")
    answer = service.answer
    service.answer = lambda operation, what: (
        service.cancelled.append(what) or None if operation.startswith("status") else answer(operation, what)
    )
    results = endpoint.map_unordered(numbers(3))
    assert {JobCancelledError} == {type(result.error) for result in results}
    assert 3 == results.report.cancelled


# --- servers that do not respond --------------------------------------------------------------


def test_closing_does_not_wait_for_polls() -> None:
    """A poll that is never answered must not keep a program from ending."""
    polled, cancelled = set(), set()
    job_numbers = count(1)

    def behave(connection: Connection) -> None:
        while request := connection.read_request():
            path = request.split()[1].decode()
            job_id = f"job-{next(job_numbers)}" if path.endswith("/run") else path.rpartition("/")[2].partition("?")[0]
            if "/status" in path:
                polled.add(job_id)
                connection.hang()
            elif "/cancel" in path:
                cancelled.add(job_id)
            status = "IN_QUEUE" if path.endswith("/run") else "CANCELLED"
            connection.respond(json.dumps({"id": job_id, "status": status}).encode())

    clock, real_clock = SkippingClock(), Clock()
    # The run ends when all jobs are polled.
    clock.skips = lambda: len(polled) == 3 and not cancelled
    with RawServer(behave) as server:
        with Runpod(KEY, base_url=server.base_url) as client:
            client._session.clock = clock
            results = client.endpoint("ep").map_unordered(numbers(3), timeout=60)
            with pytest.raises(RunpodTimeoutError):
                next(results)
            start = real_clock.now()
            assert {"job-1", "job-2", "job-3"} == polled == cancelled
            assert 3 == server.times("POST /v2/ep/run")
        assert real_clock.now() - start < TEST_TIMEOUT


def test_a_job_that_cannot_be_cancelled_is_logged(
    client: Runpod, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    answer = service.answer
    problems: Iterator[Any] = iter([400, 404, 401])
    service.answer = lambda operation, what: next(problems, 400) if operation == "cancel" else answer(operation, what)
    for _ in client.endpoint("ep").map_unordered(endless(), in_flight=3):
        break
    client.close()
    for job_id in service.inputs.keys() - {"job-0"}:
        assert f"Job {job_id} on endpoint ep was not cancelled when its run ended: cancel of job" in logged(caplog)


def test_cancellations_wait_for_their_rate_limit(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the timeout of the client."""
    monkeypatch.setattr(rate_limits, "CANCELS", 2)
    monkeypatch.setattr(rate_limits, "CANCEL_SECONDS", 1.5)
    with service.client(is_virtual=False, timeout=2) as client:
        with client.endpoint("ep").map_unordered(endless(), in_flight=5) as results:
            next(results)
            until(lambda: len(service.inputs) == 6)
        assert [] == service.unfinished


def test_a_job_that_ended_when_it_was_cancelled_counts(client: Runpod, service: Service) -> None:
    answer = service.answer
    service.answer = lambda operation, what: (
        {"id": what, "status": "COMPLETED", "output": 1} if operation == "cancel" else answer(operation, what)
    )
    results = client.endpoint("ep").map_unordered(endless(), in_flight=3)
    next(results)
    results.close()
    assert results.report.submitted == results.report.completed == len(service.inputs)


def test_a_submission_during_the_end_is_cancelled(service: Service) -> None:
    """Its job is known only after the run was left."""
    arrived, going_on = threading.Event(), threading.Event()
    wakeup = Clock().wakeup()
    answer = service.answer

    def slow(request: httpx.Request) -> httpx.Response:
        is_run = request.url.path.endswith("/run")
        response = service.handle(request)
        if is_run and len(service.inputs) == 2:
            arrived.set()
            until(going_on.is_set)
        return response

    service.answer = answer
    http_client = httpx.Client(transport=httpx.MockTransport(slow))
    with Runpod(KEY, http_client=http_client) as client:
        client._session.engine._base_url = "https://api.example.test/v2"
        results = client.endpoint("ep").map_unordered(numbers(2), in_flight=2)
        next(results)
        until(arrived.is_set)
        with suppress(RuntimeError):
            results._runner.close_soon()
        going_on.set()
        results.close()
        assert ["job-1"] == service.cancelled
    http_client.close()
    wakeup.set()
