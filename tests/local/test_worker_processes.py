"""Workers that are processes: a script without any package, which takes jobs as the official worker does."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import LocalEndpoint, LocalServer
from runpod.local.workers import process_pool
from tests.local.api import PATIENCE, Api, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="groups of processes are POSIX")

WORKER = [sys.executable, str(Path(__file__).with_name("worker.py"))]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="runpod.local")
    return caplog


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    """One worker for the tests that leave it as it was."""
    with start() as server, Api(server) as api:
        yield api


def start(*arguments: str, workers: int = 1) -> LocalServer:
    return LocalServer({"horse": LocalEndpoint(command=[*WORKER, *arguments], workers=workers)})


def workers(api: Api) -> dict[str, int]:
    return {state: number for state, number in api.get("/health")["workers"].items() if number}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # What has ended and is only waited for by nobody is in the table still.
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or " Z " not in state.read_text(encoding="utf-8", errors="replace")


def test_a_worker_boots_works_and_waits(shared: Api) -> None:
    assert set(workers(shared)) <= {"initializing", "idle", "ready"}
    job = shared.run_sync(n=1)
    assert ("COMPLETED", job["workerId"]) == (job["status"], job["output"])
    until(lambda: {"idle": 1, "ready": 1} == workers(shared))


def test_a_worker_has_the_environment_of_a_worker_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"RUNPOD_API_KEY": "rpa_secret", "RUNPOD_ENDPOINT_BASE_URL": "https://api.runpod.ai/v2"}
    for name, value in {**secrets, "PYTHONPATH": "/of/the/server", "HF_TOKEN": "hf"}.items():
        monkeypatch.setenv(name, value)
    with start() as server, Api(server) as api:
        environment: dict[str, str] = api.run_sync(do="environment")["output"]
    runpods = {name: value for name, value in environment.items() if name.startswith("RUNPOD_")}
    address = f"{server.base_url}/horse"
    worker_id, token = runpods["RUNPOD_POD_ID"], runpods["RUNPOD_WEBHOOK_PING"].rpartition("=")[2]
    expected = {
        "RUNPOD_WEBHOOK_GET_JOB": f"{address}/job-take/$ID?gpu=none&token={token}",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{address}/job-done/$RUNPOD_POD_ID/$ID?gpu=none&token={token}",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{address}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none&token={token}",
        "RUNPOD_WEBHOOK_PING": f"{address}/ping/$RUNPOD_POD_ID?gpu=none&token={token}",
        "RUNPOD_PING_INTERVAL": "4000",
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_POD_HOSTNAME": "localhost",
        "RUNPOD_ENDPOINT_ID": "horse",
        "RUNPOD_AI_API_KEY": server.api_key,
        "RUNPOD_LOG_LEVEL": "INFO",
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }
    assert expected == runpods
    assert "PYTHONPATH" not in environment
    assert "hf" == environment["HF_TOKEN"]


def test_each_worker_has_an_id_of_its_own() -> None:
    with start(workers=2) as server, Api(server) as api:
        until(lambda: {"idle": 2, "ready": 2} == workers(api))
        ids = {api.run_sync(do="refresh")["output"] for _ in range(3)}
    assert 3 == len(ids)


def test_what_a_worker_says_is_logged_without_the_key(shared: Api, log: pytest.LogCaptureFixture) -> None:
    shared.run_sync(do="say", text=f"saddling with {shared.server.api_key}")
    until(lambda: "saddling with [key]" in log.text)
    said = '{"requestId": "j1", "message": "Finished.", "level": "INFO"}'
    for text in (said, '{"level": 1}', "{", "{}"):
        shared.run_sync(do="say", text=text)
    worker_id = shared.run_sync()["workerId"]
    expected = [f"horse: worker {worker_id}: {text}" for text in ("INFO Finished. (job j1)", '{"level": 1}', "{", "{}")]
    until(lambda: expected == [line for line in log.messages if f"worker {worker_id}: " in line][-4:])


def test_a_worker_that_dies_is_replaced_and_its_job_done_by_another(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    with start() as server, Api(server) as api:
        job = api.run_sync(do="crash once", mark=str(tmp_path / "mark"))
        assert ("COMPLETED", "survived", 1) == (job["status"], job["output"], job["retries"])
        assert "ended with status 3" in log.text
        assert 1 == api.get("/health")["jobs"]["retried"]


def test_a_job_that_kills_its_workers_is_given_up() -> None:
    with start(workers=2) as server, Api(server) as api:
        job = api.run_sync(do="crash")
        # Captured from the service: `{"error": "job timed out after 1 retries", "retries": 1, "status": "FAILED", …}`
        assert ("FAILED", "job timed out after 1 retries", 1) == (job["status"], job["error"], job["retries"])
        assert "COMPLETED" == api.run_sync(n=1)["status"]


def test_a_worker_that_is_killed_while_idle_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "_FIRST_REST", 0.01)
    with start() as server, Api(server) as api:
        environment = api.run_sync(do="environment")
        [place] = server._endpoints["horse"].pool._places  # type: ignore[attr-defined]
        assert place.worker_id == environment["workerId"]
        os.kill(place.process.pid, signal.SIGKILL)
        assert environment["workerId"] != api.run_sync(n=1)["output"]


def test_a_worker_that_asks_for_it_is_started_anew() -> None:
    with start() as server, Api(server) as api:
        first = api.run_sync(do="refresh")["output"]
        assert {"initializing": 1} == workers(api)
        assert first != api.run_sync()["output"]


def test_a_worker_that_does_not_let_go_of_a_job_that_ran_out_of_time_is_replaced(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with start() as server, Api(server) as api:
        server._endpoints["horse"].workers._stop_grace = 0.0
        body = {"input": {"do": "hang", "mark": str(mark)}, "policy": {"executionTimeout": 5000}}
        job_id = api.post("/run", body)["id"]
        for _ in range(2):
            until(mark.exists)
            mark.unlink()
            server.advance(5)
        assert ("FAILED", 1) == (api.end(job_id)["status"], api.status(job_id)["retries"])
        assert "COMPLETED" == api.run_sync(n=1)["status"]


# A command that is no worker


def test_a_program_that_is_not_there() -> None:
    server = LocalServer({"horse": LocalEndpoint(command=["no-such-program", "worker.py"])})
    message = (
        r"^The worker command 'no-such-program worker.py' of endpoint 'horse' does not start: "
        r"No such file or directory\. Check the path of the program\.$"
    )
    with pytest.raises(RuntimeError, match=message):
        server.start()
    server.stop()


def test_those_that_were_started_before_it_are_ended(log: pytest.LogCaptureFixture) -> None:
    endpoints = {"horse": LocalEndpoint(command=WORKER), "cow": LocalEndpoint(command=["no-such-program"])}
    with pytest.raises(RuntimeError, match="no-such-program"):
        LocalServer(endpoints).start()
    [started] = [record for record in log.records if "started" in record.message]
    assert isinstance(started.args, tuple)
    assert not alive(started.args[-1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            [*WORKER, "fails"],
            "of endpoint 'horse' ended with status 7 before it asked for a job. Its last words: there is no GPU",
        ),
        (
            [*WORKER, "is not fit"],
            "ended with status 1 before it asked for a job. Its last words: _memory_check: RuntimeError: 4 GB needed",
        ),
        (
            [sys.executable, "-c", "import runpod.serverless"],
            "is run by a Python that has this package instead of the official one",
        ),
        (
            [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
            "of endpoint 'horse' was ended by signal 9 before it asked for a job.",
        ),
    ],
    ids=[
        "a worker that fails",
        "a worker that is not fit",
        "this package in the place of the official one",
        "a worker that is killed",
    ],
)
def test_a_command_that_is_no_worker(
    command: list[str], message: str, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "_FIRST_REST", 0.01)

    def complaints() -> list[str]:
        return [record.message for record in log.records if hasattr(record, "broken_endpoint")]

    with LocalServer({"horse": LocalEndpoint(command=command)}) as server, Api(server) as api:
        until(lambda: len(complaints()) >= 2)
        assert set(workers(api)) <= {"unhealthy", "initializing"}
    assert message in complaints()[0]


def test_a_worker_that_dies_without_a_job_rests_longer_each_time() -> None:
    rests = [process_pool.rest_after(failures) for failures in range(1, 10)]
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == rests
    assert 30.0 == process_pool.rest_after(10_000)


def test_a_worker_that_asked_and_then_dies_is_no_broken_command(
    log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "rest_after", lambda _: 0.01)
    with start("ends") as server, Api(server) as api:
        api.run()
        until(lambda: log.text.count("ended with status 7") >= 2)
    assert not [record for record in log.records if hasattr(record, "broken_endpoint")]


def test_a_program_that_has_gone_meanwhile(
    tmp_path: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "rest_after", lambda _: 0.01)
    program = tmp_path / "python"
    program.symlink_to(sys.executable)
    with LocalServer({"horse": LocalEndpoint(command=[str(program), *WORKER[1:]])}) as server, Api(server) as api:
        until(lambda: {"idle": 1, "ready": 1} == workers(api))
        program.unlink()
        api.run_sync(do="refresh")
        until(lambda: "does not start any more: No such file or directory" in log.text)
        assert {"unhealthy": 1} == workers(api)


# The end


@pytest.mark.parametrize("mode", [[], ["ignorant"]])
def test_nothing_is_left_at_the_end(mode: list[str]) -> None:
    with start(*mode, workers=2) as server, Api(server) as api:
        pids = api.run_sync(do="have a child that does not care")["output"]
        assert all(map(alive, pids))
    until(lambda: not any(map(alive, pids)))


def test_what_a_worker_started_ends_with_it() -> None:
    with start() as server, Api(server) as api:
        _, child = api.run_sync(do="have a child that does not care")["output"]
        api.run_sync(do="crash")
        until(lambda: not alive(child))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT], ids=lambda n: n.name)
def test_nothing_is_left_where_the_server_is_killed(number: signal.Signals) -> None:
    program = f"""
