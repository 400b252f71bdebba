"""What becomes of the jobs of `map` when a program ends: at its end, by an error, by Ctrl-C, and after a fork.

What differs between threads and tasks is tested here, too.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod import EndpointLimits, InvalidRequestError, Runpod
from runpod.local import LocalServer
from tests._sync.mapped import Service, numbers, running
from tests.local.api import Gate, until
from tests.processes import started
from tests.servers import KEY, TEST_TIMEOUT, RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from tests.servers import Connection

START = """
import asyncio, os, signal, sys
from runpod import AsyncRunpod, Runpod
settings = {"api_key": sys.argv[1], "base_url": sys.argv[2]}
inputs = ({"n": n} for n in range(1000))
"""

SYNC = """
client = Runpod(**settings)
for result in client.endpoint("horse").map_unordered(inputs, in_flight=5):
    print(result.index, flush=True)
"""

# The variable keeps the map alive while the exception is handled.
SYNC_VARIABLE = """
results = Runpod(**settings).endpoint("horse").map(inputs, in_flight=5)
for result in results:
    print(result, flush=True)
"""

SYNC_WITH = """
with Runpod(**settings) as client, client.endpoint("horse").map_unordered(inputs, in_flight=5) as results:
    for result in results:
        print(result.index, flush=True)
"""

ASYNC = """
async def main():
    client = AsyncRunpod(**settings)
    async for result in client.endpoint("horse").map_unordered(inputs, in_flight=5):
        print(result.index, flush=True)
"""

ASYNC_WITH = """
async def main():
    async with AsyncRunpod(**settings) as client:
        async with client.endpoint("horse").map_unordered(inputs, in_flight=5) as results:
            async for result in results:
                print(result.index, flush=True)
