"""Ctrl-C, and what else ends a program: jobs are cancelled whatever it was."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# Besides Ctrl-C: the program is terminated, or its terminal is closed.
_NAMES = ("SIGTERM", "SIGHUP")


def like_ctrl_c() -> None:
    """Let each signal that ends the program raise KeyboardInterrupt."""
    for name in _NAMES:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)


@contextmanager
def interrupted_later() -> Iterator[None]:
    """Raise the KeyboardInterrupt of the block after it: a job whose ID is not known yet cannot be cancelled.

    A second signal interrupts at once.
    """
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        with suppress(OSError):  # A terminal that is closed.
            print("Waiting for the ID of the job, to cancel it. Ctrl-C again leaves it.", file=sys.stderr, flush=True)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    changed = [number for number in signal.Signals if signal.getsignal(number) is signal.default_int_handler]
    for number in changed:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.default_int_handler)
        if received:
            raise KeyboardInterrupt
