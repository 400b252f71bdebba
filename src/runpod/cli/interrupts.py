"""Ctrl-C or SIGTERM while many jobs run: the first ends the run, the second the program."""

from __future__ import annotations

import os
import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, ClassVar

from runpod.cli.exit_status import INTERRUPTED, TERMINATED

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from typing_extensions import Self

    _Handler = Callable[[int, FrameType | None], object] | signal.Handlers


class Interrupts:
    """Handles Ctrl-C and SIGTERM while it is entered, instead of a `KeyboardInterrupt` anywhere in the code.

    SIGTERM is how a container or a service is stopped.

    Args:
        stop: Ends the run, so that its loop ends as well. Called by a thread at the first signal; leaving the block
            waits until it returns.
        leave: Says what is left. Called by a thread at the second signal; then the process ends at once.
    """

    # What Python does without a handler of its own.
    _DEFAULTS: ClassVar[dict[signal.Signals, _Handler]] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }

    def __init__(self, stop: Callable[[], object], leave: Callable[[], object]) -> None:
        self._stop, self._leave = stop, leave
        self._count = 0
        # Its `put` may be called by a signal handler.
        self._numbers: SimpleQueue[int] = SimpleQueue()
        self._stopped = threading.Event()
        self._handled: list[signal.Signals] = []
        self.status: int = 0
        """The exit status for the signal that came first, or 0."""

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():  # only that one may
            return self
        # What is ignored, such as Ctrl-C in the background of a shell, remains so.
        self._handled = [number for number, default in self._DEFAULTS.items() if signal.getsignal(number) is default]
        if self._handled:
            threading.Thread(target=self._watch, daemon=True).start()
        for number in self._handled:
            signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._count:
            # A signal that arrives just before a wait does not end it.
            while not self._stopped.wait(1.0):
                pass
        for number in self._handled:
            signal.signal(number, self._DEFAULTS[number])
        self._numbers.put(0)

    def _handle(self, number: int, _: object) -> None:
        self._count += 1
        self.status = self.status or (TERMINATED if number == signal.SIGTERM else INTERRUPTED)
        if self._count > 2:
            os._exit(self.status)
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
                os._exit(self.status)

    def _end_run(self) -> None:
        try:
            self._stop()
        finally:
            self._stopped.set()
