from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from tests.conformance import environments
from tests.conformance.environments import MissingProgramError, NodeEnvironment
from tests.conformance.programs import Driver, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod.local import LocalServer

HERE = Path(__file__).parent

T = TypeVar("T")

missing: dict[str, str] = {}
"""The missing programs and the reasons, for the summary of the test run."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if missing:
        terminalreporter.section("NOT TESTED against programs written by others", sep="!", red=True, bold=True)
        for name, why in missing.items():
            terminalreporter.line(f"{name}: {why}", red=True)


def require(name: str, find: Callable[[], T]) -> T:
    """Return the result of `find`. If the program is missing, skip the test, or fail on CI."""
    try:
        return find()
    except MissingProgramError as error:
        missing[name] = str(error)
    reason = f"{name} is not available: {missing[name]}"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}. It is required on CI.", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node() -> NodeEnvironment:
    return require("The JavaScript SDK", environments.javascript)


@pytest.fixture(scope="session")
def official_python() -> Path:
    """The Python executable of an environment with the official package."""
    return require("The official Python package", environments.official_python)


@pytest.fixture(scope="session")
def openai_package() -> Path:
    """A folder with the other major version of the `openai` package."""
    return require("The openai package", environments.openai_package)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def javascript(node: NodeEnvironment, home: Path) -> Iterator[Driver]:
    """A driver for calls with the JavaScript SDK."""
    script = HERE / "javascript" / "drive.mjs"
    with Driver([node.node, script], home=home, environment={}, cwd=node.folder) as driver:
        yield driver


def official_worker(python: Path) -> list[str]:
    """The command that starts `worker.py`, without the name of the handler."""
    return [str(python), str(HERE / "official" / "worker.py")]


class StartWorker(Protocol):
    def __call__(self, server: LocalServer, endpoint: str, handler: str) -> Worker: ...


@pytest.fixture
def start_worker(official_python: Path, home: Path) -> Iterator[StartWorker]:
    """Start an official worker with a handler of `worker.py` for an endpoint of a local server."""
    count = 0
    with ExitStack() as stack:

        def start(server: LocalServer, endpoint: str, handler: str) -> Worker:
            nonlocal count
            count += 1
            command = [*official_worker(official_python), handler]
            environment = server.worker_environment(endpoint, f"official-{count}")
            return stack.enter_context(Worker(command, home=home, environment=environment))

        yield start
