"""`python -m runpod.local serve`."""

from __future__ import annotations

import shlex
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod import Runpod
from runpod.local import Behavior
from runpod.local.cli import main
from runpod.local.cli_arguments import parse_arguments
from tests.local.api import TIMEOUT
from tests.processes import started

if TYPE_CHECKING:
    import subprocess
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
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with modules in it."""
    (tmp_path / "my_handlers.py").write_text(MODULE)
    (tmp_path / "my_worker.py").write_text("import runpod\nrunpod.serverless.start({})\n")
    (tmp_path / "my_broken.py").write_text("x = (\n")
    (tmp_path / "my_raising.py").write_text("def f():\n    raise SystemExit(5)\nf()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


class Serving:
    """A server that was started from the command line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.exports = dict(self._export(process.stdout.readline()) for _ in range(4))
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
        status = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        return status

    def has_logged(self, text: str) -> bool:
        return any(text in line for line in self.log)


@contextmanager
def serving(*arguments: str) -> Iterator[Serving]:
    command = [sys.executable, "-m", "runpod.local", "serve", "--port", "0", *arguments]
    with started(command) as process:
        yield Serving(process)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a single process on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_printed_environment_configures_a_client(
    directory: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    endpoints = ["--endpoint", "horse", "--handler", "my_handlers:horse"]
    endpoints += ["--endpoint", "mule", "--handler", "my_handlers:mule", "--workers", "2"]
    endpoints += ["--endpoint", "goat", "--handler", "my_handlers:Stable.goat"]
    endpoints += ["--endpoint", "cow", "--worker", WORKER]
    with serving(*endpoints) as server:
        addresses = {"RUNPOD_ENDPOINT_BASE_URL", "RUNPOD_API_BASE_URL", "RUNPOD_LOAD_BALANCER_URL"}
        assert {"RUNPOD_API_KEY", *addresses} == server.exports.keys()
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
        assert 0 == server.end(number)
    assert server.has_logged(f" horse: job {job.id} submitted\n")
    assert server.has_logged(f" horse: job {job.id} started by worker {job.worker_id}, after ")
    assert server.has_logged(f" horse: job {job.id} COMPLETED after ")
    assert server.has_logged(f" horse: job {failed.id} FAILED after ")
    assert server.has_logged(" s: <class 'ValueError'>: there are no unicorns\n")
    assert server.has_logged("Press Ctrl-C to stop")
    assert not server.has_logged("Traceback"), "".join(server.log)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a single process on Windows")
def test_workers_started_by_hand(directory: Path) -> None:
    with serving("--endpoint", "horse", "--workers", "0", "--api-key", "my-key") as server:
        assert "my-key" == server.exports["RUNPOD_API_KEY"]
        comment, *lines = [server.out.readline() for _ in range(12)]
        assert "# For each worker of horse, with its own RUNPOD_POD_ID:\n" == comment
        environment = dict(Serving._export(line.removeprefix("# ")) for line in lines if line.strip())
        address = f"{server.exports['RUNPOD_ENDPOINT_BASE_URL']}/horse/job-take/$ID?"
        assert environment["RUNPOD_WEBHOOK_GET_JOB"].startswith(address)
        with (
            Runpod("my-key", base_url=server.exports["RUNPOD_ENDPOINT_BASE_URL"]) as client,
            started(shlex.split(WORKER), env=environment, stdout=None, stderr=None),
        ):
            endpoint = client.endpoint("horse")
            assert "worker-1" == endpoint.run_sync(input={"n": 1}).output
        assert 0 == server.end(signal.SIGINT)


def test_port_in_use(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = ["--endpoint", "horse", "--handler", "my_handlers:horse", "--port", str(port)]
        assert 1 == main(["serve", *arguments])
    message = (
        f"The local server cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Stop the process that uses this port, or pass port 0 to pick a free one.\n"
    )
    assert ("", message) == tuple(capsys.readouterr())


@pytest.mark.parametrize(
    ("handler", "status", "message"),
    [
        ("no_such_module:f", 1, "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'."),
        (
            "my_handlers:cow",
            1,
            "cannot be imported: AttributeError: module 'my_handlers' has no attribute 'cow'.",
        ),
        (
            "my_broken:f",
            1,
            "cannot be imported: SyntaxError: '(' was never closed ({directory}/my_broken.py, line 1).",
        ),
        ("my_raising:f", 1, "cannot be imported: SystemExit: 5 ({directory}/my_raising.py, line 2)."),
        (
            "my_worker:f",
            1,
            (
                "cannot be imported: AttributeError: module 'runpod' has no attribute 'serverless'. "
                "This is a worker script: pass it with --worker, run by a Python that has the official package."
            ),
        ),
        ("my_handlers:number", 1, "cannot be called: it is of type int."),
        ("my_handlers", 2, "is not of the form module:function. Pass one such as my_module:horse."),
        (":f", 2, "is not of the form module:function. Pass one such as my_module:horse."),
    ],
)
def test_invalid_handler(
    directory: Path, capsys: pytest.CaptureFixture[str], handler: str, status: int, message: str
) -> None:
    assert status == main(["serve", "--endpoint", "horse", "--handler", handler])
    expected = f"The handler {handler!r} of endpoint 'horse' {message.format(directory=directory)}\n"
    assert ("", expected) == tuple(capsys.readouterr())


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a single process on Windows")
def test_load_balancing_endpoints(directory: Path) -> None:
    (directory / "my_api.py").write_text(APP)
    command = shlex.join([sys.executable, "-m", "uvicorn", "my_api:app", "--port", "$PORT"])
    endpoints = ["--endpoint", "horse", "--app", "my_api:app", "--workers", "2", "--concurrency", "1"]
    endpoints += [
        "--endpoint",
        "mule",
        "--http-worker",
        command,
        "--endpoint",
        "cow",
        "--app",
        "my_api:app",
        "--workers",
        "0",
    ]
    with serving(*endpoints) as server:
        origin = server.exports["RUNPOD_ENDPOINT_BASE_URL"].removesuffix("/v2")
        headers = {"Authorization": f"Bearer {server.exports['RUNPOD_API_KEY']}"}
        for endpoint in ("horse", "mule"):
            url = f"{origin}/load-balancer/{endpoint}/hello"
            assert "neigh" == httpx.get(url, headers=headers, timeout=TIMEOUT, trust_env=False).text
        assert 0 == server.end(signal.SIGINT)
    assert not server.has_logged("Traceback"), "".join(server.log)


APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"neigh"})

