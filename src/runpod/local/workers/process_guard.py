"""A guard process that terminates worker processes if the server is killed.

A worker runs in its own session, so that it can be terminated with all its child processes. The
system therefore does not terminate it with the server. The server sends the guard every process
group through a pipe, which the system closes whenever the server ends.

The guard runs this file without importing the package, to start quickly.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

__all__ = ["Guard"]

# Seconds between SIGTERM and SIGKILL.
_GRACE = 0.4


class Guard:
    """The server's end of the pipe. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603  # Runs this file.
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def __repr__(self) -> str:
        return f"<Guard {self._process.pid}>"

    def add(self, group: int) -> None:
        """Guard a process group."""
        self._send(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Stop guarding a process group that has ended."""
        self._send(f"-{group}\n")

    def close(self) -> None:
        """End the guard, which terminates all groups that it still guards."""
        assert self._process.stdin is not None
        with self._lock, contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        # The guard may have been killed; the server works without it.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()


def main() -> None:  # pragma: no cover  # Runs in another process.
    # The guard ends only at the end of its input.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        change = groups.add if line[0] == "+" else groups.discard
        change(int(line[1:]))
    for number, delay in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, 0.0)):
        for group in groups:
            with contextlib.suppress(OSError):
                os.killpg(group, number)
        if groups:
            time.sleep(delay)


if __name__ == "__main__":
    main()
