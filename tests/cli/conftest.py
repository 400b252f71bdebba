from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod.cli import main
from runpod.local import LocalServer, progress_update
from tests.cli.many import ManyServer
from tests.cli.programs import Result, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Command = Callable[..., Result]


def echo(job: dict[str, Any]) -> Any:
    return job["input"].get("output", job["input"])


def nests(job: dict[str, Any]) -> Any:
    value = job["input"]["output"]
    for _ in range(job["input"]["depth"]):
        value = [value]
    return value


def fails(job: dict[str, Any]) -> Any:
    raise ValueError(job["input"]["message"])


def yields(job: dict[str, Any]) -> Iterator[Any]:
    yield from job["input"]["chunks"]


class Stable(LocalServer):
    """A local server with an endpoint whose jobs run until the test releases them."""

    def __init__(self) -> None:
        super().__init__(
            {
                "echo": echo,
                "nests": nests,
                "fails": fails,
                "yields": yields,
                "holds": self._hold,
                "holds-chunk": self._hold_chunk,
            }
        )
        self.release = threading.Event()

    def is_idle(self) -> bool:
        return not any(job["status"].startswith("IN_") for jobs in self.jobs.values() for job in jobs)

    def _hold(self, job: dict[str, Any]) -> Any:
        if "progress" in job["input"]:
            progress_update(job, job["input"]["progress"])
        assert self.release.wait(60)
        return job["input"]

    def _hold_chunk(self, job: dict[str, Any]) -> Iterator[int]:
        yield 1
        assert self.release.wait(60)
        yield 2


@pytest.fixture(scope="module")
def running_server() -> Iterator[Stable]:
    with Stable() as server:
        yield server
        server.release.set()


@pytest.fixture
def server(running_server: Stable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stable]:
    monkeypatch.setenv("RUNPOD_API_KEY", running_server.api_key)
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", running_server.base_url)
    running_server.release.clear()
    yield running_server
    running_server.release.set()
    running_server.faults.clear()
    wait_for(running_server.is_idle)


@pytest.fixture(scope="module")
def running_many() -> Iterator[ManyServer]:
    with ManyServer() as server:
        yield server
        server.open()


@pytest.fixture
def many(running_many: ManyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManyServer]:
    monkeypatch.setenv("RUNPOD_API_KEY", running_many.api_key)
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", running_many.base_url)
    yield running_many
    running_many.reset()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process."""

    def run(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        status = main(arguments)
        return Result(status, *capsys.readouterr())

    return run
