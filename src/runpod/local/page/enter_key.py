"""The Enter key in the terminal of a server."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EnterKey"]

# Seconds between two attempts to read while the process is in the background of its terminal.
_BACKGROUND_PAUSE = 0.5


class EnterKey:
    """Calls `callback` in a thread each time that Enter is pressed in the terminal of this process.

    Ctrl-C works as before, since nothing about the terminal is changed. In the background (`serve … &`, or Ctrl-Z and
    `bg`), the keys are those of other programs, and this reads nothing until the process is in the foreground again.

    Args:
        callback: What to do. It must not raise.
    """

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self._stopped = threading.Event()
        self._terminal = _terminal()

    def __repr__(self) -> str:
        return f"<EnterKey {'without a terminal' if self._terminal is None else f'of {self._terminal}'}>"

    def start(self) -> bool:
        """Start to listen; False if the standard input is no terminal."""
        if self._terminal is None:
            return False
        # A daemon: nothing can end its read. It holds no lock of Python's meanwhile, as reading `sys.stdin` would.
        threading.Thread(target=self._listen, args=(self._terminal,), name="runpod-enter", daemon=True).start()
        return True

    def stop(self) -> None:
        """Call nothing any more."""
        self._stopped.set()

    def _listen(self, terminal: int) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # Reading in the background stops the whole process, unless the thread blocks this signal: then it is an error.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTIN})
        while not self._stopped.is_set():
            try:
                text = os.read(terminal, 1024)
            except OSError:
                if not _is_in_background(terminal):
                    return  # The terminal was closed.
                self._stopped.wait(_BACKGROUND_PAUSE)
                continue
            if not text:
                return  # Ctrl-D
            if not self._stopped.is_set():
                self._callback()


def _terminal() -> int | None:
    try:
        return sys.stdin.fileno() if sys.stdin.isatty() else None
    except (AttributeError, OSError, ValueError):  # There is no standard input, or it was closed or replaced.
        return None


def _is_in_background(terminal: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        return os.tcgetpgrp(terminal) != os.getpgrp()
    except OSError:
        return False
