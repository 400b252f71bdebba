"""The command line as a process."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

import runpod.cli.app
from runpod import __version__
from runpod.cli import exit_status, json_output, main
from tests.cli.programs import NO_EXTRA, PROGRAM, TIMEOUT, program, wait_for
from tests.processes import started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command, Stable

# Runs a module as a program, as if another one were not installed.
WITHOUT = (
    "import runpy, sys; sys.modules[sys.argv.pop(1)] = None; runpy.run_module(sys.argv.pop(1), run_name='__main__')"
)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = list(commands(typer.main.get_command(runpod.cli.app.app)))


def test_the_commands() -> None:
    names = {path[0] for path in COMMANDS if path}
    assert {"run", "status", "wait", "stream", "cancel", "retry", "health", "purge", "config", "local"} <= names


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_help_has_an_example(cli: Command, path: tuple[str, ...]) -> None:
    done = cli(*path, "--help")
    assert (0, "") == (done.status, done.err)
    examples = done.out.partition("Examples:\n")[2] if path != ("local", "serve") else done.out
    assert " ".join(("runpod-sdk", *path)) in examples
    assert "usage: " in done.out.lower()
    assert "context" not in done.out


def test_the_page_shows_every_command_and_exit_status() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "command-line.md").read_text(encoding="utf-8")
    for path in COMMANDS:
        assert f"\nrunpod-sdk {' '.join(path)}" in page, path
    statuses = {value for name, value in vars(exit_status).items() if name.isupper() and isinstance(value, int)}
    assert statuses == {int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}


def test_the_program_without_arguments_shows_its_help() -> None:
    done = program()
    assert 2 == done.status
    assert "python -m runpod [OPTIONS] COMMAND" in done.out + done.err


def test_version(cli: Command) -> None:
    assert (0, f"runpod-sdk {__version__}\n") == (cli("--version").status, cli("--version").out)


def test_a_run_as_a_process(server: Stable) -> None:
    done = program("run", "echo", "-", "--output-only", stdin='{"n": 1}')
    assert (0, '{"n":1}\n', "") == (done.status, done.out, done.err)


def test_without_the_extra() -> None:
    for name in ("typer", "rich", "tomlkit"):
        done = program(command=[sys.executable, "-c", NO_EXTRA.format(name)])
        if name == "rich":  # typer works without it until a table is shown
            assert 0 == done.status
            continue
        message = f'The command line needs {name}, which is not installed: pip install "runpod-sdk[cli]"\n'
        assert (2, "", message) == (done.status, done.out, done.err)


def test_importing_the_library_does_not_import_the_command_line() -> None:
    code = "import sys, runpod, runpod.cli; print([n for n in sys.modules if n.startswith(('typer', 'rich', 'runpod.cli.'))])"
    assert "[]\n" == program(command=[sys.executable, "-c", code]).out


def test_completion(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_RUNPOD_SDK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "runpod-sdk st")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert ["status", "stream"] == cli().out.split()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a single process on Windows")
def test_ctrl_c_without_a_terminal(server: Stable) -> None:
    server.faults.delay("run", 60)
    before = len(server.requests)
    command = [*PROGRAM, "run", "holds", '{"n": 1}']
    with started(command) as process:
        wait_for(lambda: len(server.requests) > before)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
    assert (130, "") == (process.returncode, out)
    assert "Interrupted while the job was submitted: it may run, without its ID being known." in err
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
def test_a_closed_pipe_ends_quietly(server: Stable, cli: Command) -> None:
    job = cli("run", "holds-chunk", '{"n": 1}', "--no-wait").json["id"]
    command = [*PROGRAM, "stream", "holds-chunk", job]
    with started(command) as process:
        # The first chunk arrives while the job still runs.
        assert "1\n" == process.stdout.readline()
        process.stdout.close()
        server.release.set()
        err = process.stderr.read()
        assert (141, "") == (process.wait(TIMEOUT), err)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full exists on Linux only")
def test_a_full_disk(server: Stable) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "run", "echo", '{"n": 1}'],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    assert (5, "The output cannot be written: No space left on device.\n") == (done.returncode, done.stderr)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full exists on Linux only")
@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        (["--version"], ""),
        (["--version"], "1"),
        (["--help"], ""),
        (["--help"], "1"),
        (["local", "serve", "--help"], ""),  # if it is unbuffered, argparse ignores the error
    ],
)
def test_a_full_disk_for_help(arguments: list[str], unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=TIMEOUT
        )
    assert (5, "The output cannot be written: No space left on device.\n") == (done.returncode, done.stderr)


def test_other_errors_of_the_system_are_not_of_the_output(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("runpod.cli.config.read_profiles", broken)
    with pytest.raises(OSError, match="Permission denied"):
        cli("config", "list")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell for closing standard output")
def test_closed_files(server: Stable) -> None:
    script = 'exec "$@" >&- 2>&- <&-'
    done = program("run", "echo", '{"n": 1}', command=["/bin/sh", "-c", script, "sh", *PROGRAM])
    assert (0, "", "") == (done.status, done.out, done.err)
    done = program("run", "echo", command=["/bin/sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM])
    assert (2, "") == (done.status, done.out)
    assert "INPUT is missing." in done.err
    done = program("run", "echo", "-", command=["/bin/sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM])
    assert (2, "") == (done.status, done.out)
    assert done.err.startswith("Standard input is closed. Pass a JSON object")


def test_an_encoding_without_the_characters(server: Stable, monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True) for _ in range(2))
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    assert 0 == main(["run", "echo", '{"n": "日本"}', "--output-only"])
    assert 2 == main(["run", "echo", "@日本"])
    assert b'{"n":"\\u65e5\\u672c"}\n' == out.buffer.getvalue()  # type: ignore[attr-defined]
    assert b"The file '\\u65e5\\u672c' cannot be read" in err.buffer.getvalue()  # type: ignore[attr-defined]


def test_every_character_that_is_not_printable_is_escaped() -> None:
    for code in [*range(0x3000), 0xD800, 0xFEFF, 0xE0001, 0x1F40E]:
        text = json_output.json_text({"x": chr(code)})
        assert text.isprintable()
        assert {"x": chr(code)} == json.loads(text)


def test_local_serve_is_the_same_command(cli: Command) -> None:
    done = cli("local", "serve", "--port", "0")
    message = (
        "No endpoint to serve: pass --endpoint NAME with --worker, --handler, --app or --http-worker, or --samples."
    )
    assert (2, "", f"{message} See runpod-sdk local serve --help.\n") == (done.status, done.out, done.err)
    done = program("local", "serve", "--help")
    assert done.out.startswith("usage: python -m runpod local serve ")
    assert "python -m runpod local serve --endpoint horse --worker" in done.out
    assert "python -m runpod.local" not in done.out
    done = program("serve", "--help", command=[sys.executable, "-m", "runpod.local"])
    assert done.out.startswith("usage: python -m runpod.local serve ")
    assert "python -m runpod.local serve --endpoint horse --worker" in done.out


@pytest.mark.parametrize(("module", "arguments"), [("runpod", ["local", "serve"]), ("runpod.local", ["serve"])])
def test_local_serve_without_its_extra(module: str, arguments: list[str]) -> None:
    for missing in ("starlette", "uvicorn"):
        done = program(*arguments, command=[sys.executable, "-c", WITHOUT, missing, module])
        message = f'The local server needs {missing}, which is not installed: pip install "runpod-sdk[local]"\n'
        assert (2, "", message) == (done.status, done.out, done.err)
    # Not in the extra itself: the installation is broken.
    done = program(*arguments, command=[sys.executable, "-c", WITHOUT, "h11", module])
    assert (1, "") == (done.status, done.out)
    assert "ModuleNotFoundError: import of h11 halted" in done.err
    assert "The local server needs" not in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a single process on Windows")
def test_local_serve_and_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, cli: Command) -> None:
    (tmp_path / "my_handlers.py").write_text("def horse(job):\n    return job['input']\n")
    command = [*PROGRAM, "local", "serve", "--port", "0", "--endpoint", "horse", "--handler", "my_handlers:horse"]
    with started(command, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        for _ in range(2):
            name, _, value = process.stdout.readline().removeprefix("export ").strip().partition("=")
            monkeypatch.setenv(name, value)
        assert {"n": 1} == cli("run", "horse", '{"n": 1}', "--output-only").json
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(TIMEOUT)
