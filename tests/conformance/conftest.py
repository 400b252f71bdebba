from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from tests.conformance import environments
from tests.conformance.environments import NodeEnvironment, NotAtHandError
from tests.conformance.programs import Driver, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod.local import LocalServer

HERE = Path(__file__).parent

T = TypeVar("T")

missing: dict[str, str] = {}
"""What is not at hand, and why, for the end of the run."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if missing:
        terminalreporter.section("NOT TESTED against programs written by others", sep="!", red=True, bold=True)
        for what, why in missing.items():
            terminalreporter.line(f"{what}: {why}", red=True)


def at_hand(what: str, find: Callable[[], T]) -> T:
    """What `find` gives; without it, the tests that need it are skipped, on CI they fail."""
    try:
        return find()
    except NotAtHandError as error:
        missing[what] = str(error)
    reason = f"{what} is not at hand: {missing[what]}"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}. On CI it must be.", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node() -> NodeEnvironment:
    return at_hand("The JavaScript SDK", environments.javascript)


@pytest.fixture(scope="session")
def official_python() -> Path:
    """The Python of an environment with the official package."""
    return at_hand("The official Python package", environments.official_python)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with nothing in it."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def javascript(node: NodeEnvironment, home: Path) -> Iterator[Driver]:
    """Makes calls with the JavaScript SDK."""
    script = HERE / "javascript" / "drive.mjs"
    with Driver([node.node, script], home=home, environment={}, cwd=node.folder) as driver:
        yield driver


def official_worker(python: Path) -> list[str]:
    """The command that starts `worker.py`; it goes on with the name of a handler."""
    return [str(python), str(HERE / "official" / "worker.py")]


class StartWorker(Protocol):
    def __call__(self, server: LocalServer, endpoint: str, handler: str) -> Worker: ...


@pytest.fixture
def start_worker(official_python: Path, home: Path) -> Iterator[StartWorker]:
    """Start an official worker with a handler of `worker.py`, which takes the jobs of an endpoint of a local server."""
    count = 0
    with ExitStack() as stack:

        def start(server: LocalServer, endpoint: str, handler: str) -> Worker:
            nonlocal count
            count += 1
            command = [*official_worker(official_python), handler]
            environment = server.worker_environment(endpoint, f"official-{count}")
            return stack.enter_context(Worker(command, home=home, environment=environment))

        yield start
