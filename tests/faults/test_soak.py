"""A short soak of each half. `RUNPOD_SOAK_JOBS=100000` makes it a long one; see `tests/faults/soak.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Read before the tests hide the settings of the developer.
JOBS = os.environ.get("RUNPOD_SOAK_JOBS")


@pytest.mark.parametrize(("side", "jobs"), [("sync", 3000), ("asyncio", 4000), ("trio", 3000)])
def test_every_job_is_accounted_for_and_memory_does_not_grow(side: str, jobs: int) -> None:
    # In a process of its own, whose memory is that of the client.
    command = [sys.executable, "-m", "tests.faults.soak", "--jobs", JOBS or str(jobs), "--side", side]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "0 wrong" in done.stdout
