"""`python -m runpod.local serve`."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runpod import Runpod
from runpod.local import Behavior
from runpod.local.cli import main
from runpod.local.cli_arguments import parse_arguments
from tests.local.api import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = shlex.join([sys.executable, str(Path(__file__).with_name("worker.py"))])

MODULE = """
def horse(job):
    if "unicorn" in job["input"]["prompt"]:
        raise ValueError("there are no unicorns")
    return {"prompt": job["input"]["prompt"]}

async def mule(job):
    return "mule"

class Stable:
    goat = lambda job: "goat"

number = 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module in it."""
    (tmp_path / "desk_handlers.py").write_text(MODULE)
    (tmp_path / "desk_worker.py").write_text("import runpod\nrunpod.serverless.start({})\n")
    (tmp_path / "desk_broken.py").write_text("x = (\n")
    (tmp_path / "desk_raising.py").write_text("def f():\n    raise SystemExit(5)\nf()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


class Serving:
    """A server that was started from a command line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.exports = dict(self._export(process.stdout.readline()) for _ in range(2))
        self.out = process.stdout
        self.log: list[str] = []
        self._reader = threading.Thread(target=lambda: self.log.extend(process.stderr or ()), daemon=True)
        self._reader.start()

    @staticmethod
    def _export(line: str) -> list[str]:
        word, assignment = shlex.split(line)
        assert "export" == word
        return assignment.split("=", 1)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def said(self, text: str) -> bool:
        return any(text in line for line in self.log)


@contextmanager
def serving(*arguments: str) -> Iterator[Serving]:
    command = [sys.executable, "-m", "runpod.local", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Serving(process)
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_what_it_prints_points_a_client_at_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    endpoints = ["--endpoint", "horse", "--handler", "desk_handlers:horse"]
    endpoints += ["--endpoint", "mule", "--handler", "desk_handlers:mule", "--workers", "2"]
    endpoints += ["--endpoint", "goat", "--handler", "desk_handlers:Stable.goat"]
    endpoints += ["--endpoint", "cow", "--worker", WORKER]
    with serving(*endpoints) as server:
        assert {"RUNPOD_API_KEY", "RUNPOD_ENDPOINT_BASE_URL"} == server.exports.keys()
        for name, value in server.exports.items():
            monkeypatch.setenv(name, value)
        with Runpod() as client:
            job = client.endpoint("horse").run_sync(input={"prompt": "a horse"})
            assert {"prompt": "a horse"} == job.output
            failed = client.endpoint("horse").run_sync(input={"prompt": "a unicorn"})
            assert not failed.succeeded
            assert "mule" == client.endpoint("mule").run_sync(input={"n": 1}).output
            assert "goat" == client.endpoint("goat").run_sync(input={"n": 1}).output
            assert 2 == client.endpoint("mule").health().workers.idle
            assert client.endpoint("cow").run_sync(input={"n": 1}).succeeded
        # The end that was asked for is no failure.
        assert 0 == server.end(number)
    assert server.said(f" horse: job {job.id} submitted\n")
    assert server.said(f" horse: job {job.id} started by worker {job.worker_id}, after ")
    assert server.said(f" horse: job {job.id} COMPLETED after ")
    assert server.said(f" horse: job {failed.id} FAILED after ")
    assert server.said(" s: <class 'ValueError'>: there are no unicorns\n")
    assert server.said("Ctrl-C stops it")
    assert not server.said("Traceback"), "".join(server.log)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_workers_that_are_started_by_hand(folder: Path) -> None:
    with serving("--endpoint", "horse", "--workers", "0", "--api-key", "my-key") as server:
        assert "my-key" == server.exports["RUNPOD_API_KEY"]
        comment, *lines = [server.out.readline() for _ in range(12)]
        assert "# For each worker of horse, with a RUNPOD_POD_ID of its own:\n" == comment
        environment = dict(Serving._export(line.removeprefix("# ")) for line in lines if line.strip())
        address = f"{server.exports['RUNPOD_ENDPOINT_BASE_URL']}/horse/job-take/$ID?"
        assert environment["RUNPOD_WEBHOOK_GET_JOB"].startswith(address)
        with (
            Runpod("my-key", base_url=server.exports["RUNPOD_ENDPOINT_BASE_URL"]) as client,
            subprocess.Popen(shlex.split(WORKER), env=environment) as worker,
        ):
            endpoint = client.endpoint("horse")
            assert "worker-1" == endpoint.run_sync(input={"n": 1}).output
            worker.kill()
        assert 0 == server.end(signal.SIGINT)


def test_a_port_in_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = ["--endpoint", "horse", "--handler", "desk_handlers:horse", "--port", str(port)]
        assert 1 == main(["serve", *arguments])
    sentence = (
        f"A local server cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Stop what uses this port, or take port 0, which is any free one.\n"
    )
    assert ("", sentence) == tuple(capsys.readouterr())


@pytest.mark.parametrize(
    ("handler", "status", "sentence"),
    [
        ("no_such_module:f", 1, "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'."),
        (
            "desk_handlers:cow",
            1,
            "cannot be imported: AttributeError: module 'desk_handlers' has no attribute 'cow'.",
        ),
        (
            "desk_broken:f",
            1,
            "cannot be imported: SyntaxError: '(' was never closed ({folder}/desk_broken.py, line 1).",
        ),
        ("desk_raising:f", 1, "cannot be imported: SystemExit: 5 ({folder}/desk_raising.py, line 2)."),
        (
            "desk_worker:f",
            1,
            (
                "cannot be imported: AttributeError: module 'runpod' has no attribute 'serverless'. "
                "That is a worker script: give it as --worker, with the Python of the official package."
            ),
        ),
        ("desk_handlers:number", 1, "cannot be called: it is of type int."),
        ("desk_handlers", 2, "is not of the form module:function, such as my_module:horse."),
        (":f", 2, "is not of the form module:function, such as my_module:horse."),
    ],
)
def test_a_handler_that_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str], handler: str, status: int, sentence: str
) -> None:
    assert status == main(["serve", "--endpoint", "horse", "--handler", handler])
    expected = f"The handler {handler!r} of endpoint 'horse' {sentence.format(folder=folder)}\n"
    assert ("", expected) == tuple(capsys.readouterr())


