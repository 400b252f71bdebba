# Generated from tests/_async/test_map.py by scripts/generate_sync.py. Do not edit.

"""Tests of `map` and `map_unordered`: what they yield, and what they refuse."""

from __future__ import annotations

import contextvars
import math
import os
import re
import sys
import threading
from collections import deque
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
import httpx
import pytest
from freezegun import freeze_time
from pydantic import BaseModel

from runpod import EndpointLimits, ExecutionPolicy, JobRequest, RunpodError, errors
from runpod._primitives import Clock
from runpod._protocol.mapper import PATIENCE
from tests._sync.calls import collect
from tests._sync.local_server import echo
from tests._sync.mapped import Service, indices, numbers, running
from tests.clocks import together
from tests.local.api import until
from tests.servers import TEST_TIMEOUT
from tests.unit.test_progress import Terminal, last_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Callable

    from runpod import Endpoint, Runpod, MapResult
    from tests._sync.local_server import Serve

# More than the service allows.
FAST = EndpointLimits(submissions_per_second=1000, polls_per_second=1000)

SCALE = float(os.environ.get("TEST_SCALE", "0.1"))


class Horse(BaseModel):
    n: int


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def client(service: Service) -> Iterator[Runpod]:
    with service.client() as client:
        yield client


@pytest.fixture
def endpoint(client: Runpod) -> Endpoint:
    return client.endpoint("ep")


# --- order, and how many at once --------------------------------------------------------------


def test_outputs_come_in_the_order_of_the_inputs(serve: Serve) -> None:
    others = threading.Semaphore(0)

    def last_is_first(job: dict[str, Any]) -> int:
        n: int = job["input"]["n"]
        if n < 9:
            assert others.acquire(timeout=TEST_TIMEOUT)
        else:
            others.release(9)
        return n

    results = serve(last_is_first, workers=10).map(numbers(10))
    assert list(range(10)) == collect(results)
    assert (10, 10, 0) == (results.report.submitted, results.report.completed, results.report.failed)


def test_results_come_as_the_jobs_end(serve: Serve) -> None:
    others = threading.Event()

    def first_is_last(job: dict[str, Any]) -> int:
        n: int = job["input"]["n"]
        assert n or others.wait(TEST_TIMEOUT)
        return n

    inputs = numbers(10)
    seen: list[MapResult[Any]] = []
    for result in serve(first_is_last, workers=10).map_unordered(inputs):
        seen.append(result)
        if len(seen) == 9:
            others.set()
    assert 0 == seen[-1].index
    assert [(n, n, True) for n in range(10)] == sorted((r.index, r.output, r.succeeded) for r in seen)
    assert all(result.input is inputs[result.index] for result in seen)
    assert {job["id"] for job in serve.server.jobs["horse"]} == {result.job_id for result in seen}


@pytest.mark.parametrize("ordered", [True, False])
def test_no_more_jobs_than_in_flight_are_unfinished(ordered: bool, serve: Serve) -> None:
    seen: list[int] = []

    def unfinished() -> int:
        return sum(job["status"] in {"IN_QUEUE", "IN_PROGRESS"} for job in serve.server.jobs["horse"])

    def handler(job: dict[str, Any]) -> None:
        # The workers stop until there are as many as allowed.
        until(lambda: 7 in seen or unfinished() >= 7)
        seen.append(unfinished())

    endpoint = serve(handler, workers=3)
    run = endpoint.map if ordered else endpoint.map_unordered
    assert 40 == len(collect(run(numbers(40), in_flight=7)))
    assert 7 == max(seen)


@pytest.mark.parametrize(("ordered", "ahead"), [(True, 10), (False, 5)])
def test_inputs_are_read_as_they_are_needed(ordered: bool, ahead: int, endpoint: Endpoint) -> None:
    given: list[int] = []

    def endless() -> Iterator[dict[str, int]]:
        for n in count():
            given.append(n)
            yield {"n": n}

    run = endpoint.map if ordered else endpoint.map_unordered
    taken = 0
    for _ in run(endless(), in_flight=5):
        taken += 1
        assert len(given) <= taken + ahead
        if taken == 50:
            break
    assert len(given) <= taken + ahead


