"""Worker processes: a script without dependencies that behaves like the official worker."""

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
from tests.local.api import TIMEOUT, Api, until
from tests.processes import started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX only")

WORKER = [sys.executable, str(Path(__file__).with_name("worker.py"))]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="runpod.local")
    return caplog


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    """A server with one worker, for tests that do not modify it."""
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
    # A zombie is still in the process table.
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or " Z " not in state.read_text(encoding="utf-8", errors="replace")


def test_worker_states(shared: Api) -> None:
    assert set(workers(shared)) <= {"initializing", "idle", "ready"}
    job = shared.run_sync(n=1)
    assert ("COMPLETED", job["workerId"]) == (job["status"], job["output"])
    until(lambda: {"idle": 1, "ready": 1} == workers(shared))


def test_environment_of_a_worker_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_worker_ids_are_unique() -> None:
    with start(workers=2) as server, Api(server) as api:
        until(lambda: {"idle": 2, "ready": 2} == workers(api))
        ids = {api.run_sync(do="refresh")["output"] for _ in range(3)}
    assert 3 == len(ids)


def test_worker_output_is_logged_without_the_key(shared: Api, log: pytest.LogCaptureFixture) -> None:
    shared.run_sync(do="say", text=f"saddling with {shared.server.api_key}")
    until(lambda: "saddling with [key]" in log.text)
    entry = '{"requestId": "j1", "message": "Finished.", "level": "INFO"}'
    for text in (entry, '{"level": 1}', "{", "{}"):
        shared.run_sync(do="say", text=text)
    worker_id = shared.run_sync()["workerId"]
    expected = [f"horse: worker {worker_id}: {text}" for text in ("INFO Finished. (job j1)", '{"level": 1}', "{", "{}")]
    until(lambda: expected == [line for line in log.messages if f"worker {worker_id}: " in line][-4:])


def test_crashed_worker_is_replaced_and_its_job_retried(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    with start() as server, Api(server) as api:
        job = api.run_sync(do="crash once", mark=str(tmp_path / "mark"))
        assert ("COMPLETED", "survived", 1) == (job["status"], job["output"], job["retries"])
        assert "exited with status 3" in log.text
        assert 1 == api.get("/health")["jobs"]["retried"]


def test_job_that_crashes_its_workers_fails() -> None:
    with start(workers=2) as server, Api(server) as api:
        job = api.run_sync(do="crash")
        # Captured from the service: `{"error": "job timed out after 1 retries", "retries": 1, "status": "FAILED", …}`
        assert ("FAILED", "job timed out after 1 retries", 1) == (job["status"], job["error"], job["retries"])
        assert "COMPLETED" == api.run_sync(n=1)["status"]


def test_worker_that_is_killed_while_idle_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "_FIRST_DELAY", 0.01)
    with start() as server, Api(server) as api:
        environment = api.run_sync(do="environment")
        [slot] = server._endpoints["horse"].pool._slots  # type: ignore[attr-defined]
        assert slot.worker_id == environment["workerId"]
        os.kill(slot.process.pid, signal.SIGKILL)
        assert environment["workerId"] != api.run_sync(n=1)["output"]


def test_worker_that_requests_a_restart_is_replaced() -> None:
    with start() as server, Api(server) as api:
        first = api.run_sync(do="refresh")["output"]
        # The next one may have started already.
        assert workers(api) in ({"initializing": 1}, {"idle": 1, "ready": 1})
        assert first != api.run_sync()["output"]


def test_worker_that_hangs_past_the_execution_timeout_is_replaced(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with start() as server, Api(server) as api:
        server._endpoints["horse"].remote_workers._stop_grace = 0.0
        body = {"input": {"do": "hang", "mark": str(mark)}, "policy": {"executionTimeout": 5000}}
        job_id = api.post("/run", body)["id"]
        for _ in range(2):
            until(mark.exists)
            mark.unlink()
            server.advance(5)
        assert ("FAILED", 1) == (api.end(job_id)["status"], api.status(job_id)["retries"])
        assert "COMPLETED" == api.run_sync(n=1)["status"]


# Commands that are not workers


def test_missing_program() -> None:
    server = LocalServer({"horse": LocalEndpoint(command=["no-such-program", "worker.py"])})
    message = (
        r"^The worker command 'no-such-program worker.py' of endpoint 'horse' cannot be started: "
        r"No such file or directory\. Check the path of the program\.$"
    )
    with pytest.raises(RuntimeError, match=message):
        server.start()
    server.stop()


def test_failed_start_terminates_started_workers(log: pytest.LogCaptureFixture) -> None:
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
            "of endpoint 'horse' exited with status 7 before it requested a job. Last output: there is no GPU",
        ),
        (
            [*WORKER, "unhealthy"],
            "exited with status 1 before it requested a job. Last output: _memory_check: RuntimeError: 4 GB needed",
        ),
        (
            [sys.executable, "-c", "import runpod.serverless"],
            "uses a Python that has this package instead of the official one",
        ),
        (
            [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
            "of endpoint 'horse' was terminated by signal 9 before it requested a job.",
        ),
    ],
    ids=[
        "a worker that fails",
        "an unhealthy worker",
        "this package instead of the official one",
        "a worker that is killed",
    ],
)
def test_command_that_is_not_a_worker(
    command: list[str], message: str, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "_FIRST_DELAY", 0.01)

    def errors() -> list[str]:
        return [record.message for record in log.records if hasattr(record, "broken_endpoint")]

    with LocalServer({"horse": LocalEndpoint(command=command)}) as server, Api(server) as api:
        until(lambda: len(errors()) >= 2)
        assert set(workers(api)) <= {"unhealthy", "initializing"}
    assert message in errors()[0]