import signal
from runpod.local import LocalEndpoint, LocalServer
# Whoever runs the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with LocalServer({{"horse": LocalEndpoint(command={[*WORKER, "ignorant"]!r})}}) as server:
    print(server.base_url, server.api_key, flush=True)
    signal.pause()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        base_url, api_key = process.stdout.readline().split()

        class Elsewhere:
            def __init__(self) -> None:
                self.base_url, self.api_key = base_url, api_key

        with Api(Elsewhere()) as api:  # type: ignore[arg-type]
            pids = api.run_sync(do="have a child that does not care")["output"]
        process.send_signal(number)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
    until(lambda: not any(map(alive, pids)))


# Settings that cannot be


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, TypeError, "needs a handler or a worker command"),
        ({"handler": print, "command": WORKER}, ValueError, "a handler or a worker command, not both"),
        ({"command": "python worker.py"}, TypeError, "as a list"),
        ({"command": []}, TypeError, "as a list"),
        ({"command": [""]}, TypeError, "as str"),
        ({"command": ["python", Path("worker.py")]}, TypeError, "as str"),
        ({"command": WORKER, "cold_start": timedelta(seconds=1)}, ValueError, "are for handlers"),
        ({"command": WORKER, "return_aggregate_stream": True}, ValueError, "are for handlers"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    endpoint: Callable[..., object] = LocalEndpoint
    with pytest.raises(error, match=message):
        endpoint(**settings)
