"""A lock that a fork cannot leave locked."""

from __future__ import annotations

import os
import threading


class ProcessLock:
    """A lock for the threads of a process. In a child of a fork, it is not locked, whoever held it in the parent.

    It is not a context manager itself: Ctrl-C could come between taking the lock and the block, and leave it locked.
    """

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}

    @property
    def here(self) -> threading.Lock:
        """The lock of this process."""
        # Atomic: threads that come first at the same time get the same lock.
        return self._locks.setdefault(os.getpid(), threading.Lock())

    def __reduce__(self) -> tuple[type[ProcessLock], tuple[()]]:
        return ProcessLock, ()
