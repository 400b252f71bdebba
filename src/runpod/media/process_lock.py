"""A lock that a fork cannot leave locked."""

from __future__ import annotations

import os
import threading


class ProcessLock:
    """A lock for the threads of a process. In a child of a fork, it is not locked, whoever held it in the parent."""

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}

    def __enter__(self) -> None:
        # Atomic: threads that come first at the same time get the same lock.
        self._locks.setdefault(os.getpid(), threading.Lock()).acquire()

    def __exit__(self, *_: object) -> None:
        self._locks[os.getpid()].release()

    def __reduce__(self) -> tuple[type[ProcessLock], tuple[()]]:
        return ProcessLock, ()
