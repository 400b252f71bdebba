"""Tests of the programs in `examples`: each runs without warnings, on a local server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_quickstart(tmp_path: Path) -> None:
    output = run(EXAMPLES / "quickstart.py", tmp_path / "pictures", cwd=tmp_path)
    assert "COMPLETED" in output
    pictures = sorted((tmp_path / "pictures").iterdir())
    # One, the same at night, and seven that are streamed.
    assert 9 == len(pictures)
    assert 9 == len({path.read_bytes() for path in pictures})


def test_picture_in_picture_out(tmp_path: Path) -> None:
    output = run(EXAMPLES / "picture_in_picture_out.py", cwd=tmp_path)
    assert 4 == len(list((tmp_path / "pictures").iterdir()))
    assert all(str(path.name) in output for path in (tmp_path / "pictures").iterdir())
    assert "$0.0" in output
    assert "whisper  " in output


def test_map_captions(tmp_path: Path) -> None:
    output = run(EXAMPLES / "map_captions.py", cwd=tmp_path)
    assert "Stopped: Input 12: " in output
    assert "29 captions" in output
    assert ["Completed", "29"] in [line.split() for line in output.splitlines()]


def test_async_many(tmp_path: Path) -> None:
    output = run(EXAMPLES / "async_many.py", cwd=tmp_path)
    assert "13 m long: Job " in output
    assert "20 m long: 19.0 m tall" in output


def test_bulk_resume(tmp_path: Path) -> None:
    output = run(EXAMPLES / "bulk_resume.py", cwd=tmp_path)
    first, _, last = output.partition("Resumed:")
    assert "PENDING" in first
    assert "\n100 COMPLETED\n" in last
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["test_my_function.py"])
def test_example_tests(name: str, tmp_path: Path) -> None:
    assert " passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLES / name, cwd=tmp_path)