"""

RUN = "asyncio.run(main())\n"
RUN_ON_TRIO = "import trio\ntrio.run(main)\n"

PROGRAMS = {
    "sync": SYNC,
    "sync, variable": SYNC_VARIABLE,
    "sync, with": SYNC_WITH,
    "asyncio": ASYNC + RUN,
    "asyncio, with": ASYNC_WITH + RUN,
    "trio": ASYNC + RUN_ON_TRIO,
    "trio, with": ASYNC_WITH + RUN_ON_TRIO,
}


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def server(gate: Gate) -> Iterator[LocalServer]:
    """All jobs but the first go on until the end of the test."""
    with LocalServer({"horse": lambda job: gate(job) if job["input"]["n"] else 0}, workers=10) as server:
        yield server


def statuses(server: LocalServer) -> list[str]:
    return sorted(job["status"] for job in server.jobs["horse"])


@contextmanager
def start(program: str, *arguments: str) -> Generator[subprocess.Popen[str], None, None]:
    # Programs that do not close their client leave its connections open.
    warnings = ["-W", "error", "-W", "ignore::ResourceWarning"]
    command = [sys.executable, *warnings, "-c", START + textwrap.dedent(program), *arguments]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "RUNPOD_LOG": "warning"}
    with started(command, cwd=root, env=environment) as running:
        yield running


def ended(program: subprocess.Popen[str]) -> tuple[str, str]:
    return program.communicate(timeout=2 * TEST_TIMEOUT)


def cancelled(server: LocalServer, log: str) -> None:
    """All jobs were cancelled but the first, and the log names them."""
    assert ["CANCELLED"] * 5 + ["COMPLETED"] == statuses(server), log
    for job in server.jobs["horse"]:
        message = f"Job {job['id']} on endpoint horse was unfinished when its run ended"
        assert (job["status"] == "CANCELLED") == (message in log), log
    assert "Exception ignored" not in log


def cancelled_or_in_doubt(server: LocalServer, log: str) -> None:
    """The log names each unfinished job that was cancelled, and the input of each that may have been submitted.

    The end of an event loop interrupts submissions that are under way.
    """
    interrupted = log.count("may have been submitted to endpoint horse: its request was interrupted")
    jobs = [job for job in server.jobs["horse"] if job["status"] != "COMPLETED"]
    unfinished = [job["id"] for job in jobs if job["status"] == "CANCELLED"]
    assert len(jobs) - len(unfinished) <= interrupted, log
    assert all(f"Job {job} on endpoint horse was unfinished when its run ended" in log for job in unfinished), log
    assert "Exception ignored" not in log


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
@pytest.mark.parametrize("name", PROGRAMS)
def test_ctrl_c_cancels_the_jobs(name: str, server: LocalServer) -> None:
    with start(PROGRAMS[name], server.api_key, server.base_url) as program:
        assert program.stdout is not None
        assert "0\n" == program.stdout.readline()
        # The five that may be in flight are submitted; the program waits for them.
        until(lambda: len({request.path for request in server.requests if "/status" in request.path}) == 6)
        program.send_signal(signal.SIGINT)
        _, log = ended(program)
    assert program.returncode != 0
    assert "KeyboardInterrupt" in log
    cancelled(server, log)


# As the documentation recommends.
SIGTERM = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM")
@pytest.mark.parametrize("name", ["sync, variable", "sync, with"])
def test_sigterm_as_an_exception_cancels_the_jobs(name: str, server: LocalServer) -> None:
    with start(SIGTERM + PROGRAMS[name], server.api_key, server.base_url) as program:
        assert program.stdout is not None
        assert "0\n" == program.stdout.readline()
        until(lambda: len({request.path for request in server.requests if "/status" in request.path}) == 6)
        program.terminate()
        _, log = ended(program)
    assert 143 == program.returncode, log
    cancelled(server, log)


# How a program ends, and its exit status.
ENDS = {"break": 0, "raise ValueError('mine')": 1, "sys.exit(3)": 3}


@pytest.mark.parametrize(
    ("name", "end"),
    [
        *((name, "break") for name in PROGRAMS),
        *((name, end) for name in ("sync, variable", "asyncio") for end in [*ENDS][1:]),
    ],
)
def test_jobs_are_cancelled_when_a_program_ends(name: str, end: str, server: LocalServer) -> None:
    program = PROGRAMS[name].replace(", flush=True)", f"); {end}")
    with start(program, server.api_key, server.base_url) as running:
        output, log = ended(running)
    assert ("0\n", ENDS[end]) == (output, running.returncode), log
    cancelled_or_in_doubt(server, log)


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
@pytest.mark.parametrize("name", ["sync, variable", "sync, with"])
def test_a_second_ctrl_c_ends_the_program(name: str) -> None:
    """Although the server does not answer the cancellations."""
    cancelling = threading.Event()

    def behave(connection: Connection) -> None:
        while request := connection.read_request():
            path = request.split()[1].decode()
            if "/cancel/" in path:
                cancelling.set()
                connection.hang()
            # The ID of a job is its number.
            body = json.loads(request.partition(b"\r\n\r\n")[2] or "null")
            job_id = f"job-{body['input']['n']}" if body else path.rpartition("/")[2].partition("?")[0]
            status = "IN_QUEUE" if body else "COMPLETED" if job_id == "job-0" else "IN_PROGRESS"
            connection.respond(json.dumps({"id": job_id, "status": status, "output": 0}).encode())

    def is_over() -> bool:
        program.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            program.wait(0.2)
        return program.returncode is not None

    with RawServer(behave) as server, start(PROGRAMS[name], KEY, server.base_url) as program:
        assert program.stdout is not None
        program.stdout.readline()
        until(lambda: sum(b" /v2/horse/status" in request for request in server.requests) > 10)
        program.send_signal(signal.SIGINT)
        assert cancelling.wait(TEST_TIMEOUT)
        # The next one can come before the program waits for the cancellations.
        until(is_over)
        assert "KeyboardInterrupt" in program.communicate()[1]


FORK = """
results = Runpod(**settings).endpoint("horse").map_unordered(({"n": 0} for _ in range(20)), in_flight=5)
next(results)
child = os.fork()
if child == 0:
    results.close()
    try:
        next(results)
    except RuntimeError as error:
        print(error, flush=True)
    sys.exit()
