"""The server of the benchmarks, in a process of its own."""

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
    """A server that runs."""

    base_url: str

    def stats(self) -> dict[str, Any]:
        """What it noted; `server.py` says what that is."""
        # Never through a proxy: loopback.
        with build_opener(ProxyHandler({})).open(self.base_url.removesuffix("/v2") + "/_stats", timeout=30) as answer:
            stats: dict[str, Any] = json.load(answer)
        return stats


@contextlib.contextmanager
def serve() -> Iterator[Serving]:
    """Serves for as long as the block takes."""
    command = [str(BARE if BARE.exists() else sys.executable), "-E", "-m", "benchmarks.server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Serving(process.stdout.readline().strip())
        finally:
            process.terminate()