def test_a_worker_command_that_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["serve", "--port", "0", "--endpoint", "horse", "--worker", "no-such-program worker.py"])
    sentence = (
        "The worker command 'no-such-program worker.py' of endpoint 'horse' does not start: "
        "No such file or directory. Check the path of the program.\n"
    )
    assert ("", sentence) == tuple(capsys.readouterr())


def test_a_worker_command_that_ends_before_it_asks_for_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    command = f"{WORKER} fails"
    assert 1 == main(["serve", "--port", "0", "--endpoint", "horse", "--worker", command])
    *_, last = capsys.readouterr().err.splitlines()
    expected = "of endpoint 'horse' ended with status 7 before it asked for a job. Its last words: there is no GPU"
    assert f"The worker command {command!r} {expected}" == last


HORSE = ["--endpoint", "horse"]
HANDLER = [*HORSE, "--handler", "desk_handlers:horse"]
SEE = "See python -m runpod.local serve --help."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], f"There is nothing to serve: give --endpoint NAME, and --worker or --handler for it. {SEE}"),
        (["--workers", "2", *HANDLER], f"--workers belongs to an endpoint: give --endpoint NAME before it. {SEE}"),
        ([*HANDLER, *HANDLER], f"The endpoint 'horse' is given twice. {SEE}"),
        ([*HANDLER, "--workers", "1", "--workers", "2"], f"--workers is given twice for endpoint 'horse'. {SEE}"),
        ([*HANDLER, "--workers", "x"], f"Argument --workers: invalid int value: 'x'. {SEE}"),
        ([*HORSE, "--worker", ""], f"Argument --worker: the command is empty. {SEE}"),
        ([*HORSE, "--worker", "'"], f'Argument --worker: "\'" cannot be taken apart: No closing quotation. {SEE}'),
        ([*HANDLER, "--not-found-for", "-1"], f"`not_found_for` must not be negative, got datetime.timedelta(days=-1, seconds=86399). {SEE}"),
        ([*HANDLER, "--workers", "-1"], "Endpoint 'horse': `workers` is -1. Pass 0 or more."),
        ([*HANDLER, "--worker", "x"], "Endpoint 'horse' has a --worker and a --handler. Leave one of them out."),
        (HORSE, ("Endpoint 'horse' has nobody to run its jobs. Give it a --worker or a --handler, or --workers 0 if you "
                "start its workers by hand.")),
        ([*HANDLER, "--api-key", "ä"], ("The API key cannot be sent in a header. Use visible ASCII characters without "
                                       "spaces, or pass nothing for a random key.")),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    try:
        status = main(["serve", *arguments])
    except SystemExit as error:
        status = error.code  # type: ignore[assignment]
    assert 2 == status
    assert ("", sentence + "\n") == tuple(capsys.readouterr())


def test_options_belong_to_the_endpoint_before_them() -> None:
    arguments = ["--endpoint", "a", "--handler", "m:f", "--cold-start", "2.5", "--return-aggregate-stream"]
    arguments += ["--endpoint", "b", "--worker", "python 'my worker.py'", "--workers", "3", "--execution-timeout", "9"]
    given = parse_arguments(["serve", *arguments])
    assert [
        ("a", {"handler": "m:f", "cold_start": timedelta(seconds=2.5), "return_aggregate_stream": True}),
        ("b", {"command": ["python", "my worker.py"], "workers": 3, "execution_timeout": timedelta(seconds=9.0)}),
    ] == [(endpoint.name, endpoint.options) for endpoint in given.endpoints]
    assert ("127.0.0.1", 8000, None, Behavior()) == (given.host, given.port, given.api_key, given.behavior)


def test_every_switch_has_an_option() -> None:
    switches = ["--no-status-sync", "--no-post-reads", "--not-found-for", "1.5", "--stream-hold", "never"]
    switches += ["--output-limit", "none", "--stream-reply-limit", "1000"]
    expected = Behavior(
        status_sync=False,
        post_reads=False,
        not_found_for=timedelta(seconds=1.5),
        stream_hold="never",
        output_limit=None,
        stream_reply_limit=1000,
    )
    assert expected == parse_arguments(["serve", "--endpoint", "a", *switches]).behavior


def test_the_help_says_what_every_switch_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["serve", "--help"])
    text = capsys.readouterr().out
    for name in Behavior.__dataclass_fields__:
        _, _, rest = text.partition(f"  --{name.replace('_', '-')}")
        assert rest.partition("  --")[0].strip(), name
    assert "Whether /status-sync exists." in " ".join(text.split())