def test_restart_delay_grows() -> None:
    delays = [process_pool.restart_delay(failures) for failures in range(1, 10)]
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == delays
    assert 30.0 == process_pool.restart_delay(10_000)


def test_worker_that_exits_after_requesting_a_job_is_not_a_broken_command(
    log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "restart_delay", lambda _: 0.01)
    with start("ends") as server, Api(server) as api:
        api.run()
        until(lambda: log.text.count("exited with status 7") >= 2)
    assert not [record for record in log.records if hasattr(record, "broken_endpoint")]


def test_program_that_was_removed(
    tmp_path: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "restart_delay", lambda _: 0.01)
    program = tmp_path / "python"
    program.symlink_to(sys.executable)
    with LocalServer({"horse": LocalEndpoint(command=[str(program), *WORKER[1:]])}) as server, Api(server) as api:
        until(lambda: {"idle": 1, "ready": 1} == workers(api))
        program.unlink()
        api.run_sync(do="refresh")
        until(lambda: "cannot be restarted: No such file or directory" in log.text)
        assert {"unhealthy": 1} == workers(api)


# Stopping


@pytest.mark.parametrize("mode", [[], ["ignore SIGTERM"]])
def test_stop_terminates_all_processes(mode: list[str]) -> None:
    with start(*mode, workers=2) as server, Api(server) as api:
        pids = api.run_sync(do="start a child that ignores SIGTERM")["output"]
        assert all(map(alive, pids))
    until(lambda: not any(map(alive, pids)))


def test_child_processes_end_with_their_worker() -> None:
    with start() as server, Api(server) as api:
        _, child = api.run_sync(do="start a child that ignores SIGTERM")["output"]
        api.run_sync(do="crash")
        until(lambda: not alive(child))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT], ids=lambda n: n.name)
def test_workers_are_terminated_if_the_server_is_killed(number: signal.Signals) -> None:
    program = f"""
import signal
from runpod.local import LocalEndpoint, LocalServer
with LocalServer({{"horse": LocalEndpoint(command={[*WORKER, "ignore SIGTERM"]!r})}}) as server:
    print(server.base_url, server.api_key, flush=True)
    signal.pause()
"""
    command = [sys.executable, "-c", program]
    with started(command, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        base_url, api_key = process.stdout.readline().split()

        class RemoteServer:
            def __init__(self) -> None:
                self.base_url, self.api_key = base_url, api_key

        with Api(RemoteServer()) as api:  # type: ignore[arg-type]
            pids = api.run_sync(do="start a child that ignores SIGTERM")["output"]
        process.send_signal(number)
        process.wait(TIMEOUT)
    until(lambda: not any(map(alive, pids)))


# Invalid settings


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, TypeError, "needs a handler or a worker command"),
        ({"handler": print, "command": WORKER}, ValueError, "a handler or a worker command, not both"),
        ({"command": "python worker.py"}, TypeError, "must be a list"),
        ({"command": []}, TypeError, "must be a list"),
        ({"command": [""]}, TypeError, "as str"),
        ({"command": ["python", Path("worker.py")]}, TypeError, "as str"),
        ({"command": WORKER, "cold_start": timedelta(seconds=1)}, ValueError, "apply to handlers only"),
        ({"command": WORKER, "return_aggregate_stream": True}, ValueError, "apply to handlers only"),
    ],
)
def test_invalid_settings(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    endpoint: Callable[..., object] = LocalEndpoint
    with pytest.raises(error, match=message):
        endpoint(**settings)
