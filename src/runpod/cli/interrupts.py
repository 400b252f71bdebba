"""Ctrl-C while many jobs run: the first ends the run, the second the program."""

from __future__ import annotations

import os
import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from runpod.cli.exit_status import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self


class Interrupts:
    """Handles Ctrl-C while it is entered, instead of a `KeyboardInterrupt` anywhere in the code.

    Args:
        stop: Ends the run, so that its loop ends as well. Called by a thread at the first Ctrl-C; leaving the block
            waits until it returns.
        leave: Says what is left. Called by a thread at the second Ctrl-C; then the process ends at once.
    """

    def __init__(self, stop: Callable[[], object], leave: Callable[[], object]) -> None:
        self._stop, self._leave = stop, leave
        self._count = 0
        # Its `put` may be called by a signal handler.
        self._numbers: SimpleQueue[int] = SimpleQueue()
        self._stopped = threading.Event()
        self._previous: Callable[..., object] | None = None

    @property
    def happened(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._count > 0

    def __enter__(self) -> Self:
        # Only the main thread may; and where Ctrl-C is ignored, in the background of a shell, it remains so.
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.default_int_handler
            threading.Thread(target=self._watch, daemon=True).start()
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._count:
            self._stopped.wait()
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._numbers.put(0)

    def _handle(self, *_: object) -> None:
        self._count += 1
        if self._count > 2:
            os._exit(INTERRUPTED)
        # Not here: the interrupted code may hold locks, such as that of standard error.
        self._numbers.put(self._count)

    def _watch(self) -> None:
        while number := self._numbers.get():
            if number == 1:
                threading.Thread(target=self._end_run, daemon=True).start()
                continue
            try:
                self._leave()
            finally:
                os._exit(INTERRUPTED)

    def _end_run(self) -> None:
        try:
            self._stop()
        finally:
            self._stopped.set()