@pytest.mark.parametrize("in_flight", [1, 10])
@pytest.mark.parametrize("ordered", [True, False])
def test_inputs_can_depend_on_results(in_flight: int, ordered: bool, endpoint: Endpoint) -> None:
    wakeup = Clock().wakeup()
    waiting = deque([0])

    def fed() -> Iterator[dict[str, int]]:
        while True:
            while not waiting:
                wakeup.wait(TEST_TIMEOUT)
            n = waiting.popleft()
            if n == 5:
                return
            yield {"n": n}

    run: Any = endpoint.map if ordered else endpoint.map_unordered
    seen = []
    for result in run(fed(), in_flight=in_flight):
        n = (result if ordered else result.output)["n"]
        seen.append(n)
        waiting.append(n + 1)
        wakeup.set()
    assert [0, 1, 2, 3, 4] == seen


def test_a_slow_loop_holds_back_the_submissions(endpoint: Endpoint, service: Service) -> None:
    results = endpoint.map_unordered(({"n": n} for n in count()), in_flight=4)
    next(results)
    for _ in range(20):
        Clock().sleep(0.001)
        assert len(service.inputs) <= 5
    results.close()


def test_iterables_of_all_kinds(endpoint: Endpoint) -> None:
    class Sequence:
        def __getitem__(self, index: int) -> dict[str, int]:
            return numbers(3)[index]

    given: list[Any] = [numbers(3), tuple(numbers(3)), iter(numbers(3)), {"a": {"n": 0}}.values(), Sequence(), []]
    outputs = [collect(endpoint.map(inputs)) for inputs in given]
    assert [numbers(3), numbers(3), numbers(3), numbers(1), numbers(3), []] == outputs


def test_two_maps_share_the_limits_of_a_client(service: Service) -> None:
    # Half of a second's submissions may start at once, the rest at even intervals.
    limits = EndpointLimits(submissions_per_second=100)
    with service.client(is_virtual=False, limits=limits) as client:
        endpoint = client.endpoint("ep")
        clock = Clock()
        start = clock.now()

        def one(_: int) -> list[Any]:
            return collect(endpoint.map(numbers(50)))

        assert [numbers(50)] * 2 == together(one, 2)
        assert clock.now() - start >= 0.4


def test_few_threads_hold_many_jobs(serve: Serve) -> None:
    opened = threading.Event()
    entered = threading.Semaphore(0)
    threads: set[int] = set()

    def handler(job: dict[str, Any]) -> Any:
        entered.release()
        assert opened.wait(TEST_TIMEOUT)
        return job["input"]["n"]

    def progress(_: MapResult[Any]) -> None:
        threads.add(sum(thread.name == "runpod-map" for thread in threading.enumerate()))

    endpoint = serve(handler, workers=200).with_options(limits=FAST)
    results = endpoint.map_unordered(numbers(250), in_flight=200, progress=progress)
    waiting = threading.Thread(target=lambda: ([entered.acquire() for _ in range(200)], opened.set()))
    waiting.start()
    assert list(range(250)) == sorted([result.index for result in results])
    waiting.join()
    assert max(threads) <= 32


@pytest.mark.slow
def test_a_thousand_in_flight(serve: Serve) -> None:
    jobs = int(10_000 * SCALE)
    endpoint = serve(lambda job: job["input"]["n"], workers=50).with_options(limits=FAST)
    results = endpoint.map(numbers(jobs), in_flight=1000)
    assert list(range(jobs)) == collect(results)
    assert jobs == results.report.completed


# --- inputs -----------------------------------------------------------------------------------


def test_inputs_are_sent_as_they_are(endpoint: Endpoint, service: Service) -> None:
    own = JobRequest(input={"n": 3}, policy=ExecutionPolicy(ttl=timedelta(minutes=1)), webhook="https://own.test/")
    inputs = [{"input": {"n": 0}, "policy": 5}, Horse(n=1), {"n": 2}, own]
    results = collect(
        endpoint.map_unordered(
            inputs, in_flight=1, policy={"executionTimeout": 9000}, webhook="https://a.test/", s3_config=S3
        )
    )
    assert inputs == [result.input for result in results]
    assert own.webhook == "https://own.test/"
    shared = {"policy": {"executionTimeout": 9000}, "webhook": "https://a.test/", "s3Config": S3}
    assert [
        {"input": {"input": {"n": 0}, "policy": 5}, **shared},
        {"input": {"n": 1}, **shared},
        {"input": {"n": 2}, **shared},
        {"input": {"n": 3}, "policy": {"ttl": 60_000}, "webhook": "https://own.test/", "s3Config": S3},
    ] == service.bodies


