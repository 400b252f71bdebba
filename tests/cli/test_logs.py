"""The command logs."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from runpod import Runpod
from runpod._sync import log_reader
from runpod.cli.logs import _text
from runpod.local import LocalEndpoint, LocalServer
from runpod.models.management import LogLine
from tests.cli.programs import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command


@pytest.fixture(scope="module")
def running_workers() -> Iterator[LocalServer]:
    with LocalServer({"horse": LocalEndpoint(lambda job: job["input"], workers=2)}) as server:
        yield server


@pytest.fixture
def workers(running_workers: LocalServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The IDs of the workers of a local server, which the command uses."""
    monkeypatch.setenv("RUNPOD_API_KEY", running_workers.api_key)
    monkeypatch.setenv("RUNPOD_API_BASE_URL", running_workers.management_url)
    monkeypatch.setattr(log_reader, "QUIET", 0.5)
    monkeypatch.setattr(log_reader, "FIRST_QUIET", 0.5)
    with Runpod() as client:
        return [worker.id for worker in client.endpoint("horse").workers()]


def test_json_lines(workers: list[str], cli: Command) -> None:
    done = cli("logs", "horse", "--tail", "1", "--source", "system")
    assert (0, "") == (done.status, done.err)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert sorted(workers) == sorted(line["workerId"] for line in lines)
    assert {"source", "line", "ts", "workerId"} == set(lines[0])
    assert ("system", f"Worker {lines[0]['workerId']} started.") == (lines[0]["source"], lines[0]["line"])


def test_of_one_worker_since_a_time(workers: list[str], cli: Command) -> None:
    for since in ("30m", "2020-01-01T00:00:00Z"):
        done = cli("logs", "horse", "--worker", workers[0], "--since", since)
        assert (0, workers[0]) == (done.status, done.json["workerId"])
    assert (0, "") == (cli("logs", "horse", "--since", "2999-01-01", "--source", "container").status, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--since", "30x"], "'30x' is neither like 30m"),
        (["--since", "0m"], "'0m' is neither"),
        (["--since", "30m", "--tail", "5"], "Pass --tail or --since, not both"),
        (["--tail", "5001"], "5000"),
        (["--source", "both"], "both"),
        (["--timeout", "0"], "not a positive number"),
        (["--worker", " "], "worker is blank"),
    ],
)
def test_wrong_usage(arguments: list[str], says: str, workers: list[str], cli: Command) -> None:
    done = cli("logs", "horse", *arguments)
    assert (2, "") == (done.status, done.out)
    assert says in done.err


def test_an_endpoint_that_does_not_exist(workers: list[str], cli: Command) -> None:
    done = cli("logs", "mule")
    assert 5 == done.status
    assert "endpoint not found. Check the ID" in done.err


@pytest.mark.parametrize(
    ("fields", "with_worker", "text"),
    [
        ({"source": "container", "line": "\x1b[32mready\x1b[0m\x07"}, True, "w1 ready\\x07"),
        ({"source": "system", "line": "a\nb"}, False, "system a b"),
        ({"line": "a", "ts": "2026-06-01T12:00:00Z"}, True, "2026-06-01 12:00:00 w1 a"),
    ],
)
def test_a_line_for_people(fields: Any, with_worker: bool, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(time, "tzset"):
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
    assert text == _text(LogLine.model_validate({**fields, "workerId": "w1"}), with_worker=with_worker)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a single process on Windows")
def test_ctrl_c_ends_following(workers: list[str]) -> None:
    with Process("logs", "horse", "--follow") as process:
        lines = [json.loads(process.read_line()) for _ in workers]
        assert sorted(workers) == sorted(line["workerId"] for line in lines)
        process.interrupt()
        done = process.end()
    assert (130, "Interrupted.\n") == (done.status, done.err)
