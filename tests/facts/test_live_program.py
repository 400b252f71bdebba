"""The command line of `scripts/live`."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from live_checks.__main__ import main
from live_checks.checks import CHECKS
from runpod.local import LocalServer
from tests.facts.live import ROOT, horse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[LocalServer, Path]]:
    with LocalServer({"horse": horse}) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        monkeypatch.chdir(tmp_path)
        yield server, tmp_path


def test_it_needs_a_terminal_or_yes(live: tuple[LocalServer, Path], capsys: pytest.CaptureFixture[str]) -> None:
    server, folder = live
    arguments = ["--endpoint", "horse", "--only", "health", "--price", "0.5"]
    assert 2 == main(arguments)
    printed = capsys.readouterr()
    assert "Add --yes" in printed.err
    assert "health  Which workers does /health count? (1 request)" in printed.out
    assert "At most 2 requests and no job, in at most 5 minutes." in printed.out
    assert [] == server.requests
    assert 0 == main([*arguments, "--yes"])
    assert 2 == len(server.requests)
    assert "confirmed    protocol 1.10: missing counts" in capsys.readouterr().out
    assert (folder / ".live" / "report.md").exists()


@pytest.mark.parametrize("answer", ["y", " YES ", "", "n", EOFError, KeyboardInterrupt])
def test_it_asks(answer: Any, live: tuple[LocalServer, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(_: str) -> str:
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr("builtins.input", answers)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    agreed = isinstance(answer, str) and answer.strip().lower() in {"y", "yes"}
    assert (0 if agreed else 2) == main(["--endpoint", "horse", "--only", "health"])
    assert agreed is bool(live[0].requests)


def test_a_dry_run_needs_no_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--dry-run"])
    text = capsys.readouterr().out
    assert "At most 81 requests and 6 jobs, in at most 5 minutes." in text
    assert "At most 360 seconds of running jobs: each job has an execution timeout of 30 s, and may run twice." in text
    assert 0 == main(["--dry-run", "--endpoint", "e", "--price", "0.001", "--job-seconds", "10"])
    assert "At most 120 seconds of running jobs, which is $0.1200 at $0.001 a second" in capsys.readouterr().out
    assert 0 == main(["--dry-run", "--public"])
    text = capsys.readouterr().out
    assert "At most $0.0260: 0.0026 for each picture" in text
    assert "queue-host" not in text
    assert 0 == main(["--dry-run", "--max-jobs", "2", "--price", "0.00000001"])
    text = capsys.readouterr().out
    assert "At most 69 requests and 2 jobs" in text
    assert "At most 120 seconds of running jobs, which is $0.0001 at" in text
    assert 2 == main(["--endpoint", "horse", "--yes"])
    assert "No API key found" in capsys.readouterr().err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--list"])
    text = capsys.readouterr().out
    assert all(check.at_stake in text for check in CHECKS)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "pass --endpoint ID, or --public"),
        (["--endpoint", "a", "--public"], "not allowed with"),
        (["--endpoint", "a", "--only", "helth"], "there is no check 'helth'; did you mean 'health'?"),
        (["--endpoint", "a", "--input", "{"], "it is not valid JSON"),
        (["--endpoint", "a", "--input", "{}"], "it must be a JSON object that is not empty"),
        (["--endpoint", "a", "--input", "[" * 100_000], "it is not valid JSON"),
        (["--endpoint", "a", "--job-seconds", "1"], "--job-seconds must be at least 5"),
        (["--endpoint", "a", "--minutes", "nan"], "it must be a positive number"),
        (["--endpoint", "a", "--price", "0"], "it must be a positive number"),
        (["--endpoint", "a", "--max-jobs", "-1"], "it must be 0 or more"),
    ],
)
def test_wrong_usage(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert 2 == caught.value.code
    assert problem in capsys.readouterr().err


def test_a_report_that_could_not_be_written_is_noticed_first(
    live: tuple[LocalServer, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server, folder = live
    (folder / "file").write_text("")
    assert 2 == main(["--endpoint", "horse", "--yes", "--report", str(folder / "file")])
    assert "Nothing was sent" in capsys.readouterr().err
    assert [] == server.requests


def test_a_blank_endpoint(live: tuple[LocalServer, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["--endpoint", " ", "--yes"])
    assert "endpoint_id is blank" in capsys.readouterr().err
    assert [] == live[0].requests


def test_the_script_is_valid_bash() -> None:
    with suppress(FileNotFoundError):
        subprocess.run(["bash", "-n", str(ROOT / "scripts" / "live")], check=True)
    assert os.access(ROOT / "scripts" / "live", os.X_OK)