async def broken(scope, receive, send):
    await receive()
    raise RuntimeError("no stable")
"""


@pytest.mark.parametrize(
    ("app", "status", "message"),
    [
        ("my_api:horse", 1, "The application 'my_api:horse' of endpoint 'horse' cannot be imported: AttributeError"),
        ("my_api", 2, "'my_api' of endpoint 'horse' is not of the form module:name. Pass one such as my_module:app."),
        ("my_api:broken", 1, "The application of endpoint 'horse' failed to start: RuntimeError: no stable"),
    ],
)
def test_invalid_application(
    directory: Path, capsys: pytest.CaptureFixture[str], app: str, status: int, message: str
) -> None:
    (directory / "my_api.py").write_text(APP)
    assert status == main(["serve", "--port", "0", "--endpoint", "horse", "--app", app])
    *_, last = capsys.readouterr().err.splitlines()
    assert message in last


def test_worker_command_that_cannot_be_started(capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["serve", "--port", "0", "--endpoint", "horse", "--worker", "no-such-program worker.py"])
    message = (
        "The worker command 'no-such-program worker.py' of endpoint 'horse' cannot be started: "
        "No such file or directory. Check the path of the program.\n"
    )
    assert ("", message) == tuple(capsys.readouterr())


def test_worker_command_that_exits_before_requesting_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    command = f"{WORKER} fails"
    assert 1 == main(["serve", "--port", "0", "--endpoint", "horse", "--worker", command])
    *_, last = capsys.readouterr().err.splitlines()
    expected = "of endpoint 'horse' exited with status 7 before it requested a job. Last output: there is no GPU"
    assert f"The worker command {command!r} {expected}" == last


HORSE = ["--endpoint", "horse"]
HANDLER = [*HORSE, "--handler", "my_handlers:horse"]
SEE = "See python -m runpod.local serve --help."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"No endpoint to serve: pass --endpoint NAME with --worker, --handler, --app or --http-worker, or --samples. {SEE}"),
        (["--workers", "2", *HANDLER], f"--workers applies to an endpoint: pass --endpoint NAME before it. {SEE}"),
        ([*HANDLER, *HANDLER], f"Endpoint 'horse' is passed twice. {SEE}"),
        ([*HANDLER, "--workers", "1", "--workers", "2"], f"--workers is passed twice for endpoint 'horse'. {SEE}"),
        ([*HANDLER, "--workers", "x"], f"Argument --workers: invalid int value: 'x'. {SEE}"),
        ([*HORSE, "--worker", ""], f"Argument --worker: the command is empty. {SEE}"),
        ([*HORSE, "--worker", "'"], f'Argument --worker: cannot parse "\'": No closing quotation. {SEE}'),
        ([*HANDLER, "--not-found-for", "-1"], f"`not_found_for` must not be negative, got -1 day, 23:59:59. {SEE}"),
        ([*HANDLER, "--workers", "-1"], "Endpoint 'horse': `workers` must be 0 or more, got -1."),
        ([*HANDLER, "--app", "x"], "Endpoint 'horse' has both --handler and --app. Pass only one of them."),
        ([*HANDLER, "--worker", "x"], "Endpoint 'horse' has both --worker and --handler. Pass only one of them."),
        (HORSE, ("Endpoint 'horse' has no workers for its jobs. Pass --worker or --handler, or --workers 0 to start its "
                "workers by hand.")),
        ([*HANDLER, "--api-key", "ä"], ("The API key cannot be sent in a header. Use visible ASCII characters without "
                                       "spaces, or leave it out to use a random key.")),
    ],
)  # fmt: skip
def test_invalid_arguments(
    directory: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    try:
        status = main(["serve", *arguments])
    except SystemExit as error:
        status = error.code  # type: ignore[assignment]
    assert 2 == status
    assert ("", message + "\n") == tuple(capsys.readouterr())


def test_options_apply_to_the_preceding_endpoint() -> None:
    arguments = ["--endpoint", "a", "--handler", "m:f", "--cold-start", "2.5", "--return-aggregate-stream"]
    arguments += ["--endpoint", "b", "--worker", "python 'my worker.py'", "--workers", "3", "--execution-timeout", "9"]
    parsed = parse_arguments(["serve", *arguments])
    assert [
        ("a", {"handler": "m:f", "cold_start": timedelta(seconds=2.5), "return_aggregate_stream": True}),
        ("b", {"command": ["python", "my worker.py"], "workers": 3, "execution_timeout": timedelta(seconds=9.0)}),
    ] == [(endpoint.name, endpoint.options) for endpoint in parsed.endpoints]
    assert ("127.0.0.1", 8000, None, Behavior()) == (parsed.host, parsed.port, parsed.api_key, parsed.behavior)


def test_every_behavior_has_an_option() -> None:
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


def test_help_describes_every_behavior(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["serve", "--help"])
    text = capsys.readouterr().out
    for name in Behavior.__dataclass_fields__:
        _, _, rest = text.partition(f"  --{name.replace('_', '-')}")
        assert rest.partition("  --")[0].strip(), name
    words = " ".join(text.split())
    assert "Whether /status-sync exists." in words
    assert "Maximum bytes of an output, or none for no limit." in words
    assert "None" not in words