_, status = os.waitpid(child, 0)
print(status, len(list(results)), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_process_does_not_cancel_the_jobs(server: LocalServer) -> None:
    program = FORK
    if sys.version_info >= (3, 12):  # it warns of forks of processes with threads
        program = 'import warnings; warnings.simplefilter("ignore")\n' + program
    with start(program, server.api_key, server.base_url) as running:
        output, log = ended(running)
    message = "The results of a run can only be read in the process and event loop in which it began."
    assert f"{message}\n0 19\n" == output, log
    assert ["COMPLETED"] * 20 == statuses(server)
    assert "cancel" not in log


TWO_LOOPS = """
async def first():
    global results
    results = AsyncRunpod(**settings).endpoint("horse").map_unordered(inputs, in_flight=5)
    print((await anext(results)).index)

async def second():
    try:
        await anext(results)
    except RuntimeError as error:
        print(error)
    await results.aclose()

asyncio.run(first())
asyncio.run(second())
"""


def test_a_map_belongs_to_its_event_loop(server: LocalServer) -> None:
    with start(TWO_LOOPS, server.api_key, server.base_url) as running:
        output, log = ended(running)
    message = "The results of a run can only be read in the process and event loop in which it began."
    assert f"0\n{message}\n" == output, log
    cancelled_or_in_doubt(server, log)


# In threads only


def test_sync_code_takes_no_async_iterable() -> None:
    async def rows() -> AsyncIterator[dict[str, int]]:
        yield {"n": 1}

    with Service().client() as client:
        endpoint: Any = client.endpoint("ep")
        for run in (endpoint.map, endpoint.map_unordered):
            with pytest.raises(
                InvalidRequestError, match=r"not async_generator\. For an async iterable, use AsyncRunpod"
            ):
                run(rows())


def test_rows_of_a_database() -> None:
    """A connection can be used only in the thread that opened it, so one thread reads the inputs."""

    def rows() -> Iterator[dict[str, int]]:
        database = sqlite3.connect(":memory:")
        database.execute("create table t (n)")
        database.executemany("insert into t values (?)", [(n,) for n in range(200)])
        for (n,) in database.execute("select n from t order by n"):
            yield {"n": n}
        database.close()

    with Service().client() as client:
        assert numbers(200) == list(client.endpoint("ep").map(rows(), in_flight=30))


def test_inputs_that_exit() -> None:
    def rows() -> Iterator[dict[str, int]]:
        yield {"n": 0}
        sys.exit(3)

    with Service().client() as client, pytest.raises(SystemExit, match="3"):
        list(client.endpoint("ep").map_unordered(rows(), in_flight=1))


def test_threads_end_with_the_run() -> None:
    with Service().client() as client:
        list(client.endpoint("ep").map(numbers(100), in_flight=30))
        until(lambda: not any(thread.name == "runpod-map" for thread in threading.enumerate()))


def test_a_thousand_jobs_in_flight_have_32_threads() -> None:
    service, others = Service(), set(threading.enumerate())
    threads: set[int] = set()
    polls = 0  # since the last submission

    def answer(operation: str, what: Any) -> Any:
        nonlocal polls
        polls = 0 if operation == "run" else polls + 1
        threads.add(len(set(threading.enumerate()) - others))
        # Not forever, if fewer are in flight.
        ends = len(service.inputs) == 1000 or polls > 3000 or service.ended
        return None if operation == "run" or ends else running(what)

    service.answer = answer
    limits = EndpointLimits(submissions_per_second=10_000, polls_per_second=10_000)
    with service.client(limits=limits) as client:
        assert numbers(1000) == list(client.endpoint("ep").map(numbers(1000), in_flight=1000))
    assert 1000 == service.most
    assert max(threads) <= 32


def test_results_in_another_thread() -> None:
    with Service().client() as client:
        results = client.endpoint("ep").map(numbers(100), in_flight=7)
        seen = [next(results)]
        thread = threading.Thread(target=lambda: seen.extend(results))
        thread.start()
        thread.join()
    assert numbers(100) == seen


def test_a_map_over_a_map() -> None:
    with Service().client() as client:
        endpoint = client.endpoint("ep")
        assert numbers(50) == list(endpoint.map(endpoint.map(numbers(50), in_flight=3), in_flight=5))


def test_a_closed_map_leaves_no_jobs_while_many_threads_work(server: LocalServer) -> None:
    with Runpod(server.api_key, base_url=server.base_url) as client:
        results = client.endpoint("horse").map_unordered(numbers(1000), in_flight=30)
        next(results)
        until(lambda: len(server.jobs["horse"]) >= 15)
        results.close()
    assert {"CANCELLED", "COMPLETED"} == set(statuses(server))