S3 = {"accessId": "id", "accessSecret": "secret", "bucketName": "bucket", "endpointUrl": "https://s3.example.test"}

CYCLE: dict[str, Any] = {}
CYCLE["again"] = CYCLE


class Broken(dict[str, Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("it cannot be read")

    keys = items = __iter__  # type: ignore[assignment]


BROKEN: list[Any] = [
    object(),
    {"n": math.nan},
    {"deep": [{"deeper": {1, 2}}]},
    None,
    7,
    "text",
    [{"n": 1}],
    CYCLE,
    Broken(n=1),
    {1: 2},
]


def test_a_broken_input_is_a_result(endpoint: Endpoint, service: Service) -> None:
    results = endpoint.map_unordered([*BROKEN, {"n": 1}], in_flight=3)
    found = sorted(collect(results), key=lambda result: result.index)
    assert list(range(len(BROKEN) + 1)) == indices(found)
    for given, result in zip(BROKEN, found, strict=False):
        assert isinstance(result.error, errors.InvalidRequestError)
        assert (None, None, False, False) == (result.job_id, result.output, result.succeeded, result.maybe_submitted)
        assert result.input is given
    assert [{"n": 1}] == service.sent("run")
    assert (1, 1, len(BROKEN)) == (results.report.submitted, results.report.completed, results.report.failed)


@pytest.mark.parametrize("given", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_input_ends_a_map_with_its_index(given: Any, endpoint: Endpoint, service: Service) -> None:
    seen = []
    results = endpoint.map([{"n": 0}, {"n": 1}, given, {"n": 3}], in_flight=1)
    with pytest.raises(errors.InvalidRequestError, match=r"^Input 2: "):
        for output in results:
            seen += [output]
    assert numbers(2) == seen == service.sent("run")
    with pytest.raises(StopIteration):
        next(results)


@pytest.mark.parametrize("ordered", [True, False])
def test_inputs_that_raise(ordered: bool, endpoint: Endpoint) -> None:
    def rows() -> Iterator[dict[str, int]]:
        yield from numbers(5)
        raise ValueError("row 5 is broken")

    run: Any = endpoint.map if ordered else endpoint.map_unordered
    results = run(rows(), in_flight=2)
    seen = []
    with pytest.raises(ValueError, match="row 5 is broken"):
        for result in results:
            seen += [result]
    assert 5 == len(seen)
    assert (5, 5) == (results.report.submitted, results.report.completed)
    with pytest.raises(StopIteration):
        next(results)


def test_inputs_are_read_in_one_context(endpoint: Endpoint) -> None:
    variable = contextvars.ContextVar("variable", default="default")
    variable.set("of the caller")
    seen = []

    def rows() -> Iterator[dict[str, int]]:
        thread = threading.current_thread()
        for n in range(50):
            seen.append(variable.get())
            token = variable.set(f"set by {n}")
            yield {"n": n}
            assert thread is threading.current_thread()
            variable.reset(token)

    assert 50 == len(collect(endpoint.map_unordered(rows(), in_flight=7)))
    assert {"of the caller"} == set(seen)
    assert "of the caller" == variable.get()


# --- failures ---------------------------------------------------------------------------------

# How a job of each kind ends: the error, and how the report counts it.
ENDS: dict[str, tuple[type[RunpodError] | None, str]] = {
    "completed": (None, "completed"),
    "failed": (errors.JobFailedError, "failed"),
    "cancelled": (errors.JobCancelledError, "cancelled"),
    "timed_out": (errors.JobTimedOutError, "timed_out"),
    "expired": (errors.JobExpiredError, "expired"),
    "no_number": (errors.JobOutputError, "failed"),
    "lost": (errors.APIConnectionError, "in_doubt"),
    "broken": (errors.ServerError, "in_doubt"),
    "refused": (errors.BadRequestError, "failed"),
}
KINDS = list(ENDS)


def scripted(service: Service) -> Callable[[str, Any], Any]:
    """Ends each job as the `kind` in its input says."""

    def answer(operation: str, what: Any) -> Any:
        if operation == "run":
            return {"lost": httpx.ReadError("reset"), "broken": 500, "refused": 400}.get(what["kind"])
        kind = service.inputs[what]["kind"]
        if kind == "expired":
            return 404
        if kind in {"failed", "cancelled", "timed_out"}:
            return {"id": what, "status": kind.upper(), "error": "no"}
        return {"id": what, "status": "COMPLETED", "output": {"n": "?" if kind == "no_number" else 1}}

    return answer


def test_a_job_that_did_not_succeed_is_a_result(client: Runpod, service: Service) -> None:
    service.answer = scripted(service)
    horses = client.endpoint("ep", output_type=Horse)
    results = horses.map_unordered([{"kind": kind} for kind in KINDS], in_flight=4)
    found = {result.input["kind"]: result for result in results}
    for kind, (error_class, outcome) in ENDS.items():
        result = found[kind]
        assert error_class is type(result.error) if error_class else result.error is None
        assert KINDS.index(kind) == result.index
        assert (kind == "completed") == result.succeeded == (result.output == Horse(n=1))
        assert (outcome == "in_doubt") == result.maybe_submitted
        assert (kind in {"lost", "broken", "refused"}) == (result.job_id is None)
    # A submission in doubt is not sent again.
    assert sorted(KINDS) == sorted(given["kind"] for given in service.sent("run"))
    report = results.report.to_dict()
    expected = {name: sum(outcome == name for _, outcome in ENDS.values()) for _, name in ENDS.values()}
    assert {"submitted": 6, **expected} == {name: report[name] for name in ("submitted", *expected)}
    assert "In doubt" in str(results.report)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_first_failure_is_raised_with_its_index(kind: str, client: Runpod, service: Service) -> None:
    service.answer = scripted(service)
    inputs = [{"kind": each} for each in ["completed", "completed", kind, "failed", *["completed"] * 1000]]
    outputs = []
    with pytest.raises(RunpodError, match=r"^Input 2: ") as caught:
        for output in client.endpoint("ep", output_type=Horse).map(inputs, in_flight=4):
            outputs += [output]
    assert ENDS[kind][0] is type(caught.value)
    assert [Horse(n=1)] * 2 == outputs
    assert len(service.sent("run")) <= 4 + 2 * 4


def test_return_exceptions(client: Runpod, service: Service) -> None:
    service.answer = scripted(service)
    inputs = [{"kind": kind} for kind in KINDS]
    results = client.endpoint("ep", output_type=Horse).map(inputs, return_exceptions=True, in_flight=4)
    found = collect(results)
    assert [error_class or Horse for error_class, _ in ENDS.values()] == [type(each) for each in found]
    assert len(KINDS) == len(service.sent("run"))


def test_the_job_named_by_a_broken_response_is_waited_for(endpoint: Endpoint, service: Service) -> None:
    service.inputs["job-9"] = {"n": 9}
    broken = b'{"id": "job-9", "status": "IN_QUEUE", "cut'
    # The service does not know it everywhere yet.
    unknown = [404, 404]

    def answer(operation: str, _: Any) -> Any:
        if operation == "run":
            return httpx.Response(200, content=broken)
        return unknown.pop() if unknown else None

    service.answer = answer
    assert [{"n": 9}] == collect(endpoint.map(numbers(1)))
    assert 1 == len(service.sent("run"))


@pytest.mark.parametrize("refusal", [429, httpx.ConnectError("refused")], ids=["429", "refused"])
def test_what_was_not_executed_is_sent_again(refusal: Any, endpoint: Endpoint, service: Service) -> None:
    service.answer = lambda operation, _: refusal if operation == "run" and len(service.sent("run")) <= 30 else None
    assert numbers(5) == collect(endpoint.map(numbers(5), in_flight=3))
    assert (35, 5) == (len(service.sent("run")), len(service.inputs))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_429_pauses_all_submissions(ordered: bool, service: Service) -> None:
    sent: list[float] = []

    def answer(operation: str, _: Any) -> Any:
        if operation != "run":
            return None
        sent.append(clock.now())
        return httpx.Response(429, headers={"Retry-After": "3"}) if len(sent) == 1 else None

    service.answer = answer
    # One after another, so that no other one was sent before the 429.
    with service.client(limits=EndpointLimits(concurrent_submissions=1)) as client:
        clock = client._session.clock
        endpoint = client.endpoint("ep")
        collect((endpoint.map if ordered else endpoint.map_unordered)(numbers(5)))
    assert 6 == len(sent)
    assert min(sent[1:]) - sent[0] >= 3


@pytest.mark.parametrize("refusal", [429, httpx.ConnectError("refused")], ids=["429", "refused"])
def test_an_outage_is_not_waited_out_forever(refusal: Any, client: Runpod, service: Service) -> None:
    service.answer = lambda *_: refusal
    clock = client._session.clock
    start = clock.now()
    results = collect(client.endpoint("ep").map_unordered(numbers(12), in_flight=5))
    # Not one after another.
    assert PATIENCE <= clock.now() - start < 2 * PATIENCE
    assert list(range(12)) == sorted(indices(results))
    kind = errors.RateLimitError if refusal == 429 else errors.APIConnectionError
    assert {(kind, False, None)} == {(type(each.error), each.maybe_submitted, each.job_id) for each in results}
    with pytest.raises(kind, match=r"^Input 0: "):
        collect(client.endpoint("ep").map(numbers(3)))


@pytest.mark.parametrize(
    ("status", "error_class"),
    [(401, errors.AuthenticationError), (403, errors.PermissionDeniedError), (404, errors.NotFoundError)],
)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_refusal_of_all_inputs_ends_the_run(
    ordered: bool, status: int, error_class: type[RunpodError], endpoint: Endpoint, service: Service
) -> None:
    service.answer = lambda operation, _: status if operation == "run" and len(service.inputs) >= 5 else None
    run: Any = endpoint.map if ordered else endpoint.map_unordered
    results = run(({"n": n} for n in count()), in_flight=3)
    seen = []
    with pytest.raises(error_class, match=r"^run on endpoint 'ep' failed with HTTP"):
        for result in results:
            seen += [result]
    results.close()
    assert len(seen) <= 5 == len(service.inputs)
    # Those that were being sent.
    assert len(service.sent("run")) <= 5 + 3
    assert not service.unfinished
    with pytest.raises(StopIteration):
        next(results)


def test_refused_credentials_while_polling_end_the_run(endpoint: Endpoint, service: Service) -> None:
    service.answer = lambda operation, _: 401 if operation.startswith("status") else None
    results = endpoint.map_unordered(({"n": n} for n in count()), in_flight=3)
    with pytest.raises(errors.AuthenticationError):
        next(results)
    results.close()
    assert len(service.inputs) <= 3
    assert not service.unfinished


def test_failed_polls_are_repeated(endpoint: Endpoint, service: Service) -> None:
    problems = deque([503, 429, httpx.ReadError("reset"), httpx.Response(200), 500] * 3)
    service.answer = lambda operation, _: problems.popleft() if operation != "run" and problems else None
    assert numbers(3) == collect(endpoint.map(numbers(3)))
    assert (3, 0) == (len(service.sent("run")), len(problems))


def test_a_closed_client(client: Runpod, service: Service) -> None:
    client.close()
    results = client.endpoint("ep").map(numbers(3))
    with pytest.raises(errors.ClientClosedError):
        next(results)
    assert [] == service.requests


# --- progress and report ----------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
def test_progress_gets_every_result_as_the_jobs_end(
    ordered: bool, endpoint: Endpoint, service: Service
) -> None:
    seen: list[MapResult[Any]] = []
    service.answer = lambda operation, what: (
        running(what) if operation != "run" and what == "job-0" and len(seen) < 4 else None
    )
    run: Any = endpoint.map if ordered else endpoint.map_unordered
    yielded = collect(run(numbers(5), progress=seen.append))
    # The job of any input: the sync client submits from several threads.
    assert {"job-1", "job-2", "job-3", "job-4"} == {result.job_id for result in seen[:4]}
    assert "job-0" == seen[-1].job_id
    assert {0, 1, 2, 3, 4} == set(indices(seen))
    assert (numbers(5) if ordered else seen) == yielded


@pytest.mark.parametrize("ordered", [True, False])
def test_a_progress_bar(ordered: bool, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := Terminal())
    run: Any = endpoint.map if ordered else endpoint.map_unordered
    assert 3 == len(collect(run(numbers(3), progress=True)))
    assert " 0/3 " in stderr.getvalue()
    assert re.match(r"100%.* 3/3 .*job/s\]", last_line(stderr.getvalue()))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_progress_bar_needs_tqdm(ordered: bool, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.std", None)  # type: ignore[arg-type]
    endpoint = service.client().endpoint("ep")
    with pytest.raises(errors.ConfigurationError, match="progress=True needs tqdm"):
        (endpoint.map if ordered else endpoint.map_unordered)(numbers(3), progress=True)
    assert [] == service.requests


def test_progress_that_raises_ends_the_loop(endpoint: Endpoint, service: Service) -> None:
    def broken(_: MapResult[Any]) -> None:
        raise ValueError("no progress")

    service.answer = lambda operation, what: running(what) if operation != "run" and what != "job-0" else None
    with pytest.raises(ValueError, match="no progress"):
        collect(endpoint.map(({"n": n} for n in count()), in_flight=3, progress=broken))


def test_the_report_sums_up(endpoint: Endpoint, service: Service) -> None:
    service.answer = lambda operation, what: (
        None
        if operation == "run"
        else {
            "id": what,
            "status": "COMPLETED",
            "output": 1,
            "delayTime": 1000,
            "executionTime": 2000,
            "retries": 1,
            "workerId": "w",
        }
    )
    results = endpoint.map(numbers(10), price_per_second=0.5)
    assert 0 == results.report.submitted
    collect(results)
    report = results.report
    assert (10, 10, 10, 10.0) == (report.submitted, report.completed, report.retries, report.cost)
    assert (10.0, 1.0, 1.0) == (report.queued_seconds.sum, report.queued_seconds.median, report.queued_seconds.p95)
    assert (20.0, 2.0) == (report.running_seconds.sum, report.running_seconds.p95)
    assert report == results.report
    assert report.to_dict()["completed"] == 10
    assert {"Submitted", "Completed", "Retries", "Cost", "Queued", "Running"} <= set(str(report).split())
    assert "endpoint_id='ep', submitted=10" in repr(results)


def test_frozen_time(service: Service) -> None:
    service.answer = lambda operation, what: (
        running(what) if operation != "run" and len(service.sent("status", "status-sync")) < 10 else None
    )
    with freeze_time("2026-11-25", real_asyncio=True):
        with service.client(is_virtual=False) as client:
            results = client.endpoint("ep").map(numbers(5), in_flight=2, timeout=TEST_TIMEOUT)
            assert numbers(5) == collect(results)
    assert results.report.wall_seconds > 0


# --- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_flight": 0}, "in_flight must be at least 1, got 0"),
        ({"in_flight": -1}, "in_flight must be at least 1, got -1"),
        ({"in_flight": True}, "in_flight must be a whole number of jobs, .* not bool"),
        ({"in_flight": 1.5}, "in_flight must be a whole number of jobs, .* not float"),
        ({"in_flight": "10"}, "in_flight must be a whole number of jobs, .* not str"),
        ({"in_flight": None}, "in_flight must be a whole number of jobs, .* not NoneType"),
        ({"timeout": 0}, "timeout must be positive, got 0"),
        ({"timeout": "5"}, "timeout must be seconds"),
        ({"timeout": math.nan}, "timeout must be positive"),
        ({"job_timeout": -1}, "job_timeout must be positive, got -1"),
        ({"job_timeout": "5"}, "job_timeout must be seconds"),
        ({"on_exit": "stop"}, 'on_exit must be "cancel" or "keep", not \'stop\''),
        ({"on_exit": None}, 'on_exit must be "cancel" or "keep"'),
        ({"progress": "yes"}, "progress must be a bool or a callable, not str"),
        ({"progress": 1}, "progress must be a bool or a callable, not int"),
        ({"webhook": 5}, "webhook"),
        ({"policy": {"executionTimeout": "long"}}, "policy"),
        ({"s3_config": "bucket"}, "s3_config|s3Config"),
        ({"price_per_second": -1}, "price_per_second must be a number"),
        ({"inputs": "text"}, "inputs must be an iterable of inputs, .* not str"),
        ({"inputs": b"text"}, "inputs must be an iterable of inputs, .* not bytes"),
        ({"inputs": {"n": 1}}, "not dict. To run a single input, use endpoint.run"),
        ({"inputs": Horse(n=1)}, "not Horse. To run a single input, use endpoint.run"),
        ({"inputs": None}, "inputs must be an iterable of inputs, .* not None"),
        ({"inputs": 5}, "inputs must be an iterable of inputs, .* not int"),
        ({"inputs": numbers}, "inputs must be an iterable of inputs, .* not function"),
    ],
)
@pytest.mark.parametrize("ordered", [True, False])
def test_invalid_arguments(options: dict[str, Any], message: str, ordered: bool, service: Service) -> None:
    client = service.client()
    run: Any = client.endpoint("ep").map if ordered else client.endpoint("ep").map_unordered
    with pytest.raises(errors.InvalidRequestError, match=message) as caught:
        run(**{"inputs": numbers(3), **options})
    assert not caught.value.maybe_submitted
    assert [] == service.requests
