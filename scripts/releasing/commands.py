"""Runs the programs of a release: quietly, unless they fail."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from releasing.edits import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# What a caller could have set, and what would change what is built, tried or committed.
REMOVED = ("COVERAGE_", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "PYTHON", "RUNPOD_", "VIRTUAL_ENV")


def clean_environment(**added: str) -> dict[str, str]:
    """Return the environment without settings that would change the result, and with those passed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **added}


def run(
    command: Sequence[str | Path],
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command, and return what it printed to stdout.

    Raises:
        ReleaseError: It could not be started, or failed. The message has the command and all that it printed.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=environment if environment is not None else clean_environment(),
            input=stdin if stdin is not None else "",
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise ReleaseError(f"A command could not be started: {' '.join(map(str, command))}\n{error}") from error
    if done.returncode != 0:
        printed = (done.stdout + done.stderr).strip() or "It printed nothing."
        raise ReleaseError(
            f"A command failed with exit status {done.returncode}: {' '.join(map(str, command))}\n{printed}"
        )
    return done.stdout
