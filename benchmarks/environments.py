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
OFFICIAL = BENCH / "official" / "bin" / "python"
JAVASCRIPT = BENCH / "javascript"


def run(*command: str | Path, timeout: float, cwd: Path = ROOT, **environment: str) -> Any:
    """Runs a program with nothing of the user's own (keys, config files, proxies), and reads its last line as JSON.

    Raises:
        CalledProcessError: It failed.
        TimeoutExpired: It took longer than so many seconds.
    """
    home = BENCH / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(part) for part in command],
        check=True,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout,
    )
    return json.loads(done.stdout.splitlines()[-1])
