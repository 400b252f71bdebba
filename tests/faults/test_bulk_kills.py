"""Bulk runs whose process is killed or interrupted: nothing is lost, and nothing is submitted twice.

Six hundredths of 5,000 rows and 100 kills by default: `TEST_SCALE=1 scripts/test -m slow`.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from runpod import Runpod
from runpod._bulk.changes import Doubtful, Ended, Expired, Submitted, Submitting
from runpod._bulk.database import Database
from runpod._bulk.run_file import RunFile
from runpod.bulk import BulkRun
from runpod.errors import RunFileError
from runpod.local import LocalServer
from tests.faults.bulk_program import ENDPOINT, LIMITS, key_of, rows
from tests.faults.secrets import API_KEY
from tests.processes import started
from tests.servers import RawServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager

    from tests.servers import Connection

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

SCALE = float(os.environ.get("TEST_SCALE", "0.06"))
ROWS = int(5000 * SCALE)
KILLS = int(100 * SCALE)
IN_FLIGHT = 40
# How many submissions run at once at most: in sync code, there are 11 threads for them.
SUBMITTING = {"sync": 11, "async": IN_FLIGHT}
PATIENCE = 60.0  # seconds


class Observed:
    """The submissions that a server received and executed, by key."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.executed: Counter[str] = Counter()
        self.changed = threading.Condition()

    def count(self, counter: Counter[str], key: str) -> None:
        with self.changed:
            counter[key] += 1
            self.changed.notify_all()

    def wait_for(self, submissions: int, process: subprocess.Popen[str]) -> None:
        """Wait until so many submissions were received, or the process has ended."""
        with self.changed:
            while self.received.total() < submissions and process.poll() is None:
                self.changed.wait(0.05)


@contextmanager
def observed_server() -> Generator[tuple[LocalServer, Observed], None, None]:
    observed = Observed()
    chance = random.Random(1)

    async def handler(job: dict[str, Any]) -> Any:
        observed.count(observed.executed, job["input"]["key"])
        await anyio.sleep(chance.random() * 0.03)  # the job's duration
        return {"square": job["input"]["n"] ** 2}

    with LocalServer({ENDPOINT: handler}, api_key=API_KEY, workers=16) as server:
        record = server._recorder.add

        def add(method: str, path: str, query: Any, headers: Any, body: bytes) -> None:
            if path.endswith("/run"):
                observed.count(observed.received, json.loads(body)["input"]["key"])
            record(method, path, query, headers, body)

        server._recorder.add = add  # type: ignore[method-assign]
        yield server, observed


