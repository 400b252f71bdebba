"""Where the peers live, as `scripts/bench` made them, and how programs are run there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / ".bench"
OURS = BENCH / "ours" / "bin" / "python"
# The same with the package httpx-aiohttp.
OURS_AIOHTTP = BENCH / "ours-httpx-aiohttp" / "bin" / "python"
OFFICIAL = BENCH / "official" / "bin" / "python"
# HTTP libraries by themselves, and what the server runs on.
BARE = BENCH / "bare" / "bin" / "python"
JAVASCRIPT = BENCH / "javascript"

# What the programs say beside their results.
LOG = BENCH / "programs.log"


def run(*command: str | Path, timeout: float, cwd: Path = ROOT, given: Any = None, **environment: str) -> Any:
    """Runs a program with nothing of the user's own (keys, config files, proxies), and reads its last line as JSON.

    Args:
        command: The program and its arguments.
        timeout: Seconds after which it is killed.
        cwd: Where it runs.
        given: What it gets on its standard input, as JSON.
        environment: Variables of its environment.

    Raises:
        CalledProcessError: It failed.
        TimeoutExpired: It took longer than so many seconds.
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
