"""`scripts/live` leaves no job running, however it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from live_checks.__main__ import run
from live_checks.interrupts import interrupted_later
from live_checks.service import Service
from runpod.local import LocalEndpoint, LocalServer
from tests.facts.live import NAMES, ROOT, InterruptedClock, ServerClock, endless, hostile, perform, service_of
from tests.local.api import until
from tests.processes import started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Connection


def test_jobs_that_never_end_are_cancelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = hostile(endless, folder=tmp_path)
    cancelled = [each["request"] for each in outcome.report["exchanges"] if each["check"] == "(cancelling)"]
    assert len(cancelled) >= 3
    assert [] == outcome.report["jobs_left"]
    assert "may still run" not in capsys.readouterr().err


@pytest.mark.parametrize("status", ["IN_PROGRESS", "", "CANCELLED"])
def test_a_job_is_cancelled_if_the_response_says_so(
    status: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def behave(connection: Connection) -> None:
        while request := connection.read_request():
            found = status if b"/cancel/" in request else "IN_PROGRESS"
            connection.respond(json.dumps({"id": "j", "status": found}).encode())

    left = ["j"] if status != "CANCELLED" else []
    assert left == hostile(behave, "list-as-input", folder=tmp_path).report["jobs_left"]
    assert bool(left) is ("These jobs may still run: j" in capsys.readouterr().err)


@pytest.mark.parametrize(("last", "left"), [("404 Gone", []), ("200 OK", []), ("503 Down", ["j"])])
def test_a_job_that_is_not_found_yet_is_cancelled_later(last: str, left: list[str], tmp_path: Path) -> None:
    cancels: list[bytes] = []

    def behave(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/cancel/" in request:
                cancels.append(request)
                connection.respond(b'{"status": "CANCELLED"}', status=["404 Gone", "502 Bad", last][len(cancels) - 1])
            else:
                connection.respond(b'{"id": "j", "status": "IN_QUEUE"}')

    assert left == hostile(behave, "list-as-input", folder=tmp_path).report["jobs_left"]
    assert 3 == len(cancels)


def test_an_error_of_the_program_cancels_the_jobs(tmp_path: Path) -> None:
    class Closed(ServerClock):
        def sleep(self, seconds: float) -> None:
            raise BrokenPipeError

    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        service = service_of(server, "fresh-job", clock=Closed())
        with pytest.raises(BrokenPipeError):
            run(service, [NAMES["fresh-job"]], tmp_path)
        assert ["CANCELLED"] == [job["status"] for job in server.jobs["horse"]]
        service.close()


def test_a_lost_submission_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def lose(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/run " in request:
                connection.reset()
                return
            connection.respond(b"{}")

    outcome = hostile(lose, "short-policy", folder=tmp_path)
    assert (1, {"not decided"}) == (outcome.report["jobs_without_id"], set(outcome.verdicts.values()))
    assert "1 jobs may run whose IDs are unknown" in capsys.readouterr().err
    assert "1 of them may still run" in outcome.markdown


def test_a_job_that_an_incomplete_response_names_is_cancelled(tmp_path: Path) -> None:
    def cut(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/run " in request:
                connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id": "job-7", "sta')
                return
            connection.respond(b"{}")

    outcome = hostile(cut, "list-as-input", folder=tmp_path)
    assert 0 == outcome.report["jobs_without_id"]
    assert "POST /{endpoint}/cancel/job-7" == outcome.report["exchanges"][-1]["request"]


@pytest.mark.parametrize("again", [False, True])
def test_an_interrupt_cancels_the_jobs(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        service = service_of(server, "fresh-job", clock=InterruptedClock())
        if again:
            monkeypatch.setattr(Service, "cancel_all", lambda self: self.sleep(0))
        outcome = perform(service, "fresh-job", folder=tmp_path)
        [job] = server.jobs["horse"]
    assert (130, "interrupted") == (outcome.status, outcome.report["interrupted"])
    assert ("IN_QUEUE" if again else "CANCELLED") == job["status"]
    assert (job["id"] in capsys.readouterr().err) is again
    assert outcome.report["jobs_left"] == [job["id"]] * again


def test_an_interrupt_during_a_submission_waits_for_the_id_of_the_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/run " in request:
                os.kill(os.getpid(), signal.SIGINT)
            status = "CANCELLED" if b"/cancel/" in request else "IN_QUEUE"
            connection.respond(json.dumps({"id": "j", "status": status}).encode())

    outcome = hostile(interrupt, "list-as-input", folder=tmp_path)
    assert (130, 0, []) == (outcome.status, outcome.report["jobs_without_id"], outcome.report["jobs_left"])
    assert "POST /{endpoint}/cancel/j" == outcome.report["exchanges"][-1]["request"]
    assert "Waiting for the ID of the job" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_interrupt_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), interrupted_later():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it was not interrupted")


def test_the_jobs_are_cancelled_if_nothing_can_be_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("the terminal is closed")

    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        service = service_of(server, "fresh-job", clock=InterruptedClock())
        monkeypatch.setattr("sys.stdout", Closed())
        with pytest.raises(OSError, match="the terminal is closed"):
            run(service, [NAMES["fresh-job"]], tmp_path)
        assert ["CANCELLED"] == [job["status"] for job in server.jobs["horse"]]
    assert "interrupted" == json.loads((tmp_path / "report.json").read_text())["interrupted"]


def program(server: LocalServer, *arguments: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "src")]),
        "RUNPOD_API_KEY": server.api_key,
        "RUNPOD_ENDPOINT_BASE_URL": server.base_url,
    }
    return {"args": [sys.executable, "-m", "live_checks", *arguments], "env": environment, "stdin": subprocess.DEVNULL}


@pytest.mark.skipif(sys.platform == "win32", reason="signals to another process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals(name: str, tmp_path: Path) -> None:
    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        options = program(server, "--endpoint", "horse", "--only", "fresh-job", "--yes", "--report", str(tmp_path))
        with started(options.pop("args"), **options) as process:
            until(lambda: len(server.requests) >= 3, timeout=60)
            process.send_signal(getattr(signal, name))
            output, errors = process.communicate()
        [job] = server.jobs["horse"]
    assert (130, "CANCELLED") == (process.returncode, job["status"])
    assert "It ended early: interrupted." in errors
    assert "Traceback" not in output + errors
    assert server.api_key not in output + errors + (tmp_path / "report.md").read_text()
