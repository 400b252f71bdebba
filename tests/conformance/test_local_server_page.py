"""The page docs/how-to/local-server.md, followed step by step in an empty folder.

Its commands are run as they are, except for those that install: the packages are already installed.
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

from tests.conformance.programs import TEST_TIMEOUT
from tests.processes import started

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "local-server.md"

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
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def file(page: str, name: str) -> str:
    [code] = re.findall(rf"^<!-- example: {name} -->\n```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture
def desk(page: str, tmp_path: Path, official_python: Path) -> Path:
    (tmp_path / "worker-env").symlink_to(official_python.parents[1])
    (tmp_path / "client-env").symlink_to(sys.prefix)
    for name, path in (("worker", "worker.py"), ("client", "my_client.py")):
        (tmp_path / path).write_text(file(page, name), encoding="utf-8")
    return tmp_path


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def served(desk: Path, page: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [*shlex.split(blocks(page, "sh")[1]), "--port", "0"]  # Port 8000 may be in use here.
    with started(command, cwd=desk, env=environment) as process:
        yield process


def test_the_install_commands(page: str) -> None:
    assert INSTALLED == blocks(page, "sh")[0].splitlines()


def test_the_page_works_step_by_step(
    served: subprocess.Popen[str], desk: Path, page: str, environment: dict[str, str]
) -> None:
    assert served.stdout is not None
    assert served.stderr is not None
    log: list[str] = []
    reader = threading.Thread(target=log.extend, args=[served.stderr], daemon=True)
    reader.start()
    lines = blocks(page, "text")[0].splitlines()
    exports = [served.stdout.readline() for _ in lines]
    # The page shows how they begin.
    for shown, printed in zip(lines, exports, strict=True):
        assert printed.startswith(re.split(r"…|8000", shown)[0])
    client = f"{''.join(exports)}{blocks(page, 'sh')[2]}"
    done = subprocess.run(
        ["sh", "-c", client],
        cwd=desk,
        env=environment,
        timeout=TEST_TIMEOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "{'prompt': 'a photo of a horse the size of a Boeing 787', 'image': '…'}\n" == done.stdout, done.stderr
    served.send_signal(signal.SIGINT)
    assert 0 == served.wait(TEST_TIMEOUT)
    reader.join(TEST_TIMEOUT)
    text = "".join(log)
    for event in ("submitted", "started by worker", "COMPLETED after"):
        assert re.search(rf" horse: job \S+ {event}", text), text
    assert 2 == text.count("started, process")
