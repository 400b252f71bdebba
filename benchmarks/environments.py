"""The environments created by `scripts/bench`, and a function to run programs in them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / ".bench"
OURS = BENCH / "ours" / "bin" / "python"
# This library with httpx-aiohttp.
OURS_AIOHTTP = BENCH / "ours-httpx-aiohttp" / "bin" / "python"
OFFICIAL = BENCH / "official" / "bin" / "python"
# Plain HTTP libraries, and the packages of the server.
BARE = BENCH / "bare" / "bin" / "python"
JAVASCRIPT = BENCH / "javascript"

# Stderr of the programs.
LOG = BENCH / "programs.log"


def run(*command: str | Path, timeout: float, cwd: Path = ROOT, given: Any = None, **environment: str) -> Any:
    """Run a program isolated from the user's keys, config files and proxies, and parse its last line as JSON.

    Args:
        command: The program and its arguments.
        timeout: Seconds after which the program is killed.
        cwd: Its working directory.
        given: Its standard input, encoded as JSON.
        environment: Additional environment variables.

    Raises:
        CalledProcessError: The program failed.
        TimeoutExpired: The program exceeded the timeout.
    """
    home = BENCH / "home"
    home.mkdir(exist_ok=True)
    with LOG.open("a", encoding="utf-8") as log:
        done = subprocess.run(
            [str(part) for part in command],
            check=True,
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
            input=json.dumps(given),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            timeout=timeout,
        )
    return json.loads(done.stdout.splitlines()[-1])
