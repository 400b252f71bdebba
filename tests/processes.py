"""Programs that tests start."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

LONGEST = 120.0  # seconds, before a program is killed


@contextmanager
def started(
    command: Sequence[str], *, longest: float = LONGEST, **options: Any
) -> Generator[subprocess.Popen[Any], None, None]:
    """Start a program with pipes of text, and kill it in the end.

    It is also killed if it runs too long, so that a test that reads its output fails instead of waiting forever.

    Args:
        command: The program and its arguments.
        longest: Seconds before the program is killed.
        options: Those of `Popen`. With `start_new_session`, the processes that it started are killed too, such as those
            of a browser: they keep the pipes open.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with subprocess.Popen(command, **options) as process:

        def kill() -> None:
            process.kill()
            if options.get("start_new_session"):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

        watchdog = threading.Timer(longest, kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            kill()
