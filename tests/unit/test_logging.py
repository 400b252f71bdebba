"""What the library says, where, and when."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runpod._logging import setup_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


def run(code: str, monkeypatch: pytest.MonkeyPatch, level: str | None) -> subprocess.CompletedProcess[str]:
    if level is not None:
        monkeypatch.setenv("RUNPOD_LOG", level)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True, timeout=60
    )


SPEAK = """
import logging, runpod
log = logging.getLogger("runpod")
log.debug("a debug line"), log.info("an info line"), log.warning("a warning line")
"""


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        (None, []),
        ("", []),
        (" ", []),
        ("nonsense", []),
        ("NOTSET", []),
        ("10", []),
        ("debug", ["debug", "info", "warning"]),
        (" DEBUG ", ["debug", "info", "warning"]),
        ("Info", ["info", "warning"]),
        ("warning", ["warning"]),
        ("error", []),
    ],
)
def test_runpod_log_says_how_much_is_heard_on_stderr(
    monkeypatch: pytest.MonkeyPatch, level: str | None, heard: list[str]
) -> None:
    done = run(SPEAK, monkeypatch, level)
    lines = done.stderr.splitlines()
    assert len(heard) == len(lines)
    for kind, line in zip(heard, lines, strict=True):
        assert f"runpod {kind.upper()} " in line
        assert f"{kind} line" in line
    assert "" == done.stdout


def test_a_program_with_a_log_of_its_own_hears_the_library_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("import logging; logging.basicConfig(format='mine %(message)s')\n" + SPEAK, monkeypatch, None)
    assert ["mine a warning line"] == done.stderr.splitlines()


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    logger = logging.getLogger("runpod")
    level = logger.level
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(logger, "propagate", True)
    yield logger
    logger.setLevel(level)


def test_asking_twice_does_not_say_everything_twice(monkeypatch: pytest.MonkeyPatch, logger: logging.Logger) -> None:
    monkeypatch.setenv("RUNPOD_LOG", "debug")
    setup_logging()
    setup_logging()
    assert [logging.NullHandler, logging.StreamHandler] == [type(handler) for handler in logger.handlers]
    assert logging.DEBUG == logger.level


def test_a_handler_of_the_program_stays_the_only_one(monkeypatch: pytest.MonkeyPatch, logger: logging.Logger) -> None:
    mine = logging.Handler()
    logger.addHandler(mine)
    monkeypatch.setenv("RUNPOD_LOG", "debug")
    setup_logging()
    assert [mine] == logger.handlers[1:]
