"""One process of a worker: started in a session of its own, heard, and ended with all it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runpod.local.workers.process_guard import Guard

__all__ = ["WorkerProcess", "inherited_environment"]

# What a worker may keep of the Runpod settings around the server: how much it logs. All others
# are about the server, about other workers or about an account.
_KEPT = frozenset({"RUNPOD_DEBUG_LEVEL", "RUNPOD_LOG_LEVEL"})

# Seconds, for the last words of a process that has ended.
_LAST_WORDS = 1.0


class WorkerProcess:
    """A running process. It is there, or making it raises `OSError`.

    Args:
        command: The program and its arguments.
        environment: All of its environment.
        guard: Ends it where the server cannot do that any more; there is none on Windows.
        heard: Called with every line of its output, in a thread of this process.
        ended: Called with its status at its end, in a thread as well.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        guard: Guard | None,
        heard: Callable[[str], None],
        ended: Callable[[int], None],
    ) -> None:
        self._guard = guard
        self._heard = heard
        self._ended = ended
        self._lock = threading.Lock()
        self._over = False
        self._process = subprocess.Popen(  # noqa: S603  # It is the point to run what the caller names.
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        if guard is not None:
            guard.add(self.pid)
        self._reader = threading.Thread(target=self._read, name=f"runpod-output-{self.pid}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._wait, name=f"runpod-process-{self.pid}", daemon=True).start()

    def __repr__(self) -> str:
        return f"<WorkerProcess {self.pid}>"

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def terminate(self) -> None:
        """Ask it and all it started to end. Waits for nothing."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all it started. Waits for nothing."""
        self._signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if not self._over:
                self._signal_group(number)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._process.terminate()
            else:
                os.killpg(self.pid, number)

    def _read(self) -> None:
        output = cast("IO[str]", self._process.stdout)
        with output:
            for line in output:
                self._heard(_readable(line.rstrip()))

    def _wait(self) -> None:
        if sys.platform != "win32" and hasattr(os, "waitid"):
            # Its number is not given to another process before the next wait.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._over = True
            # What it started must not outlive it, and would keep its output open.
            if sys.platform != "win32":
                self._signal_group(signal.SIGKILL)
            if self._guard is not None:
                self._guard.remove(self.pid)
        status = self._process.wait()
        self._reader.join(_LAST_WORDS)
        self._ended(status)


def inherited_environment() -> dict[str, str]:
    """What a worker gets of the environment of the server: all but what is Runpod's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_") or name in _KEPT}
    if not _KEPT & kept.keys():
        kept["RUNPOD_LOG_LEVEL"] = "INFO"
    # These would make its Python look for modules where the server's does, and find this package
    # in the place of the official one.
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):
        kept.pop(name, None)
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _readable(line: str) -> str:
    # The official worker logs JSON where it runs for an endpoint.
    if not line.startswith("{"):
        return line
    try:
        said = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict) or "message" not in said or "level" not in said:
        return line
    fields = cast("dict[str, Any]", said)
    about = f" (job {fields['requestId']})" if fields.get("requestId") else ""
    return f"{fields['level']} {fields['message']}{about}"
