"""The chapter "Run Runpod on your desk" of the README, done in an empty folder.

Its commands are run as they are, except for two: what they install is there already.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.programs import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

README = Path(__file__).parents[2] / "README.md"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")

INSTALLED = [
    "mkdir desk",
    "cd desk",
    "python3 -m venv worker-env",
    "worker-env/bin/python -m pip install runpod",
    "python3 -m venv client-env",
    'client-env/bin/python -m pip install "runpod-sdk[local]"',
]


@pytest.fixture(scope="module")
def chapter() -> str:
    _, _, rest = README.read_text(encoding="utf-8").partition("\n## Run Runpod on your desk\n")
    return rest.partition("\n## ")[0]


def blocks(chapter: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)


def file(chapter: str, name: str) -> str:
    [code] = re.findall(rf"^<!-- readme: {name} -->\n```python\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture
def desk(chapter: str, tmp_path: Path, official_python: Path) -> Path:
    (tmp_path / "worker-env").symlink_to(official_python.parents[1])
    (tmp_path / "client-env").symlink_to(sys.prefix)
    for name, path in (("worker", "worker.py"), ("client", "my_client.py")):
        (tmp_path / path).write_text(file(chapter, name), encoding="utf-8")
    return tmp_path


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def served(desk: Path, chapter: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [*shlex.split(blocks(chapter, "sh")[1]), "--port", "0"]  # Port 8000 may be in use here.
    with subprocess.Popen(
        command, cwd=desk, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_the_commands_that_install_are_these(chapter: str) -> None:
    assert INSTALLED == blocks(chapter, "sh")[0].splitlines()


def test_a_person_can_follow_it(
    served: subprocess.Popen[str], desk: Path, chapter: str, environment: dict[str, str]
) -> None:
    assert served.stdout is not None
    assert served.stderr is not None
    log: list[str] = []
    reader = threading.Thread(target=log.extend, args=[served.stderr], daemon=True)
    reader.start()
    exports = [served.stdout.readline() for _ in range(2)]
    # What is shown of them is how they begin.
    for shown, printed in zip(blocks(chapter, "text")[0].splitlines(), exports, strict=True):
        assert printed.startswith(re.split(r"…|8000", shown)[0])
    client = f"{''.join(exports)}{blocks(chapter, 'sh')[2]}"
    done = subprocess.run(
        ["sh", "-c", client], cwd=desk, env=environment, timeout=PATIENCE, capture_output=True, text=True, check=False
    )
    assert "{'prompt': 'a photo of a horse the size of a Boeing 787', 'image': '…'}\n" == done.stdout, done.stderr
    served.send_signal(signal.SIGINT)
    assert 0 == served.wait(PATIENCE)
    reader.join(PATIENCE)
    text = "".join(log)
    for event in ("submitted", "started by worker", "COMPLETED after"):
        assert re.search(rf" horse: job \S+ {event}", text), text
    assert 2 == text.count("started, process")
