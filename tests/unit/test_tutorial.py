"""The tutorial docs/tutorial/first-job.md, followed step by step: its commands print what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.processes import started

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-job.md"
FILE = re.compile(
    r"[Ss]ave this as `(\w+\.py)`:\n\n<!-- example: tutorial -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
STEP = re.compile(r"^```sh\n(python \w+\.py|python -m pytest .*?)\n```\n\n```text\n(.*?)```$", re.MULTILINE | re.DOTALL)
TIMEOUT = 120

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")


class Desk(NamedTuple):
    """A folder with the files of the page, and the environment of the second terminal."""

    folder: Path
    environment: dict[str, str]
    printed: list[str]


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def words(command: str) -> list[str]:
    return [sys.executable if word == "python" else word for word in shlex.split(command)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("stable")
    for name, code in FILE.findall(text()):
        (folder / name).write_text(code, encoding="utf-8")
    [serve] = re.findall(r"^python -m runpod\.local serve .*$", text(), re.MULTILINE)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    # Port 8000 may be in use here.
    with started([*words(serve), "--port", "0"], cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        printed: list[str] = []
        while not printed or not printed[-1].startswith("export RUNPOD_LOAD_BALANCER_URL="):
            line = process.stdout.readline()
            assert line, printed
            printed.append(line.rstrip("\n"))
        exports = [shlex.split(line)[1].partition("=") for line in printed if line.startswith("export ")]
        yield Desk(folder, {**os.environ, **{name: value for name, _, value in exports}}, printed)


def test_every_block_is_a_file_and_every_output_a_step() -> None:
    assert text().count("```python\n") == len(FILE.findall(text()))
    # Besides those that install and serve, and the lines that the server prints.
    assert text().count("```sh\n") - 2 == text().count("```text\n") - 1 == len(STEP.findall(text()))


def test_the_server_prints_the_lines_of_the_page(desk: Desk) -> None:
    shown = re.findall(r"^export (\w+)=(.*)$", text(), re.MULTILINE)
    printed = dict(re.findall(r"^export (\w+)=(.*)$", "\n".join(desk.printed), re.MULTILINE))
    assert [name for name, _ in shown] == list(printed)
    for name, value in shown:
        start, _, end = value.partition("…" if "…" in value else "8000")
        assert printed[name].startswith(start)
        assert printed[name].endswith(end)


@pytest.mark.parametrize(("command", "expected"), STEP.findall(text()), ids=lambda value: value.splitlines()[0])
def test_a_step_prints_what_the_page_shows(command: str, expected: str, desk: Desk) -> None:
    result = subprocess.run(
        words(command),
        cwd=desk.folder,
        env={**desk.environment, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert 0 == result.returncode, result.stdout + result.stderr
    output = result.stdout
    if "pytest" in command:  # it prints a duration
        expected, output = (re.sub(r"in \d.*", "in", text) for text in (expected, output))
    assert expected == output


def test_the_page_says_how_to_install_as_long_as_the_readme_does() -> None:
    readme = (PAGE.parents[2] / "README.md").read_text(encoding="utf-8")
    assert ("not published yet" in readme) == ("not published yet" in text())
