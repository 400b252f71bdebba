# Generated from tests/_async/test_bulk.py by scripts/generate_sync.py. Do not edit.

"""Bulk runs against an endpoint in memory and the local server. The file alone is tested in tests/bulk."""

from __future__ import annotations

import gc
import io
import json
import math
import re
import sqlite3
import sys
import threading
import time
import weakref
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict
import httpx
import pytest
from freezegun import freeze_time
from pydantic import BaseModel, SecretStr

from runpod import Runpod, InvalidRequestError, RetryPolicy, RunpodTimeoutError, errors
from runpod._bulk.changes import Ended, Expired, Submitted, Submitting
from runpod._bulk.run_file import RunFile
from runpod._protocol.map_actions import Entry
from runpod._protocol.mapper import PATIENCE
from runpod.bulk import BulkRun
from runpod.errors import AuthenticationError, NotFoundError, RunFileError, RunpodError
from tests._sync.calls import collect
from tests._sync.local_server import echo
from tests._sync.mapped import SkippingClock, Service, numbers, running, until
from tests.servers import TEST_TIMEOUT
from tests.unit.test_progress import Terminal, last_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Callable
    from pathlib import Path

    from runpod import Endpoint
    from tests._sync.local_server import Serve


class Clock(SkippingClock):
    """A virtual clock that a wait without a limit never moves."""

    def skip_to(self, moment: float) -> None:
        if math.isfinite(moment):
            super().skip_to(moment)


def connected(service: Service, **options: Any) -> Runpod:
    client = service.client(**options)
    client._session.clock = Clock()
    return client


OLD = 100.0  # seconds since a submission after which a 404 is final


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def endpoint(service: Service) -> Iterator[Endpoint]:
    with connected(service) as client:
        yield client.endpoint("ep")


@pytest.fixture
def run(path: Path) -> Iterator[BulkRun]:
    with BulkRun(path) as run:
        yield run


def statuses(run: BulkRun) -> list[str]:
    return [result.status for result in run.results()]


def keys(results: list[Any]) -> list[str]:
    return sorted(result.key for result in results)


def counted(run: BulkRun) -> dict[str, int]:
    return {status: count for status, count in run.counts.items() if count}


def ends(
    service: Service, *rows: int, otherwise: Callable[[str, Any], Any] | None = None, after: int = 0
) -> Callable[[str, Any], Any]:
    """Jobs do not end, except those of these rows, once so many were submitted."""

    def answer(operation: str, what: Any) -> Any:
        if not operation.startswith("status"):
            return None if otherwise is None else otherwise(operation, what)
        if service.inputs[what]["n"] not in rows or len(service.inputs) < after:
            return running(what)
        return None

    return answer


def connection_of(run: BulkRun) -> sqlite3.Connection:
    connection = run._file._database._connection
    assert connection is not None
    return connection


def limit_pages(run: BulkRun, more: int) -> None:
    """Let the file grow by so many pages only."""
    (pages,) = connection_of(run).execute("PRAGMA page_count").fetchone()
    connection_of(run).execute(f"PRAGMA max_page_count = {pages + more}")


def free_space(run: BulkRun) -> None:
    connection_of(run).execute("PRAGMA max_page_count = 1000000000")


# --- a run -------------------------------------------------------------------------------------


def test_a_run_on_the_local_server(serve: Serve, path: Path, tmp_path: Path) -> None:
    def handler(job: dict[str, Any]) -> Any:
        if job["input"]["n"] == 3:
            message = "the horse would not fit"
            raise ValueError(message)
        return {"square": job["input"]["n"] ** 2, "cost": 0.5}

    endpoint = serve(handler, workers=4)
    rows = [{"id": f"k{n}", "n": n} for n in range(6)]
    with BulkRun(path) as run:
        added = run.add(rows, key="id")
        assert (6, 0) == (added.added, added.known)
        assert {"PENDING": 6} == counted(run)
        found = {result.key: result for result in run.run(endpoint, in_flight=3)}
        assert {"k0", "k1", "k2", "k3", "k4", "k5"} == set(found)
        assert ("COMPLETED", {"square": 4, "cost": 0.5}, rows[2]) == (
            found["k2"].status,
            found["k2"].output,
            found["k2"].input,
        )
        # In the order of the rows, and as they were yielded.
        assert [found[f"k{n}"] for n in range(6)] == list(run.results())
        assert "the horse would not fit" in str(found["k3"].error)
        assert {"COMPLETED": 5, "FAILED": 1} == counted(run)
        report = run.report
        assert (6, 5, 1, 2.5) == (report.submitted, report.completed, report.failed, report.cost)
        assert report.wall_seconds > 0
        assert 6 == run.write(tmp_path / "results.jsonl")
        lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
        assert [f"k{n}" for n in range(6)] == [line["key"] for line in lines]
        assert ["key", "status", "job_id", "output", "queued_ms", "running_ms"] == list(lines[0])
        assert ["key", "status", "job_id", "error", "queued_ms", "running_ms"] == list(lines[3])
        # Once more: nothing is submitted.
        requests = serve.sent()
        assert [] == collect(run.run(endpoint))
        assert requests == serve.sent()
        assert 6 == requests.count("POST run")
        # New rows beside known ones.
        added = run.add([*rows, {"id": "k6", "n": 6}], key="id")
        assert (1, 6) == (added.added, added.known)
        assert ["k6"] == keys(collect(run.run(endpoint)))
        assert 7 == serve.sent().count("POST run")


def test_rows_are_submitted_as_they_were_added(service: Service, endpoint: Endpoint, path: Path) -> None:
    rows = [{"prompt": "ein Pferd 🐎", "seed": 2**70, "none": None, "list": [0.1, True]}, {"prompt": "", "nested": {}}]
    with BulkRun(path) as run:
        run.add(rows)
        run.add(path_of_rows(path), key="id", input=lambda row: {"prompt": row["caption"]})
        for result in run.run(endpoint, in_flight=1):
            assert result.input == result.output
    assert [*rows, {"prompt": "a horse"}] == service.sent("run")


def path_of_rows(path: Path) -> Path:
    found = path.with_name("rows.jsonl")
    found.write_text('{"id": "horse", "caption": "a horse"}\n')
    return found


