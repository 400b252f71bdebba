"""Commands in a terminal."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.programs import Terminal, program, wait_for

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Stable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")

# What a terminal could interpret: C0, DEL, C1, bidirectional overrides, line separators.
HOSTILE = "\x1b[31mred[bold]x[/bold]\x07\x7f\x9b31m\x90\u202e\u2066\u2028\U000e0001[link=https://evil.test]y[/link]"
# The escape sequences of the status line itself: colors, cursor, erase.
OWN = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


def assert_harmless(shown: str) -> None:
    text = OWN.sub("", shown).replace("\r", "").replace("\n", "")
    assert text.isprintable(), ascii(text)
    assert "\x1b[31mred" not in shown


def test_json_is_indented_and_readable(server: Stable) -> None:
    with Terminal("run", "echo", '{"prompt": "ein Pferd für 日本 🐎"}', "--output-only", err=False) as terminal:
        done = terminal.end()
    shown = terminal.shown.replace("\r\n", "\n")
    assert (0, "", '{\n  "prompt": "ein Pferd für 日本 🐎"\n}\n') == (done.status, done.err, shown)


def test_hostile_output(server: Stable) -> None:
    value = {HOSTILE: [HOSTILE]}
    with Terminal("run", "echo", json.dumps({"output": value}), "--output-only", err=False) as terminal:
        assert 0 == terminal.end().status
    shown = terminal.shown.replace("\r\n", "\n")
    assert "\x1b" not in shown
    assert_harmless(shown)
    assert value == json.loads(shown)
    assert "[bold]x[/bold]" in shown


def test_hostile_errors_and_chunks(server: Stable, cli: Command) -> None:
    with Terminal("run", "fails", json.dumps({"message": HOSTILE})) as terminal:
        done = terminal.end()
    assert 1 == done.status
    assert r"ValueError: \x1b[31mred[bold]x[/bold]\x07\x7f\x9b31m" in done.err
    assert_harmless(done.err)
    job = cli("run", "yields", json.dumps({"chunks": [HOSTILE]}), "--no-wait").json["id"]
    with Terminal("stream", "yields", job) as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert r"\u001b[31mred" in done.err
    assert_harmless(done.err)


def test_long_strings_are_shortened_with_a_note(server: Stable, cli: Command) -> None:
    picture, data, text = "iVBORw0KGgo" * 1000, "aGFsbG8" * 1000, "a horse. " * 1000
    output = {"image": picture, "url": f"data:image/png;base64,{picture}", "data": data, "text": text}
    job_input = json.dumps({"output": output})
    assert picture in cli("run", "echo", job_input).out
    with Terminal("run", "echo", job_input, "--output-only") as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert '"image": "<image/png, 8.25 kB>"' in done.err
    assert '"url": "<image/png, 8.25 kB>"' in done.err
    assert f'"data": "{data[:60]}… (7,000 characters)"' in done.err
    assert text in done.err
    assert picture[:60] not in done.err
    assert "A file is not shown: add --save DIR to save what outputs contain.\n" in done.err
    assert "A long string is shortened here. Redirect the output to a file or a program to get all of it.\n" in done.err
    # Not if the output is piped, even if messages are shown.
    with Terminal("run", "echo", job_input, "--output-only", out=False) as terminal:
        done = terminal.end()
    assert output == done.json
    assert "shown" not in done.err
    assert "shortened" not in done.err


def test_a_stream_says_once_that_strings_were_shortened(server: Stable, cli: Command) -> None:
    data = "aGFsbG8" * 1000
    chunks = [{"data": data}, {"n": 1}, {"data": data}]
    job = cli("run", "yields", json.dumps({"chunks": chunks}), "--no-wait").json["id"]
    with Terminal("stream", "yields", job) as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert 2 == done.err.count(f'{{"data":"{data[:60]}… (7,000 characters)"}}\n')
    assert 1 == done.err.count("shortened here")
    assert "2 long strings are shortened here. Redirect the output" in done.err


def test_the_status_line_changes_in_place(server: Stable) -> None:
    with Terminal("run", "holds", json.dumps({"progress": f"50 % {HOSTILE}"}), out=False) as terminal:
        terminal.wait_for("IN_PROGRESS")
        terminal.wait_for("50 %")
        terminal.wait_for_changes(r"  (\d+) s  ")  # it counts while nothing happens
        wait_for(lambda: terminal.shown.count("IN_PROGRESS") > 2)
        server.release.set()
        done = terminal.end()
    assert (0, "COMPLETED") == (done.status, done.json["status"])
    assert r"50 % \x1b[31mred" in done.err
    assert "[bold]x[/bold]" in done.err
    assert_harmless(done.err)
    updates, _, end = terminal.shown.partition("IN_PROGRESS")[2].rpartition("IN_PROGRESS")
    # Each update erases the line and writes it again.
    assert "\n" not in updates
    assert 1 + updates.count("IN_PROGRESS") == updates.count("\r\x1b[2K")
    # At the end, the cursor is shown again, and the line is erased.
    assert end.endswith("\r\n\x1b[?25h\r\x1b[1A\x1b[2K")
    assert 1 == end.count("\n")


def test_no_status_line_if_messages_are_not_shown(server: Stable) -> None:
    with Terminal("run", "holds", '{"n": 1}', err=False) as terminal:
        wait_for(lambda: any(job["status"] == "IN_PROGRESS" for job in server.jobs["holds"]))
        server.release.set()
        done = terminal.end()
    assert (0, "") == (done.status, done.err)
    assert '"status": "COMPLETED"' in terminal.shown
    assert "\x1b" not in terminal.shown


def test_ctrl_c_says_what_becomes_of_the_job(server: Stable, cli: Command) -> None:
    with Terminal("run", "holds", '{"n": 1}') as terminal:
        terminal.wait_for("IN_PROGRESS")
        terminal.type("\x03")
        done = terminal.end()
    assert 130 == done.status
    assert "Interrupted." in done.err
    assert "Traceback" not in done.err
    job = server.jobs["holds"][-1]["id"]
    hint = f"Job {job} goes on: python -m runpod wait holds {job}; or cancel it: python -m runpod cancel holds {job}\n"
    assert done.err.endswith(hint)
    assert "IN_PROGRESS" == cli("status", "holds", job).json["status"]
    command = shlex.split(hint.partition("; or cancel it: python -m runpod ")[2])
    assert "CANCELLED" == cli(*command).json["status"]


def test_health_is_a_table(server: Stable) -> None:
    with Terminal("health", "echo") as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert "Jobs" in done.err
    assert re.search(r"inQueue\s+│ 0", done.err)
    assert re.search(r"throttled\s+│ 0", done.err)


@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("y", 0)])
def test_purge_asks(server: Stable, answer: str, status: int) -> None:
    with Terminal("purge", "echo") as terminal:
        terminal.wait_for("Remove all jobs in the queue of 'echo'?")
        terminal.type(f"{answer}\n")
        assert status == terminal.end().status
    assert (status == 0) == ('"removed": 0' in terminal.shown)


def test_purge_does_not_ask_if_told_so(server: Stable) -> None:
    with Terminal("purge", "echo", "--yes") as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert "Remove" not in done.err
    assert '"removed": 0' in done.err


def test_an_input_is_not_awaited_from_a_keyboard(server: Stable) -> None:
    with Terminal("run", "echo") as terminal:
        done = terminal.end()
    assert 2 == done.status
    assert "INPUT is missing. Pass a JSON object" in done.err


def test_the_key_is_not_shown_when_it_is_entered() -> None:
    key = "rpa_PLANTEDKEY0123456789"
    with Terminal("config", "set") as terminal:
        terminal.wait_for('API key of profile "default": ')
        terminal.type(f"{key}\n")
        done = terminal.end()
    assert 0 == done.status
    assert key not in done.err
    assert f'api_key = "{key}"' in (Path.home() / ".runpod" / "config.toml").read_text()
    for command, expected in (("list", r"default\s+│ set"), ("show", r"api_key_source\s+│ api_key under \[default\]")):
        with Terminal("config", command) as terminal:
            done = terminal.end()
        assert re.search(expected, done.err)
        assert key not in done.err
    with Terminal("config", "set") as terminal:
        terminal.wait_for("API key of profile")
        terminal.type("\x04")  # end of input
        done = terminal.end()
    assert 2 == done.status
    assert "No API key was entered. Pipe it into the command instead." in done.err


def test_a_key_is_piped_into_the_command(capfd: Any) -> None:
    assert 0 == program("config", "set", stdin="rpa_PIPED\n").status
    assert 'api_key = "rpa_PIPED"' in (Path.home() / ".runpod" / "config.toml").read_text()
