"""One worker process: runs in its own session, and is terminated with its child processes."""

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

# Runpod variables of the server's environment that workers inherit: the log levels. All others apply to
# the server, to other workers or to an account.
_INHERITED = frozenset({"RUNPOD_DEBUG_LEVEL", "RUNPOD_LOG_LEVEL"})

# Seconds to wait for remaining output of a process that has exited.
_OUTPUT_GRACE = 1.0


class WorkerProcess:
    """A running process. The constructor raises `OSError` if it cannot be started.

    Args:
        command: The program and its arguments.
        environment: The complete environment.
        guard: Terminates the process if the server is killed; None on Windows.
        on_output: Called with each line of output, in a background thread.
        on_exit: Called with the exit status, in a background thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        guard: Guard | None,
        on_output: Callable[[str], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._guard = guard
        self._on_output = on_output
        self._on_exit = on_exit
        self._lock = threading.Lock()
        self._exited = False
        self._process = subprocess.Popen(  # noqa: S603  # The command is the user's.
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
        """The process ID."""
        return self._process.pid

    def terminate(self) -> None:
        """Send SIGTERM to the process and its child processes, without waiting."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the process and its child processes, without waiting."""
        self._signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if not self._exited:
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
                self._on_output(_format_line(line.rstrip()))

    def _wait(self) -> None:
        if sys.platform != "win32" and hasattr(os, "waitid"):
            # WNOWAIT: the process ID is not reused until the process is reaped below.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._exited = True
            # Child processes must not outlive it, and would keep its output open.
            if sys.platform != "win32":
                self._signal_group(signal.SIGKILL)
            if self._guard is not None:
                self._guard.remove(self.pid)
        status = self._process.wait()
        self._reader.join(_OUTPUT_GRACE)
        self._on_exit(status)


def inherited_environment() -> dict[str, str]:
    """Return the environment that workers inherit: that of the server without Runpod variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_") or name in _INHERITED}
    if not _INHERITED & kept.keys():
        kept["RUNPOD_LOG_LEVEL"] = "INFO"
    # With these, the worker's Python would use the server's module path, and import this package
    # instead of the official one.
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):
        kept.pop(name, None)
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _format_line(line: str) -> str:
    # The official worker logs JSON when it runs for an endpoint.
    if not line.startswith("{"):
        return line
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "message" not in entry or "level" not in entry:
        return line
    fields = cast("dict[str, Any]", entry)
    job = f" (job {fields['requestId']})" if fields.get("requestId") else ""
    return f"{fields['level']} {fields['message']}{job}"
