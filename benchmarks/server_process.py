"""Run the benchmark server in a separate process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

from benchmarks.environments import BARE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Serving:
    """A running server."""

    base_url: str

    def stats(self) -> dict[str, Any]:
        """Fetch its measurements, which are documented in `server.py`."""
        # Bypass proxies.
        with build_opener(ProxyHandler({})).open(self.base_url.removesuffix("/v2") + "/_stats", timeout=30) as response:
            stats: dict[str, Any] = json.load(response)
        return stats


@contextlib.contextmanager
def serve() -> Iterator[Serving]:
    """Run the server for the duration of a `with` block."""
    command = [str(BARE if BARE.exists() else sys.executable), "-E", "-m", "benchmarks.server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Serving(process.stdout.readline().strip())
        finally:
            process.terminate()
