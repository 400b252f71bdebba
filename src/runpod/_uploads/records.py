"""Which files are in the bucket, and how many calls use each."""

from __future__ import annotations

import copy
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

from runpod._uploads.failures import UploadStoppedError
from runpod.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._uploads.source import UploadSource

# How often a thread that waits for another one's upload looks whether that has ended or was stopped, in seconds.
CHECK_INTERVAL = 0.1


class Record:
    """One file."""

    def __init__(self) -> None:
        # Whether the upload has ended. Not an event, since Ctrl-C can interrupt its `set`.
        self.is_over = False
        self.began = time.time()
        self.key: str | None = None
        # Why the upload failed. None also if it was stopped.
        self.error: RunpodError | None = None
        self.uses = 0
        # Whether a job has a reference to it, or may have one.
        self.kept = False


class Records:
    """The files of one process: a child of a fork has none.

    Files are compared by identity, and are not kept alive.

    Args:
        lifetime: For how long an object can be used again, in seconds: somebody may delete it later.
    """

    def __init__(self, lifetime: float) -> None:
        self.pid = os.getpid()
        self._lifetime = lifetime
        # Held for moments only. A child of a fork has records, and so a lock, of its own.
        self._lock = threading.Lock()
        self._records: weakref.WeakKeyDictionary[UploadSource, Record] = weakref.WeakKeyDictionary()

    def acquire(self, file: UploadSource, stop: threading.Event, upload: Callable[[], str]) -> str:
        """Counts a use of a file, and returns its key. The first use uploads it; others wait meanwhile.

        Raises:
            UploadStoppedError: `stop` was set.
            RunpodError: The upload failed.
        """
        while True:
            record = Record()
            # All of it: if Ctrl-C came in between, others would wait for this record for ever.
            try:
                with self._lock:
                    found = self._records.get(file)
                    # While it is in use, `release` has to find it.
                    if found is None or (not found.uses and time.time() - found.began > self._lifetime):
                        found = self._records[file] = record
                    found.uses += 1
                if found is record:
                    key = upload()
                    with self._lock:
                        record.key = key
                    return key
            except BaseException as error:
                with self._lock:
                    if self._records.get(file) is record:
                        del self._records[file]
                if isinstance(error, RunpodError) and not isinstance(error, UploadStoppedError):
                    record.error = error
                raise
            finally:
                record.is_over = True
            shared = self._wait(found, stop)
            if shared is not None:
                return shared

    def _wait(self, record: Record, stop: threading.Event) -> str | None:
        """Waits for the upload of another call. Returns its key; None if that call was stopped, so this one tries."""
        try:
            while not (record.is_over or stop.is_set()):
                stop.wait(CHECK_INTERVAL)
        except KeyboardInterrupt:
            self._withdraw(record)
            raise
        if not record.is_over and self._withdraw(record):
            raise UploadStoppedError("The upload was stopped.")
        if record.error is not None:
            raise copy.copy(record.error)
        return record.key

    def _withdraw(self, record: Record) -> bool:
        """Ends a use that waits. False if the upload has succeeded: then the use has to be released."""
        with self._lock:
            if record.key is not None:
                return False
            record.uses -= 1
            return True

    def release(self, file: UploadSource, *, used: bool) -> str | None:
        """Ends a use. Returns the key of an object that nobody uses and no job has: delete it."""
        with self._lock:
            record = self._records.get(file)
            if record is None or record.key is None:
                return None
            record.uses = max(0, record.uses - 1)
            record.kept = record.kept or used
            if record.uses or record.kept:
                return None
            del self._records[file]
            return record.key
