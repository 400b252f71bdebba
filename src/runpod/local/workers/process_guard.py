"""A small process that outlives the server for a moment: it ends what a killed server left running.

A worker has a session of its own, so that it can be ended with everything it started. For that,
nothing else ends it when the server is killed. The guard learns of every group of processes
through a pipe, which the system closes with the server, however that ends.

It runs this file as it is, without the package, so it starts at once.
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

# Seconds, for what wants to tidy up.
_GRACE = 0.4


class Guard:
    """The server's end of the pipe. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603  # This very file.
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
        """End this group of processes if the server does not."""
        self._say(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Forget a group that has ended."""
        self._say(f"-{group}\n")

    def close(self) -> None:
        """End the guard, and with it every group that it still knows."""
        assert self._process.stdin is not None
        with self._lock, contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        # Somebody may have killed the guard; then the server has to do without.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()


def main() -> None:  # pragma: no cover  # In the other process, where nobody measures.
    # Nothing ends the guard but the end of its input.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        change = groups.add if line[0] == "+" else groups.discard
        change(int(line[1:]))
    for number, pause in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, 0.0)):
        for group in groups:
            with contextlib.suppress(OSError):
                os.killpg(group, number)
        if groups:
            time.sleep(pause)


if __name__ == "__main__":
    main()