def running(
    side: str, base_url: str, path: Path, count: int, in_flight: int = IN_FLIGHT
) -> AbstractContextManager[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-m", "tests.faults.bulk_program", side, base_url, str(path)]
    # Without the measurement of coverage, which takes most of the time.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return started([*command, str(count), str(in_flight)], cwd=Path(__file__).parents[2], env=environment)


def read_until(process: subprocess.Popen[str], line: str) -> str:
    """Read the output of a program until a line that matches a pattern, and return that, or an empty text."""
    assert process.stdout is not None
    return next((found.strip() for found in process.stdout if re.fullmatch(line, found.strip())), "")


def read_rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Read what a program prints until it ends.

    `communicate` would not know what was read ahead with the lines before.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    rest = process.stdout.read(), process.stderr.read()
    process.wait(PATIENCE)
    return rest


def wait_a_moment(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def check_file(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()


@contextmanager
def reading_all_the_time(path: Path) -> Generator[Counter[str], None, None]:
    """Read the file in a loop, as `runpod-sdk bulk status` does, while other processes run it and are killed."""
    ended = threading.Event()
    seen: Counter[str] = Counter()
    problems: list[BaseException] = []

    def read() -> None:
        rows_before = 0
        while not ended.wait(0.01):
            if not path.exists():
                continue
            try:
                with RunFile(path, read_only=True) as file:
                    counts = file.counts()
                    keys = [result.key for result in file.results(inputs=False)]
            except BaseException as error:  # noqa: BLE001 - raised below
                # Between its creation and the first transaction, the file is empty.
                if "is empty" not in str(error):
                    problems.append(error)
                    return
                continue
            # Rows are added in one transaction.
            if rows_before > len(keys) or len(keys) not in {0, ROWS} or len(keys) != len(set(keys)):
                problems.append(AssertionError(f"{rows_before} rows, then {len(keys)}: {counts}"))
                return
            rows_before = len(keys)
            seen["reads"] += 1

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
    assert [] == problems


def moments(chance: random.Random) -> Iterator[str]:
    """When to kill, in ten: once just after the start, once before the rows are added, once during that."""
    while True:
        ten = ["start", "opening", "adding", *["running"] * 7]
        chance.shuffle(ten)
        yield from ten


def kill_at(kind: str, chance: random.Random, process: subprocess.Popen[str], observed: Observed) -> None:
    if kind == "start":
        wait_a_moment(process, chance.random() * 0.01)
    elif kind == "opening":
        wait_a_moment(process, chance.random())
    elif kind == "adding":
        read_until(process, "adding")
        wait_a_moment(process, chance.random() * 0.05)
    else:
        more = chance.randrange(1, ROWS // KILLS // 2)
        observed.wait_for(observed.received.total() + more, process)
        wait_a_moment(process, chance.random() * 0.02)
    process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("side", ["sync", "async"])
def test_kills_at_random_moments(side: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    chance = random.Random(787)
    kinds_of_moments = moments(chance)
    kinds: Counter[str] = Counter()
    doubtful_before = 0
    kills = restarts = 0
    with observed_server() as (server, observed), reading_all_the_time(path) as seen:
        start = time.monotonic()
        while True:
            with running(side, server.base_url, path, ROWS) as process:
                if kills < KILLS:
                    kind = next(kinds_of_moments)
                    kinds[kind] += 1
                    kill_at(kind, chance, process, observed)
                output, log = read_rest(process)
            if process.returncode == 0:
                assert output.endswith("end\n"), log
                break
            assert -signal.SIGKILL == process.returncode, log
            kills += 1
            restarts += 1
            # At most the requests in flight at this kill are in doubt.
            if path.exists():
                with BulkRun(path) as run:
                    doubtful = len(run.doubtful)
                assert doubtful - doubtful_before <= SUBMITTING[side]
                doubtful_before = doubtful
        seconds = time.monotonic() - start
        duplicates = {key: count for key, count in observed.received.items() if count > 1}
        jobs = server.jobs[ENDPOINT]
        with BulkRun(path) as run:
            results = list(run.results())
            doubtful_keys = {key for key, _ in run.doubtful}
        print(  # noqa: T201
            f"{side}: {kills} kills ({dict(kinds)}), {restarts} restarts, {ROWS} rows, {len(doubtful_keys)} in doubt, "
            f"of which {sum(observed.received[key] for key in doubtful_keys)} were received; "
            f"{len(duplicates)} duplicates, {len(jobs)} jobs, {seen['reads']} reads meanwhile, {seconds:.0f} s"
        )
        # No key was submitted twice, and no job was created twice.
        assert {} == duplicates
        assert {} == {key: count for key, count in observed.executed.items() if count > 1}
        assert len(jobs) == observed.received.total() == len(observed.received)
        # Every row is accounted for exactly once.
        assert [key_of(number) for number in range(ROWS)] == [result.key for result in results]
        assert {"COMPLETED", "DOUBTFUL"} >= {result.status for result in results}
        assert doubtful_keys == {result.key for result in results if result.status == "DOUBTFUL"}
        assert len(doubtful_keys) <= kills * SUBMITTING[side]
        for number, result in enumerate(results):
            if result.status == "COMPLETED":
                assert ({"square": number**2}, 1) == (result.output, observed.received[result.key])
        assert KILLS <= kills
        check_file(path)
        # What was in doubt is submitted once more, on request.
        with Runpod(API_KEY, base_url=server.base_url, limits=LIMITS) as client, BulkRun(path) as run:
            again = [result.key for result in run.run(client.endpoint(ENDPOINT), resubmit="doubtful")]
            assert sorted(doubtful_keys) == sorted(again)
            assert [("COMPLETED", {"square": n**2}) for n in range(ROWS)] == [
                (result.status, result.output) for result in run.results()
            ]
        assert doubtful_keys >= {key for key, count in observed.received.items() if count > 1}
        check_file(path)


class Scripted:
    """A server that answers by the number of the row: its ID, and its state when it is polled.

    The submissions of the rows in `held` are answered when they are released. The polls of jobs that do not end are
    never answered.
    """

    def __init__(self, *, completing: set[int], held: set[int]) -> None:
        self.completing = completing
        self.held = held
        self.released = threading.Event()
        self.arrived: Counter[str] = Counter()
        self._changed = threading.Condition()

    def __call__(self, connection: Connection) -> None:
        while request := connection.read_request():
            method, target = request.split(b" ", 2)[:2]
            what = target.decode().partition("?")[0].partition(f"/{ENDPOINT}/")[2]
            if what == "run":
                number = json.loads(request.partition(b"\r\n\r\n")[2])["input"]["n"]
                what = f"run {number}"
            else:
                number = int(what.partition("job-")[2])
            with self._changed:
                self.arrived[what] += 1
                self._changed.notify_all()
            if what.startswith("run"):
                if number in self.held:
                    self.released.wait(PATIENCE)
                self._respond(connection, number, "IN_QUEUE")
            elif what.startswith("status") and number in self.completing:
                self._respond(connection, number, "COMPLETED")
            elif method == b"GET":
                connection.hang()

    def _respond(self, connection: Connection, number: int, status: str) -> None:
        output = {"output": number} if status == "COMPLETED" else {}
        connection.respond(json.dumps({"id": f"job-{number}", "status": status, **output}).encode())

    def wait_for(self, *requests: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: {*requests} <= {*self.arrived}, PATIENCE), self.arrived

    @property
    def submitted_twice(self) -> list[str]:
        return [what for what, count in self.arrived.items() if what.startswith("run") and count > 1]

    @property
    def cancelled(self) -> list[str]:
        return [what for what in self.arrived if what.startswith("cancel")]


def statuses(path: Path) -> list[tuple[str, str, str | None]]:
    with RunFile(path, read_only=True) as file:
        return [(result.key, result.status, result.job_id) for result in file.results()]


@pytest.mark.parametrize("side", ["sync", "async"])
def test_kill_with_rows_in_all_states(side: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with RunFile(path) as file:
        file.bind(ENDPOINT)
        file.add(rows(6), key="key")
        file.apply([Submitting(number) for number in range(1, 7)])
        file.apply([Submitted(number, f"job-{number - 1}") for number in (1, 2, 3, 4, 6)])
        ends = ("COMPLETED", "1"), ("FAILED", None), ("CANCELLED", None), ("TIMED_OUT", None)
        file.apply([Ended(number, *end) for number, end in enumerate(ends, 1)])
        file.apply([Doubtful(5), Expired(6)])
    script = Scripted(completing={6}, held={8})
    with RawServer(script) as server:
        with running(side, server.base_url, path, 11, in_flight=3) as process:
            assert "row-6" == read_until(process, "row-6")
            # The IDs of jobs that are polled are stored.
            script.wait_for("run 8", "status-sync/job-7", "status-sync/job-9")
            process.kill()
            process.wait()
        script.released.set()
        expected = [
            ("row-0", "COMPLETED", "job-0"),
            ("row-1", "FAILED", "job-1"),
            ("row-2", "CANCELLED", "job-2"),
            ("row-3", "TIMED_OUT", "job-3"),
            ("row-4", "DOUBTFUL", None),
            ("row-5", "EXPIRED", "job-5"),
            ("row-6", "COMPLETED", "job-6"),
            ("row-7", "IN_QUEUE", "job-7"),
            ("row-8", "DOUBTFUL", None),
            ("row-9", "IN_QUEUE", "job-9"),
            ("row-10", "PENDING", None),
        ]
        assert expected == statuses(path)
        check_file(path)
        # The next run waits for what was submitted, and submits the rest.
        script.completing |= {7, 9, 10}
        with Runpod(API_KEY, base_url=server.base_url) as client, BulkRun(path) as run:
            assert [("row-4", None), ("row-8", None)] == run.doubtful
            assert [("row-5", "job-5")] == run.expired
            keys = [(result.key, result.output) for result in run.run(client.endpoint(ENDPOINT))]
            assert [("row-10", 10), ("row-7", 7), ("row-9", 9)] == sorted(keys)
            assert {"COMPLETED": 5, "DOUBTFUL": 2} == {
                status: count for status, count in run.counts.items() if status in {"COMPLETED", "DOUBTFUL"}
            }
        assert [] == script.submitted_twice


# A line that names an exception.
EXCEPTION = r"\w+(Interrupt|Error)"


def goes_on(side: str, base_url: str, path: Path, script: Scripted, *, doubtful: set[int]) -> None:
    """The next run completes all rows but those in doubt. Nothing was ever cancelled, or submitted twice."""
    script.released.set()
    script.completing |= set(range(10))
    with running(side, base_url, path, 10) as process:
        output, log = read_rest(process)
    assert output.endswith("end\n"), log
    assert [
        (f"row-{n}", "DOUBTFUL", None) if n in doubtful else (f"row-{n}", "COMPLETED", f"job-{n}") for n in range(10)
    ] == statuses(path)
    assert ([], []) == (script.cancelled, script.submitted_twice)


@pytest.mark.parametrize("side", ["sync", "async"])
def test_an_interrupt_keeps_the_jobs_and_leaves_nothing_in_doubt(side: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    script = Scripted(completing={0}, held={3, 4})
    with RawServer(script) as server:
        with running(side, server.base_url, path, 10, in_flight=4) as process:
            script.wait_for("status-sync/job-1", "status-sync/job-2", "run 3", "run 4")
            process.send_signal(signal.SIGINT)
            assert read_until(process, EXCEPTION)
            script.released.set()
            # Not the end of the polls.
            output, log = read_rest(process)
        assert ("interrupted\n", "", 0) == (output, log, process.returncode)
        found = statuses(path)
        doubtful = {n for n in (3, 4) if found[n][1] == "DOUBTFUL"}
        # Before Python 3.11, asyncio.run interrupts all tasks at once, or one of them and then the others.
        assert not doubtful or (side == "async" and sys.version_info < (3, 11))
        submitted = [(f"row-{n}", "IN_QUEUE", f"job-{n}") for n in (1, 2, 3, 4)]
        for n in doubtful:
            submitted[n - 1] = (f"row-{n}", "DOUBTFUL", None)
        pending = [(f"row-{n}", "PENDING", None) for n in range(5, 10)]
        assert [("row-0", "COMPLETED", "job-0"), *submitted, *pending] == found
        goes_on(side, server.base_url, path, script, doubtful=doubtful)


@pytest.mark.parametrize("side", ["sync", "async"])
def test_a_second_interrupt_ends_the_process_at_once(side: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    script = Scripted(completing={0}, held={3, 4})
    with RawServer(script) as server:
        with running(side, server.base_url, path, 10, in_flight=4) as process:
            script.wait_for("status-sync/job-1", "status-sync/job-2", "run 3", "run 4")
            process.send_signal(signal.SIGINT)
            assert read_until(process, EXCEPTION)
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
                wait_a_moment(process, 0.5)
            assert not script.released.is_set()
        submitted = [(f"row-{n}", "IN_QUEUE", f"job-{n}") for n in (1, 2)]
        doubtful = [(f"row-{n}", "DOUBTFUL", None) for n in (3, 4)]
        pending = [(f"row-{n}", "PENDING", None) for n in range(5, 10)]
        assert [("row-0", "COMPLETED", "job-0"), *submitted, *doubtful, *pending] == statuses(path)
        check_file(path)
        goes_on(side, server.base_url, path, script, doubtful={3, 4})


def test_a_file_that_another_process_is_creating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader sees the file before or after that, not as the database of another program."""
    path = tmp_path / "run.sqlite"
    connect = Database._connect
    # What a process leaves that is killed before its first transaction.
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()

    class Slow(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if statement == "PRAGMA user_version":
                monkeypatch.setattr(Database, "_connect", connect)
                RunFile(path).close()
            return super().execute(statement, *values)

    def slow(_: Database, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, factory=Slow)

    monkeypatch.setattr(Database, "_connect", slow)
    with pytest.raises(RunFileError, match="is empty"):
        RunFile(path, read_only=True)
    with RunFile(path, read_only=True) as file:
        assert 0 == sum(file.counts().values())
