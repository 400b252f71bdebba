"""A lock that at most one process holds, and that the operating system releases when the process dies."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

__all__ = ["AlreadyLockedError", "FileLock"]

# A lock that another connection holds for a moment, such as that of `is_locked`, is waited for.
_PATIENCE = 0.25
_ATTEMPTS = 100


class AlreadyLockedError(Exception):
    """Another process, or another object of this process, holds the lock."""


class FileLock:
    """An exclusive lock on a file of its own, which is created when locked and removed when released.

    The file is an empty SQLite database, since SQLite locks files on every platform, and between
    objects of one process as well. It must not be opened in any other way: on POSIX, closing any
    descriptor of a file releases the locks that the process holds on it.

    Raises:
        AlreadyLockedError: The lock is held.
        sqlite3.Error: The file cannot be created or locked.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        for _ in range(_ATTEMPTS):
            before = _identity(path)
            self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                # The lock is a transaction that changes nothing, and needs no file for its journal.
                self._connection.execute("PRAGMA journal_mode = MEMORY")
                self._connection.execute("BEGIN EXCLUSIVE")
            except BaseException as error:
                self._connection.close()
                if is_busy(error):
                    raise AlreadyLockedError from None
                raise
            # The previous holder may have removed the file after it was opened here. A new file was not there before,
            # and is locked in the next round.
            if before is not None and before == _identity(path):
                return
            self._connection.close()
        msg = "unable to lock a file that is being replaced"
        raise sqlite3.OperationalError(msg)

    def release(self) -> None:
        """Removes the file, and releases the lock."""
        # Removed while it is locked, so that no other process has locked it yet. Windows does not remove open files:
        # there, the empty file remains.
        with suppress(OSError):
            Path(self._path).unlink()
        self._connection.close()


def is_locked(path: str) -> bool:
    """Whether a process holds the lock."""
    try:
        connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True, timeout=0, isolation_level=None)
    except sqlite3.Error:  # not there
        return False
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        return is_busy(error)
    finally:
        connection.close()
    return False


def is_busy(error: BaseException) -> bool:
    # Python 3.10 has no `sqlite_errorcode`.
    return isinstance(error, sqlite3.OperationalError) and "is locked" in str(error)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
