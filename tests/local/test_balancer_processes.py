"""HTTP worker processes of load-balancing endpoints."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from runpod.local import LocalEndpoint, LocalServer
from runpod.local.workers import process_pool
from tests.local.api import in_thread, until
from tests.local.balancer import WORKER, Client, worker_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX only")

# It answers its health path with the status in its first argument, or in a file, until that file says otherwise.
SERVER = """
import http.server, os, pathlib, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = int(pathlib.Path(sys.argv[1]).read_text()) if self.path == "/healthz" else 200
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass

assert os.environ["PORT"] == os.environ["PORT_HEALTH"] == sys.argv[2]
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "_FIRST_DELAY", 0.01)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="runpod.local")
    return caplog


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"RUNPOD_API_KEY": "rpa_secret", "PYTHONPATH": "/of/the/server", "HF_TOKEN": "hf"}.items():
            patch.setenv(name, value)
        server = LocalServer({"horse": LocalEndpoint(http_command=WORKER, workers=2)})
        with server, Client(server) as client:
            client.wait_workers(idle=2, ready=2)
            yield client


def serve(*command: str) -> LocalServer:
    return LocalServer({"horse": LocalEndpoint(http_command=[sys.executable, *command])})


@pytest.mark.fact("protocol-2 3.1: port of a worker")
def test_environment_of_a_worker(client: Client) -> None:
    response = client.get("/environment")
    environment: dict[str, str] = response.json()
    assert {
        "RUNPOD_AI_API_KEY": client.server.api_key,
        "RUNPOD_ENDPOINT_ID": "horse",
        "RUNPOD_LOG_LEVEL": "INFO",
        "RUNPOD_PING_INTERVAL": "4000",
        "RUNPOD_POD_HOSTNAME": "localhost",
        "RUNPOD_POD_ID": response.headers["x-runpod-worker-id"],
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    } == {name: value for name, value in environment.items() if name.startswith("RUNPOD_")}
    assert environment["PORT"] == environment["PORT_HEALTH"]
    assert ("hf", False) == (environment["HF_TOKEN"], "PYTHONPATH" in environment)


def test_each_worker_has_its_own_process(client: Client) -> None:
    first, second = client.get("/environment").json(), client.get("/environment").json()
    assert 2 == len({first["PORT"], second["PORT"]})


def test_worker_that_exits_is_replaced(client: Client, log: pytest.LogCaptureFixture) -> None:
    worker = client.worker()
    response = client.get("/exit", f"strict {worker}")
    assert (502, {"error": "bad gateway"}) == (response.status_code, response.json())
    until(lambda: f"horse: worker {worker} exited with status 3" in log.text)
    assert 404 == client.get("/ping", f"strict {worker}").status_code
    client.wait_workers(idle=2, ready=2)
    assert worker not in {client.worker(), client.worker()}


def test_worker_that_is_stopped_and_resumed(client: Client) -> None:
    worker = client.worker()
    with client.http.stream("GET", "/stream", headers={"X-Runpod-Worker-Id": worker}) as response:
        parts = response.iter_raw()
        assert b"one" == next(parts)
        client.server.stop_worker("horse", worker)
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
    assert {"idle": 1, "ready": 1} == client.workers()
    response = client.get("/environment", f"strict-resume {worker}")
    assert (worker, worker) == (response.headers["x-runpod-worker-id"], response.json()["RUNPOD_POD_ID"])


@pytest.mark.fact("protocol-2 3.1: health path")
def test_health_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTH_CHECK_PATH", "/healthz")
    status = tmp_path / "status"
    status.write_text("204")
    with serve("-c", SERVER, str(status), "$PORT") as server, Client(server) as client:
        client.wait_workers(initializing=1)
        held = in_thread(lambda: client.get("/"))
        for text, state in (("503", "unhealthy"), ("204", "initializing")):
            _write(status, text)
            client.wait_workers(**{state: 1})
        assert not held.done()
        _write(status, "200")
        assert 200 == held.result().status_code
        client.wait_workers(idle=1, ready=1)


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_command_that_fails(log: pytest.LogCaptureFixture) -> None:
    def errors() -> list[str]:
        return [record.getMessage() for record in log.records if hasattr(record, "broken_endpoint")]

    with serve("-c", "import sys; print('there is no GPU'); sys.exit(7)") as server, Client(server) as client:
        until(lambda: len(errors()) >= 2)
        assert set(client.workers()) <= {"initializing", "unhealthy"}
    assert "of endpoint 'horse' exited with status 7 before /ping answered 200." in errors()[0]
    assert errors()[0].endswith("Last output: there is no GPU")


def test_missing_program() -> None:
    server = LocalServer({"horse": LocalEndpoint(http_command=["no-such-program"])})
    with pytest.raises(
        RuntimeError, match="command 'no-such-program' of endpoint 'horse' cannot be started: No such file or directory"
    ):
        server.start()
    server.stop()


def test_program_that_was_removed(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    program = tmp_path / "python"
    program.symlink_to(sys.executable)
    server = LocalServer({"horse": LocalEndpoint(http_command=[str(program), "-c", SERVER, "", "$PORT"])})
    with server, Client(server) as client:
        worker = client.worker()
        program.unlink()
        server.stop_worker("horse", worker, remove=True)
        until(lambda: "cannot be started: No such file or directory" in log.text)
        assert {"unhealthy": 1} == client.workers()


def test_key_is_not_logged(log: pytest.LogCaptureFixture) -> None:
    code = "import os, time; print('saddled with', os.environ['RUNPOD_AI_API_KEY']); time.sleep(60)"
    with serve("-c", code) as server:
        until(lambda: "saddled with [key]" in log.text)
        assert server.api_key not in log.text
        [book] = server._endpoints["horse"].queue.logs._books.values()
        assert ("container", "saddled with [key]") == (book.after(1)[0].source, book.after(1)[0].line)


def test_removed_worker_finishes_its_requests() -> None:
    with LocalServer({"horse": LocalEndpoint(http_command=WORKER)}) as server, Client(server) as client:
        with client.http.stream("GET", "/stream") as response:
            parts = response.iter_raw()
            assert b"one" == next(parts)
            process = client.pool.host._processes[worker_of(response)].process
            gate_port = client.pool.host._processes[worker_of(response)].port
            client.on_loop(lambda: client.pool.resize(0, 0))
            assert {} == client.workers()
            httpx.get(f"http://127.0.0.1:{gate_port}/open", trust_env=False)
            assert [b"two"] == list(parts)
        until(lambda: process._exited)


def test_worker_that_ignores_sigterm_is_killed() -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready')\nwhile True: time.sleep(60)"
    )
    with serve("-c", code) as server:
        pool: Any = server._endpoints["horse"].balancer
        [entry] = pool.host._processes.values()
        process = entry.process
        until(lambda: entry.last_line == "ready")
    assert process._exited


def test_gone_worker_is_a_bad_gateway() -> None:
    with LocalServer({"horse": LocalEndpoint(http_command=WORKER)}) as server, Client(server) as client:
        entry: Any = client.pool.host._processes[client.worker()]
        entry.port = 1
        assert (502, {"error": "bad gateway"}) == (client.get("/").status_code, client.get("/").json())
        with pytest.raises(InvalidStatus) as raised:
            connect(f"ws{client.url.removeprefix('http')}/talk", additional_headers=client.headers, proxy=None)
        assert 502 == raised.value.response.status_code
        del client.pool.host._processes[client.pool._workers[0].id]
        assert 502 == client.get("/").status_code
        client.pool.host._processes[client.pool._workers[0].id] = entry  # It is terminated in the end.