def test_policy_webhook_and_s3(service: Service, run: BulkRun) -> None:
    bodies: list[Any] = []

    with connected(service) as client:
        endpoint = client.endpoint("ep")
        handle = service.handle

        def recorded(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/run"):
                bodies.append(json.loads(request.content))
            return handle(request)

        client._session.engine._client._transport.handler = recorded
        run.add([{"n": 1}])
        policy = {"execution_timeout": timedelta(seconds=60), "low_priority": True}
        s3_config = {"access_id": "i", "access_secret": "s", "bucket_name": "b", "endpoint_url": "https://s3.test"}
        hook = "https://example.test/hook"
        collect(run.run(endpoint, policy=policy, webhook=hook, s3_config=s3_config))  # type: ignore[arg-type]
    assert {
        "input": {"n": 1},
        "policy": {"executionTimeout": 60000, "lowPriority": True},
        "webhook": hook,
        "s3Config": {"accessId": "i", "accessSecret": "s", "bucketName": "b", "endpointUrl": "https://s3.test"},
    } == bodies[0]


def test_progress(endpoint: Endpoint, run: BulkRun) -> None:
    seen: list[Any] = []
    run.add(numbers(5))
    results = run.run(endpoint, progress=lambda result: seen.append(result.output))
    assert 5 == len(collect(results))
    assert numbers(5) == sorted(seen, key=lambda output: output["n"])
    assert 5 == results.report.completed


def test_the_total_of_the_progress_bar(
    service: Service, endpoint: Endpoint, run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: list[Any] = []
    monkeypatch.setattr("runpod._sync.bulk.progress_for", lambda _progress, total: totals.append(total))
    service.answer = lambda operation, what: (
        {"id": what, "status": "FAILED", "error": "no"} if operation.startswith("status") else None
    )
    run.add(numbers(5))
    for resubmit in (None, "failed", ["1", "2"], "expired", None):
        found = collect(run.run(endpoint, progress=True, resubmit=resubmit))  # type: ignore[arg-type]
        assert totals[-1] == len(found)
    assert [5, 5, 2, 0, 0] == totals


def test_a_progress_bar(endpoint: Endpoint, run: BulkRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run.add(numbers(3), key="n")
    collect(run.run(endpoint))
    run.add(numbers(5), key="n")
    monkeypatch.setattr(sys, "stderr", stderr := Terminal())
    assert 2 == len(collect(run.run(endpoint, progress=True)))
    # It counts what was unfinished.
    assert " 0/2 " in stderr.getvalue()
    assert re.match(r"100%.* 2/2 .*job/s\]", last_line(stderr.getvalue()))


def test_a_progress_bar_needs_tqdm(
    service: Service, endpoint: Endpoint, run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.add(numbers(1))
    monkeypatch.setitem(sys.modules, "tqdm.std", None)  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigurationError, match="progress=True needs tqdm"):
        run.run(endpoint, progress=True)
    # Nothing has happened, and the file can still be run.
    assert ({"PENDING": 1}, []) == (counted(run), service.requests)
    assert 1 == len(collect(run.run(endpoint)))


# --- leaving the loop --------------------------------------------------------------------------


def test_leaving_the_loop_keeps_the_jobs(
    service: Service, endpoint: Endpoint, run: BulkRun, caplog: pytest.LogCaptureFixture
) -> None:
    service.answer = ends(service, 0)
    run.add(numbers(10))
    for result in run.run(endpoint, in_flight=4):
        assert "1" == result.key
        break
    service.answer = lambda _operation, _what: None
    # At once: the last requests may be under way.
    rest = collect(run.run(endpoint, in_flight=4))
    assert sorted(str(n) for n in range(2, 11)) == keys(rest)
    assert {"COMPLETED": 10} == counted(run)
    assert numbers(10) == sorted(service.sent("run"), key=lambda given: given["n"])
    assert [] == service.sent("cancel")
    assert [] == [record.getMessage() for record in caplog.records if record.levelname != "INFO"]


def test_leaving_the_loop_again_and_again(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    run.add(numbers(200))
    found: list[str] = []
    previous: list[Any] = []
    for _ in range(40):
        for result in run.run(endpoint, in_flight=7):
            previous.append(weakref.ref(run._runner))
            found.append(result.key)
            if len(found) % 5 == 0:
                break
    found += [result.key for result in run.run(endpoint, in_flight=7)]
    # A result that was ready when the loop was left is only in the file.
    assert max(Counter(found).values()) == 1
    assert {"COMPLETED": 200} == counted(run)
    assert numbers(200) == sorted(service.sent("run"), key=lambda given: given["n"])
    gc.collect()
    assert [] == [each for each in previous[:-20] if each() is not None]


def test_jobs_of_an_earlier_process_are_waited_for_first(
    service: Service, endpoint: Endpoint, path: Path
) -> None:
    with BulkRun(path) as run:
        submit_in_the_past(run, service, 3, seconds=0.0)
        run.add(numbers(6))
        assert {"IN_QUEUE": 3, "PENDING": 3} == counted(run)
        assert ["IN_QUEUE"] * 3 + ["PENDING"] * 3 == statuses(run)
    with BulkRun(path) as run:
        assert 6 == len(collect(run.run(endpoint, in_flight=1)))
    assert ["job-0", "job-1", "job-2"] == [what for _, what in service.requests[:3]]
    assert numbers(6)[3:] == service.sent("run")


def test_on_exit_cancel(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    service.answer = ends(service, 0, after=4)
    run.add(numbers(10))
    with run.run(endpoint, in_flight=4, on_exit="cancel") as results:
        for _ in results:
            break
    found = counted(run)
    assert 1 == found["COMPLETED"]
    assert found["CANCELLED"] == len(service.sent("cancel")) >= 3
    assert 10 == sum(found.values())
    # What was cancelled can be run again.
    service.answer = lambda _operation, _what: None
    collect(run.run(endpoint, resubmit="failed"))
    assert {"COMPLETED": 10} == counted(run)


def test_a_job_that_ended_before_its_cancellation_keeps_its_output(
    service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    cancelled: set[str] = set()

    def answer(operation: str, what: Any) -> Any:
        if operation == "cancel":
            cancelled.add(what)
            # As the service responds: without the output.
            return {"id": what, "status": "COMPLETED"}
        if not operation.startswith("status") or what in cancelled:
            return None
        return running(what) if what != "job-0" or len(service.inputs) < 4 else None

    service.answer = answer
    run.add(numbers(4))
    with run.run(endpoint, in_flight=4, on_exit="cancel") as results:
        for _ in results:
            break
    assert len(cancelled) > 0
    collect(run.run(endpoint))
    assert [("COMPLETED", given) for given in numbers(4)] == [
        (result.status, result.output) for result in run.results()
    ]


def test_a_run_that_was_not_begun_is_replaced(
    service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    run.add(numbers(3))
    first, second = run.run(endpoint), run.run(endpoint)
    assert 3 == len(collect(second))
    with pytest.raises(RunFileError, match="Another run of the same file was begun"):
        collect(first)
    assert 3 == len(service.sent("run"))


def test_one_run_at_a_time(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    run.add(numbers(3))
    with run.run(endpoint, in_flight=1) as results:
        for _ in results:
            with pytest.raises(InvalidRequestError, match="is being run already: finish or close the loop"):
                run.run(endpoint)
    assert 3 == len(service.sent("run"))


def test_rows_can_be_added_while_it_runs(endpoint: Endpoint, run: BulkRun) -> None:
    run.add(numbers(3), key="n")
    count = 0
    for result in run.run(endpoint, in_flight=1):
        count += 1
        if result.key == "0":
            run.add([{"n": 3}, {"n": 4}], key="n")
    assert 5 == count


def test_closing_the_client_ends_the_run(service: Service, run: BulkRun) -> None:
    service.answer = ends(service, 0)
    client = connected(service)
    run.add(numbers(5))
    results = run.run(client.endpoint("ep"), in_flight=3)
    next(results)
    client.close()
    with pytest.raises(errors.ClientClosedError):
        collect(results)
    assert 1 == counted(run)["COMPLETED"]
    service.answer = lambda _operation, _what: None
    with connected(service) as other:
        collect(run.run(other.endpoint("ep")))
    assert ({"COMPLETED": 5}, 5) == (counted(run), len(service.sent("run")))


def test_timeouts(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    service.answer = ends(service, 0)
    run.add(numbers(3))
    found = [result for result in run.run(endpoint, job_timeout=timedelta(minutes=1))]
    assert {"COMPLETED": 1, "CANCELLED": 2} == counted(run)
    assert ["1", "2", "3"] == keys(found)
    assert 2 == len(service.sent("cancel"))
    # A job that could not be cancelled goes on.
    service.answer = ends(service, otherwise=lambda operation, _what: 500 if operation == "cancel" else None)
    again = collect(run.run(endpoint, resubmit="failed", job_timeout=60))
    assert ["IN_QUEUE", "IN_QUEUE"] == [result.status for result in again]
    assert {"COMPLETED": 1, "IN_QUEUE": 2} == counted(run)
    service.answer = lambda _operation, _what: None
    collect(run.run(endpoint))
    assert ({"COMPLETED": 3}, 5) == (counted(run), len(service.sent("run")))


def test_the_timeout_does_not_cut_off_submissions(serve: Serve, run: BulkRun) -> None:
    endpoint = serve(echo)
    serve.server.faults.delay("run", 1.0)
    run.add(numbers(2))
    with pytest.raises(RunpodTimeoutError):
        collect(run.run(endpoint, in_flight=1, timeout=0.3))
    assert [] == run.doubtful
    collect(run.run(endpoint))
    assert ({"COMPLETED": 2}, 2) == (counted(run), serve.sent().count("POST run"))


class Held(Service):
    """Submissions are answered when they are released, except that of the first row."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        self.released = False

    def client(self, **options: Any) -> Runpod:
        client = super().client(**options)
        client._session.engine._client._transport.handler = self.hold
        return client

    def hold(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/run") and json.loads(request.content)["input"]["n"]:
            self.held += 1
            until(lambda: self.released)
        return self.handle(request)

    def leave_a_loop(self, endpoint: Endpoint, run: BulkRun) -> None:
        """Leave a loop while two submissions are under way."""
        run.add(numbers(3))
        for result in run.run(endpoint, in_flight=3):
            assert "1" == result.key
            until(lambda: self.held == 2)
            break
        assert {"COMPLETED": 1, "PENDING": 2} == counted(run)

    def when_waited_for(self, run: BulkRun, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
        """Call a function once the end of the latest run is waited for."""
        mapper: Any = run._runner._mapper  # type: ignore[union-attr]
        wait = mapper.wait_until_closed

        def wait_until_closed(wakeup: Any) -> bool:
            call()
            return bool(wait(wakeup))

        monkeypatch.setattr(mapper, "wait_until_closed", wait_until_closed)

    def release(self) -> None:
        self.released = True


def test_a_run_waits_for_the_last_requests_of_all_before_it(
    run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Held()
    with connected(service) as client:
        endpoint = client.endpoint("ep")
        try:
            service.leave_a_loop(endpoint, run)
            service.when_waited_for(run, service.release, monkeypatch)
            # Those between are not begun.
            for _ in range(3):
                run.run(endpoint)
                assert {"COMPLETED": 1, "PENDING": 2} == counted(run)
            assert ["2", "3"] == keys(collect(run.run(endpoint)))
        finally:
            service.release()
    assert ({"COMPLETED": 3}, 3) == (counted(run), len(service.sent("run")))


def test_closing_waits_for_the_last_requests_of_all_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Held()
    with connected(service) as client:
        endpoint = client.endpoint("ep")
        try:
            with BulkRun(path) as run:
                service.leave_a_loop(endpoint, run)
                service.when_waited_for(run, service.release, monkeypatch)
                for _ in range(3):
                    run.run(endpoint)
        finally:
            service.release()
    with RunFile(path, read_only=True) as reader:
        assert (2, []) == (reader.counts()["IN_QUEUE"], reader.doubtful)


def test_runs_that_fail_again_and_again_do_not_pile_up(
    service: Service, endpoint: Endpoint, run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_ids(service, endpoint, run, monkeypatch)
    runners: list[Any] = []
    for _ in range(20):
        with pytest.raises(RunFileError, match="the disk is full"):
            collect(run.run(endpoint))
        runners.append(weakref.ref(run._runner))
    gc.collect()
    assert [] == [each for each in runners[:-5] if each() is not None]
    monkeypatch.undo()
    collect(run.run(endpoint))
    assert ({"COMPLETED": 3}, 3) == (counted(run), len(service.sent("run")))


# --- resubmit ----------------------------------------------------------------------------------


def test_doubtful_rows_are_submitted_again_only_on_request(
    service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    outcomes = {
        1: 500,
        2: httpx.ReadError("reset"),
        3: httpx.Response(200, content=b"<html>"),
        4: httpx.Response(524, content=b"{}"),
        5: httpx.ReadTimeout("slow"),
        6: 408,
        7: httpx.Response(200, json={"id": "job-named"}),
    }
    service.answer = lambda operation, what: outcomes.get(what["n"]) if operation == "run" else None
    service.inputs["job-named"] = {"n": 7}
    run.add(numbers(9), key="n")
    found = {result.key: result for result in run.run(endpoint)}
    # A broken response that names the job is enough.
    assert ["0", "7", "8"] == sorted(key for key, result in found.items() if result.succeeded)
    assert {"COMPLETED": 3, "DOUBTFUL": 6} == counted(run)
    assert [(str(n), None) for n in range(1, 7)] == run.doubtful
    assert all("may" in found[key].error for key, _ in run.doubtful)
    assert {key: found[key].error for key, _ in run.doubtful} == {
        result.key: result.error for result in run.results() if result.status == "DOUBTFUL"
    }
    report = run.report
    assert (3, 3, 6) == (report.submitted, report.completed, report.in_doubt)
    service.answer = lambda _operation, _what: None
    assert [] == collect(run.run(endpoint))
    assert 9 == len(service.sent("run"))
    assert ["2"] == keys(collect(run.run(endpoint, resubmit=["2"])))
    assert ["1", "3", "4", "5", "6"] == keys(collect(run.run(endpoint, resubmit="doubtful")))
    assert ({"COMPLETED": 9}, 15) == (counted(run), len(service.sent("run")))


def test_a_policy_that_resubmits(service: Service, run: BulkRun) -> None:
    attempts: Counter[int] = Counter()

    def answer(operation: str, what: Any) -> Any:
        if operation != "run":
            return None
        attempts[what["n"]] += 1
        if attempts[what["n"]] == 1 or what["n"] == 1:
            # While it waits for its next attempt, it may have been submitted.
            return 502
        states.append(statuses(run))
        return None

    states: list[list[str]] = []
    service.answer = answer
    policy = RetryPolicy(resubmit=True, initial_delay=timedelta(0), max_retries=2)
    run.add(numbers(2))
    with connected(service, retry=policy) as client:
        collect(run.run(client.endpoint("ep"), in_flight=1))
    assert (["COMPLETED", "DOUBTFUL"], {0: 2, 1: 3}) == (statuses(run), attempts)


def test_a_policy_that_resubmits_in_a_run_that_ends(service: Service, run: BulkRun) -> None:
    """A row that may have been submitted is in doubt, even if it was to be submitted again."""
    replies = [502, 401]
    service.answer = lambda operation, _what: replies.pop(0) if operation == "run" else None
    run.add(numbers(1))
    with connected(service, retry=RetryPolicy(resubmit=True, initial_delay=timedelta(0))) as client:
        with pytest.raises(AuthenticationError):
            collect(run.run(client.endpoint("ep")))
        service.answer = lambda _operation, _what: None
        assert [] == collect(run.run(client.endpoint("ep")))
    assert (["DOUBTFUL"], 2) == (statuses(run), len(service.sent("run")))


def test_expired_results(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    submit_in_the_past(run, service, 3)
    service.answer = lambda operation, what: 404 if operation.startswith("status") and what != "job-1" else None
    found = {result.key: result.status for result in run.run(endpoint)}
    assert {"1": "EXPIRED", "2": "COMPLETED", "3": "EXPIRED"} == found
    assert [("1", "job-0"), ("3", "job-2")] == run.expired
    assert {"COMPLETED": 1, "EXPIRED": 2} == counted(run)
    expired = next(run.results())
    assert ("EXPIRED", "job-0") == (expired.status, expired.job_id)
    assert "no longer exists" in expired.error
    assert (1, 2) == (run.report.completed, run.report.expired)
    # Nothing is submitted without a word.
    assert [] == collect(run.run(endpoint))
    assert [] == service.sent("run")
    service.answer = lambda _operation, _what: None
    assert ["1", "3"] == keys(collect(run.run(endpoint, resubmit="expired")))
    assert {"COMPLETED": 3} == counted(run)


def submit_in_the_past(run: BulkRun, service: Service, count: int, seconds: float = OLD) -> None:
    """Rows whose jobs were submitted by a process that ended."""
    run.add(numbers(count))
    run._file.bind("ep")
    run._file.apply([Submitting(number) for number in range(1, count + 1)])
    run._file.apply([Submitted(number, f"job-{number - 1}") for number in range(1, count + 1)])
    connection_of(run).execute("UPDATE jobs SET submitted_at = submitted_at - ?", (seconds,))
    service.inputs.update({f"job-{n}": {"n": n} for n in range(count)})


def test_a_404_shortly_after_the_submission_is_not_final(
    service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    misses: Counter[str] = Counter()

    def answer(operation: str, what: Any) -> Any:
        if operation.startswith("status"):
            misses[what] += 1
            return 404 if misses[what] <= 4 else None
        return None

    service.answer = answer
    # Submitted by this process, and by one that has just ended.
    submit_in_the_past(run, service, 1, seconds=1.0)
    run.add(numbers(2))
    collect(run.run(endpoint))
    assert {"COMPLETED": 2} == counted(run)
    assert 1 == len(service.sent("run"))


def test_failed_rows(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    failures = {
        "job-0": {"status": "FAILED", "error": "the horse would not fit"},
        "job-1": {"status": "TIMED_OUT"},
        "job-2": {"status": "CANCELLED"},
        "job-3": {"status": "FAILED", "error": {"code": 7}, "output": {"partial": 1}},
    }

    def answer(operation: str, what: Any) -> Any:
        if operation == "run":
            return 400 if what["n"] == 5 else None
        return {"id": what, **failures[what]} if what in failures else None

    service.answer = answer
    run.add(numbers(6))
    found = {result.key: result for result in run.run(endpoint, in_flight=1)}
    assert list(found.values()) == list(run.results())
    assert ["FAILED", "TIMED_OUT", "CANCELLED", "FAILED", "COMPLETED", "FAILED"] == statuses(run)
    assert "the horse would not fit" == found["1"].error
    assert ({"code": 7}, {"partial": 1}) == (found["4"].error, found["4"].output)
    assert ("HTTP 400" in found["6"].error, None) == (True, found["6"].job_id)
    service.answer = lambda _operation, _what: None
    assert ["3"] == keys(collect(run.run(endpoint, resubmit=["3"])))
    assert ["1", "2", "4", "6"] == keys(collect(run.run(endpoint, resubmit="failed")))
    assert ({"COMPLETED": 6}, 11) == (counted(run), len(service.sent("run")))


def test_keys_that_cannot_be_resubmitted(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    run.add(numbers(2), key="n")
    with pytest.raises(InvalidRequestError, match=r"has no row with the key '7'\. Nothing was changed"):
        collect(run.run(endpoint, resubmit=["0", "7"]))
    assert ({"PENDING": 2}, []) == (counted(run), service.requests)
    collect(run.run(endpoint, resubmit=iter(["0"])))
    with pytest.raises(InvalidRequestError, match="the key '1' cannot be resubmitted: it has completed"):
        collect(run.run(endpoint, resubmit=["1"]))
    assert 2 == len(service.sent("run"))


# --- errors that end the run -------------------------------------------------------------------


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (403, errors.PermissionDeniedError)])
def test_refused_credentials_end_the_run(
    status: int, error: type[RunpodError], service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    refuses = False
    after = 0

    def answer(operation: str, what: Any) -> Any:
        nonlocal refuses, after
        refuses = refuses or (operation == "run" and what["n"] == 20)
        after += refuses
        return status if refuses else None

    service.answer = answer
    run.add(numbers(200))
    with pytest.raises(error):
        collect(run.run(endpoint, in_flight=10))
    # At once: only what was under way.
    assert 1 <= after <= 20
    found = counted(run)
    assert (200, set()) == (sum(found.values()), set(found) - {"COMPLETED", "IN_QUEUE", "PENDING"})
    service.answer = lambda _operation, _what: None
    collect(run.run(endpoint, in_flight=10))
    assert {"COMPLETED": 200} == counted(run)
    # What was refused is submitted, and nothing twice.
    assert numbers(200) == sorted(service.inputs.values(), key=lambda given: given["n"])


@pytest.mark.parametrize("status", [401, 404])
def test_an_error_of_the_last_row_is_raised(
    status: int, service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    """The run does not end as if all was well."""
    # Until then, it is known that there are no more rows.
    replies = [429, 429, status]
    service.answer = lambda operation, _what: replies.pop(0) if operation == "run" else None
    run.add(numbers(1))
    with pytest.raises(AuthenticationError if status == 401 else errors.NotFoundError):
        collect(run.run(endpoint))
    assert ["PENDING"] == statuses(run)


def test_refused_credentials_while_waiting(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    service.answer = lambda operation, _what: 401 if operation.startswith("status") else None
    run.add(numbers(1))
    with pytest.raises(AuthenticationError):
        collect(run.run(endpoint))
    assert ["IN_QUEUE"] == statuses(run)


@pytest.mark.parametrize("problem", [httpx.ConnectError("refused"), 429, httpx.PoolTimeout("busy")], ids=repr)
def test_an_outage_ends_the_run_after_a_while(
    problem: Any, service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    clock: Any = endpoint._session.clock
    start = clock.now()
    service.answer = lambda operation, _what: problem if operation == "run" else None
    run.add(numbers(20))
    with pytest.raises(RunpodError, match=r"429|could not be sent"):
        collect(run.run(endpoint, in_flight=5))
    assert PATIENCE <= clock.now() - start
    assert ["PENDING"] * 20 == statuses(run)
    service.answer = lambda _operation, _what: None
    collect(run.run(endpoint))
    assert {"COMPLETED": 20} == counted(run)


def test_an_outage_while_waiting(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    service.answer = lambda operation, _what: 503 if operation.startswith("status") else None
    run.add(numbers(3))
    with pytest.raises(errors.ServerError):
        collect(run.run(endpoint))
    assert ["IN_QUEUE"] * 3 == statuses(run)
    service.answer = lambda _operation, _what: None
    assert 3 == len(collect(run.run(endpoint)))
    assert 3 == len(service.sent("run"))


def test_a_file_belongs_to_one_endpoint(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    run.add(numbers(1))
    collect(run.run(endpoint))
    with connected(service) as client:
        with pytest.raises(RunFileError, match="is a run of endpoint 'ep', not of 'other'"):
            run.run(client.endpoint("other"))


# --- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_flight": 0}, "in_flight must be at least 1"),
        ({"in_flight": -1}, "in_flight must be at least 1"),
        ({"in_flight": 1.5}, "in_flight must be a whole number"),
        ({"in_flight": "10"}, "in_flight must be a whole number"),
        ({"in_flight": None}, "in_flight must be a whole number"),
        ({"resubmit": "all"}, "resubmit must be 'doubtful', 'expired', 'failed' or a list of keys, got 'all'"),
        ({"resubmit": 5}, "resubmit must be .*, got int"),
        ({"resubmit": True}, "resubmit must be .*, got bool"),
        ({"resubmit": b"doubtful"}, "resubmit must be .*, got bytes"),
        ({"resubmit": {"1": 1}}, "resubmit must be .*, got dict"),
        ({"resubmit": [None]}, "a key to resubmit must be a str or an int, not None"),
        ({"policy": 5}, "policy"),
        ({"policy": {"ttl": -1}}, "ttl"),
        ({"webhook": 5}, "webhook"),
        ({"webhook": "example"}, "webhook"),
        ({"s3_config": "bucket"}, "s3_config"),
        ({"timeout": "1"}, "timeout must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"job_timeout": -1}, "job_timeout must be"),
        ({"job_timeout": object()}, "job_timeout must be"),
        ({"on_exit": "stop"}, 'on_exit must be "cancel" or "keep"'),
        ({"on_exit": None}, 'on_exit must be "cancel" or "keep"'),
        ({"progress": "yes"}, "progress must be a bool or a callable"),
    ],
)
def test_arguments_of_run(
    options: dict[str, Any], message: str, service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    run.add(numbers(1))
    with pytest.raises(InvalidRequestError, match=message):
        run.run(endpoint, **options)
    # Nothing has happened, and the file can still be run.
    assert ({"PENDING": 1}, []) == (counted(run), service.requests)
    assert 1 == len(collect(run.run(endpoint)))


@pytest.mark.parametrize("given", [None, "ep", 5, object])
def test_an_endpoint_that_is_none(given: Any, run: BulkRun) -> None:
    with pytest.raises(InvalidRequestError, match=r"endpoint must be an \w+, from client.endpoint"):
        run.run(given)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (None, {}, "rows must be an iterable of mappings, not NoneType"),
        (5, {}, "rows must be an iterable of mappings, not int"),
        ({"a": 1}, {}, "rows must be an iterable of mappings, not dict"),
        (b"rows", {}, "rows must be an iterable of mappings, not bytes"),
        ("rows.xlsx", {}, "suffix '.xlsx'"),
        ("missing.jsonl", {}, "cannot be read"),
        (["a"], {}, "input must be a mapping"),
        ([{"a": 1}], {"key": 5}, "key must be a column or a function, not int"),
        ([{"a": 1}], {"key": "b"}, "there is no column 'b'"),
        ([{"a": 1}], {"key": lambda _: 1.5}, "the key must be a str or an int, not float"),
        ([{"a": 1}, {"a": 1}], {"key": "a"}, "keys must be unique"),
        ([{"a": 1}], {"input": {"prompt": "{{a}}"}}, "input must be a function or a Template, not dict"),
        ([{"a": 1}], {"input": lambda _: 5}, "input must be a mapping"),
        ([{"a": 1}], {"on_error": "ignore"}, "on_error must be 'raise' or 'skip'"),
        ([{"a": 1}], {"on_error": []}, "on_error must be 'raise' or 'skip'"),
        ("rows.jsonl", {"format": 5}, "format must be"),
        ([{"a": math.nan}], {}, "is nan"),
    ],
)
def test_arguments_of_add(rows: Any, options: dict[str, Any], message: str, run: BulkRun) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        run.add(rows, **options)
    assert {} == counted(run)


def test_arguments_of_write(run: BulkRun, tmp_path: Path) -> None:
    for target, options, message in (
        (None, {}, "target must be a path or an open file, not NoneType"),
        (5, {}, "target must be a path or an open file, not int"),
        (tmp_path, {}, "suffix"),
        (tmp_path / "results.docx", {}, "suffix '.docx'"),
        (tmp_path / "results.csv", {"format": 5}, "format must be"),
        (tmp_path / "no" / "results.csv", {}, "its folder does not exist"),
        (run._file.path, {"format": "jsonl"}, "is the file of the run itself"),
    ):
        with pytest.raises(InvalidRequestError, match=message):
            run.write(target, **options)  # type: ignore[arg-type]
    text = io.StringIO()
    assert 0 == run.write(text)


def test_paths(tmp_path: Path) -> None:
    for path in (None, 5, b"run.sqlite", ["run.sqlite"]):
        with pytest.raises(InvalidRequestError, match="path must be a str or a path, not"):
            BulkRun(path)  # type: ignore[arg-type]
    with pytest.raises(RunFileError, match="does not exist"):
        BulkRun(tmp_path / "missing.sqlite", create=False)
    with pytest.raises(RunFileError, match="is a folder"):
        BulkRun(tmp_path)


def test_a_closed_file(endpoint: Endpoint, path: Path) -> None:
    with BulkRun(path) as run:
        run.add(numbers(1))
    run.close()
    with pytest.raises(RunFileError, match=r"is closed\. Open it again"):
        run.run(endpoint)
    with pytest.raises(RunFileError, match=r"is closed\. Open it again"):
        run.add(numbers(1))
    assert repr(run) == f"{BulkRun.__name__}({str(path)!r})"


# --- several users of a file -------------------------------------------------------------------


def test_a_file_that_is_only_read(serve: Serve, path: Path) -> None:
    endpoint = serve(echo)
    with BulkRun(path) as run:
        run.add(numbers(3))
        collect(run.run(endpoint))
        # Also while it is being run.
        with BulkRun(path, read_only=True) as reader:
            assert ({"COMPLETED": 3}, 3) == (counted(reader), len(list(reader.results())))
            with pytest.raises(RunFileError, match="was opened with read_only=True"):
                reader.add(numbers(3))
            with pytest.raises(RunFileError, match="was opened with read_only=True"):
                reader.run(endpoint)


def test_two_runs_on_one_file(service: Service, endpoint: Endpoint, run: BulkRun, path: Path) -> None:
    run.add(numbers(4))
    for _ in run.run(endpoint, in_flight=1):
        with pytest.raises(RunFileError, match="is in use: another process, or another part of this one"):
            BulkRun(path)
    assert ({"COMPLETED": 4}, 4) == (counted(run), len(service.sent("run")))


def test_a_reader_sees_what_was_stored(endpoint: Endpoint, run: BulkRun, path: Path) -> None:
    run.add(numbers(100))
    count = 0
    for result in run.run(endpoint, in_flight=10):
        count += 1
        if count % 10:
            continue
        with RunFile(path, read_only=True) as reader:
            # Stored before it is yielded.
            found = {each.key: each for each in reader.results()}
            assert result == found[result.key]
            assert (100, True) == (len(found), count <= reader.counts()["COMPLETED"])
    assert 100 == count


@pytest.mark.slow
def test_a_file_is_read_all_the_time(serve: Serve, path: Path) -> None:
    endpoint = serve(echo, workers=8)
    problems: list[BaseException] = []
    ended = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not ended.is_set():
            try:
                with RunFile(path, read_only=True) as file:
                    seen.append(len([each for each in file.results() if each.succeeded]))
                    assert 200 == sum(file.counts().values())
            except BaseException as error:  # noqa: BLE001 - compared below
                problems.append(error)
                return

    with BulkRun(path) as run:
        run.add(numbers(200))
        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            assert 200 == len(collect(run.run(endpoint, in_flight=20)))
        finally:
            ended.set()
            for thread in threads:
                thread.join(TEST_TIMEOUT)
    assert ([], True) == (problems, len(seen) > 0)


# --- a full disk -------------------------------------------------------------------------------


def test_a_disk_that_is_full_before_a_submission(
    service: Service, endpoint: Endpoint, run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent that was not stored before."""
    run.add(numbers(20))
    apply = RunFile.apply

    def fails(self: RunFile, changes: Any, elapsed: float = 0.0) -> None:
        changes = list(changes)
        if any(isinstance(change, Submitting) and change.number == 5 for change in changes):
            raise self._database.failure(sqlite3.OperationalError("database or disk is full"))
        apply(self, changes, elapsed)

    monkeypatch.setattr(RunFile, "apply", fails)
    with pytest.raises(RunFileError, match="the disk is full"):
        collect(run.run(endpoint, in_flight=3))
    assert {"n": 4} not in service.sent("run")
    assert "PENDING" == statuses(run)[4]
    monkeypatch.undo()
    collect(run.run(endpoint))
    assert ({"COMPLETED": 20}, 20) == (counted(run), len(service.sent("run")))


def test_ids_that_cannot_be_stored(
    service: Service,
    endpoint: Endpoint,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    apply = RunFile.apply
    full = True

    def fails(self: RunFile, changes: Any, elapsed: float = 0.0) -> None:
        changes = list(changes)
        if full and any(isinstance(change, Submitted) for change in changes):
            raise self._database.failure(sqlite3.OperationalError("database or disk is full"))
        apply(self, changes, elapsed)

    monkeypatch.setattr(RunFile, "apply", fails)
    for reopened in (False, True):
        full = True
        run = BulkRun(path)
        run.add([{"n": n, "again": reopened} for n in range(10)], key=lambda row: f"{row['n']} {reopened}")
        with pytest.raises(RunFileError, match="the disk is full"):
            with run.run(endpoint, in_flight=3) as results:
                collect(results)
        if reopened:
            run.close()
            run = BulkRun(path)
        full = False
        lost = [job for job in service.inputs if f"Job {job} was submitted" in caplog.text]
        caplog.clear()
        assert 1 <= len(lost) <= 3
        # The run in the same process knows the IDs. For others, these rows are in doubt, and the log has the IDs.
        collect(run.run(endpoint))
        expected = {"COMPLETED": 10} if not reopened else {"COMPLETED": 20 - len(lost), "DOUBTFUL": len(lost)}
        assert expected == counted(run)
        assert len(service.sent("run")) == (20 if reopened else 10)
        if reopened:
            doubtful = [service.inputs[job]["n"] for job in lost]
            assert sorted((f"{n} True", None) for n in doubtful) == sorted(run.doubtful)
            collect(run.run(endpoint, resubmit="doubtful"))
            assert {"COMPLETED": 20} == counted(run)
        run.close()


def lose_ids(
    service: Service, endpoint: Endpoint, run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run three rows, while no ID of a job can be stored."""
    apply = RunFile.apply

    def fails(self: RunFile, changes: Any, elapsed: float = 0.0) -> None:
        changes = list(changes)
        if any(isinstance(change, Submitted) for change in changes):
            raise self._database.failure(sqlite3.OperationalError("database or disk is full"))
        apply(self, changes, elapsed)

    monkeypatch.setattr(RunFile, "apply", fails)
    run.add(numbers(3))
    with pytest.raises(RunFileError, match="the disk is full"):
        with run.run(endpoint, in_flight=3) as results:
            collect(results)
    assert 1 <= len(service.sent("run")) <= 3


def test_reading_a_run_keeps_the_ids_that_could_not_be_stored(
    service: Service, endpoint: Endpoint, run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_ids(service, endpoint, run, monkeypatch)
    submitted = len(service.sent("run"))
    lost = [(str(given["n"] + 1), None) for given in sorted(service.sent("run"), key=lambda given: given["n"])]
    # Nothing can be written, and nothing needs to.
    connection_of(run).execute("PRAGMA query_only = ON")
    for _ in range(2):
        assert (submitted, 3) == (run.counts["DOUBTFUL"], sum(run.counts.values()))
        assert lost == run.doubtful
        errors_ = {result.key: result.error for result in run.results() if result.status == "DOUBTFUL"}
        assert dict(lost).keys() == errors_.keys()
        assert all("could not be stored. The log may have the ID of its job" in text for text in errors_.values())
        assert submitted == run.report.in_doubt
        text = io.StringIO()
        assert 3 == run.write(text)
        assert submitted == text.getvalue().count("DOUBTFUL")
    connection_of(run).execute("PRAGMA query_only = OFF")
    monkeypatch.undo()
    # This process knows the IDs, so that nothing is submitted twice.
    assert ["1", "2", "3"] == keys(collect(run.run(endpoint, resubmit="doubtful")))
    assert ({"COMPLETED": 3}, 3) == (counted(run), len(service.sent("run")))


@pytest.mark.parametrize("writable", [True, False])
def test_closing_stores_what_is_in_doubt(
    writable: bool, service: Service, endpoint: Endpoint, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = BulkRun(path)
    lose_ids(service, endpoint, run, monkeypatch)
    if not writable:
        connection_of(run).execute("PRAGMA query_only = ON")
    run.close()
    with BulkRun(path) as run:
        found = [result.error for result in run.results() if result.status == "DOUBTFUL"]
    # Otherwise the next opening does it, which does not know why.
    expected = "could not be stored" if writable else "The process ended while it submitted this row"
    assert [True] * len(service.sent("run")) == [expected in error for error in found]


def test_closing_stores_the_ids_that_could_not_be_stored(
    service: Service, endpoint: Endpoint, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = BulkRun(path)
    lose_ids(service, endpoint, run, monkeypatch)
    assert run.doubtful
    monkeypatch.undo()
    run.close()
    with BulkRun(path) as run:
        assert (len(service.sent("run")), []) == (run.counts["IN_QUEUE"], run.doubtful)
        collect(run.run(endpoint))
        assert ({"COMPLETED": 3}, 3) == (counted(run), len(service.sent("run")))


def test_large_outputs_on_a_full_disk(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    outputs = {f"job-{n}": "x" * 100_000 for n in range(20)}
    service.answer = lambda operation, what: (
        {"id": what, "status": "COMPLETED", "output": outputs[what]} if operation.startswith("status") else None
    )
    run.add(numbers(20), key="n")
    collect(run.run(endpoint, resubmit=[]))
    run.add([{"n": n} for n in range(20, 40)], key="n")
    outputs.update({f"job-{n}": "y" * 100_000 for n in range(20, 40)})
    limit_pages(run, 300)
    with pytest.raises(RunFileError, match="the disk is full"):
        collect(run.run(endpoint, in_flight=8))
    assert 40 == sum(counted(run).values())
    # Not only the outputs that were stored, but the IDs as well: they need less space.
    assert [] == run.doubtful
    free_space(run)
    collect(run.run(endpoint))
    assert {"COMPLETED": 40} == counted(run)
    assert 40 == len(service.sent("run"))
    assert ["x" * 100_000] * 20 + ["y" * 100_000] * 20 == [result.output for result in run.results()]


def test_the_last_result_cannot_be_stored(
    service: Service, endpoint: Endpoint, run: BulkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run does not end as if all was well."""
    apply = RunFile.apply

    def fails(self: RunFile, changes: Any, elapsed: float = 0.0) -> None:
        changes = list(changes)
        if any(isinstance(change, Ended) and change.number == 3 for change in changes):
            raise self._database.failure(sqlite3.OperationalError("disk I/O error"))
        apply(self, changes, elapsed)

    monkeypatch.setattr(RunFile, "apply", fails)
    service.answer = ends(service, 0, 1)
    run.add(numbers(3))
    results = run.run(endpoint)
    next(results)
    next(results)
    service.answer = lambda _operation, _what: None
    with pytest.raises(RunFileError, match="disk I/O error"):
        collect(results)
    assert ["COMPLETED", "COMPLETED", "IN_QUEUE"] == statuses(run)
    monkeypatch.undo()
    assert ["3"] == keys(collect(run.run(endpoint)))
    assert 3 == len(service.sent("run"))


# --- clocks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=-1), timedelta(hours=1), timedelta(days=4000)])
def test_a_clock_that_jumps(
    jump: timedelta, service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    service.answer = ends(service, 0, 1)
    clock: Any = endpoint._session.clock
    # Without a limit, it would skip hours if the file was written slowly while jobs are polled.
    skips = iter([True] * 20)
    clock.skips = lambda: next(skips, False)
    run.add(numbers(6))
    with freeze_time("2026-11-26 12:00:00", ignore=["tests._sync.mapped"]) as frozen:
        results = run.run(endpoint, in_flight=4)
        next(results)
        frozen.tick(jump)
        next(results)
        results.close()
        service.answer = lambda _operation, _what: None
        frozen.tick(-2 * jump)
        collect(run.run(endpoint, in_flight=4))
    assert ({"COMPLETED": 6}, 6) == (counted(run), len(service.sent("run")))
    assert 0 <= run.report.wall_seconds < 3600


def test_a_clock_that_was_set_back_hides_no_expired_result(
    service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    """The job was submitted in the future: its 404 is final after a while."""
    submit_in_the_past(run, service, 1, seconds=-1_000_000.0)
    service.answer = lambda operation, _what: 404 if operation.startswith("status") else None
    assert ["EXPIRED"] == [result.status for result in run.run(endpoint)]


# --- outputs -----------------------------------------------------------------------------------


class Horse(BaseModel):
    name: str
    secret: SecretStr = SecretStr("")


class Ridden(TypedDict):
    name: str


def test_an_output_of_another_type_is_no_success(service: Service, run: BulkRun) -> None:
    outputs = {"job-0": {"name": "Hans", "secret": "s3", "extra": [1]}, "job-1": {"name": 5}, "job-2": None}
    service.answer = lambda operation, what: (
        {"id": what, "status": "COMPLETED", "output": outputs[what]} if operation.startswith("status") else None
    )
    run.add(numbers(3))
    with connected(service) as client:
        found = {r.key: r for r in run.run(client.endpoint("ep", output_type=Horse), in_flight=1)}
    assert [True, False, False] == [found[key].succeeded for key in ("1", "2", "3")]
    # Typed when it is yielded; the file has all that the handler returned.
    assert Horse(name="Hans", secret=SecretStr("s3")) == found["1"].output
    assert list(outputs.values()) == [result.output for result in run.results()]
    assert "does not match output_type" in found["2"].error
    # The jobs are complete, and not paid for again.
    assert (["COMPLETED"] * 3, [None] * 3) == (statuses(run), [result.error for result in run.results()])
    assert 3 == run.report.completed


def test_a_price_per_second(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    outputs: dict[str, Any] = {"job-0": {"cost": 3}, "job-1": {}}
    service.answer = lambda operation, what: (
        {"id": what, "status": "COMPLETED", "output": outputs[what], "executionTime": 2000}
        if operation.startswith("status")
        else None
    )
    run.add(numbers(2))
    with pytest.raises(InvalidRequestError, match="price_per_second must be"):
        run.run(endpoint, price_per_second=-1)
    collect(run.run(endpoint, price_per_second=0.5))
    assert pytest.approx(4.0) == run.report.cost


def test_a_wrong_address_expires_no_job(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    service.answer = lambda operation, what: running(what) if operation.startswith("status") else None
    clock: Any = endpoint._session.clock
    clock.skips = lambda: len(service.inputs) == 2
    run.add(numbers(2))
    with pytest.raises(RunpodTimeoutError):
        collect(run.run(endpoint, in_flight=2, timeout=60))
    assert {"IN_QUEUE": 2} == counted(run)
    service.answer = lambda _operation, _what: 404
    with pytest.raises(NotFoundError, match="health on endpoint 'ep' failed with HTTP 404"):
        collect(run.run(endpoint))
    assert ({"IN_QUEUE": 2}, []) == (counted(run), run.expired)
    service.answer = lambda _operation, _what: None
    collect(run.run(endpoint))
    assert ({"COMPLETED": 2}, 2) == (counted(run), len(service.sent("run")))


def test_a_file_that_is_closed_during_its_run(service: Service, endpoint: Endpoint, path: Path) -> None:
    with BulkRun(path) as run:
        run.add(numbers(5))
        unread = run.run(endpoint)
    with pytest.raises(RunFileError, match="was closed before the run ended"):
        next(unread)
    assert [] == service.requests


OUTPUTS: list[Any] = [
    None,
    "",
    {},
    [],
    0,
    -0.0,
    False,
    0.1 + 0.2,
    5e-324,
    1.7976931348623157e308,
    2**63,
    -(10**40),
    "a\x00b\x1b[31m\u2028\x7f",
    "🐎 é ﷺ",
    "lone \ud800 surrogate",
    {"\udfff": ["\ud800", {"a": "\udc00"}]},
    {"": None, "a b": [[], {}, [None]]},
    {"status": "FAILED", "error": "no", "id": "job-x", "output": 1},
    "x" * 2_000_000,
    [{"n": n, "text": "y" * 100} for n in range(15_000)],
]


@pytest.mark.parametrize("nested", [150, 240, 400])
def test_nested_outputs(nested: int, service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    output = json.loads("[" * nested + "]" * nested)
    check_outputs([output], service, endpoint, run)


def test_outputs_survive_exactly(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    check_outputs(OUTPUTS, service, endpoint, run)


def check_outputs(outputs: list[Any], service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    def answer(operation: str, what: Any) -> Any:
        if not operation.startswith("status"):
            return None
        state = {"id": what, "status": "COMPLETED", "output": outputs[int(what.removeprefix("job-"))]}
        return httpx.Response(200, content=json.dumps(state))

    service.answer = answer
    run.add(numbers(len(outputs)))
    found = [result for result in run.run(endpoint, in_flight=1)]
    stored = list(run.results())
    assert [True] * len(outputs) == [each.succeeded and each.has_output for each in stored]
    assert repr(outputs) == repr([result.output for result in found]) == repr([result.output for result in stored])
    text = io.StringIO()
    run.write(text)
    written = [json.loads(line)["output"] for line in text.getvalue().split("\n") if line]
    assert repr(outputs) == repr(written)


@pytest.mark.parametrize(
    ("body", "status", "output"),
    [
        (
            b'{"id":"job-0","status":"COMPLETED","output":[NaN,Infinity,-Infinity,1]}',
            "COMPLETED",
            [None, None, None, 1],
        ),
        (b'{"id":"job-0","status":"COMPLETED","output":1e999}', "COMPLETED", None),
        (b'{"id":"job-0","status":"COMPLETED"}', "COMPLETED", None),
        (b'{"id":"job-0","status":"completed","output":1}', "COMPLETED", 1),
        (
            b'{"id":"job-0","status":"COMPLETED","output":1,"retries":1e30,"delayTime":-5,"executionTime":1e300}',
            "COMPLETED",
            1,
        ),
        (
            b'{"id":"job-0","status":"COMPLETED","output":{"cost":1e400},"delayTime":"soon"}',
            "COMPLETED",
            {"cost": None},
        ),
        (b'{"id":"job-0","status":"FAILED","error":"\\ud800"}', "FAILED", None),
        (b'{"id":"job-0","status":"FAILED","error":[NaN]}', "FAILED", None),
        (b'{"id":"job-0","status":"FAILED","output":"partial"}', "FAILED", "partial"),
        (b'{"id":"job-0","status":"TIMED_OUT","error":""}', "TIMED_OUT", None),
        (b'{"id":"job-0","status":"CANCELLED","error":{"\\ud800":1}}', "CANCELLED", None),
    ],
)
def test_unusual_ends(
    body: bytes, status: str, output: Any, service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    service.answer = lambda operation, _what: (
        httpx.Response(200, content=body) if operation.startswith("status") else None
    )
    run.add(numbers(1))
    (found,) = collect(run.run(endpoint))
    (stored,) = run.results()
    assert (status, output) == (found.status, stored.output) == (stored.status, stored.output)
    assert b"output" not in body or stored.has_output
    text = io.StringIO()
    assert 1 == run.write(text)
    json.loads(text.getvalue())
    assert [] == collect(run.run(endpoint))
    assert 1 == run.report.submitted


def test_an_output_that_is_nested_too_deeply_fails_its_row_alone(
    service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    deep = b"[" * 600 + b"]" * 600
    service.answer = lambda operation, what: (
        httpx.Response(200, content=b'{"id":"job-0","status":"COMPLETED","output":' + deep + b"}")
        if operation.startswith("status") and what == "job-0"
        else None
    )
    run.add(numbers(2))
    collect(run.run(endpoint, in_flight=1))
    assert ["FAILED", "COMPLETED"] == statuses(run)
    assert "nested deeper than 500 levels" in next(run.results()).error


@pytest.mark.parametrize(
    "status", ["EXPIRED", "DOUBTFUL", "PENDING", "SUBMITTING", "\x1b[31mred", "DONE", "x" * 10_000]
)
def test_a_status_that_is_none(status: str, service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    """A job has not ended before the service says so."""
    seen: list[list[str]] = []

    def answer(operation: str, what: Any) -> Any:
        if not operation.startswith("status") or len(seen) == 5:
            return None
        seen.append(statuses(run))
        return {"id": what, "status": status, "output": 1}

    service.answer = answer
    run.add(numbers(1))
    (found,) = collect(run.run(endpoint))
    assert ("COMPLETED", {"n": 0}) == (found.status, found.output)
    assert [["IN_QUEUE"]] * 5 == seen


@pytest.mark.parametrize("job_id", ["a\x00b", "../../run", "🐎", "x" * 20_000, "' OR 1=1 --", " spaced "])
def test_ids_of_any_kind(job_id: str, service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    service.answer = lambda operation, _what: (
        {"id": job_id, "status": "IN_QUEUE" if operation == "run" else "COMPLETED"}
    )
    run.add(numbers(1))
    collect(run.run(endpoint))
    assert [("COMPLETED", job_id)] == [(result.status, result.job_id) for result in run.results()]


def test_a_job_that_was_completed_at_once(service: Service, endpoint: Endpoint, run: BulkRun) -> None:
    service.answer = lambda _operation, _what: {"id": "job-0", "status": "COMPLETED", "output": {"n": 0}}
    run.add(numbers(1))
    assert [{"n": 0}] == [result.output for result in run.run(endpoint)]
    assert [("run", {"n": 0})] == service.requests


# --- memory ------------------------------------------------------------------------------------


def test_only_what_is_in_flight_is_in_memory(endpoint: Endpoint, run: BulkRun) -> None:
    run.add({"n": n} for n in range(400))
    counts: list[int] = []
    number = 0
    for _ in run.run(endpoint, in_flight=20):
        number += 1
        if number in {150, 350}:
            gc.collect()
            counts.append(sum(type(each) is Entry for each in gc.get_objects()))
    assert 400 == number
    assert max(counts) < 60


def test_time_is_counted_over_all_runs(endpoint: Endpoint, path: Path) -> None:
    start = time.monotonic()
    totals: list[float] = []
    for index in range(3):
        with BulkRun(path) as run:
            run.add([{"n": index}], key="n")
            collect(run.run(endpoint))
            totals.append(run.report.wall_seconds)
    assert sorted(totals) == totals
    assert 0 < totals[0] < totals[2] < time.monotonic() - start + PATIENCE


def test_a_row_that_expired_is_not_resubmitted_as_failed(
    service: Service, endpoint: Endpoint, run: BulkRun
) -> None:
    submit_in_the_past(run, service, 1)
    run._file.apply([Expired(1, '"gone"')])
    assert [] == collect(run.run(endpoint, resubmit="failed"))
    assert ([("1", "job-0")], []) == (run.expired, service.requests)


def test_the_client_of_a_run_can_change(service: Service, run: BulkRun) -> None:
    run.add(numbers(2))
    for _ in range(2):
        with Runpod(
            "rpa_OTHER",
            http_client=httpx.Client(transport=httpx.MockTransport(service.handle)),
            base_url="https://api.example.test/v2",
        ) as client:
            for _ in run.run(client.endpoint("ep"), in_flight=1):
                break
    assert {"COMPLETED": 2} == counted(run)
